//! SCRAM-SHA-256 verifiers as PostgreSQL stores them (RFC 5802, RFC 7677; PostgreSQL's `pg_authid.rolpassword`).
//! The exchange itself belongs to the front end that speaks it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Below this a verifier is too cheap to guess; PostgreSQL's own default is the least we take.
const ITERATIONS_MIN: u32 = 4096;
/// Above this a login costs the client (which computes as many) too much; common drivers refuse more.
const ITERATIONS_MAX: u32 = 1_000_000;
/// The shortest and longest salt that is accepted, in bytes.
const SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// What the server keeps instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramVerifier {
    /// How often the hash was iterated.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// HMAC(SaltedPassword, "Server Key").
    pub server_key: [u8; 32],
}

impl ScramVerifier {
    /// Computes the verifier of `password`. `iterations` is raised to the accepted minimum.
    ///
    /// The password is used as its UTF-8 bytes, which is what SASLprep gives for ASCII and what PostgreSQL falls back
    /// to for what SASLprep refuses.
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let iterations = iterations.clamp(ITERATIONS_MIN, ITERATIONS_MAX);
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let mut salted = [0_u8; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            salt,
            password.as_bytes(),
            &mut salted,
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&key, b"Server Key");
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: to_array(stored_key.as_ref()),
            server_key: to_array(server_key.as_ref()),
        }
    }

    /// Whether `password` is the one this verifier was made from; takes the same time for each wrong one.
    pub fn verify(&self, password: &str) -> bool {
        let candidate = Self::derive(password, &self.salt, self.iterations);
        constant_time::verify_slices_are_equal(&candidate.stored_key, &self.stored_key).is_ok()
    }

    /// A verifier that no password fits, the same for one `user` as long as `secret` lives: a login as somebody who
    /// does not exist looks like one with a wrong password.
    pub(crate) fn fake(user: &str, secret: &[u8; 32], iterations: u32) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let part = |what: &str| to_array(hmac::sign(&key, format!("{what}:{user}").as_bytes()).as_ref());
        Self {
            iterations: iterations.clamp(ITERATIONS_MIN, ITERATIONS_MAX),
            salt: part("salt")[..16].to_vec(),
            stored_key: part("stored"),
            server_key: part("server"),
        }
    }
}

fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0_u8; 32];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

impl FromStr for ScramVerifier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |what: &str| {
            format!(
                "not a SCRAM verifier ({what}); expected SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>"
            )
        };
        let rest = text
            .strip_prefix("SCRAM-SHA-256$")
            .ok_or_else(|| wrong("it does not begin with SCRAM-SHA-256$"))?;
        let (head, keys) = rest.split_once('$').ok_or_else(|| wrong("the keys are missing"))?;
        let (iterations, salt) = head.split_once(':').ok_or_else(|| wrong("the salt is missing"))?;
        let (stored, server) = keys.split_once(':').ok_or_else(|| wrong("the server key is missing"))?;
        let iterations: u32 = iterations.parse().map_err(|_| wrong("the iterations are no number"))?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(format!(
                "a SCRAM verifier must have {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations"
            ));
        }
        let salt = BASE64.decode(salt).map_err(|_| wrong("the salt is no base64"))?;
        if !SALT_BYTES.contains(&salt.len()) {
            return Err(wrong("the salt is too short or too long"));
        }
        let key = |text: &str, name: &str| -> Result<[u8; 32], String> {
            let bytes = BASE64
                .decode(text)
                .map_err(|_| wrong(&format!("the {name} is no base64")))?;
            bytes
                .try_into()
                .map_err(|_| wrong(&format!("the {name} is not 32 bytes long")))
        };
        Ok(Self {
            iterations,
            salt,
            stored_key: key(stored, "stored key")?,
            server_key: key(server, "server key")?,
        })
    }
}

impl fmt::Display for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(self.stored_key),
            BASE64.encode(self.server_key)
        )
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_postgresql_prints() {
        // RFC 7677 section 3: user "user", password "pencil".
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = ScramVerifier::derive("pencil", &salt, 4096);
        assert_eq!(
            verifier.to_string(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
        assert!(verifier.verify("pencil") && !verifier.verify("pencil "));
        assert_eq!(verifier.to_string().parse::<ScramVerifier>().unwrap(), verifier);
    }

    #[test]
    fn says_what_is_wrong_with_a_verifier() {
        for (text, what) in [
            ("md5abc", "does not begin"),
            ("SCRAM-SHA-256$4096:c2FsdHNhbHQ=", "keys are missing"),
            ("SCRAM-SHA-256$1:c2FsdHNhbHQ=$AA==:AA==", "iterations"),
            ("SCRAM-SHA-256$4096:c2FsdHNhbHQ=$AA==:AA==", "stored key"),
        ] {
            let error = text.parse::<ScramVerifier>().unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn a_fake_verifier_is_stable_and_personal() {
        let secret = [7; 32];
        assert_eq!(
            ScramVerifier::fake("eve", &secret, 4096),
            ScramVerifier::fake("eve", &secret, 4096)
        );
        assert_ne!(
            ScramVerifier::fake("eve", &secret, 4096).salt,
            ScramVerifier::fake("eva", &secret, 4096).salt
        );
    }
}
