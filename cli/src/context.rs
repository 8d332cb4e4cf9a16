//! `context`: keeps addresses and options of clusters under names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, Subcommand};
use stargate_core::blocking::Client;
use stargate_core::options::{Kind, Roles, find};
use stargate_core::{Options, plugin_options};

use crate::connection::{Connection, is_secret, options_of};
use crate::context_file::{Contexts, Saved, file, known, read, write};
use crate::exit::{DONE, Ended, Failure, say};
use crate::listing::{self, Listing};

/// Keep the addresses and options of several clusters under names.
///
/// They are in ~/.config/stargate/contexts.toml, or the file that the variable STARGATE_CONTEXTS names. It may hold
/// secrets, so only you can read it.
#[derive(Args)]
pub(crate) struct Context {
    #[command(subcommand)]
    wanted: Wanted,
}

#[derive(Subcommand)]
enum Wanted {
    /// Keep --url and the options of -X under a name
    Add {
        /// The name
        name: String,
    },
    /// Use a context from now on, wherever no other and no URL is given
    Use {
        /// The name
        name: String,
    },
    /// List the contexts; * marks the one in use
    Ls {
        /// How the list is printed
        #[arg(short = 'o', value_enum, default_value_t = Listing::Table)]
        output: Listing,
    },
    /// Forget a context
    Rm {
        /// The name
        name: String,
    },
    /// Keep the settings of one of Pulsar's client.conf files under a name
    Import {
        /// The client.conf
        file: PathBuf,
        /// The name; without it, that of the folder above conf/
        #[arg(long)]
        name: Option<String>,
    },
}

/// `context`
pub(crate) fn run(connection: &Connection, wanted: &Context) -> Ended {
    let file = file()?;
    let mut contexts = read(&file)?;
    match &wanted.wanted {
        Wanted::Add { name } => {
            let url = connection.url.as_deref().ok_or_else(|| Failure::usage("context add: give --url"))?;
            let mut saved = Saved { url: url.to_owned(), options: connection.given()?.clone() };
            make_absolute(&mut saved.options, &|path| {
                std::path::absolute(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
            })?;
            keep(&mut contexts, name, saved)?;
        }
        Wanted::Import { file, name } => {
            let saved = imported(file)?;
            let name = match name {
                Some(name) => name.clone(),
                None => name_of(file).ok_or_else(|| Failure::usage("context import: give --name"))?,
            };
            keep(&mut contexts, &name, saved)?;
            say(&format!("context {name}: {}", contexts.contexts[&name].url));
        }
        Wanted::Use { name } => {
            known(&contexts, name)?;
            contexts.current = Some(name.clone());
        }
        Wanted::Rm { name } => {
            known(&contexts, name)?;
            contexts.contexts.remove(name);
            contexts.current.take_if(|current| current == name);
        }
        Wanted::Ls { output } => return list(*output, &contexts),
    }
    write(&file, &contexts)?;
    Ok(DONE)
}

/// Returns the absolute path of a file.
type Locate<'a> = &'a dyn Fn(&Path) -> Result<PathBuf, Failure>;

/// Makes the paths of files absolute, because the context is used in other folders.
fn make_absolute(options: &mut BTreeMap<String, String>, locate: Locate) -> Result<(), Failure> {
    expand_plugin(options)?;
    for (key, value) in options {
        if find(key)?.kind == Kind::Path {
            *value = located(value, locate)?;
        }
    }
    Ok(())
}

/// Replaces `auth_plugin` and `auth_params` by the options that they represent, some of which are paths.
fn expand_plugin(options: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let (Some(plugin), Some(params)) = (options.get("auth_plugin"), options.get("auth_params")) else { return Ok(()) };
    let expanded = plugin_options(plugin, params)?;
    options.retain(|key, _| !matches!(key.as_str(), "auth_plugin" | "auth_params"));
    for (key, value) in expanded {
        if options.insert(key.to_owned(), value).is_some() {
            return Err(Failure::usage(format!("{key} and auth_params exclude each other: give it in one of them")));
        }
    }
    Ok(())
}

/// Returns the absolute path of a file, which may be written as a URL.
fn located(text: &str, locate: Locate) -> Result<String, Failure> {
    let path = text.strip_prefix("file:").map_or(text, |path| path.strip_prefix("//").unwrap_or(path));
    match text.starts_with("data:") || path.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Ok(locate(Path::new(path))?.display().to_string()),
    }
}

