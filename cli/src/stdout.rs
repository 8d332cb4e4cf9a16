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
        Ok(Stdout(BufWriter::with_capacity(BUFFER, file)))
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

/// Why receiving ended early.
pub(crate) enum Stop {
    Failed(Failure),
    Output(io::Error),
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

/// The end of a command that prints. A closed pipe wants no more, which is no error.
pub(crate) fn ended(outcome: Result<u8, Stop>) -> Ended {
    outcome.or_else(|stop| match stop {
        Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(DONE),
        Stop::Output(error) => Err(Failure::failed(format!("standard output: {error}"))),
        Stop::Failed(failure) => Err(failure),
    })
}

/// Prints this and is done.
pub(crate) fn print(bytes: &[u8]) -> Ended {
    let printed = Stdout::new().and_then(|mut out| out.write_all(bytes).and_then(|()| out.flush()));
    ended(printed.map(|()| DONE).map_err(Stop::Output))
}
