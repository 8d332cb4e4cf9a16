//! The command `stargate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    stargate_cli::main()
}
