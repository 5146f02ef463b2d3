//! Who comes in, and how.

use std::sync::Arc;

use engine::TlsOptions;
use engine::{AccessConfig, ScramVerifier, UnknownUsers, UserEntry};
use frontend_postgres::PostgresOptions;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use system_tests::certificate::certificate;
use system_tests::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::raw::{PROTOCOL_3_0, Raw, SSL_REQUEST, frame, query, startup};
use crate::tables::source;

pub(crate) fn with_password() -> AccessConfig {
    AccessConfig {
        users: vec![UserEntry {
            name: "dana".to_owned(),
            verifier: Some(ScramVerifier::derive("pencil", b"saltsaltsaltsalt", 4096)),
            administrator: true,
            ..UserEntry::default()
        }],
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
        ..AccessConfig::open()
    }
}

async fn refused(config: &Config) -> (String, SqlState, String) {
    let Err(error) = config.connect(NoTls).await else {
        panic!("let in")
    };
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (
        error.severity().to_owned(),
        error.code().clone(),
        error.message().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_proven() {
    let server = TestServer::start(source(), with_password(), PostgresOptions::default()).await;
    let mut config = server.config();
    config.user("dana").password("pencil");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(
        client
            .query_one("SELECT current_user::text", &[])
            .await
            .unwrap()
            .get::<_, &str>(0),
        "dana"
    );

    config.password("pen");
    let wrong = |user: &str| {
        let message = format!("password authentication failed for user \"{user}\"");
        ("FATAL".to_owned(), SqlState::INVALID_PASSWORD, message)
    };
    assert_eq!(refused(&config).await, wrong("dana"));
    config.user("nobody");
    assert_eq!(
        refused(&config).await,
        wrong("nobody"),
        "a user that does not exist looks the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guesser_is_not_believed_any_more() {
    let mut access = with_password();
    access.users.push(UserEntry {
        name: "pat".to_owned(),
        ..access.users[0].clone()
    });
    let server = TestServer::start(source(), access, PostgresOptions::default()).await;
    let mut config = server.config();
    config.user("dana").password("guess");
    let wrong = refused(&config).await;
    for _ in 1..10 {
        assert_eq!(refused(&config).await, wrong);
    }
    config.password("pencil");
    assert_eq!(
        refused(&config).await,
        wrong,
        "the eleventh guess is right, and is not told so"
    );
    config.user("pat");
    assert!(config.connect(NoTls).await.is_ok(), "other accounts are not closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_must_exist() {
    let server = TestServer::open(source()).await;
    let mut config = server.config();
    config.dbname("nope");
    let (severity, code, message) = refused(&config).await;
    assert_eq!((&*severity, &*message), ("FATAL", "database \"nope\" does not exist"));
    assert_eq!(code, SqlState::INVALID_CATALOG_NAME);
    config.dbname("lake").options("-c TimeZone=Asia/Tokyo");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    assert_eq!(connection.parameter("TimeZone"), Some("Asia/Tokyo"));
    assert!(connection.parameter("server_version").unwrap().starts_with("16."));
    drop(client);
    config.options("-c nope=1");
    assert_eq!(refused(&config).await.1, SqlState::UNDEFINED_OBJECT);
}

/// Hazards 6 and 7: after a failed login the loop answered ReadyForQuery, or went on to run the next Query.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_follows_a_failed_login() {
    let server = TestServer::start(source(), with_password(), PostgresOptions::default()).await;
    let start = startup(PROTOCOL_3_0, &[("user", "dana")]);
    for glued in [
        query("SELECT 1"),
        [
            frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x10n,,n=,r=aaaaaaaaa"),
            query("SELECT 1"),
        ]
        .concat(),
        [
            frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x10n,,n=,r=aaaaaaaa"),
            frame(b'p', b"c=biws,r=aaaaaaaa,p=AAAA"),
            query("SELECT 1"),
        ]
        .concat(),
        frame(b'p', b"pencil\0"),
        frame(b'p', b""),
        vec![b'p', 0x40, 0, 0, 0],
    ] {
        let mut raw = Raw::silent(&server).await;
        raw.send(&[start.clone(), glued].concat()).await;
        let answers = raw.until_closed().await;
        let kinds: String = answers.iter().map(|answer| answer.kind).collect();
        assert!(["RE", "RRE"].contains(&&*kinds), "{answers:?}");
        assert_eq!(answers.last().unwrap().error().0, "FATAL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protocols_are_negotiated() {
    let server = TestServer::open(source()).await;
    let key = |answers: &[crate::raw::Answer]| answers.iter().find(|answer| answer.kind == 'K').unwrap().body.len();
    let (_raw, answers) = Raw::logged_in_with(&server, PROTOCOL_3_0).await;
    assert_eq!((answers[0].kind, key(&answers)), ('R', 8));
    let (_raw, answers) = Raw::logged_in_with(&server, PROTOCOL_3_0 | 2).await;
    assert_eq!((answers[0].kind, key(&answers)), ('R', 4 + 32));
    let (_raw, answers) = Raw::logged_in_with(&server, PROTOCOL_3_0 | 9999).await;
    assert_eq!(
        (answers[0].kind, &answers[0].body[..]),
        ('v', &[0, 3, 0, 2, 0, 0, 0, 0][..])
    );

    let mut raw = Raw::silent(&server).await;
    raw.send(&startup(PROTOCOL_3_0, &[("user", "ana"), ("_pq_.x", "1")]))
        .await;
    assert_eq!(raw.until_ready().await[0].body, b"\0\x03\0\0\0\0\0\x01_pq_.x\0");

    for (version, parameters, code) in [
        (2 << 16, &[("user", "ana")][..], "0A000"),
        (4 << 16, &[("user", "ana")], "0A000"),
        (PROTOCOL_3_0, &[], "28000"),
        (PROTOCOL_3_0, &[("user", "ana"), ("replication", "true")], "0A000"),
    ] {
        let mut raw = Raw::silent(&server).await;
        raw.send(&startup(version, parameters)).await;
        let answers = raw.until_closed().await;
        assert_eq!(answers.len(), 1);
        assert_eq!((&*answers[0].error().0, &*answers[0].error().1), ("FATAL", code));
    }
    // Without TLS and GSS both are declined, and the startup message may follow.
    let mut raw = Raw::silent(&server).await;
    let gss_request = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
    raw.send(&[&gss_request[..], &SSL_REQUEST[..]].concat()).await;
    let mut declined = [0; 2];
    raw.stream.read_exact(&mut declined).await.unwrap();
    assert_eq!(&declined, b"NN");
    raw.send(&startup(PROTOCOL_3_0, &[("user", "ana")])).await;
    raw.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited() {
    let options = PostgresOptions {
        connections_max: 1,
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), AccessConfig::open(), options).await;
    let first = Raw::logged_in(&server).await;
    let (severity, code, _) = refused(&server.config()).await;
    assert_eq!((&*severity, code), ("FATAL", SqlState::TOO_MANY_CONNECTIONS));
    drop(first);
}

/// Hazard 5: bytes sent in clear after SSLRequest were kept and taken for the first ones inside TLS.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_before_the_handshake_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let options = PostgresOptions {
        tls: Some(tls),
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), AccessConfig::open(), options).await;
    let mut raw = Raw::silent(&server).await;
    raw.send(&[&SSL_REQUEST[..], &startup(PROTOCOL_3_0, &[("user", "ana")])].concat())
        .await;
    let answers = raw.until_closed().await;
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].error().2, "received unencrypted data after SSL request");
}

