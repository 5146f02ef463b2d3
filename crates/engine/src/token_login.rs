//! Logins by a token of another system, which says whose it is: for users of the configuration that have no password of
//! their own. The token stays with the identity, and is shown to that system in the user's name.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Error, ErrorKind, Identity, Result, UserToken};
use moka::sync::Cache;
use tokio::sync::{OnceCell, Semaphore};

use crate::access::AccessState;
use crate::authenticate::{PROVEN_LIFETIME, PROVEN_MAX, TOKEN_LIFETIME};
use crate::{Credentials, Engine};

/// The longest token that is looked at: JSON web tokens of large companies take some kilobytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// The other system is asked about so many tokens at once; more wait. Nobody who guesses can make it busier.
const ASKED_AT_ONCE: usize = 16;
/// Tokens of ours that stand for a token of a user; the one unused for longest ends when there are more.
const STAND_INS_MAX: u64 = 10_000;
/// Begins a token of ours that stands for one of a user.
const STAND_IN_PREFIX: &str = "lgu_";

/// Says whose a token of another system is.
#[async_trait]
pub trait TokenLogin: Debug + Send + Sync {
    /// The name of the user that the token belongs to.
    ///
    /// # Errors
    /// `InvalidAuthorization` for a token that is not accepted there; otherwise what keeps the system from telling.
    async fn owner(&self, token: &UserToken) -> Result<String>;
}

/// Where credentials came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The client's address.
    pub peer: IpAddr,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

impl Origin {
    /// Whether nobody on the way can read along.
    fn is_private(self) -> bool {
        self.encrypted || self.peer.is_loopback()
    }
}

/// What logins by token remember.
#[derive(Debug)]
pub(crate) struct TokenLogins {
    login: arc_swap::ArcSwapOption<Arc<dyn TokenLogin>>,
    /// Whose tokens are, by their digests. Callers that come together share one question.
    owners: Cache<[u8; 32], Arc<OnceCell<String>>>,
    /// What our own tokens stand for, by their digests.
    stand_ins: Cache<[u8; 32], (Arc<str>, UserToken)>,
    asking: Semaphore,
}

impl TokenLogins {
    pub(crate) fn new(login: Option<Arc<dyn TokenLogin>>) -> Self {
        let kept = |entries: u64, lifetime: Duration| Cache::builder().max_capacity(entries).time_to_live(lifetime);
        Self {
            login: arc_swap::ArcSwapOption::from_pointee(login),
            owners: kept(PROVEN_MAX, PROVEN_LIFETIME).build(),
            stand_ins: Cache::builder()
                .max_capacity(STAND_INS_MAX)
                .time_to_live(TOKEN_LIFETIME)
                .build(),
            asking: Semaphore::new(ASKED_AT_ONCE),
        }
    }

    pub(crate) fn replace(&self, login: Option<Arc<dyn TokenLogin>>) {
        self.login.store(login.map(Arc::new));
        self.owners.invalidate_all();
    }

    /// Whether tokens of another system are taken at all.
    pub(crate) fn is_open(&self) -> bool {
        self.login.load().is_some()
    }

    async fn owner(&self, token: &UserToken) -> Result<String> {
        let Some(login) = self.login.load_full() else {
            return Err(Error::new(ErrorKind::InvalidAuthorization, "tokens are not taken here"));
        };
        let cell = self.owners.get_with(token.digest(), Arc::default);
        let asked = cell.get_or_try_init(|| async {
            let _place = self
                .asking
                .acquire()
                .await
                .map_err(|_| Error::internal("logins have ended"))?;
            login.owner(token).await
        });
        match asked.await {
            Ok(owner) => Ok(owner.clone()),
            Err(error) => {
                self.owners.invalidate(&token.digest());
                Err(error)
            }
        }
    }
}

