//! A proxy that keeps every byte a client receives, and what clients read out of these bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Stands between clients and servers; what a server sends is kept before it is passed on.
///
/// The bytes of HTTP do not show all that a client reads: HTTP/2 compresses texts of headers and trailers, and cuts
/// bodies into frames. So clients of HTTP [note](Self::note) what they read, and both are judged.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// Where clients of the first server connect.
    pub address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
    sent_by_others: Arc<Mutex<Vec<u8>>>,
    read: Arc<Mutex<Vec<u8>>>,
}

/// What was recorded between two looks.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What the first server sent.
    pub sent: Vec<u8>,
    /// What the others sent. HTTP/2 has something to send at any time: pings, for example.
    pub sent_by_others: Vec<u8>,
    /// What clients of HTTP read: headers and trailers as lines, bodies without frames.
    pub read: Vec<u8>,
}

impl Recorder {
    /// Starts one in front of `server`.
    pub async fn start(server: SocketAddr) -> Self {
        let sent = Arc::default();
        Self {
            address: listen(server, Arc::clone(&sent)).await,
            sent,
            sent_by_others: Arc::default(),
            read: Arc::default(),
        }
    }

    /// Stands in front of another server too, and gives the address for its clients.
    pub async fn also(&self, server: SocketAddr) -> SocketAddr {
        listen(server, Arc::clone(&self.sent_by_others)).await
    }

    /// Keeps what a client read.
    pub fn note(&self, bytes: &[u8]) {
        self.read.lock().unwrap().extend_from_slice(bytes);
    }

    /// What was sent to clients and read by them since the last call, one behind the other.
    pub fn take(&self) -> Vec<u8> {
        let Recorded {
            sent,
            sent_by_others,
            read,
        } = self.take_apart();
        [sent, sent_by_others, read].join(&0)
    }

    /// The same apart.
    pub fn take_apart(&self) -> Recorded {
        Recorded {
            sent: std::mem::take(&mut *self.sent.lock().unwrap()),
            sent_by_others: std::mem::take(&mut *self.sent_by_others.lock().unwrap()),
            read: std::mem::take(&mut *self.read.lock().unwrap()),
        }
    }
}

async fn listen(server: SocketAddr, sent: Arc<Mutex<Vec<u8>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
            });
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
                    sent.lock().unwrap().extend_from_slice(&buffer[..length]);
                    if to_client.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