/// A TLS handshake without SSLRequest, by a client that trusts the certificate in the file.
async fn direct(server: &TestServer, tls: &TlsOptions, names: Vec<Vec<u8>>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&tls.cert_path).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = names;
    let stream = TcpStream::connect(server.address).await.unwrap();
    TlsConnector::from(Arc::new(client))
        .connect("localhost".try_into().unwrap(), stream)
        .await
}

/// As libpq 17 does with `sslnegotiation=direct`: no SSLRequest, and the protocol's name in the handshake.
#[tokio::test(flavor = "multi_thread")]
async fn tls_may_begin_at_once_if_it_says_for_whom() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let options = PostgresOptions {
        tls: Some(tls.clone()),
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), AccessConfig::open(), options).await;
    for (names, answer) in [(vec![b"postgresql".to_vec()], b'R'), (vec![], b'E')] {
        let mut stream = direct(&server, &tls, names).await.unwrap();
        stream
            .write_all(&startup(PROTOCOL_3_0, &[("user", "ana")]))
            .await
            .unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_used_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let options = PostgresOptions {
        tls: Some(tls.clone()),
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), AccessConfig::open(), options).await;
    let names = || vec![b"postgresql".to_vec()];
    let mut open = direct(&server, &tls, names()).await.unwrap();
    certificate(folder.path()).unwrap();
    assert!(
        direct(&server, &tls, names()).await.is_err(),
        "the old one is served until it is told"
    );
    server.front_end.reload_tls().unwrap();
    direct(&server, &tls, names()).await.unwrap();
    std::fs::write(&tls.key_path, "nonsense").unwrap();
    let error = server.front_end.reload_tls().unwrap_err();
    assert!(error.message().contains("key.pem"), "{error}");
    direct(&server, &tls, names()).await.unwrap();
    open.write_all(&startup(PROTOCOL_3_0, &[("user", "ana")]))
        .await
        .unwrap();
    assert_eq!(
        open.read_u8().await.unwrap(),
        b'R',
        "a connection that was open goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clear_connections_are_refused_where_tls_is_required() {
    let options = PostgresOptions {
        require_tls: true,
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), AccessConfig::open(), options).await;
    assert_eq!(
        refused(&server.config()).await.1,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    );
}
