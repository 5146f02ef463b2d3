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
use crate::token::Token;

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

    /// The token of now; none where none is shown.
    pub(crate) async fn token(&self) -> Result<Option<Token>> {
        match self.address.token() {
            Some(source) => source.token().await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether a call is to be made again with another token than the one that was `shown`: that one may have been taken
    /// back before its time.
    pub(crate) async fn takes_another(&self, refusal: &Refusal, shown: Option<&Token>) -> bool {
        match (self.address.token(), shown) {
            (Some(source), Some(shown)) if refusal.is_about_the_token() => source.refused(shown).await,
            _ => false,
        }
    }

    /// A message of a session with all that goes with it.
    pub(crate) fn request<M>(&self, session_id: &str, token: Option<&Token>, message: M) -> Result<Request<M>> {
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
        if let Some(token) = token {
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
            let token = self.token().await?;
            self.call_as(session_id, token.as_ref(), message, send).await
        };
        within(timeout, work).await
    }

    async fn call_as<M, R, F>(
        &self,
        session_id: &str,
        token: Option<&Token>,
        message: M,
        send: impl FnOnce(Client, Request<M>) -> F,
    ) -> Result<R, Refusal>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let request = self.request(session_id, token, message)?;
        let answer = Box::pin(send(self.client()?, request)).await;
        answer.map(Response::into_inner).map_err(|status| Refusal::of(&status))
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
        let mut renewed = false;
        loop {
            let token = within(CALL_TIMEOUT, async { Ok(self.token().await?) }).await?;
            let answer = self.call_as(session_id, token.as_ref(), message.clone(), &send);
            let refusal = match within(CALL_TIMEOUT, answer).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            if !renewed && self.takes_another(&refusal, token.as_ref()).await {
                renewed = true;
                continue;
            }
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

/// What `work` gives within `timeout`.
async fn within<T>(timeout: Duration, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    // Calls of the generated client take tens of kilobytes each, and nest.
    match tokio::time::timeout(timeout, Box::pin(work)).await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::of(&Status::new(Code::DeadlineExceeded, "no answer in time"))),
    }
}