impl Engine {
    /// The identity behind `credentials`, as [`authenticate`](Self::authenticate) finds it, or by asking the system that
    /// a token comes from. Blocks nobody meanwhile.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate), and what keeps that system from telling.
    pub async fn log_in(&self, credentials: Credentials<'_>, origin: Origin) -> Result<Arc<Identity>> {
        let access = self.shared().access.load_full();
        match credentials {
            Credentials::Password { user, password } if self.logs_in_by_token(&access, user) => {
                self.by_user_token(&access, Some(user), password, origin).await
            }
            Credentials::Password { user, password } => {
                let (engine, user, password) = (self.clone(), user.to_owned(), password.to_owned());
                let check = move || {
                    let (user, password) = (&user, &password);
                    engine.authenticate(Credentials::Password { user, password }, origin.peer)
                };
                // It takes some milliseconds of computing.
                let checked = tokio::task::spawn_blocking(check).await;
                checked.map_err(|error| Error::internal("authentication broke off").with_source(error))?
            }
            Credentials::Bearer(token) if self.is_stand_in(token) => self.by_stand_in(&access, token, origin).await,
            Credentials::Bearer(token) if self.shared().tokens.is_open() && !self.is_own(&access, token) => {
                self.by_user_token(&access, None, token, origin).await
            }
            other => self.authenticate(other, origin.peer),
        }
    }

    /// Whether a user has no password of its own and may show a token instead.
    pub(crate) fn logs_in_by_token(&self, access: &AccessState, user: &str) -> bool {
        self.shared().tokens.is_open() && access.is_without_password(user)
    }

    /// Replaces who is asked about tokens. Sessions that are open go on.
    pub fn reload_token_login(&self, login: Option<Arc<dyn TokenLogin>>) {
        self.shared().tokens.replace(login);
    }

    /// A token of ours for an identity that came with a token of its own, which stays here.
    pub(crate) fn issue_stand_in(&self, identity: &Identity, token: &UserToken) -> String {
        let mut secret = [0_u8; 32];
        rand::fill(&mut secret);
        let text = format!("{STAND_IN_PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
        let held = (Arc::from(identity.user()), token.clone());
        self.shared().tokens.stand_ins.insert(self.digest(&text), held);
        text
    }

    fn is_stand_in(&self, token: &str) -> bool {
        token.starts_with(STAND_IN_PREFIX)
    }

    async fn by_stand_in(&self, access: &AccessState, token: &str, origin: Origin) -> Result<Arc<Identity>> {
        let held = match token.len() <= TOKEN_BYTES_MAX {
            true => self.shared().tokens.stand_ins.get(&self.digest(token)),
            false => None,
        };
        match held {
            Some((user, token)) => self.by_user_token(access, Some(&user), token.expose(), origin).await,
            None => Err(self.stranger(None, origin.peer)),
        }
    }

    /// The user that a token belongs to; `user` is who it is said to be, if that was said.
    async fn by_user_token(
        &self,
        access: &AccessState,
        user: Option<&str>,
        text: &str,
        origin: Origin,
    ) -> Result<Arc<Identity>> {
        let shared = self.shared();
        let peer = origin.peer;
        if !origin.is_private() {
            let message = "a token is taken over TLS only";
            return Err(Error::new(ErrorKind::InvalidAuthorization, message)
                .with_hint("Connect with TLS; and have a new token made: this one was sent for everybody to read."));
        }
        let closed = match user {
            Some(user) => shared.logins.is_closed(peer, user),
            None => shared.logins.is_address_closed(peer),
        };
        if closed || text.is_empty() || text.len() > TOKEN_BYTES_MAX {
            return Err(self.stranger(user, peer));
        }
        let token = UserToken::new(text, self.digest(text));
        let owner = match shared.tokens.owner(&token).await {
            Ok(owner) => owner,
            Err(error) if error.kind() == ErrorKind::InvalidAuthorization => {
                tracing::info!(user, %peer, causes = error.causes(), "a token was not accepted");
                return Err(self.stranger(user, peer));
            }
            Err(error) => return Err(error),
        };
        if user.is_some_and(|user| user != owner) || !access.is_without_password(&owner) {
            return Err(self.stranger(user, peer));
        }
        let identity = access.identity(&owner)?;
        Ok(Arc::new(Identity::clone(&identity).with_token(token)))
    }

    /// Counts a proof that proved nothing, and words the refusal.
    fn stranger(&self, user: Option<&str>, peer: IpAddr) -> Error {
        let logins = &self.shared().logins;
        match user {
            Some(user) => {
                logins.count_failure(peer, user);
                let message = format!("password authentication failed for user \"{user}\"");
                Error::new(ErrorKind::InvalidPassword, message)
            }
            None => {
                logins.count_stranger(peer);
                let message = "the key or token is not valid (any more)";
                Error::new(ErrorKind::InvalidAuthorization, message)
            }
        }
    }

    fn digest(&self, text: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.shared().secret);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"user token");
        context.update(text.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{AccessConfig, EngineOptions, ScramVerifier, UnknownUsers, UserEntry};

    /// Knows `token-of-NAME`; is down for `down`.
    #[derive(Debug, Default)]
    struct Directory(AtomicUsize);

    #[async_trait]
    impl TokenLogin for Directory {
        async fn owner(&self, token: &UserToken) -> Result<String> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            match token.expose() {
                "down" => Err(Error::new(ErrorKind::SourceUnavailable, "down")),
                text => match text.strip_prefix("token-of-") {
                    Some(name) => Ok(name.to_owned()),
                    None => Err(Error::new(ErrorKind::InvalidAuthorization, "not accepted")),
                },
            }
        }
    }

