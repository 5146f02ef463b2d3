//! Whatever comes after the login, the server lives, and the connection ends with an error or goes on.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use system_tests::server::TestServer;

use crate::raw::{Raw, frame, query, startup};
use crate::tables::source;

const KINDS: &[u8] = b"QPBDECHSFdcf";

fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(KINDS);
    let byte = prop_oneof![Just(0_u8), Just(1), Just(b'S'), Just(b'P'), any::<u8>()];
    prop_oneof![
        4 => (kind, prop::collection::vec(byte, 0..40)).prop_map(|(kind, body)| frame(kind, &body)),
        1 => prop::collection::vec(any::<u8>(), 1..40),
    ]
}

#[test]
fn random_bytes_end_in_an_error_or_an_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(TestServer::open(source()));
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let logged_in = prop::collection::vec(message(), 1..6).prop_map(|messages| messages.concat());
    runner
        .run(&(logged_in, any::<bool>()), |(bytes, after_login)| {
            runtime.block_on(async {
                let mut raw = if after_login {
                    Raw::logged_in(&server).await
                } else {
                    Raw::silent(&server).await
                };
                raw.send(&bytes).await;
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut raw.stream).await;
                // Panics if the server neither answers nor closes, or closes within a message.
                for answer in raw.until_closed().await {
                    if answer.kind == 'E' {
                        let (severity, code, message) = answer.error();
                        assert!(["ERROR", "FATAL"].contains(&&*severity), "{message}");
                        assert_ne!(code, "XX000", "{message} for {bytes:?}");
                    }
                }
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        let mut raw = Raw::logged_in(&server).await;
        raw.send(&query("SELECT 1")).await;
        assert_eq!(raw.kinds_until_ready().await, "TDCZ");
        let mut raw = Raw::silent(&server).await;
        raw.send(&startup(3 << 16, &[("user", "ana")])).await;
        raw.until_ready().await;
        drop(server);
    });
}
