//! Who sends a request, on doors whose clients prove it with each one: passwords, API keys and the tokens that stand
//! for a proof given earlier.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Error, ErrorKind, Identity, Result};

use crate::Engine;
use crate::access::{AccessState, UnknownUsers};

/// How long a token is believed: longer than a working day, for a client cannot renew it without its user.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longer keys and tokens are not looked at.
const SECRET_BYTES_MAX: usize = 4096;
/// The user behind requests without credentials, where those are taken.
const NOBODY: &str = "admin";
/// Passwords that were proven lately and need not be computed again.
pub(crate) const PROVEN_MAX: u64 = 4096;
/// How long they are kept.
pub(crate) const PROVEN_LIFETIME: Duration = Duration::from_secs(300);

/// What a request shows to say whose it is.
#[derive(Clone, Copy)]
pub enum Credentials<'a> {
    /// Nothing.
    None,
    /// A user's name and password.
    Password {
        /// The login name.
        user: &'a str,
        /// In clear.
        password: &'a str,
    },
    /// One of a user's API keys.
    ApiKey(&'a str),
    /// A token of [`Engine::issue_token`], or an API key.
    Bearer(&'a str),
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password(…)",
            Self::ApiKey(_) => "ApiKey(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

impl Engine {
    /// The identity behind `credentials`, shown from `peer`. A password may take some milliseconds of computing: call
    /// it where that blocks nobody.
    ///
    /// # Errors
    /// `InvalidPassword`, `InvalidAuthorization`: never says which part was wrong.
    pub fn authenticate(&self, credentials: Credentials<'_>, peer: IpAddr) -> Result<Arc<Identity>> {
        let access = self.shared().access.load();
        match credentials {
            Credentials::None => nobody(&access, peer),
            Credentials::Password { user, password } => self.by_password(&access, user, password, peer),
            Credentials::ApiKey(key) => self.known(access.by_api_key(key), peer),
            Credentials::Bearer(token) => {
                let identity = access.by_api_key(token).or_else(|| self.by_token(&access, token));
                self.known(identity, peer)
            }
        }
    }

    /// A token that stands for `identity` from now on, for 24 hours or until the user's password or the server changes.
    pub fn issue_token(&self, identity: &Identity) -> String {
        if let Some(token) = identity.token() {
            return self.issue_stand_in(identity, token);
        }
        let until = now() + TOKEN_LIFETIME.as_secs();
        let mut token = until.to_be_bytes().to_vec();
        token.extend_from_slice(identity.user().as_bytes());
        let access = self.shared().access.load();
        let proof = self.token_mac(&access, &token, identity.user());
        token.extend_from_slice(proof.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Whether a bearer token is one of ours, or a key of the configuration.
    pub(crate) fn is_own(&self, access: &AccessState, token: &str) -> bool {
        access.by_api_key(token).is_some() || self.by_token(access, token).is_some()
    }

    fn by_password(&self, access: &AccessState, user: &str, password: &str, peer: IpAddr) -> Result<Arc<Identity>> {
        let shared = self.shared();
        let wrong = || {
            let message = format!("password authentication failed for user \"{user}\"");
            Error::new(ErrorKind::InvalidPassword, message)
        };
        if shared.logins.is_closed(peer, user) {
            return Err(wrong());
        }
        // What was proven under one state of users is not proven under the next.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &shared.secret);
        let mut proof = hmac::Context::with_key(&key);
        proof.update(b"password");
        proof.update(&access.version.to_be_bytes());
        proof.update(&[u8::from(peer.is_loopback())]);
        proof.update(&(user.len() as u64).to_be_bytes());
        proof.update(user.as_bytes());
        proof.update(password.as_bytes());
        let proof: Arc<[u8]> = proof.sign().as_ref().into();
        if let Some(identity) = shared.proven.get(&proof) {
            return Ok(identity);
        }
        match access.verify_password(user, password, peer.is_loopback(), &shared.secret) {
            Ok(identity) => {
                shared.proven.insert(proof, Arc::clone(&identity));
                Ok(identity)
            }
            Err(error) => {
                shared.logins.count_failure(peer, user);
                match error.kind() {
                    ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization => Err(wrong()),
                    _ => Err(error),
                }
            }
        }
    }

    fn known(&self, identity: Option<Arc<Identity>>, peer: IpAddr) -> Result<Arc<Identity>> {
        let logins = &self.shared().logins;
        match identity {
            Some(identity) if !logins.is_address_closed(peer) => Ok(identity),
            _ => {
                logins.count_stranger(peer);
                Err(Error::new(
                    ErrorKind::InvalidAuthorization,
                    "the key or token is not valid (any more)",
                ))
            }
        }
    }

    fn by_token(&self, access: &AccessState, token: &str) -> Option<Arc<Identity>> {
        if token.len() > SECRET_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, proof) = bytes.split_at_checked(bytes.len().checked_sub(digest::SHA256_OUTPUT_LEN)?)?;
        let (until, user) = said.split_first_chunk::<8>()?;
        let user = std::str::from_utf8(user).ok()?;
        let expected = self.token_mac(access, said, user);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), proof).ok()?;
        (now() < u64::from_be_bytes(*until))
            .then(|| access.identity(user).ok())
            .flatten()
    }

    /// Over what the token says and the verifier of the password: a new password ends the user's tokens.
    fn token_mac(&self, access: &AccessState, said: &[u8], user: &str) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.shared().secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"token");
        context.update(&access.password_stamp(user));
        context.update(said);
        context.sign()
    }
}

