//! `dump`: a topic as a file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::connection::Connection;
use crate::exit::{self, Ended, Failure, say};
use crate::format::{Form, Printer};
use crate::read::{Range, Until, read};
use crate::stdout::{Stdout, Stop, ended};

/// Write a topic to a file.
///
/// Each message is a line of JSON with its key, payload, properties and times, in the order of the topic (of a
/// partitioned topic, of each partition). `stargate restore` sends such a file.
#[derive(Args)]
pub(crate) struct Dump {
    /// The topic: orders, tenant/namespace/orders or in full
    topic: String,
    /// The file; it must not exist yet. Without it, standard output
    file: Option<PathBuf>,
    /// Where to begin: earliest, a message id, a time, an age (-1h) or a number of messages before the end (-100)
    #[arg(long, value_name = "PLACE", default_value = "earliest", allow_hyphen_values = true)]
    from: String,
    /// Where to end, that message or time included; without it, with the last message that is stored now
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    to: Option<String>,
}

/// `dump`
pub(crate) fn run(connection: &Connection, wanted: &Dump) -> Ended {
    ended(dump(connection, wanted))
}

fn dump(connection: &Connection, wanted: &Dump) -> Result<u8, Stop> {
    let range = Range::new(&wanted.from, wanted.to.as_deref(), true)?;
    let Some(path) = &wanted.file else {
        let printer = Printer::of_form(Form::Jsonl, Stdout::new()?);
        return Ok(read(connection, &wanted.topic, range, &Until::default(), printer)?.0);
    };
    let (file, out) = Unfinished::create(path)?;
    let printer = Printer::of_form(Form::Jsonl, out);
    let (code, count) =
        read(connection, &wanted.topic, range, &Until::default(), printer).map_err(|stop| match stop {
            Stop::Output(error) => Stop::Failed(failed(&file.path, error)),
            stop => stop,
        })?;
    match code {
        // Under its name it would pass for the whole topic.
        exit::INTERRUPTED => say(&format!("stopped after {count} messages; {} is not written", path.display())),
        _ => file.finish(path)?,
    }
    Ok(code)
}

fn failed(path: &Path, error: io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// A file under another name until it is whole. It is removed if that never happens.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// Creates the file that will get this name, which nothing has yet.
    fn create(name: &Path) -> Result<(Unfinished, Stdout), Failure> {
        refuse_existing(name)?;
        let path = name.with_added_extension("unfinished");
        let file = File::create_new(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let why = "another dump is writing it, or one was killed: then remove it";
                Failure::failed(format!("{}: {why}", path.display()))
            }
            _ => failed(&path, error),
        })?;
        let out = file.try_clone().map_err(|error| failed(&path, error))?;
        Ok((Unfinished { path, file }, Stdout::into_file(out)))
    }

    /// Gives it its name, once its bytes are on the disk.
    fn finish(self, name: &Path) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| failed(&self.path, error))?;
        refuse_existing(name)?;
        fs::rename(&self.path, name).map_err(|error| failed(name, error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

fn refuse_existing(name: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(name) {
        Ok(_) => Err(failed(name, io::Error::from_raw_os_error(libc::EEXIST))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(name, error)),
    }
}