/// Finds a relative path of a client.conf. Pulsar's own scripts change to the folder above `conf/` first.
fn beside(conf: &Path, path: &Path) -> Result<PathBuf, Failure> {
    let unfound = |error: io::Error| Failure::failed(format!("{}: {error}", conf.display()));
    let conf = fs::canonicalize(conf).map_err(unfound)?;
    let folders: Vec<&Path> = match conf.parent() {
        Some(folder) if folder.ends_with("conf") => folder.parent().into_iter().chain([folder]).collect(),
        folder => folder.into_iter().collect(),
    };
    folders.iter().map(|folder| folder.join(path)).find(|file| file.exists()).ok_or_else(|| {
        let places: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let (conf, path, places) = (conf.display(), path.display(), places.join(" or "));
        Failure::failed(format!("{conf}: the file {path} is not in {places}: give an absolute path there"))
    })
}

/// Fails on what no client can be made with.
fn check(saved: &Saved) -> Result<(), Failure> {
    let mut all = Options::new();
    for (key, value) in &saved.options {
        all.set(key, value)?;
    }
    Client::new(&saved.url, options_of(&saved.options, Roles::CONNECTION)?).map(drop).map_err(Failure::from)
}

fn keep(contexts: &mut Contexts, name: &str, saved: Saved) -> Result<(), Failure> {
    check(&saved)?;
    contexts.contexts.insert(name.to_owned(), saved);
    Ok(())
}

fn list(output: Listing, contexts: &Contexts) -> Ended {
    let shown = |key: &String, value: &String| {
        let hidden = find(key).is_ok_and(|spec| is_secret(spec, value));
        format!("{key}={}", if hidden { "(secret)" } else { value })
    };
    let row = |(name, saved): (&String, &Saved)| {
        let mark = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
        let options: Vec<String> = saved.options.iter().map(|(key, value)| shown(key, value)).collect();
        vec![mark.to_owned(), name.clone(), saved.url.clone(), options.join(" ")]
    };
    let rows: Vec<_> = contexts.contexts.iter().map(row).collect();
    listing::rows(output, &["used", "name", "url", "options"], &rows)
}

/// Pulsar is unpacked to a folder with `conf/client.conf` in it.
fn name_of(file: &Path) -> Option<String> {
    let folder = fs::canonicalize(file).ok()?.parent()?.to_owned();
    let named = if folder.ends_with("conf") { folder.parent()? } else { &folder };
    Some(named.file_name()?.to_str()?.to_owned())
}

/// Reads a client.conf, and reports the settings that have no counterpart here.
fn imported(file: &Path) -> Result<Saved, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
    let mut saved = Saved::default();
    for (name, value) in settings(&text) {
        let key = match name {
            "webServiceUrl" => {
                saved.url = value.trim_end_matches('/').replacen("http", "ws", 1);
                continue;
            }
            "authPlugin" => "auth_plugin",
            "authParams" => "auth_params",
            "tlsTrustCertsFilePath" => "tls_ca_file",
            "tlsCertificateFilePath" => "tls_cert_file",
            "tlsKeyFilePath" => "tls_key_file",
            "tlsAllowInsecureConnection" => "tls_insecure",
            // The binary protocol is not spoken, the scheme of the URL says whether there is TLS, and names are always
            // verified.
            "brokerServiceUrl" | "useTls" | "tlsEnableHostnameVerification" => continue,
            // Values that Pulsar ships.
            _ if matches!(value, "false" | "JKS") || name == "memoryLimit" => continue,
            _ => {
                say(&format!("{}: {name} has no counterpart here and was left out", file.display()));
                continue;
            }
        };
        if (key, value) != ("tls_insecure", "false") {
            saved.options.insert(key.to_owned(), value.to_owned());
        }
    }
    match saved.url.is_empty() {
        true => Err(Failure::failed(format!("{}: webServiceUrl is missing", file.display()))),
        false => make_absolute(&mut saved.options, &|path| beside(file, path)).map(|()| saved),
    }
}

/// Returns the settings that have a value.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pairs = lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim()));
    pairs.filter(|(_, value)| !value.is_empty())
}
