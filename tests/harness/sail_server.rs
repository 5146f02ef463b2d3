//! Sail, another server that speaks Spark Connect: started in a moment, but no judge of what Spark answers.

use std::process::Command;

use crate::installed::{folder, present};
use crate::server_process::ServerProcess;

/// A server on a free port of the loopback, with an empty catalog in memory. Dropping it ends it.
#[derive(Debug)]
pub struct SailServer {
    process: ServerProcess,
    port: u16,
}

impl SailServer {
    /// Starts one; `None`, said aloud, where it is not installed.
    pub async fn start() -> Option<Self> {
        let program = folder("LAKEGATE_STAND_INS", "stand_ins").join("python/bin/sail");
        if !present(&program, "tests/stand_ins/workspace/install.sh") {
            return None;
        }
        let mut command = Command::new(program);
        command.args(["spark", "server", "--ip", "127.0.0.1", "--port", "0"]);
        command.env("RUST_LOG", "info").env("NO_COLOR", "1");
        let (process, port) = ServerProcess::start(&command, port_in).await;
        Some(Self { process, port })
    }

    /// Where it is, as configurations name it.
    pub fn url(&self) -> String {
        format!("sc://127.0.0.1:{}", self.port)
    }

    /// What it wrote last.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }
}

/// The port in the line that says that it listens.
fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("server on 127.0.0.1:")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}