    const PRIVATE: Origin = origin(1, true);

    const fn origin(last: u8, encrypted: bool) -> Origin {
        Origin {
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            encrypted,
        }
    }

    fn world() -> (Engine, Arc<Directory>) {
        let user = |name: &str, password: Option<&str>| UserEntry {
            name: name.to_owned(),
            verifier: password.map(|password| ScramVerifier::derive(password, b"saltsaltsaltsalt", 4096)),
            ..UserEntry::default()
        };
        let directory = Arc::new(Directory::default());
        let engine = Engine::builder(EngineOptions::default())
            .access(AccessConfig {
                users: vec![user("ana", None), user("bob", None), user("dana", Some("right"))],
                trust_loopback: false,
                unknown_users: UnknownUsers::Refuse,
                ..AccessConfig::open()
            })
            .token_login(Some(Arc::clone(&directory) as Arc<dyn TokenLogin>))
            .build()
            .unwrap();
        (engine, directory)
    }

    fn password<'a>(user: &'a str, password: &'a str) -> Credentials<'a> {
        Credentials::Password { user, password }
    }

    #[tokio::test]
    async fn a_token_stands_for_the_user_that_its_system_names() {
        let (engine, _) = world();
        let ana = engine.log_in(password("ana", "token-of-ana"), PRIVATE).await.unwrap();
        assert_eq!((ana.user(), ana.token().unwrap().expose()), ("ana", "token-of-ana"));
        let bearer = engine
            .log_in(Credentials::Bearer("token-of-ana"), PRIVATE)
            .await
            .unwrap();
        assert_eq!(bearer, ana);
        let bob = engine
            .log_in(Credentials::Bearer("token-of-bob"), PRIVATE)
            .await
            .unwrap();
        assert_ne!(bob.fingerprint(), ana.fingerprint());
        for wrong in [
            password("ana", "token-of-bob"),
            password("ana", "dapi-guess"),
            password("ana", ""),
            password("dana", "token-of-dana"),
            password("nina", "token-of-nina"),
            Credentials::Bearer("token-of-dana"),
            Credentials::Bearer("token-of-nina"),
            Credentials::Bearer("dapi-guess"),
        ] {
            let error = engine.log_in(wrong, PRIVATE).await.unwrap_err();
            let refused = matches!(
                error.kind(),
                ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization
            );
            assert!(refused && error.causes().is_empty(), "{error:?}");
            assert!(!format!("{error:?}").contains("dapi-guess"));
        }
        // Others log in as ever.
        let dana = engine.log_in(password("dana", "right"), PRIVATE).await.unwrap();
        assert_eq!(dana.token(), None);
    }

