//! One server as one principal: the channel, what every call carries, and the calls that have one answer.

use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use spark_connect_core::channel::GRPC_MAX_MESSAGE_LENGTH_DEFAULT;
use spark_connect_proto::UserContext;
use spark_connect_proto::spark_connect_service_client::SparkConnectServiceClient;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::address::{SESSION_HEADER, SparkAddress};
use crate::backoff::Backoff;
use crate::error::{Fate, Refusal};

/// How long a call with one answer may take. The first plan that a cold server analyses takes some ten seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What is said of us in the server's listings.
pub(crate) const CLIENT_TYPE: &str = concat!("lakegate/", env!("CARGO_PKG_VERSION"));

pub(crate) type Client = SparkConnectServiceClient<Channel>;

#[derive(Debug)]
pub(crate) struct Connection {
    service: Arc<str>,
    address: SparkAddress,
    /// Opened at first use: that needs a runtime.
    client: Mutex<Option<Client>>,
}

impl Connection {
    pub(crate) fn new(service: &str, address: SparkAddress) -> Self {
        Self {
            service: service.into(),
            address,
            client: Mutex::new(None),
        }
    }

    pub(crate) fn service(&self) -> &Arc<str> {
        &self.service
    }

    pub(crate) fn user_context(&self) -> UserContext {
        UserContext {
            user_id: self.address.user().to_owned(),
            user_name: self.address.user().to_owned(),
            extensions: Vec::new(),
        }
    }

    pub(crate) fn client(&self) -> Result<Client> {
        let mut slot = self.client.lock();
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let client = Client::new(self.address.open()?)
            .max_decoding_message_size(GRPC_MAX_MESSAGE_LENGTH_DEFAULT)
            .max_encoding_message_size(GRPC_MAX_MESSAGE_LENGTH_DEFAULT);
        Ok(slot.insert(client).clone())
    }

    /// A message of a session with all that goes with it.
    pub(crate) async fn request<M>(&self, session_id: &str, message: M) -> Result<Request<M>> {
        let mut request = Request::new(message);
        let unsendable = || {
            let message = format!(
                "the token for service \"{}\" holds characters that cannot be sent",
                self.service
            );
            Error::new(ErrorKind::Configuration, message)
                .with_hint("Check the file or variable that holds it: a line break at its end is one such character.")
        };
        for (name, value) in self.address.headers() {
            let value = match MetadataValue::try_from(session_id) {
                Ok(session) if name.as_str() == SESSION_HEADER => session,
                _ => value.clone(),
            };
            request.metadata_mut().insert(name.clone(), value);
        }
        if let Some(source) = self.address.token() {
            let token = source.token().await?;
            let bearer = format!("Bearer {}", token.expose());
            let mut value = MetadataValue::try_from(bearer).map_err(|_| unsendable())?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }

    /// Makes a call with one answer, once, within `timeout`.
    pub(crate) async fn call_once<M, R, F>(
        &self,
        session_id: &str,
        message: M,
        timeout: Duration,
        send: impl FnOnce(Client, Request<M>) -> F,
    ) -> Result<R, Refusal>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let work = async {
            let request = self.request(session_id, message).await.map_err(Refusal::Ours)?;
            let client = self.client().map_err(Refusal::Ours)?;
            Box::pin(send(client, request))
                .await
                .map_err(|status| Refusal::of(&status))
        };
        // Calls of the generated client take tens of kilobytes each, and nest.
        match tokio::time::timeout(timeout, Box::pin(work)).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_) => Err(Refusal::of(&Status::new(Code::DeadlineExceeded, "no answer in time"))),
        }
    }

    /// Makes a call with one answer that may be made again, and makes it again where that can help.
    pub(crate) async fn call<M, R, F>(
        &self,
        session_id: &str,
        message: M,
        send: impl Fn(Client, Request<M>) -> F,
    ) -> Result<R, Refusal>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut backoff = Backoff::default();
        loop {
            let refusal = match self.call_once(session_id, message.clone(), CALL_TIMEOUT, &send).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            let wait = match refusal.fate() {
                Fate::Again(told) => backoff.next(told),
                _ => None,
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(refusal),
            }
        }
    }
}
