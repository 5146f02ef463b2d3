//! From the first byte to the end of the login. Whatever goes wrong here is fatal: no error of a directory, a
//! password or a setting leaves a connection that can be used.
//!
//! <https://www.postgresql.org/docs/16/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{Error, ErrorKind, Identity};
use engine::{Engine, FrontEnd, LoginMethod, ScramVerifier, SessionOptions, Shutdown};
use futures::FutureExt;
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::cancel::CancelRegistry;
use crate::conversation::Conversation;
use crate::decode::Reader;
use crate::error::WireError;
use crate::frame::{SMALL_BYTES_MAX, Stage};
use crate::parameter_status;
use crate::scram::{self, Exchange, MECHANISM, MECHANISM_PLUS};
use crate::throttle::Throttle;
use crate::tls::{ALPN, TlsState};
use crate::transport::Transport;
use crate::wire::Wire;
use crate::{PostgresOptions, wire};

const CODE_CANCEL: u32 = 80_877_102;
const CODE_TLS: u32 = 80_877_103;
const CODE_GSS: u32 = 80_877_104;

/// The newest protocol: 3.2.
const MINOR_MAX: u16 = 2;
/// Protocol 3.2 brought secrets longer than four bytes.
const MINOR_LONG_SECRET: u16 = 2;

/// The first byte of a TLS handshake record; no startup message is long enough to begin with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// A client that introduced itself.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) wire: Wire,
    startup: StartupMessage,
    tls: bool,
    /// What `SCRAM-SHA-256-PLUS` binds to on this connection.
    end_point: Option<Arc<[u8]>>,
    peer: IpAddr,
}

/// Why there is nobody to log in.
#[derive(Debug)]
enum NotOpened {
    /// A CancelRequest that is done with, or a peer that left or does not speak the protocol.
    Closed,
    Refused(Transport, WireError),
}

