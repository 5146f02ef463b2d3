//! The same over TLS.

use std::sync::Arc;
use std::time::Duration;

use engine::{AccessConfig, TlsOptions};
use frontend_rest::RestOptions;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use system_tests::certificate::certificate;
use system_tests::memory_source::ProbeTable;
use system_tests::transport_rest::{Http, PATIENCE, RestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tables::source;

async fn connect(server: &RestServer, tls: &TlsOptions) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&tls.cert_path).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream
}

fn post(sql: &str) -> Vec<u8> {
    let body = serde_json::json!({"sql": sql}).to_string();
    let head = "POST /api/v2/lake/_query HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// What comes up to the end of the connection, however that ends.
async fn everything(stream: &mut TlsStream<TcpStream>) -> String {
    let mut received = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    let _ = read.expect("the server is silent");
    String::from_utf8(received).unwrap()
}

async fn start(tls: &TlsOptions, probe: &ProbeTable) -> RestServer {
    let options = RestOptions {
        tls: Some(tls.clone()),
        head_timeout: Duration::from_millis(500),
        send_timeout: Duration::from_millis(500),
        ..RestOptions::default()
    };
    let source = source().provider("public", "probe", probe.provider());
    RestServer::start(source, AccessConfig::open(), options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_arrive_and_break_off_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let server = start(&tls, &ProbeTable::endless()).await;
    let mut stream = connect(&server, &tls).await;
    stream
        .write_all(b"GET /api/v2 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(
        everything(&mut stream)
            .await
            .ends_with(r#"{"resource":[{"name":"lake"}]}"#)
    );
    let mut stream = connect(&server, &tls).await;
    stream
        .write_all(&post(
            "SELECT 1 / (100000 - n) AS x FROM generate_series(1, 200000) AS t(n)",
        ))
        .await
        .unwrap();
    let received = everything(&mut stream).await;
    assert!(received.starts_with("HTTP/1.1 200"), "{}", &received[..100]);
    let tail = &received[received.len() - 300..];
    assert!(
        tail.contains("division by zero") && !tail.ends_with("0\r\n\r\n"),
        "{tail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let probe = ProbeTable::endless();
    let server = start(&tls, &probe).await;
    // Silence, half a handshake, no handshake at all.
    for start in [&b""[..], b"\x16\x03\x01", b"GET /healthz HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(start).await.unwrap();
        let mut received = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
        let _ = read.expect("the server waits");
        assert!(!received.starts_with(b"HTTP"));
    }
    // Silence behind the handshake.
    let mut stream = connect(&server, &tls).await;
    assert_eq!(everything(&mut stream).await, "");
    // One that takes nothing of its answer.
    let mut stream = connect(&server, &tls).await;
    stream.write_all(&post("SELECT n FROM probe")).await.unwrap();
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled()).await.unwrap();
    drop(Http::connect(server.address).await);
}
