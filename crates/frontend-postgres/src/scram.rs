//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
//!
//! RFC 5802, RFC 7677, and <https://www.postgresql.org/docs/16/sasl-authentication.html>: the user name inside the
//! exchange is ignored in favour of the one from the startup message.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::ScramVerifier;
use rand::Rng;

use crate::error::WireError;

/// Over any transport.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// Bound to the certificate of the TLS connection that it runs over.
pub(crate) const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// PostgreSQL's own figure.
const NONCE_BYTES: usize = 18;

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The proof does not fit the password: said as every other wrong password.
    WrongPassword,
    /// The exchange itself is broken.
    Broken(WireError),
}

/// An exchange that waits for the client's proof.
pub(crate) struct Exchange {
    verifier: ScramVerifier,
    /// What the client must send back as `c=`, decoded.
    channel: Vec<u8>,
    nonce: String,
    client_first_bare: String,
    server_first: String,
}

impl Exchange {
    /// Reads the client's first message and answers it.
    ///
    /// `end_point` is the hash of our certificate if `SCRAM-SHA-256-PLUS` was offered.
    pub(crate) fn begin(
        mechanism: &str,
        client_first: &[u8],
        verifier: ScramVerifier,
        end_point: Option<&[u8]>,
    ) -> Result<(Self, String), Failure> {
        let mut nonce = [0_u8; NONCE_BYTES];
        rand::rng().fill(&mut nonce);
        Self::begin_with_nonce(mechanism, client_first, verifier, end_point, &BASE64.encode(nonce))
    }

    fn begin_with_nonce(
        mechanism: &str,
        client_first: &[u8],
        verifier: ScramVerifier,
        end_point: Option<&[u8]>,
        server_nonce: &str,
    ) -> Result<(Self, String), Failure> {
        let plus = match (mechanism, end_point) {
            (MECHANISM, _) => false,
            (MECHANISM_PLUS, Some(_)) => true,
            _ => return Err(broken("client selected an invalid SASL authentication mechanism")),
        };
        let text = std::str::from_utf8(client_first).map_err(|_| malformed("The message is not UTF-8."))?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(authorization), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed("The message is too short."));
        };
        match flag {
            "n" | "y" if plus => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding \
                     data.",
                ));
            }
            "n" => {}
            // The client believes that we cannot bind: if we offered it, somebody in between cut the offer out.
            "y" if end_point.is_some() => {
                return Err(Failure::Broken(
                    WireError::new("28000", "SCRAM channel binding negotiation error").with_detail(
                        "The client supports SCRAM channel binding but thinks the server does not.  However, this \
                         server does support channel binding.",
                    ),
                ));
            }
            "y" => {}
            "p=tls-server-end-point" if plus => {}
            _ if flag.starts_with("p=") && plus => {
                return Err(broken("unsupported SCRAM channel-binding type"));
            }
            _ if flag.starts_with("p=") => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes \
                     channel binding data.",
                ));
            }
            _ => return Err(malformed("Unexpected channel-binding flag.")),
        }
        if !authorization.is_empty() {
            return Err(Failure::Broken(WireError::new(
                "0A000",
                "client uses authorization identity, but it is not supported",
            )));
        }
        let mut fields = bare.split(',');
        let name = fields.next().unwrap_or_default();
        if name.starts_with("m=") {
            return Err(Failure::Broken(WireError::new(
                "0A000",
                "client requires an unsupported SCRAM extension",
            )));
        }
        let client_nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (true, Some(client_nonce)) = (name.starts_with("n="), client_nonce) else {
            return Err(malformed("The user name or the nonce is missing."));
        };
        if client_nonce.is_empty() || !client_nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(broken("non-printable characters in SCRAM nonce"));
        }
        let nonce = format!("{client_nonce}{server_nonce}");
        let server_first = format!(
            "r={nonce},s={},i={}",
            BASE64.encode(&verifier.salt),
            verifier.iterations
        );
        let mut channel = format!("{flag},{authorization},").into_bytes();
        if plus {
            channel.extend_from_slice(end_point.unwrap_or_default());
        }
        let client_first_bare = bare.to_owned();
        let exchange = Self {
            verifier,
            channel,
            nonce,
            client_first_bare,
            server_first: server_first.clone(),
        };
        Ok((exchange, server_first))
    }

    /// Checks the client's proof and gives the server's own, by which the client knows us.
    pub(crate) fn finish(self, client_final: &[u8]) -> Result<String, Failure> {
        let text = std::str::from_utf8(client_final).map_err(|_| malformed("The message is not UTF-8."))?;
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or_else(|| malformed("The proof is missing."))?;
        let mut fields = without_proof.split(',');
        let channel = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(channel), Some(nonce)) = (channel, nonce) else {
            return Err(malformed("The channel binding or the nonce is missing."));
        };
        let channel = BASE64
            .decode(channel)
            .map_err(|_| malformed("The channel binding is not base64."))?;
        if constant_time::verify_slices_are_equal(&channel, &self.channel).is_err() {
            return Err(Failure::Broken(WireError::new(
                "28000",
                "SCRAM channel binding check failed",
            )));
        }
        if constant_time::verify_slices_are_equal(nonce.as_bytes(), self.nonce.as_bytes()).is_err() {
            return Err(broken("invalid SCRAM response"));
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("The proof is malformed."))?;

        let signed = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let stored_key = hmac::Key::new(hmac::HMAC_SHA256, &self.verifier.stored_key);
        let signature = hmac::sign(&stored_key, signed.as_bytes());
        let client_key: Vec<u8> = proof
            .iter()
            .zip(signature.as_ref())
            .map(|(left, right)| left ^ right)
            .collect();
        let candidate = digest::digest(&digest::SHA256, &client_key);
        if constant_time::verify_slices_are_equal(candidate.as_ref(), &self.verifier.stored_key).is_err() {
            return Err(Failure::WrongPassword);
        }
        let server_key = hmac::Key::new(hmac::HMAC_SHA256, &self.verifier.server_key);
        let signature = hmac::sign(&server_key, signed.as_bytes());
        Ok(format!("v={}", BASE64.encode(signature.as_ref())))
    }
}

