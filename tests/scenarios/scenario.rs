//! Prints the transcript of a scenario: `scenario SCENARIO [URL]`. See `table/README.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

mod interpreter;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let Some(scenario) = given.first() else {
        eprintln!("scenario SCENARIO [URL]");
        return ExitCode::from(2);
    };
    match interpreter::run(Path::new(scenario), given.get(1).map(String::as_str)) {
        Ok(transcript) => {
            print!("{transcript}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{scenario}: {reason}");
            ExitCode::from(2)
        }
    }
}
