//! The file of contexts: addresses and options of clusters, under names. Only its owner reads it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// An address and options.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

impl Saved {
    /// An address without options.
    pub(crate) fn at(url: &str) -> Saved {
        Saved { url: url.to_owned(), options: BTreeMap::new() }
    }
}

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Saved>,
}

/// Returns the context of this name.
pub(crate) fn load(name: &str) -> Result<Saved, Failure> {
    let contexts = read(&file()?)?;
    known(&contexts, name).cloned()
}

/// Returns the context in use.
pub(crate) fn current() -> Result<Option<Saved>, Failure> {
    // Without a home directory there are no contexts.
    let Ok(file) = file() else { return Ok(None) };
    let contexts = read(&file)?;
    contexts.current.as_ref().map(|name| known(&contexts, name).cloned()).transpose()
}

/// Returns the context of this name; the error lists those that are there.
pub(crate) fn known<'a>(contexts: &'a Contexts, name: &str) -> Result<&'a Saved, Failure> {
    contexts.contexts.get(name).ok_or_else(|| {
        let names: Vec<&str> = contexts.contexts.keys().map(String::as_str).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Failure::usage(format!("there is no context {name:?}; there is {there}"))
    })
}

/// Returns the path of the file.
pub(crate) fn file() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = || variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    variable("STARGATE_CONTEXTS")
        .or_else(|| Some(folder()?.join("stargate/contexts.toml")))
        .ok_or_else(|| Failure::usage("there is no place for contexts: set the variable HOME or STARGATE_CONTEXTS"))
}

/// Reads the file; without one there are no contexts.
pub(crate) fn read(file: &Path) -> Result<Contexts, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::failed(format!("{}: {why}", file.display()));
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
        text => text.map_err(|error| failed(&error))?,
    };
    let mode = fs::metadata(file).map_err(|error| failed(&error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(failed(&format!(
            "others can read or write it, and it may hold secrets: chmod 600 {}",
            file.display()
        )));
    }
    // The error itself may quote a value, which may be a secret.
    toml::from_str(&text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        failed(&format!("not a file of contexts: line {} cannot be read", before.matches('\n').count() + 1))
    })
}

/// Replaces the file as a whole, so that no reader finds half of it.
pub(crate) fn write(file: &Path, contexts: &Contexts) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("{}: {error}", file.display()));
    let text = toml::to_string(contexts).map_err(|error| failed(io::Error::other(error)))?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let new = file.with_extension(format!("new-{}", std::process::id()));
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let written = created.and_then(|mut new| new.write_all(text.as_bytes()).and_then(|()| new.sync_all()));
    written.and_then(|()| fs::rename(&new, file)).map_err(|error| {
        let _ = fs::remove_file(&new); // what matters is the first error
        failed(error)
    })
}
