//! Who sends a call and what it says beside its command.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use contract::{ErrorKind, Identity};
use engine::{Credentials, Engine, Origin};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use crate::connection::Peer;
use crate::error;

/// The cookie that names a session, as Arrow's own servers call it.
pub(crate) const SESSION_COOKIE: &str = "arrow_flight_session_id";
/// Longer names of sessions are not ours.
const SESSION_NAME_BYTES_MAX: usize = 64;

/// ADBC leaves the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The sender of one call.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Arc<Identity>,
    /// The session that the call belongs to; none has one of its own.
    pub(crate) session: Option<String>,
    /// The catalog and schema that short names mean, in sessions that begin with this call.
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
}

impl Caller {
    /// Finds out who sends a call.
    ///
    /// # Errors
    /// One and the same, whatever is wrong with the proof.
    pub(crate) async fn of(engine: &Engine, metadata: &MetadataMap, extensions: &Extensions) -> Result<Self, Status> {
        let Some(peer) = extensions.get::<Peer>() else {
            return Err(error::unauthenticated());
        };
        let origin = Origin {
            peer: peer.address.ip(),
            encrypted: peer.encrypted,
        };
        let identity = identity(engine, metadata, origin).await?;
        Ok(Self {
            identity,
            session: cookie(metadata),
            catalog: text(metadata, &["x-lakegate-catalog", "catalog", "database"]),
            schema: text(metadata, &["x-lakegate-schema", "schema"]),
        })
    }
}

async fn identity(engine: &Engine, metadata: &MetadataMap, origin: Origin) -> Result<Arc<Identity>, Status> {
    let authenticated = match metadata.get("authorization") {
        None => engine.log_in(Credentials::None, origin).await,
        Some(proof) => {
            let proof = proof.to_str().map_err(|_| error::unauthenticated())?;
            let (scheme, rest) = proof.split_once(' ').ok_or_else(error::unauthenticated)?;
            let rest = rest.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                engine.log_in(Credentials::Bearer(rest), origin).await
            } else if scheme.eq_ignore_ascii_case("basic") {
                let (user, password) = user_and_password(rest).ok_or_else(error::unauthenticated)?;
                let credentials = Credentials::Password {
                    user: &user,
                    password: &password,
                };
                engine.log_in(credentials, origin).await
            } else {
                return Err(error::unauthenticated());
            }
        }
    };
    authenticated.map_err(|error| match error.kind() {
        ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization => error::unauthenticated(),
        _ => error::status(&error, None),
    })
}

fn user_and_password(encoded: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn text(metadata: &MetadataMap, names: &[&str]) -> Option<String> {
    let value = names.iter().find_map(|name| metadata.get(*name))?;
    let value = value.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn cookie(metadata: &MetadataMap) -> Option<String> {
    let cookies = metadata.get_all("cookie");
    let cookies = cookies.iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, name) = pairs.find(|(name, _)| *name == SESSION_COOKIE)?;
    let name = name.trim_matches('"');
    (!name.is_empty() && name.len() <= SESSION_NAME_BYTES_MAX).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_and_without_padding() {
        for encoded in ["ZGFuYTpw", "ZGFuYTpwZQ==", "ZGFuYTpwZQ"] {
            let (user, password) = user_and_password(encoded).unwrap();
            assert_eq!(user, "dana");
            assert!("pe".starts_with(&password));
        }
        for wrong in ["", "ZGFuYQ", "!", "//8="] {
            assert_eq!(user_and_password(wrong), None, "{wrong}");
        }
        assert_eq!(user_and_password("YTpiOmM="), Some(("a".to_owned(), "b:c".to_owned())));
    }

    #[test]
    fn finds_its_cookie_among_others() {
        let mut metadata = MetadataMap::new();
        assert_eq!(cookie(&metadata), None);
        metadata.append("cookie", "a=b".parse().unwrap());
        metadata.append("cookie", "c=d; arrow_flight_session_id=s1; e".parse().unwrap());
        assert_eq!(cookie(&metadata).as_deref(), Some("s1"));
        let long = format!("{SESSION_COOKIE}={}", "x".repeat(65));
        metadata.insert("cookie", long.parse().unwrap());
        assert_eq!(cookie(&metadata), None);
    }
}
