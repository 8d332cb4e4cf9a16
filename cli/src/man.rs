//! `man`: the manual pages.

use std::path::Path;

use clap::Command;

use crate::exit::{DONE, Ended, Failure};
use crate::stdout;

/// Prints the page of the command itself, or writes one for each command into a directory.
pub(crate) fn run(command: Command, dir: Option<&Path>) -> Ended {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::failed(format!("the manual page: {error}")))?;
        return stdout::print(&page);
    };
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    written.map_err(|error| Failure::failed(format!("{}: {error}", dir.display())))?;
    Ok(DONE)
}
