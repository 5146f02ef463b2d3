use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A token with which a user proved who it is at another system, and which is shown there in the user's name.
///
/// It lives as long as the session that it came with. Its text is part of no `Debug`, no error and no key: two tokens are
/// compared, and what was fetched with one is found again, by a digest that its maker keyed.
#[derive(Clone)]
pub struct UserToken {
    text: Arc<str>,
    digest: [u8; 32],
}

impl UserToken {
    /// Wraps a token. Equal digests must mean equal texts, and a digest must not tell the text.
    pub fn new(text: &str, digest: [u8; 32]) -> Self {
        Self {
            text: text.into(),
            digest,
        }
    }

    /// The token, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What stands for it in keys.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for UserToken {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for UserToken {}

impl Hash for UserToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}
