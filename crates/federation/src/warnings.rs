use std::sync::{Mutex, PoisonError};

use contract::Error;

/// Warnings that are kept until somebody takes them; more say nothing new to a client that takes none.
const WARNINGS_MAX: usize = 100;

/// What running plans have to say to their client beside an answer. A session that hears it has one among the
/// extensions of its configuration.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<Error>>);

impl Warnings {
    /// Those since the last call, oldest first.
    pub fn take(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn push(&self, warning: Error) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < WARNINGS_MAX {
            kept.push(warning);
        }
    }
}
