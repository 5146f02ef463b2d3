//! Who the client is: trust, SCRAM, or a token in the place of a password. Whatever goes wrong is fatal: no error of a
//! directory, a password or a setting leaves a connection that can be used.

use std::sync::Arc;

use contract::{Error, ErrorKind, Identity};
use engine::{
    ClientSession, Credentials, Engine, FrontEnd, LoginGuard, LoginMethod, Origin, ScramVerifier, SessionOptions,
    Shutdown,
};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey};

use crate::cancel::{CancelRegistry, Entry};
use crate::conversation::Conversation;
use crate::decode::Reader;
use crate::error::WireError;
use crate::frame::Stage;
use crate::parameter_status;
use crate::scram::{self, Exchange, MECHANISM, MECHANISM_PLUS};
use crate::startup::Opened;
use crate::startup_message::MINOR_MAX;
use crate::wire;

/// Protocol 3.2 brought secrets longer than four bytes.
const MINOR_LONG_SECRET: u16 = 2;

/// The database that every server is expected to have, and that clients choose when they are told none.
const MAINTENANCE_DATABASE: &str = "postgres";

/// Proves who the client is and opens its session. None if the login failed; the client has been told.
pub(crate) async fn log_in(
    mut opened: Opened,
    engine: &Engine,
    cancels: &Arc<CancelRegistry>,
    shutdown: &Shutdown,
) -> Option<Conversation> {
    if shutdown.stop_accepting.is_cancelled() {
        opened
            .wire
            .close_with(&WireError::new("57P03", "the database system is shutting down").fatal())
            .await;
        return None;
    }
    match session(&mut opened, engine, cancels).await {
        Ok((session, entry)) => Some(Conversation::new(opened.wire, session, entry, shutdown.clone())),
        Err(wire::Failure::Gone) => None,
        Err(wire::Failure::Error(error)) => {
            opened.wire.close_with(&error.fatal()).await;
            None
        }
    }
}

async fn session(
    opened: &mut Opened,
    engine: &Engine,
    cancels: &Arc<CancelRegistry>,
) -> Result<(ClientSession, Entry), wire::Failure> {
    let negotiated = opened.startup.minor.min(MINOR_MAX);
    if negotiated != opened.startup.minor || !opened.startup.unknown_options.is_empty() {
        let newest = (3 << 16) | i32::from(negotiated);
        let unknown = std::mem::take(&mut opened.startup.unknown_options);
        opened.wire.writer.put(&NegotiateProtocolVersion::new(newest, unknown));
    }
    let identity = authenticate(opened, engine).await?;
    let entry = cancels.enter(negotiated >= MINOR_LONG_SECRET);
    let user = &opened.startup.user;
    // libpq fills in the user's name when no database is given, `psql -l` and many tools this one.
    let is_filled_in = |name: &String| name == user || name == MAINTENANCE_DATABASE;
    let database = opened.startup.database.take();
    let database = database.filter(|name| !is_filled_in(name) || engine.catalogs().contains(name));
    let options = SessionOptions {
        catalog: database,
        settings: std::mem::take(&mut opened.startup.settings),
        front_end: FrontEnd::Postgres,
        process_id: entry.process_id(),
    };
    let writer = &mut opened.wire.writer;
    writer.put(&Authentication::Ok);
    let mut session = engine
        .open_session(identity, options)
        .map_err(|error| WireError::of(&error, None))?;
    parameter_status::report_all(writer, &mut session);
    let secret = SecretKey::Bytes(bytes::Bytes::copy_from_slice(entry.secret()));
    writer.put(&BackendKeyData::new(entry.process_id(), secret));
    tracing::debug!(user, peer = %opened.peer, tls = opened.tls, process_id = entry.process_id(), "client logged in");
    Ok((session, entry))
}

async fn authenticate(opened: &mut Opened, engine: &Engine) -> Result<Arc<Identity>, wire::Failure> {
    let user = opened.startup.user.clone();
    let identity = || {
        engine
            .identity(&user)
            .map_err(|error| WireError::of(&error, None).into())
    };
    match engine.login_method(&user, opened.peer.is_loopback()) {
        LoginMethod::Trust => identity(),
        LoginMethod::Token => by_token(opened, engine, &user).await,
        LoginMethod::Refuse => {
            let unknown = Error::new(
                ErrorKind::InvalidAuthorization,
                format!("role \"{user}\" does not exist"),
            );
            Err(WireError::of(&engine.identity(&user).err().unwrap_or(unknown), None).into())
        }
        LoginMethod::Scram(verifier) => match prove(opened, verifier, engine.login_guard()).await {
            Ok(()) => identity(),
            Err(Some(scram::Failure::WrongPassword)) => {
                tracing::info!(user, peer = %opened.peer, "wrong password");
                let message = format!("password authentication failed for user \"{user}\"");
                Err(WireError::of(&Error::new(ErrorKind::InvalidPassword, message), None).into())
            }
            Err(Some(scram::Failure::Broken(error))) => Err(error.into()),
            Err(None) => Err(wire::Failure::Gone),
        },
    }
}

