use contract::Identity;

/// For whom, and under which version of the rules, a table was presented.
///
/// A plan is authorized only if each of its tables carries the stamp of the identity and rules that it is authorized
/// for, so a provider or a plan that was kept for another user or from before a reload can never be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    identity: u64,
    rules: u64,
}

impl Stamp {
    /// The stamp of `identity` under the rules of that version.
    pub fn new(identity: &Identity, rules_version: u64) -> Self {
        Self {
            identity: identity.fingerprint(),
            rules: rules_version,
        }
    }
}
