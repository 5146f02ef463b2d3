//! Telling a server that an operation is of no more use.

use std::sync::Arc;
use std::time::Duration;

use spark_connect_proto as proto;
use spark_connect_proto::interrupt_request::{Interrupt, InterruptType};
use spark_connect_proto::release_execute_request::{Release, ReleaseAll, ReleaseUntil};
use tokio::task::JoinHandle;

use crate::connection::{CLIENT_TYPE, Client};
use crate::session::Session;

/// How long one of these calls may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Together: after this the server gives an operation up by itself, because nobody is attached.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);

/// A statement that has not begun yet does not hear an interrupt (Sail). It is repeated this often, with pauses that
/// double.
const INTERRUPTS_MAX: u32 = 6;
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// A release that fails is repeated once.
const RELEASES_MAX: usize = 2;

/// Releases the answers up to the one named, so that the server need not keep them. None outside of a runtime.
pub(crate) fn release_until(session: &Arc<Session>, operation_id: &str, response_id: &str) -> Option<JoinHandle<()>> {
    let release = Release::ReleaseUntil(ReleaseUntil {
        response_id: response_id.to_owned(),
    });
    spawn(session, operation_id, release, false)
}

/// Releases an operation that has ended.
pub(crate) fn release_all(session: &Arc<Session>, operation_id: &str) -> Option<JoinHandle<()>> {
    spawn(session, operation_id, Release::ReleaseAll(ReleaseAll {}), false)
}

/// Stops an operation that may still run, and releases it.
pub(crate) fn abandon(session: &Arc<Session>, operation_id: &str) -> Option<JoinHandle<()>> {
    spawn(session, operation_id, Release::ReleaseAll(ReleaseAll {}), true)
}

fn spawn(session: &Arc<Session>, operation_id: &str, release: Release, stop: bool) -> Option<JoinHandle<()>> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    let session = Arc::clone(session);
    let operation_id = operation_id.to_owned();
    Some(runtime.spawn(async move {
        let work = async {
            if stop {
                interrupt(&session, &operation_id).await;
            }
            send_release(&session, &operation_id, release).await;
        };
        if tokio::time::timeout(TOTAL_TIMEOUT, work).await.is_err() {
            tracing::warn!(service = %session.service(), operation_id, "a statement may still run at the server");
        }
    }))
}

async fn interrupt(session: &Session, operation_id: &str) {
    let mut pause = PAUSE_FIRST;
    for attempt in 1..=INTERRUPTS_MAX {
        let request = proto::InterruptRequest {
            session_id: session.id().to_owned(),
            client_observed_server_side_session_id: session.observed(),
            user_context: Some(session.connection().user_context()),
            client_type: Some(CLIENT_TYPE.to_owned()),
            interrupt_type: InterruptType::OperationId.into(),
            interrupt: Some(Interrupt::OperationId(operation_id.to_owned())),
        };
        let send = |mut client: Client, request| async move { Box::pin(client.interrupt(request)).await };
        let answer = session
            .connection()
            .call_once(session.id(), request, CALL_TIMEOUT, send)
            .await;
        match answer {
            Ok(answer) if answer.interrupted_ids.iter().any(|id| id == operation_id) => return,
            _ if attempt == INTERRUPTS_MAX => return,
            _ => {}
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

async fn send_release(session: &Session, operation_id: &str, release: Release) {
    for _ in 0..RELEASES_MAX {
        let request = proto::ReleaseExecuteRequest {
            session_id: session.id().to_owned(),
            client_observed_server_side_session_id: session.observed(),
            user_context: Some(session.connection().user_context()),
            operation_id: operation_id.to_owned(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            release: Some(release.clone()),
        };
        let send = |mut client: Client, request| async move { Box::pin(client.release_execute(request)).await };
        let answer = session
            .connection()
            .call_once(session.id(), request, CALL_TIMEOUT, send)
            .await;
        match answer {
            Ok(_) => return,
            // The server forgot it already.
            Err(refusal) if refusal.is_about_the_call() => return,
            Err(_) => {}
        }
    }
}
