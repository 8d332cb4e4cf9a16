//! The built command against a mock broker.
#![allow(dead_code)] // each suite uses a part of it

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use stargate_core::mock::{Mock, MockOptions};

/// A mock broker, and the command that talks to it.
pub(crate) struct Shell(pub(crate) Mock);

impl Shell {
    /// With a broker of its own.
    pub(crate) fn new() -> Shell {
        Shell::with(MockOptions::default())
    }

    /// With such a broker.
    pub(crate) fn with(options: MockOptions) -> Shell {
        Shell(Mock::start(options).unwrap())
    }

    /// The command, with pipes.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stargate"));
        command.args(arguments).env("STARGATE_URL", self.0.url()).env_remove("STARGATE_TOKEN");
        command.env_remove("STARGATE_AUTH_TOKEN").env_remove("STARGATE_CONTEXT");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The running command, which has this input and waits for more.
    pub(crate) fn fed(&self, arguments: &[&str], input: &[u8]) -> (Child, ChildStdin) {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        (child, stdin)
    }

    /// Runs it to its end with this input.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        finish(self.command(arguments).spawn().unwrap(), input)
    }

    /// Runs it, which has to end well, and returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let output = self.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        assert_eq!(said(&output), "", "{arguments:?}");
        output.stdout
    }

    /// The payloads that a topic holds.
    pub(crate) fn stored(&self, topic: &str) -> Vec<Vec<u8>> {
        self.0.messages(topic).unwrap().into_iter().map(|message| message.payload.unwrap_or_default()).collect()
    }
}

/// Gives a running command its input, and waits for its end.
pub(crate) fn finish(mut child: Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It may end without reading all.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Reads this many bytes of the output of a running command.
pub(crate) fn read_exactly(child: &mut Child, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    child.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

/// Presses Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    // SAFETY: it is a child of this process that nobody has waited for.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
}

/// What it wrote to standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