/// Asks for the password in clear, and takes it for a token. Nobody is asked for it where others could read along.
async fn by_token(opened: &mut Opened, engine: &Engine, user: &str) -> Result<Arc<Identity>, wire::Failure> {
    let origin = Origin {
        peer: opened.peer,
        encrypted: opened.tls,
    };
    if !origin.encrypted && !origin.peer.is_loopback() {
        let error = WireError::new(
            "28000",
            format!("user \"{user}\" logs in by a token, which is taken over TLS only"),
        );
        return Err(error
            .with_hint("Set sslmode=require, or whatever the client calls it.")
            .into());
    }
    let wire = &mut opened.wire;
    wire.writer.put(&Authentication::CleartextPassword);
    wire.writer.flush().await.map_err(|_| wire::Failure::Gone)?;
    let frame = wire.reader.frame(Stage::Login).await?.ok_or(wire::Failure::Gone)?;
    let mut reader = Reader(&frame.body);
    let password = reader.text()?;
    if !reader.0.is_empty() {
        return Err(WireError::protocol("malformed password message").into());
    }
    let proven = engine.log_in(Credentials::Password { user, password }, origin).await;
    proven.map_err(|error| {
        tracing::info!(user, peer = %origin.peer, "login by token failed");
        WireError::of(&error, None).into()
    })
}

/// The SASL dialogue. Whoever guessed too often goes through it like everybody, and fails whatever the proof says:
/// nothing tells a guesser that a guess was right, or that it was not looked at.
async fn prove(opened: &mut Opened, verifier: ScramVerifier, guard: &LoginGuard) -> Result<(), Option<scram::Failure>> {
    let peer = opened.peer;
    let user = opened.startup.user.clone();
    let outcome = match exchange(opened, verifier).await {
        Ok(_) if guard.is_closed(peer, &user) => Err(Some(scram::Failure::WrongPassword)),
        Ok(last) => {
            opened.wire.writer.put(&last);
            Ok(())
        }
        Err(failure) => Err(failure),
    };
    if let Err(Some(scram::Failure::WrongPassword)) = outcome {
        guard.count_failure(peer, &user);
    }
    outcome
}

/// The SASL dialogue up to the message that ends it. `Err(None)`: the client left.
async fn exchange(opened: &mut Opened, verifier: ScramVerifier) -> Result<Authentication, Option<scram::Failure>> {
    let broken = |error: WireError| Some(scram::Failure::Broken(error));
    let wire = &mut opened.wire;
    let end_point = opened.end_point.as_deref();
    let mut mechanisms = vec![MECHANISM.to_owned()];
    if end_point.is_some() {
        mechanisms.insert(0, MECHANISM_PLUS.to_owned());
    }
    wire.writer.put(&Authentication::SASL(mechanisms));
    wire.writer.flush().await.map_err(|_| None)?;

    let frame = wire.reader.frame(Stage::Login).await.map_err(broken)?.ok_or(None)?;
    let mut reader = Reader(&frame.body);
    let mechanism = reader.text().map_err(broken)?;
    let length = u32::from_be_bytes(reader.array().map_err(broken)?);
    if usize::try_from(length).ok() != Some(reader.0.len()) {
        return Err(broken(
            WireError::protocol("malformed SCRAM message").with_detail("The response is missing."),
        ));
    }
    let (exchange, answer) = Exchange::begin(mechanism, reader.0, verifier, end_point).map_err(Some)?;
    wire.writer.put(&Authentication::SASLContinue(answer.into()));
    wire.writer.flush().await.map_err(|_| None)?;

    let frame = wire.reader.frame(Stage::Login).await.map_err(broken)?.ok_or(None)?;
    let answer = exchange.finish(&frame.body).map_err(Some)?;
    Ok(Authentication::SASLFinal(answer.into()))
}
