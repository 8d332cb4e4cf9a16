//! How a command ends: its exit code, and the line on standard error that says why.

use std::io::{self, Write};
use std::process::ExitCode;

use stargate_core::{Error, ErrorKind};

use crate::progress;

/// Everything was done.
pub(crate) const DONE: u8 = 0;
/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// The arguments are wrong.
const USAGE: u8 = 2;
/// Nothing came within the time given.
pub(crate) const NOTHING: u8 = 3;
/// The server refused the credentials or the operation.
pub(crate) const REFUSED: u8 = 4;
/// Ended by Ctrl-C, after the receipts.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// Creates the failure of an argument that cannot be used.
    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure { code: USAGE, text: text.into() }
    }

    /// Anything else that failed.
    pub(crate) fn failed(text: impl Into<String>) -> Failure {
        Failure { code: FAILED, text: text.into() }
    }

    /// Writes why to standard error.
    pub(crate) fn say(&self) {
        say(&self.text);
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match error.kind() {
            ErrorKind::InvalidArgument => USAGE,
            ErrorKind::Authentication | ErrorKind::Authorization => REFUSED,
            _ => FAILED,
        };
        Failure { code, text: error.to_string() }
    }
}

/// A result of which the good case is the exit code.
pub(crate) type Ended = Result<u8, Failure>;

/// Turns the end of a command into that of the process. A closed pipe has no text: it is silent.
pub(crate) fn code(ended: Ended) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.say();
            ExitCode::from(failure.code)
        }
    }
}

/// Writes a line to standard error; where that is closed there is no other place for it.
pub(crate) fn say(text: &str) {
    let _ = progress::aside(|| writeln!(io::stderr(), "stargate: {text}"));
}
