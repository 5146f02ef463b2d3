//! API keys: 256 random bits behind a prefix that secret scanners can look for; only the hash is kept.

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Error, Result};

/// What every key begins with.
const PREFIX: &str = "lk_";

/// A new key: `lk_` and 43 characters.
///
/// # Errors
/// `Internal` if the system has no random bytes.
pub(crate) fn generate() -> Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("no random bytes"))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What the configuration keeps of a key: `sha256:` and 64 hex digits.
pub(crate) fn hash(key: &str) -> String {
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hex.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_hash_as_sha256() {
        let key = generate().unwrap();
        assert_eq!(key.len(), 46);
        assert_ne!(key, generate().unwrap());
        assert_eq!(
            hash("abc"),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
