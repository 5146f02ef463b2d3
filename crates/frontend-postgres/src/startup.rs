//! From the first byte to the startup message: TLS, GSS, CancelRequest. Whatever goes wrong here is fatal.
//!
//! <https://www.postgresql.org/docs/16/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use engine::TlsState;
use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::PostgresOptions;
use crate::cancel::CancelRegistry;
use crate::error::WireError;
use crate::frame::SMALL_BYTES_MAX;
use crate::startup_message::StartupMessage;
use crate::transport::Transport;
use crate::wire::Wire;

/// The protocol name that clients of direct TLS must offer.
pub(crate) const ALPN: &[u8] = b"postgresql";

const CODE_CANCEL: u32 = 80_877_102;
const CODE_TLS: u32 = 80_877_103;
const CODE_GSS: u32 = 80_877_104;

/// The first byte of a TLS handshake record; no startup message is long enough to begin with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// A client that introduced itself.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) wire: Wire,
    pub(crate) startup: StartupMessage,
    pub(crate) tls: bool,
    /// What `SCRAM-SHA-256-PLUS` binds to on this connection.
    pub(crate) end_point: Option<Arc<[u8]>>,
    pub(crate) peer: IpAddr,
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