fn broken(message: &str) -> Failure {
    Failure::Broken(WireError::protocol(message))
}

fn malformed(detail: &str) -> Failure {
    Failure::Broken(WireError::protocol("malformed SCRAM message").with_detail(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7677 section 3, with the user name that PostgreSQL clients leave out put back.
    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn verifier() -> ScramVerifier {
        ScramVerifier::derive("pencil", &BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096)
    }

    fn begin(mechanism: &str, first: &str, end_point: Option<&[u8]>) -> Result<(Exchange, String), Failure> {
        Exchange::begin_with_nonce(mechanism, first.as_bytes(), verifier(), end_point, SERVER_NONCE)
    }

    #[test]
    fn runs_the_exchange_of_the_standard() {
        let (exchange, answer) = begin(MECHANISM, FIRST, None).unwrap();
        assert_eq!(
            answer,
            format!("r=rOprNGfwEbeRWgbNEkqO{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        );
        let answer = exchange.finish(FINAL.as_bytes()).unwrap();
        assert_eq!(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_wrong_proof_is_a_wrong_password() {
        let (exchange, _) = begin(MECHANISM, FIRST, None).unwrap();
        let proof = FINAL.replace("p=dHzb", "p=dHzc");
        assert!(matches!(exchange.finish(proof.as_bytes()), Err(Failure::WrongPassword)));
    }

    #[test]
    fn refuses_downgrades_and_foreign_channels() {
        let hash = [7_u8; 32];
        let plus = FIRST.replacen("n,,", "p=tls-server-end-point,,", 1);
        let code = |outcome: Result<(Exchange, String), Failure>| match outcome {
            Err(Failure::Broken(error)) => error.sqlstate(),
            _ => "accepted",
        };
        assert_eq!(
            code(begin(MECHANISM, &FIRST.replacen("n,", "y,", 1), Some(&hash))),
            "28000"
        );
        assert_eq!(code(begin(MECHANISM, &FIRST.replacen("n,", "y,", 1), None)), "accepted");
        assert_eq!(code(begin(MECHANISM_PLUS, FIRST, Some(&hash))), "08P01");
        assert_eq!(code(begin(MECHANISM, &plus, Some(&hash))), "08P01");
        assert_eq!(code(begin(MECHANISM_PLUS, &plus, None)), "08P01");
        assert_eq!(code(begin("OAUTHBEARER", FIRST, None)), "08P01");
        assert_eq!(
            code(begin(MECHANISM, &FIRST.replacen(",,", ",a=root,", 1), None)),
            "0A000"
        );

        let (exchange, _) = begin(MECHANISM_PLUS, &plus, Some(&hash)).unwrap();
        let mut channel = b"p=tls-server-end-point,,".to_vec();
        channel.extend_from_slice(&[8; 32]);
        let message = FINAL.replace("c=biws", &format!("c={}", BASE64.encode(channel)));
        assert!(matches!(
            exchange.finish(message.as_bytes()),
            Err(Failure::Broken(error)) if error.sqlstate() == "28000"
        ));
    }

    #[test]
    fn no_message_panics() {
        for first in [
            "",
            ",",
            "n,,",
            "n,,n=",
            "n,,n=,r=",
            "n,,r=x",
            "p=,,n=,r=x",
            "z,,n=,r=x",
            "n,,n=,r=\u{e4}",
        ] {
            assert!(begin(MECHANISM, first, None).is_err(), "{first}");
        }
        for last in [
            "",
            "c=",
            "c=biws",
            "c=biws,r=",
            ",p=",
            "c=biws,r=x,p=",
            "c=!,r=x,p=AA==",
        ] {
            let (exchange, _) = begin(MECHANISM, FIRST, None).unwrap();
            assert!(exchange.finish(last.as_bytes()).is_err(), "{last}");
        }
    }
}