    #[tokio::test]
    async fn a_system_that_is_away_is_no_wrong_token() {
        let (engine, _) = world();
        for _ in 0..20 {
            let error = engine.log_in(password("ana", "down"), PRIVATE).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
        }
        engine.log_in(password("ana", "token-of-ana"), PRIVATE).await.unwrap();
    }

    #[tokio::test]
    async fn a_token_in_the_clear_is_refused_unseen() {
        let (engine, directory) = world();
        for credentials in [password("ana", "token-of-ana"), Credentials::Bearer("token-of-ana")] {
            let error = engine.log_in(credentials, origin(1, false)).await.unwrap_err();
            assert!(error.message().contains("TLS"), "{error}");
        }
        assert_eq!(directory.0.load(Ordering::SeqCst), 0);
        let near = Origin {
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            encrypted: false,
        };
        engine.log_in(password("ana", "token-of-ana"), near).await.unwrap();
    }

    #[tokio::test]
    async fn guessers_are_not_listened_to_for_long() {
        let (engine, directory) = world();
        for guess in 0..40 {
            engine
                .log_in(password("ana", &format!("guess-{guess}")), PRIVATE)
                .await
                .unwrap_err();
        }
        assert_eq!(directory.0.load(Ordering::SeqCst), 10);
        engine
            .log_in(password("ana", "token-of-ana"), PRIVATE)
            .await
            .unwrap_err();
        engine
            .log_in(password("ana", "token-of-ana"), origin(2, true))
            .await
            .unwrap();
        for guess in 0..300 {
            let guess = format!("guess-{guess}");
            engine
                .log_in(Credentials::Bearer(&guess), origin(3, true))
                .await
                .unwrap_err();
        }
        assert_eq!(directory.0.load(Ordering::SeqCst), 10 + 1 + 100);
        engine
            .log_in(Credentials::Bearer("token-of-bob"), origin(3, true))
            .await
            .unwrap_err();
    }

    #[tokio::test]
    async fn callers_that_come_together_ask_once() {
        let (engine, directory) = world();
        let all = (0..50).map(|_| engine.log_in(Credentials::Bearer("token-of-ana"), PRIVATE));
        assert!(
            futures::future::join_all(all)
                .await
                .into_iter()
                .all(|found| found.is_ok())
        );
        assert_eq!(directory.0.load(Ordering::SeqCst), 1);
        engine.reload_token_login(None);
        engine
            .log_in(Credentials::Bearer("token-of-ana"), PRIVATE)
            .await
            .unwrap_err();
        engine
            .log_in(password("ana", "token-of-ana"), PRIVATE)
            .await
            .unwrap_err();
    }

    #[tokio::test]
    async fn our_own_token_stands_for_the_users_and_tells_nothing_of_it() {
        let (engine, _) = world();
        let ana = engine.log_in(password("ana", "token-of-ana"), PRIVATE).await.unwrap();
        let ours = engine.issue_token(&ana);
        assert!(!ours.contains("token-of"));
        let again = engine.log_in(Credentials::Bearer(&ours), PRIVATE).await.unwrap();
        assert_eq!(again, ana);
        let forged = format!("{}x", &ours[..ours.len() - 1]);
        engine
            .log_in(Credentials::Bearer(&forged), origin(4, true))
            .await
            .unwrap_err();
        engine
            .log_in(Credentials::Bearer(&ours), origin(1, false))
            .await
            .unwrap_err();
        // A user that the configuration does not have any more is nobody.
        engine.reload_access(AccessConfig {
            trust_loopback: false,
            unknown_users: UnknownUsers::Refuse,
            ..AccessConfig::open()
        });
        engine.log_in(Credentials::Bearer(&ours), PRIVATE).await.unwrap_err();
    }
}