/// The administrator, where anybody on this machine is.
fn nobody(access: &AccessState, peer: IpAddr) -> Result<Arc<Identity>> {
    match peer.is_loopback() && access.trusts_loopback() == Some(UnknownUsers::Administrator) {
        true => access.identity(NOBODY),
        false => Err(Error::new(ErrorKind::InvalidAuthorization, "no credentials were sent")),
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{AccessConfig, EngineOptions, ScramVerifier, UserEntry};

    const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn access(password: &str) -> AccessConfig {
        let user = UserEntry {
            name: "dana".to_owned(),
            verifier: Some(ScramVerifier::derive(password, b"saltsaltsaltsalt", 4096)),
            ..UserEntry::default()
        };
        AccessConfig {
            users: vec![user],
            trust_loopback: false,
            unknown_users: UnknownUsers::Refuse,
            ..AccessConfig::open()
        }
    }

    fn engine() -> Engine {
        Engine::builder(EngineOptions::default())
            .access(access("right"))
            .build()
            .unwrap()
    }

    fn password<'a>(user: &'a str, password: &'a str) -> Credentials<'a> {
        Credentials::Password { user, password }
    }

    #[test]
    fn a_token_lives_until_the_password_changes() {
        let engine = engine();
        let identity = engine.authenticate(password("dana", "right"), FAR).unwrap();
        let token = engine.issue_token(&identity);
        assert_eq!(
            engine.authenticate(Credentials::Bearer(&token), FAR).unwrap().user(),
            "dana"
        );
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            let differs = URL_SAFE_NO_PAD.decode(&forged).ok() != URL_SAFE_NO_PAD.decode(&token).ok();
            // From as many addresses: guessers from one are not listened to for long.
            let peer = IpAddr::V4(Ipv4Addr::new(198, 51, 100, u8::try_from(at).unwrap()));
            let believed = engine.authenticate(Credentials::Bearer(&forged), peer).is_ok();
            assert!(!(believed && differs), "{at}");
        }
        engine.reload_access(access("new"));
        assert!(engine.authenticate(Credentials::Bearer(&token), FAR).is_err());
        assert!(engine.authenticate(password("dana", "right"), FAR).is_err());
        engine.authenticate(password("dana", "new"), FAR).unwrap();
    }

    #[test]
    fn guessers_are_not_believed_even_if_right() {
        let engine = engine();
        for _ in 0..10 {
            engine.authenticate(password("dana", "wrong"), FAR).unwrap_err();
        }
        let closed = engine.authenticate(password("dana", "right"), FAR).unwrap_err();
        let unknown = engine.authenticate(password("nina", "right"), NEAR).unwrap_err();
        assert_eq!(closed.kind(), unknown.kind());
        assert_eq!(closed.message().replace("dana", "nina"), unknown.message());
        engine.authenticate(password("dana", "right"), NEAR).unwrap();
    }

    #[test]
    fn nobody_is_the_administrator_only_where_everybody_is() {
        assert!(engine().authenticate(Credentials::None, NEAR).is_err());
        let open = Engine::builder(EngineOptions::default()).build().unwrap();
        assert!(open.authenticate(Credentials::None, NEAR).unwrap().is_administrator());
        assert!(open.authenticate(Credentials::None, FAR).is_err());
    }

    #[test]
    fn keys_are_known_by_their_hash() {
        let engine = engine();
        let key = "demo-dana";
        let hash = digest::digest(&digest::SHA256, key.as_bytes());
        let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut access = access("right");
        access.users[0].api_keys = vec![format!("sha256:{}", hex.to_uppercase())];
        engine.reload_access(access);
        for shown in [Credentials::ApiKey(key), Credentials::Bearer(key)] {
            assert_eq!(engine.authenticate(shown, FAR).unwrap().user(), "dana");
        }
        let hash_itself = format!("sha256:{hex}");
        for wrong in ["", "demo-ana", &hash_itself, &hex] {
            engine.authenticate(Credentials::ApiKey(wrong), FAR).unwrap_err();
        }
    }
}
