//! Standard output through a large buffer.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use crate::exit::{DONE, Ended, Failure};

const BUFFER: usize = 256 * 1024;

/// Standard output. Rust's own is flushed at each newline.
pub(crate) struct Stdout(BufWriter<File>);

impl Stdout {
    pub(crate) fn new() -> io::Result<Stdout> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Stdout::into_file(file))
    }

    /// Writes to a file in the same way.
    pub(crate) fn into_file(file: File) -> Stdout {
        Stdout(BufWriter::with_capacity(BUFFER, file))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard output beside the sending of messages. Once its reader has gone it takes no more; the messages go on.
pub(crate) struct SideOutput(Option<Stdout>);

impl SideOutput {
    /// Opens standard output if it is wanted.
    pub(crate) fn new(wanted: bool) -> Result<SideOutput, Failure> {
        Ok(SideOutput(wanted.then(Stdout::new).transpose().map_err(failed)?))
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.attempt(|out| out.write_all(bytes))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.attempt(Write::flush)
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Stdout) -> io::Result<()>) -> Result<(), Failure> {
        let Some(out) = &mut self.0 else { return Ok(()) };
        let outcome = write(out);
        if outcome.is_err() {
            self.0 = None;
        }
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.map_err(failed),
        }
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::failed(format!("standard output: {error}"))
}

/// Why receiving ended early.
pub(crate) enum Stop {
    Failed(Failure),
    Output(io::Error),
}

impl Stop {
    /// Returns whether the reader of the output is gone, which is an end like others.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<stargate_core::Error> for Stop {
    fn from(error: stargate_core::Error) -> Stop {
        Stop::Failed(error.into())
    }
}

/// Ends a command that prints. A closed pipe is not an error.
pub(crate) fn ended(outcome: Result<u8, Stop>) -> Ended {
    outcome.or_else(|stop| match stop {
        stop if stop.is_closed_pipe() => Ok(DONE),
        Stop::Output(error) => Err(failed(error)),
        Stop::Failed(failure) => Err(failure),
    })
}

/// Prints this and is done.
pub(crate) fn print(bytes: &[u8]) -> Ended {
    let printed = Stdout::new().and_then(|mut out| out.write_all(bytes).and_then(|()| out.flush()));
    ended(printed.map(|()| DONE).map_err(Stop::Output))
}