impl From<io::Error> for NotOpened {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// Agrees on encryption and reads the startup message. None if there is nothing more to do on this connection.
pub(crate) async fn open(
    stream: TcpStream,
    peer: SocketAddr,
    options: &PostgresOptions,
    tls: Option<TlsState>,
    cancels: &CancelRegistry,
) -> Option<Opened> {
    match negotiate(stream, peer.ip().to_canonical(), options, tls, cancels).await {
        Ok(opened) => Some(opened),
        Err(NotOpened::Closed) => None,
        Err(NotOpened::Refused(transport, error)) => {
            Wire::new(transport, options.send_timeout).close_with(&error).await;
            None
        }
    }
}

async fn negotiate(
    stream: TcpStream,
    peer: IpAddr,
    options: &PostgresOptions,
    tls: Option<TlsState>,
    cancels: &CancelRegistry,
) -> Result<Opened, NotOpened> {
    let mut first = [0_u8; 1];
    if stream.peek(&mut first).await? == 0 {
        return Err(NotOpened::Closed);
    }
    let mut end_point = None;
    let mut transport = match (first, &tls) {
        ([TLS_HANDSHAKE], Some(tls)) => {
            end_point.clone_from(&tls.end_point);
            handshake(stream, tls, true).await?
        }
        ([TLS_HANDSHAKE], None) => return Err(NotOpened::Closed),
        _ => Transport::Plain(stream),
    };
    let (mut tls_asked, mut gss_asked) = (false, false);
    loop {
        // Exactly the packet and no byte more: what follows an SSLRequest belongs to the handshake.
        let mut head = [0_u8; 8];
        transport.read_exact(&mut head).await?;
        let [l0, l1, l2, l3, code @ ..] = head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let code = u32::from_be_bytes(code);
        let Some(rest) = usize::try_from(length)
            .ok()
            .filter(|all| (8..=SMALL_BYTES_MAX).contains(all))
        else {
            return Err(NotOpened::Refused(
                transport,
                WireError::protocol("invalid length of startup packet").fatal(),
            ));
        };
        let rest = rest - head.len();
        match (code, transport) {
            (CODE_TLS, Transport::Plain(mut stream)) if !tls_asked && rest == 0 => {
                tls_asked = true;
                let Some(tls) = &tls else {
                    stream.write_all(b"N").await?;
                    transport = Transport::Plain(stream);
                    continue;
                };
                // A client waits for our answer before it begins the handshake: bytes that are here already were put
                // there by somebody in between, to be taken for the client's own after the handshake.
                if stream
                    .peek(&mut first)
                    .now_or_never()
                    .is_some_and(|peeked| !matches!(peeked, Ok(0)))
                {
                    let error = WireError::protocol("received unencrypted data after SSL request").with_detail(
                        "This could be either a client-software bug or evidence of an attempted man-in-the-middle \
                         attack.",
                    );
                    return Err(NotOpened::Refused(Transport::Plain(stream), error.fatal()));
                }
                stream.write_all(b"S").await?;
                end_point.clone_from(&tls.end_point);
                transport = handshake(stream, tls, false).await?;
            }
            (CODE_GSS, mut same) if !gss_asked && rest == 0 => {
                gss_asked = true;
                same.write_all(b"N").await?;
                same.flush().await?;
                transport = same;
            }
            (CODE_CANCEL, mut same) => {
                let mut body = vec![0_u8; rest];
                same.read_exact(&mut body).await?;
                if let Some((process_id, secret)) = body.split_first_chunk::<4>() {
                    cancels.cancel(i32::from_be_bytes(*process_id), secret, peer);
                }
                return Err(NotOpened::Closed);
            }
            (version, mut same) => {
                let mut body = vec![0_u8; rest];
                same.read_exact(&mut body).await?;
                let is_tls = matches!(same, Transport::Tls(_));
                return match StartupMessage::read(version, &body) {
                    Err(error) => Err(NotOpened::Refused(same, error.fatal())),
                    Ok(_) if options.require_tls && !is_tls => {
                        let error = WireError::new("28000", "this server accepts connections with TLS only")
                            .with_hint("Set sslmode=require, or whatever the client calls it.");
                        Err(NotOpened::Refused(same, error.fatal()))
                    }
                    Ok(startup) => {
                        let wire = Wire::new(same, options.send_timeout);
                        Ok(Opened {
                            wire,
                            startup,
                            tls: is_tls,
                            end_point,
                            peer,
                        })
                    }
                };
            }
        }
    }
}

async fn handshake(stream: TcpStream, tls: &TlsState, direct: bool) -> Result<Transport, NotOpened> {
    let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await?;
    let named = stream.get_ref().1.alpn_protocol() == Some(ALPN);
    let transport = Transport::Tls(Box::new(stream));
    // Without the name, a browser or another protocol's client could be made to speak to us.
    if direct && !named {
        let error =
            WireError::protocol("received direct SSL connection request without ALPN protocol negotiation extension");
        return Err(NotOpened::Refused(transport, error.fatal()));
    }
    Ok(transport)
}

/// What a client says of itself first.
#[derive(Debug, PartialEq, Eq)]
struct StartupMessage {
    minor: u16,
    user: String,
    database: Option<String>,
    /// In the order in which they take effect.
    settings: Vec<(String, String)>,
    /// Protocol options that we do not know.
    unknown_options: Vec<String>,
}

impl StartupMessage {
    fn read(version: u32, body: &[u8]) -> Result<Self, WireError> {
        let [m0, m1, n0, n1] = version.to_be_bytes();
        let (major, minor) = (u16::from_be_bytes([m0, m1]), u16::from_be_bytes([n0, n1]));
        if major != 3 {
            return Err(WireError::new(
                "0A000",
                format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{MINOR_MAX}"),
            ));
        }
        let mut message = Self {
            minor,
            user: String::new(),
            database: None,
            settings: Vec::new(),
            unknown_options: Vec::new(),
        };
        let mut options = Vec::new();
        let mut reader = Reader(body);
        loop {
            let name = reader.text()?;
            if name.is_empty() {
                break;
            }
            let value = reader.text()?;
            match name {
                "user" => value.clone_into(&mut message.user),
                "database" => message.database = Some(value.to_owned()),
                "options" => options = command_line(value)?,
                "replication" => refuse_replication(value)?,
                _ if name.starts_with("_pq_.") => message.unknown_options.push(name.to_owned()),
                _ => message.settings.push((name.to_owned(), value.to_owned())),
            }
        }
        if !reader.0.is_empty() {
            return Err(WireError::protocol(
                "invalid startup packet layout: expected terminator as last byte",
            ));
        }
        if message.user.is_empty() {
            return Err(WireError::new(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        message.database = message.database.filter(|database| !database.is_empty());
        options.append(&mut message.settings);
        message.settings = options;
        Ok(message)
    }
}

fn refuse_replication(value: &str) -> Result<(), WireError> {
    if ["false", "off", "no", "0"]
        .iter()
        .any(|no| value.eq_ignore_ascii_case(no))
    {
        return Ok(());
    }
    Err(WireError::new("0A000", "replication connections are not supported"))
}

/// The settings in `-c name=value --name=value …`; a backslash keeps the next character.
fn command_line(options: &str) -> Result<Vec<(String, String)>, WireError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    let mut settings = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("--") {
            Some(assignment) => Some(assignment.to_owned()),
            None if word == "-c" => words.next(),
            None => word.strip_prefix("-c").map(str::to_owned),
        };
        match assignment.as_deref().and_then(|assignment| assignment.split_once('=')) {
            Some((name, value)) => settings.push((name.replace('-', "_"), value.to_owned())),
            None => {
                return Err(WireError::new(
                    "42601",
                    format!("invalid command-line argument for server process: {word}"),
                ));
            }
        }
    }
    Ok(settings)
}

/// Wrong passwords for one account from one address within [`WRONG_PASSWORDS_WINDOW`]; the account's owner elsewhere
/// is not locked out.
const WRONG_PASSWORDS_OF_ACCOUNT_MAX: u32 = 10;
/// Wrong passwords from one address whatever the account: many people may share an address.
const WRONG_PASSWORDS_OF_ADDRESS_MAX: u32 = 100;
const WRONG_PASSWORDS_WINDOW: Duration = Duration::from_secs(60);

/// What connections have in common before they are sessions.
#[derive(Debug)]
pub(crate) struct Doorkeeper {
    pub(crate) cancels: Arc<CancelRegistry>,
    of_account: Throttle<(IpAddr, String)>,
    of_address: Throttle<IpAddr>,
}

impl Default for Doorkeeper {
    fn default() -> Self {
        Self {
            cancels: Arc::default(),
            of_account: Throttle::new(WRONG_PASSWORDS_OF_ACCOUNT_MAX, WRONG_PASSWORDS_WINDOW),
            of_address: Throttle::new(WRONG_PASSWORDS_OF_ADDRESS_MAX, WRONG_PASSWORDS_WINDOW),
        }
    }
}

impl Doorkeeper {
    /// Whether no password of this user from this address is believed at present.
    fn is_closed(&self, peer: IpAddr, user: &str) -> bool {
        let now = Instant::now();
        self.of_address.is_exceeded(&peer, now) || self.of_account.is_exceeded(&(peer, user.to_owned()), now)
    }

