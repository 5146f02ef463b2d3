//! TLS, with files that are replaced while the server runs.

use std::path::Path;
use std::sync::Arc;

use arrow_flight::sql::client::FlightSqlServiceClient;
use engine::AccessConfig;
use frontend_flight::FlightOptions;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use system_tests::certificate::certificate;
use system_tests::flight_server::FlightServer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Endpoint, Uri};

use crate::world::{query, source};

async fn ask(server: &FlightServer, certificate: &Path, protocol: &[u8]) -> Result<Vec<String>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let address = server.address;
    let connect = tower::service_fn(move |_: Uri| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(connect)
        .await;
    let channel = channel.map_err(|error| error.to_string())?;
    let mut client = FlightSqlServiceClient::new(channel);
    query(&mut client, "SELECT id FROM trips WHERE id = 1")
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tls_is_spoken_and_certificates_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let options = FlightOptions {
        tls: Some(tls.clone()),
        ..FlightOptions::default()
    };
    let server = FlightServer::start(source(), AccessConfig::open(), options).await;
    assert_eq!(ask(&server, &tls.cert_path, b"h2").await.unwrap(), ["1"]);
    ask(&server, &tls.cert_path, b"http/1.1").await.unwrap_err();
    let clear = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    if let Ok(channel) = clear.connect().await {
        query(&mut FlightSqlServiceClient::new(channel), "SELECT 1")
            .await
            .unwrap_err();
    }
    let old = folder.path().join("old.pem");
    std::fs::copy(&tls.cert_path, &old).unwrap();
    certificate(folder.path()).unwrap();
    assert_eq!(ask(&server, &old, b"h2").await.unwrap(), ["1"]);
    server.front_end.reload_tls().unwrap();
    assert_eq!(ask(&server, &tls.cert_path, b"h2").await.unwrap(), ["1"]);
    ask(&server, &old, b"h2").await.unwrap_err();
}
