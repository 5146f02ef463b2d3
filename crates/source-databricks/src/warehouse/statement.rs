//! One statement from its submission to its end, wherever that comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::failure::statement_error;
use super::model::{Answer, Manifest, ResultData};
use crate::outcome::{Failure, Refusal};
use crate::retry::Repeat;
use crate::workspace::Workspace;

/// The pause after the first look at a statement, which comes at once: the way there and back is a pause of its own.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest pause while a statement runs.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a cancelled statement is looked after, until its end was seen.
const CANCEL_TIME: Duration = Duration::from_secs(60);
const CANCEL_PAUSE: Duration = Duration::from_secs(1);
/// Dispositions of results.
const LINKS: &str = "EXTERNAL_LINKS";
const ATTACHED_OR_LINKS: &str = "INLINE_OR_EXTERNAL_LINKS";
const WITH_ANSWERS: &str = "INLINE";
/// How a service refuses links that an administrator forbade.
const FORBIDDEN: &str = "FEATURE_DISABLED";
/// How long links that were forbidden are not asked for.
const FORBIDDEN_TIME: Duration = Duration::from_secs(10 * 60);

/// How a warehouse is asked to deliver. Small results are attached to the answer, which saves a round trip to storage,
/// where the service knows that: its documentation does not name it, its own drivers use it.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    links_only: AtomicBool,
    /// Since when links are known to be forbidden.
    forbidden: Mutex<Option<Instant>>,
}

/// What results are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Arrow, attached or over links.
    Arrow,
    /// Texts within answers.
    Text,
}

impl Delivery {
    /// Submits a statement. `None`, and nothing was taken, where Arrow is asked for and links are forbidden.
    async fn submit(&self, workspace: &Workspace, mut request: Value, form: Form) -> Result<Option<Answer>, Failure> {
        let url = workspace.address(&["api", "2.0", "sql", "statements"], &[]);
        let mut submit = async |disposition: &str| {
            request["disposition"] = disposition.into();
            workspace.post::<Answer>(url.clone(), &request, Repeat::Untaken).await
        };
        if form == Form::Text {
            return submit(WITH_ANSWERS).await.map(Some);
        }
        if self
            .forbidden
            .lock()
            .is_some_and(|since| since.elapsed() < FORBIDDEN_TIME)
        {
            return Ok(None);
        }
        let mut answer = match self.links_only.load(Ordering::Relaxed) {
            true => submit(LINKS).await,
            false => submit(ATTACHED_OR_LINKS).await,
        };
        if refused_as(&answer, |refusal| refusal.status == 400) && !self.links_only.load(Ordering::Relaxed) {
            // It was not taken. If links alone are, that was the reason.
            answer = submit(LINKS).await;
            if answer.is_ok() {
                tracing::debug!(service = workspace.service(), "results are not attached to answers");
                self.links_only.store(true, Ordering::Relaxed);
            }
        }
        if refused_as(&answer, |refusal| refusal.code == FORBIDDEN) {
            tracing::warn!(
                service = workspace.service(),
                "the workspace allows no external links: results come slowly, and of 25 MiB at most"
            );
            *self.forbidden.lock() = Some(Instant::now());
            return Ok(None);
        }
        answer.map(Some)
    }
}

fn refused_as<T>(answer: &Result<T, Failure>, is: impl FnOnce(&Refusal) -> bool) -> bool {
    answer.as_ref().err().and_then(Failure::refusal).is_some_and(is)
}

/// A statement that was taken. Dropped before its end, it is cancelled.
#[derive(Debug)]
pub(super) struct Running {
    workspace: Workspace,
    id: Arc<str>,
    ended: bool,
    runtime: Handle,
}

/// A statement that succeeded.
#[derive(Debug)]
pub(super) struct Succeeded {
    pub(super) running: Running,
    pub(super) manifest: Manifest,
    pub(super) result: ResultData,
}

