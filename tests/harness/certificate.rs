//! Certificates for servers under test.

use std::path::Path;
use std::process::Command;

use engine::TlsOptions;

/// A certificate of `openssl` for `localhost` in that folder, over one that is there; none where openssl is not
/// installed, which is said aloud and an error where CI is.
pub fn certificate(folder: &Path) -> Option<TlsOptions> {
    let (cert_path, key_path) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '))
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-out")
        .arg(&cert_path)
        .arg("-keyout")
        .arg(&key_path)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("SKIPPED: openssl is not installed, so there is no certificate to test TLS with");
        assert!(std::env::var_os("CI").is_none(), "CI must have openssl");
        return None;
    }
    Some(TlsOptions {
        cert_path,
        key_path,
        client_ca: None,
    })
}
