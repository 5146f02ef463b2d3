//! Programs of others that a test starts, and that never outlive it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Runs "$@", and kills it when standard input ends: a pipe closes with the process that holds it, however that ends.
const KEEPER: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- 2>&1 &
server=$!
{ cat <&3 >/dev/null; kill -KILL "$server"; } >/dev/null 2>&1 &
keeper=$!
exec 3<&-
wait "$server" 2>/dev/null
status=$?
kill "$keeper" 2>/dev/null
exit "$status"
"#;

/// No server takes so long to start, even on a machine that is busy with a build.
const PATIENCE: Duration = Duration::from_secs(300);
/// Enough to see why a server did not start.
const LINES_KEPT: usize = 60;

/// A server with its output. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    keeper: Child,
    input: Option<ChildStdin>,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl ServerProcess {
    /// Starts `command` and waits for the line of output from which `ready` takes what is to be known.
    ///
    /// # Panics
    /// With the output, if it ends or is silent for too long before.
    pub async fn start<T: Send + 'static>(
        command: &Command,
        ready: impl FnMut(&str) -> Option<T> + Send + 'static,
    ) -> (Self, T) {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(command.get_program());
        keeper.args(command.get_args());
        for (name, value) in command.get_envs() {
            keeper.env(name, value.unwrap_or(OsStr::new("")));
        }
        let mut keeper = keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let input = keeper.stdin.take();
        let output = keeper.stdout.take().unwrap();
        let last = Arc::new(Mutex::new(VecDeque::new()));
        let known = watch(output, Arc::clone(&last), ready);
        let process = Self { keeper, input, last };
        match tokio::time::timeout(PATIENCE, known).await {
            Ok(Ok(known)) => (process, known),
            Ok(Err(_)) => panic!("{command:?} has ended:\n{}", process.last_lines()),
            Err(_) => panic!("{command:?} does not start:\n{}", process.last_lines()),
        }
    }

    /// What it wrote last.
    pub fn last_lines(&self) -> String {
        let lines = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// Kills it at once, as a crash does, and waits until it is gone.
    pub async fn kill(&mut self) {
        let input = self.input.take();
        tokio::task::block_in_place(|| {
            drop(input);
            let _ = self.keeper.wait();
        });
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.keeper.wait();
    }
}

/// Reads the output to its end on a thread of its own, so that the server is never held up by a full pipe.
fn watch<T: Send + 'static>(
    output: impl Read + Send + 'static,
    last: Arc<Mutex<VecDeque<String>>>,
    mut ready: impl FnMut(&str) -> Option<T> + Send + 'static,
) -> oneshot::Receiver<T> {
    let (tell, known) = oneshot::channel();
    std::thread::spawn(move || {
        let mut tell = Some(tell);
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if tell.is_some()
                && let Some(known) = ready(&line)
                && let Some(tell) = tell.take()
            {
                // Nobody listens any more once the start was given up.
                let _ = tell.send(known);
            }
            let mut lines = last.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES_KEPT {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
    known
}
