//! TLS from files that may be replaced while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use contract::{Error, ErrorKind, Result};
use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Files of a TLS server, in PEM form. They are read again at [`Tls::reload`].
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// The certificate, then its intermediates.
    pub cert_path: PathBuf,
    /// The private key of the certificate.
    pub key_path: PathBuf,
    /// Authorities whose certificates clients must show; none asks for no certificate.
    pub client_ca: Option<PathBuf>,
}

/// What new connections use.
#[derive(Debug, Clone)]
pub struct TlsState {
    /// For an acceptor.
    pub config: Arc<ServerConfig>,
    /// RFC 5929's `tls-server-end-point`: the certificate's hash, if its signature names a hash.
    pub end_point: Option<Arc<[u8]>>,
}

/// The files and the state made from them.
#[derive(Debug)]
pub struct Tls {
    options: TlsOptions,
    protocols: Vec<Vec<u8>>,
    state: RwLock<TlsState>,
}

impl Tls {
    /// Reads the files. `protocols` are the names that clients may offer (ALPN, RFC 7301).
    ///
    /// # Errors
    /// `Configuration`, which names the file.
    pub fn new(options: TlsOptions, protocols: &[&[u8]]) -> Result<Self> {
        let protocols: Vec<_> = protocols.iter().map(|name| name.to_vec()).collect();
        let state = RwLock::new(load(&options, &protocols)?);
        Ok(Self {
            options,
            protocols,
            state,
        })
    }

    /// Reads the files again. If anything is wrong with them, the state stays as it is.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn reload(&self) -> Result<()> {
        let state = load(&self.options, &self.protocols)?;
        *self.state.write() = state;
        Ok(())
    }

    /// What a new connection uses.
    pub fn state(&self) -> TlsState {
        self.state.read().clone()
    }
}

fn load(options: &TlsOptions, protocols: &[Vec<u8>]) -> Result<TlsState> {
    let chain = certificates(&options.cert_path, "certificate")?;
    let key = PrivateKeyDer::from_pem_file(&options.key_path)
        .map_err(|error| unusable("key", &options.key_path, &pem_problem(&error)))?;
    // Both providers of rustls are linked into the binary, so the default one would be ambiguous.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal(format!("TLS versions: {error}")))?;
    let builder = match &options.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path, "client authority")? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable("client authority", path, &error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| unusable("client authority", path, &error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let end_point = chain.first().and_then(end_point).map(Arc::from);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let why = format!(
                "it does not belong to the certificate in \"{}\"",
                options.cert_path.display()
            );
            unusable("key", &options.key_path, &why)
        }
        other => unusable("certificate", &options.cert_path, &other.to_string()),
    })?;
    config.alpn_protocols = protocols.to_vec();
    Ok(TlsState {
        config: Arc::new(config),
        end_point,
    })
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(what, path, &pem_problem(&error)))?;
    if chain.is_empty() {
        return Err(unusable(what, path, "it holds no certificate in PEM form"));
    }
    Ok(chain)
}

fn pem_problem(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => "it holds no such item in PEM form".to_owned(),
        _ => "it is not valid PEM".to_owned(),
    }
}

fn unusable(what: &str, path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("the TLS {what} file \"{}\" cannot be used: {why}", path.display()),
    )
}

/// RFC 5929 section 4.1. Algorithms whose hash is not fixed by their name have no end point.
fn end_point(leaf: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let algorithm = match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        // MD5 and SHA-1 are replaced by SHA-256.
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => &digest::SHA256,
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => &digest::SHA256,
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(algorithm, leaf).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let options = TlsOptions {
            cert_path: "no-such.pem".into(),
            key_path: "key.pem".into(),
            client_ca: None,
        };
        let error = Tls::new(options, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("\"no-such.pem\""), "{error}");
    }
}
