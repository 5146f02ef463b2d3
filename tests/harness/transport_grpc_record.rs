//! A channel of gRPC that notes what its client reads.

use std::task::{Context, Poll};

use arrow_flight::sql::client::FlightSqlServiceClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint};

use crate::transport_recorder::Recorder;

/// A channel that hands every header, trailer and byte of a body to a [`Recorder`], if there is one.
#[derive(Debug, Clone)]
pub struct RecordedChannel {
    channel: Channel,
    recorder: Option<Recorder>,
}

/// A client of Flight SQL over such a channel.
pub type RecordedClient = FlightSqlServiceClient<RecordedChannel>;

impl RecordedChannel {
    /// A channel to a server, or to what stands in front of it.
    pub async fn connect(address: std::net::SocketAddr, recorder: Option<Recorder>) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self { channel, recorder }
    }
}

impl Service<http::Request<Body>> for RecordedChannel {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.channel.call(request);
        let Some(recorder) = self.recorder.clone() else {
            return Box::pin(answer);
        };
        Box::pin(async move {
            let (head, body) = answer.await?.into_parts();
            note(&recorder, &head.headers);
            let body = body.map_frame(move |frame| {
                if let Some(bytes) = frame.data_ref() {
                    recorder.note(bytes);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    note(&recorder, trailers);
                }
                frame
            });
            Ok(http::Response::from_parts(head, Body::new(body)))
        })
    }
}

/// Each header as it came and as a client decodes it: the message of a status has its letters as `%41`, details are
/// base64.
fn note(recorder: &Recorder, headers: &http::HeaderMap) {
    for (name, value) in headers {
        let value = value.as_bytes();
        recorder.note(name.as_str().as_bytes());
        recorder.note(b": ");
        recorder.note(value);
        if value.contains(&b'%') {
            recorder.note(b"\n");
            recorder.note(&without_percent(value));
        }
        if name.as_str().ends_with("-bin") {
            recorder.note(b"\n");
            let bare: Vec<u8> = value.iter().copied().filter(|byte| *byte != b'=').collect();
            recorder.note(&STANDARD_NO_PAD.decode(bare).unwrap());
        }
        recorder.note(b"\n");
    }
}

fn without_percent(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}
