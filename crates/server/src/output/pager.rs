//! Output that is longer than the screen goes through `$PAGER`, the rest straight to it.

use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Collects a screenful; what is more starts the pager.
pub(crate) struct Pager {
    screen_lines: usize,
    lines: usize,
    held: Vec<u8>,
    running: Option<(Child, ChildStdin)>,
    /// The pager could not be started: everything goes to the screen.
    broken: bool,
}

impl Pager {
    pub(crate) fn new(screen_lines: usize) -> Self {
        Self {
            screen_lines,
            lines: 0,
            held: Vec::new(),
            running: None,
            broken: false,
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
        // Through a shell, as every program runs $PAGER: it may hold arguments.
        let child = Command::new("sh")
            .arg("-c")
            .arg(pager.as_deref().unwrap_or("less -S"))
            .stdin(Stdio::piped())
            .spawn();
        match child {
            Ok(mut child) => {
                if let Some(input) = child.stdin.take() {
                    self.running = Some((child, input));
                }
            }
            Err(_) => self.broken = true,
        }
        let held = std::mem::take(&mut self.held);
        self.pass_on(&held)
    }

    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.running {
            // Leaving the pager early ends the output, and that is what was wanted.
            Some((_, input)) => input.write_all(bytes),
            None => io::stdout().write_all(bytes),
        }
    }

    /// Shows what is held, and waits until the pager is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match self.running.take() {
            Some((mut child, input)) => {
                drop(input);
                child.wait().map(|_| ())
            }
            None => {
                let mut out = io::stdout();
                out.write_all(&self.held)?;
                out.flush()
            }
        }
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.running.is_some() || self.broken {
            self.pass_on(bytes)?;
            return Ok(bytes.len());
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.held.extend_from_slice(bytes);
        if self.lines > self.screen_lines {
            self.start()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.running {
            Some((_, input)) => input.flush(),
            None => Ok(()),
        }
    }
}
