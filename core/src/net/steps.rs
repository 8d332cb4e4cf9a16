//! Records what the client waits for, so that a timeout error can name it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The current step of some work with a time limit.
#[derive(Default)]
pub(crate) struct Steps(Mutex<Step>);

#[derive(Default)]
struct Step {
    unfinished: String,
    /// What may keep the server from finishing it.
    cause: &'static str,
    /// The work that this step and the following ones belong to.
    aside: String,
}

impl Steps {
    /// Begins a step. `unfinished` is what the timeout error reports, such as `a did not answer`.
    pub(crate) fn enter(&self, unfinished: impl Into<String>) {
        self.enter_with_cause(unfinished, "");
    }

    /// Begins a step that the server may leave unfinished for a reason that it does not report.
    pub(crate) fn enter_with_cause(&self, unfinished: impl Into<String>, cause: &'static str) {
        let mut step = self.step();
        (step.unfinished, step.cause) = (unfinished.into(), cause);
    }

    /// Adds `aside` to the report of all steps until another one is set.
    pub(crate) fn remark(&self, aside: impl Into<String>) {
        self.step().aside = aside.into();
    }

    /// Returns the timeout error of the current step, with `limit` and the option that sets it.
    pub(crate) fn late(&self, limit: Duration, option: &str) -> Error {
        let Step { unfinished, cause, aside } = &*self.step();
        Error::new(ErrorKind::Timeout, format!("{unfinished}{aside} within {limit:?} (option {option}){cause}"))
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` within `limit`, which is that of the option `connect_timeout`.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.late(limit, "connect_timeout")),
        }
    }
}