    fn count_failure(&self, peer: IpAddr, user: &str) {
        let now = Instant::now();
        self.of_address.count(peer, now);
        self.of_account.count((peer, user.to_owned()), now);
    }
}

/// Proves who the client is and opens its session. None if the login failed; the client has been told.
pub(crate) async fn log_in(
    mut opened: Opened,
    engine: &Engine,
    doorkeeper: &Doorkeeper,
    shutdown: &Shutdown,
) -> Option<Conversation> {
    if shutdown.stop_accepting.is_cancelled() {
        opened
            .wire
            .close_with(&WireError::new("57P03", "the database system is shutting down").fatal())
            .await;
        return None;
    }
    match session(&mut opened, engine, doorkeeper).await {
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
    doorkeeper: &Doorkeeper,
) -> Result<(engine::ClientSession, crate::cancel::Entry), wire::Failure> {
    let negotiated = opened.startup.minor.min(MINOR_MAX);
    if negotiated != opened.startup.minor || !opened.startup.unknown_options.is_empty() {
        let newest = (3 << 16) | i32::from(negotiated);
        let unknown = std::mem::take(&mut opened.startup.unknown_options);
        opened.wire.writer.put(&NegotiateProtocolVersion::new(newest, unknown));
    }
    let identity = authenticate(opened, engine, doorkeeper).await?;
    let entry = doorkeeper.cancels.enter(negotiated >= MINOR_LONG_SECRET);
    let user = &opened.startup.user;
    // libpq fills in the user's name when no database is given.
    let database = opened.startup.database.take();
    let database = database.filter(|name| name != user || engine.catalogs().contains(name));
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

async fn authenticate(
    opened: &mut Opened,
    engine: &Engine,
    doorkeeper: &Doorkeeper,
) -> Result<Arc<Identity>, wire::Failure> {
    let user = opened.startup.user.clone();
    let identity = || {
        engine
            .identity(&user)
            .map_err(|error| WireError::of(&error, None).into())
    };
    match engine.login_method(&user, opened.peer.is_loopback()) {
        LoginMethod::Trust => identity(),
        LoginMethod::Refuse => {
            let unknown = Error::new(
                ErrorKind::InvalidAuthorization,
                format!("role \"{user}\" does not exist"),
            );
            Err(WireError::of(&engine.identity(&user).err().unwrap_or(unknown), None).into())
        }
        LoginMethod::Scram(verifier) => match prove(opened, verifier, doorkeeper).await {
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

/// The SASL dialogue. Whoever guessed too often goes through it like everybody, and fails whatever the proof says:
/// nothing tells a guesser that a guess was right, or that it was not looked at.
async fn prove(
    opened: &mut Opened,
    verifier: ScramVerifier,
    doorkeeper: &Doorkeeper,
) -> Result<(), Option<scram::Failure>> {
    let peer = opened.peer;
    let user = opened.startup.user.clone();
    let outcome = match exchange(opened, verifier).await {
        Ok(_) if doorkeeper.is_closed(peer, &user) => Err(Some(scram::Failure::WrongPassword)),
        Ok(last) => {
            opened.wire.writer.put(&last);
            Ok(())
        }
        Err(failure) => Err(failure),
    };
    if let Err(Some(scram::Failure::WrongPassword)) = outcome {
        doorkeeper.count_failure(peer, &user);
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

#[cfg(test)]
mod tests {
    use super::*;

    const V3: u32 = 3 << 16;

    #[test]
    fn reads_user_database_and_settings_in_order() {
        let body = b"user\0ana\0database\0lake\0TimeZone\0UTC\0options\0-c a.b=1 --search-path=x\\ y\0_pq_.z\01\0\0";
        let message = StartupMessage::read(V3 | 2, body).unwrap();
        assert_eq!(
            (message.minor, &*message.user, message.database.as_deref()),
            (2, "ana", Some("lake"))
        );
        let pairs = [("a.b", "1"), ("search_path", "x y"), ("TimeZone", "UTC")];
        assert_eq!(
            message.settings,
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(message.unknown_options, ["_pq_.z"]);
    }

    #[test]
    fn refuses_what_is_no_startup_message() {
        for (version, body, code) in [
            (2 << 16, &b"user\0ana\0\0"[..], "0A000"),
            (4 << 16, b"user\0ana\0\0", "0A000"),
            (V3, b"user\0ana\0", "08P01"),
            (V3, b"user\0ana", "08P01"),
            (V3, b"user\0ana\0\0x", "08P01"),
            (V3, b"", "08P01"),
            (V3, b"\0", "28000"),
            (V3, b"user\0\0\0", "28000"),
            (V3, b"user\0\xff\0\0", "22021"),
            (V3, b"user\0ana\0replication\0database\0\0", "0A000"),
            (V3, b"user\0ana\0options\0-x\0\0", "42601"),
        ] {
            let error = StartupMessage::read(version, body).unwrap_err();
            assert_eq!(error.sqlstate(), code, "{body:?}");
        }
    }
}
