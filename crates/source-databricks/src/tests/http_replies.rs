//! A server that answers with prepared texts and writes down what it was asked.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::{Credentials, Workspace, WorkspaceOptions};

/// What was asked: the head's first line, the head in lower case, the body.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) head: String,
    pub(super) body: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(status: u16, body: impl ToString) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.to_string().into_bytes(),
        }
    }
}

/// Ends when it is dropped.
pub(super) struct Server {
    pub(super) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Server {
    /// `answer` is told the number of the request, from 0, and what it asks.
    pub(super) async fn start(answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move { serve(socket, &*answer, &seen).await });
            }
        });
        Self {
            url,
            asked,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    /// A workspace of this server, without a login.
    pub(super) fn workspace(&self) -> Workspace {
        self.workspace_as(Credentials::None)
    }

    pub(super) fn workspace_as(&self, credentials: Credentials) -> Workspace {
        let options = WorkspaceOptions {
            service: "lake".to_owned(),
            url: self.url.clone(),
            workspace_id: None,
            credentials,
        };
        Workspace::new(options).unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    answer: &(dyn Fn(usize, &Asked) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = read(&mut socket).await else {
        return;
    };
    let number = {
        let mut seen = seen.lock();
        seen.push(asked.clone());
        seen.len() - 1
    };
    let Reply { status, headers, body } = answer(number, &asked);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head_lower = head.to_lowercase();
            let length = head_lower
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return Some(Asked {
                    line: head.lines().next().unwrap_or_default().to_owned(),
                    head: head_lower.clone(),
                    body: body.to_owned(),
                });
            }
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}