/// Submits a statement and waits for its success; `start_time` is how long a warehouse may take to start. `None`, and
/// nothing was run, where Arrow is asked for and the workspace allows no links.
///
/// Dropping the future cancels the statement, also while its submission is under way.
pub(super) async fn run(
    workspace: &Workspace,
    request: Value,
    delivery: &Arc<Delivery>,
    form: Form,
    start_time: Duration,
) -> Result<Option<Succeeded>> {
    let runtime = Handle::current();
    let (of_submit, on, delivery) = (workspace.clone(), runtime.clone(), Arc::clone(delivery));
    // On its own: if nobody waits for its outcome any more, that is dropped, and with it the statement cancelled.
    let submission = runtime.spawn(async move {
        let Some(answer) = delivery.submit(&of_submit, request, form).await? else {
            return Ok(None);
        };
        let running = Running {
            workspace: of_submit,
            id: answer.statement_id.as_str().into(),
            ended: false,
            runtime: on,
        };
        Ok::<_, Failure>(Some((running, answer)))
    });
    let submitted = submission
        .await
        .map_err(|error| Error::internal("the submission of a statement broke off").with_source(error))?;
    match submitted.map_err(|failure| failure.into_error(workspace.service()))? {
        Some((running, answer)) => running.wait(answer, start_time).await.map(Some),
        None => Ok(None),
    }
}

impl Running {
    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Its id, which is no secret.
    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    async fn wait(mut self, mut answer: Answer, start_time: Duration) -> Result<Succeeded> {
        let begin = Instant::now();
        let mut pause = Duration::ZERO;
        loop {
            match answer.status.state.as_str() {
                "SUCCEEDED" => {
                    let manifest = answer.manifest.take().unwrap_or_default();
                    let result = answer.result.take().unwrap_or_default();
                    return Ok(Succeeded {
                        running: self,
                        manifest,
                        result,
                    });
                }
                "PENDING" if begin.elapsed() >= start_time => return Err(self.not_started(start_time)),
                "PENDING" | "RUNNING" => {}
                _ => {
                    self.ended = true;
                    return Err(statement_error(self.workspace.service(), &answer.status));
                }
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            pause = pause.mul_f32(1.5).clamp(PAUSE_FIRST, PAUSE_MAX);
            answer = match self.look().await {
                Ok(answer) => answer,
                Err(failure) => {
                    self.ended = is_gone(&failure);
                    return Err(failure.into_error(self.workspace.service()));
                }
            };
        }
    }

    fn not_started(&self, start_time: Duration) -> Error {
        let message = format!(
            "the warehouse of service \"{}\" did not start within {} seconds",
            self.workspace.service(),
            start_time.as_secs()
        );
        Error::new(ErrorKind::SourceUnavailable, message)
            .with_hint("Start it, or raise the service's timeout in the configuration.")
    }

    async fn look(&self) -> Result<Answer, Failure> {
        self.workspace.get(address(&self.workspace, &self.id, &[])).await
    }

    /// Lets the service forget the result: it was read. Not waited for, and no harm if it fails.
    pub(super) fn close(mut self) {
        self.ended = true;
        let (workspace, id) = (self.workspace.clone(), Arc::clone(&self.id));
        self.runtime.spawn(async move {
            let _ = workspace.delete(address(&workspace, &id, &[])).await;
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let (workspace, id) = (self.workspace.clone(), Arc::clone(&self.id));
        self.runtime.spawn(async move {
            if tokio::time::timeout(CANCEL_TIME, cancel(&workspace, &id)).await.is_err() {
                tracing::warn!(service = workspace.service(), statement = %id, "a cancelled statement was not seen to end");
            }
        });
    }
}

/// Cancels until the statement's end was seen: a request may be lost, and one that is answered is only taken.
async fn cancel(workspace: &Workspace, id: &str) {
    loop {
        let asked = workspace
            .post::<Value>(address(workspace, id, &["cancel"]), &json!({}), Repeat::Idempotent)
            .await;
        if asked.as_ref().is_err_and(is_gone) {
            return;
        }
        match workspace.get::<Answer>(address(workspace, id, &[])).await {
            Ok(answer) if !matches!(answer.status.state.as_str(), "PENDING" | "RUNNING") => {
                // It may have succeeded before the request came: its result is not wanted.
                let _ = workspace.delete(address(workspace, id, &[])).await;
                return;
            }
            Err(failure) if is_gone(&failure) => return,
            _ => tokio::time::sleep(CANCEL_PAUSE).await,
        }
    }
}

pub(super) fn address(workspace: &Workspace, id: &str, more: &[&str]) -> url::Url {
    let path = [&["api", "2.0", "sql", "statements", id], more].concat();
    workspace.address(&path, &[])
}

fn is_gone(failure: &Failure) -> bool {
    failure.refusal().is_some_and(|refusal| refusal.status == 404)
}
