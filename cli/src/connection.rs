//! Where the broker is, and the options of the library that follow from the arguments.

use std::collections::BTreeMap;
use std::env;
use std::sync::OnceLock;
use std::time::Duration;

use clap::Args;
use stargate_core::blocking::Client;
use stargate_core::options::{Kind, OPTIONS, OptionSpec, Roles, find};
use stargate_core::{Level, Options};

use crate::context_file::{self, Saved};
use crate::exit::{Failure, say};

/// How long a client may take to close.
pub(crate) const CLOSE: Duration = Duration::from_secs(10);
const LOCAL: &str = "ws://localhost:8080";

/// Where the broker is, and how to talk to it.
#[derive(Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The broker, such as wss://pulsar.example.com:8443; several hosts are separated by commas. Without it: --context,
    /// the variables STARGATE_URL or STARGATE_CONTEXT, the context in use, or ws://localhost:8080
    #[arg(long, global = true, conflicts_with = "context")]
    pub(crate) url: Option<String>,
    /// A cluster that `stargate context` keeps
    #[arg(long, value_name = "NAME", global = true)]
    context: Option<String>,
    /// Set an option of the library, such as -X tls_ca_file=ca.pem. A secret is not an argument: -X auth_token=@FILE
    /// reads it from a file, -X auth_token asks for it, and the variable STARGATE_AUTH_TOKEN may hold it (also
    /// STARGATE_TOKEN)
    #[arg(short = 'X', value_name = "OPTION=VALUE", global = true)]
    options: Vec<String>,
    /// Report on standard error what happens to connections; without it, only what goes wrong
    #[arg(short = 'v', long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// Report on standard error only why the command failed: no progress, no warnings
    #[arg(short = 'q', long, global = true)]
    pub(crate) quiet: bool,
    // Read once: a secret may be typed, or come through a pipe.
    #[arg(skip)]
    given: OnceLock<BTreeMap<String, String>>,
    #[arg(skip)]
    saved: OnceLock<Saved>,
}

impl Connection {
    /// Opens a client, and returns the options for a handle of this role.
    pub(crate) fn open(&self, role: Roles) -> Result<(Client, Options), Failure> {
        Ok((self.client(&[role])?, self.options(role)?))
    }

    /// Opens a client for handles of these roles. An option of `-X` for any other role is refused.
    pub(crate) fn client(&self, roles: &[Roles]) -> Result<Client, Failure> {
        for key in self.given()?.keys() {
            let of = find(key)?.roles;
            if !of.intersects(Roles::CONNECTION) && !roles.iter().any(|role| of.intersects(*role)) {
                let applies = of.names().join(" and ");
                return Err(Failure::usage(format!("-X {key}: this option is for a {applies}, not for this command")));
            }
        }
        let saved = self.saved()?;
        // Another way to authenticate among the arguments replaces that of the environment, and this one that of the
        // context.
        let options = options_of(self.given()?, Roles::CONNECTION)?
            .or(&from_environment()?)
            .or(&options_of(&saved.options, Roles::CONNECTION)?);
        let least = match (self.verbose, self.quiet) {
            (true, _) => Some(Level::Info),
            (_, true) => None,
            _ => Some(Level::Warn),
        };
        let options = options.log_sink(move |level: Level, target: &str, text: &str| {
            if least.is_some_and(|least| level <= least) {
                say(&format!("{target}: {text}"));
            }
        });
        Ok(Client::new(&saved.url, options)?)
    }

    /// Returns the options for a handle of this role.
    pub(crate) fn options(&self, role: Roles) -> Result<Options, Failure> {
        Ok(options_of(self.given()?, role)?.or(&options_of(&self.saved()?.options, role)?))
    }

    /// Returns the address and the options that these arguments begin with. An address that is given does not get the
    /// credentials of a context.
    fn saved(&self) -> Result<&Saved, Failure> {
        once(&self.saved, || self.find_saved())
    }

    fn find_saved(&self) -> Result<Saved, Failure> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(url) = &self.url {
            return Ok(Saved::at(url));
        }
        if let Some(name) = &self.context {
            return context_file::load(name);
        }
        if let Some(url) = variable("STARGATE_URL") {
            return Ok(Saved::at(&url));
        }
        if let Some(name) = variable("STARGATE_CONTEXT") {
            return context_file::load(&name);
        }
        Ok(context_file::current()?.unwrap_or_else(|| Saved::at(LOCAL)))
    }

    /// Returns the token, if it is known without asking anybody.
    pub(crate) fn token(&self) -> Option<String> {
        let (given, saved) = (self.given().ok()?, &self.saved().ok()?.options);
        let among = |options: &BTreeMap<String, String>| {
            let of_file = || std::fs::read_to_string(options.get("auth_token_file")?).ok();
            options.get("auth_token").cloned().or_else(of_file)
        };
        let of_environment = ["STARGATE_AUTH_TOKEN", "STARGATE_TOKEN"].iter().find_map(|name| env::var(name).ok());
        among(given).or(of_environment).or_else(|| among(saved)).map(|token| token.trim().to_owned())
    }

    /// Returns the address that is used.
    pub(crate) fn address(&self) -> Result<&str, Failure> {
        Ok(&self.saved()?.url)
    }

    /// Returns the options of `-X`, with their secrets.
    pub(crate) fn given(&self) -> Result<&BTreeMap<String, String>, Failure> {
        once(&self.given, || self.options.iter().map(|option| given(option)).collect())
    }

    /// Refuses an option of `-X` that the command sets itself, because one of the two would be ignored.
    pub(crate) fn refuse(&self, key: &str, why: &str) -> Result<(), Failure> {
        match self.given()?.contains_key(key) {
            true => Err(Failure::usage(format!("-X {key}: {why}"))),
            false => Ok(()),
        }
    }

    /// Returns how many bytes a message may have, because it has to fit into a frame.
    pub(crate) fn message_limit(&self) -> Result<usize, Failure> {
        let limit = self.value("max_message_frame_bytes")?;
        limit.parse().map_err(|_| Failure::usage(format!("max_message_frame_bytes={limit}: expected a number")))
    }

    /// Returns the value of an option as given, that of the context, or the default.
    fn value(&self, key: &str) -> Result<&str, Failure> {
        let set = self.given()?.get(key).or(self.saved()?.options.get(key));
        Ok(set.map_or(find(key)?.default, String::as_str))
    }
}

/// Returns the value, which is made at the first call.
fn once<T>(cell: &OnceLock<T>, make: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
    match cell.get() {
        Some(value) => Ok(value),
        None => make().map(|value| cell.get_or_init(|| value)),
    }
}

/// Returns those of the options that are for this role. An option for connections is set on the client alone.
pub(crate) fn options_of(set: &BTreeMap<String, String>, role: Roles) -> Result<Options, Failure> {
    let mut options = Options::new();
    for (key, value) in set {
        let roles = find(key)?.roles;
        let owner = if roles.intersects(Roles::CONNECTION) { Roles::CONNECTION } else { roles };
        if owner.intersects(role) {
            options.set(key, value)?;
        }
    }
    Ok(options)
}

fn given(option: &str) -> Result<(String, String), Failure> {
    let (key, value) = match option.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (option, None),
    };
    let spec = find(key)?;
    let value = match value {
        Some(value) if is_secret(spec, value) => of_file(key, value)?,
        Some(value) => value.to_owned(),
        None if is_secret(spec, "") => asked(key)?,
        None => return Err(Failure::usage(format!("-X {option}: expected OPTION=VALUE"))),
    };
    // Under its own name: it may be given by an older one.
    Ok((spec.key.to_owned(), value))
}

/// Returns whether others must not see this value.
pub(crate) fn is_secret(spec: &OptionSpec, value: &str) -> bool {
    match spec.kind {
        Kind::Secret | Kind::SecretText | Kind::Pem | Kind::Headers => true,
        Kind::Proxy => value.contains('@'),
        _ => false,
    }
}

/// Reads the value of a secret from its file; arguments are seen by every user of the machine.
fn of_file(key: &str, value: &str) -> Result<String, Failure> {
    let Some(file) = value.strip_prefix('@') else {
        let why = "arguments are seen by other users and kept in the history: put the value into a file";
        return Err(Failure::usage(format!("-X {key}: {why} and give -X {key}=@FILE, or give -X {key} to be asked")));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("-X {key}: {file} cannot be read: {error}")))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a secret on the terminal, which does not show it.
fn asked(key: &str) -> Result<String, Failure> {
    rpassword::prompt_password(format!("{key}: ")).map_err(|error| {
        Failure::usage(format!("-X {key}: there is no terminal to ask for it ({error}): give -X {key}=@FILE"))
    })
}

/// Returns the secrets in the environment, such as `STARGATE_BASIC_PASSWORD`.
fn from_environment() -> Result<Options, Failure> {
    let mut options = Options::new();
    for spec in OPTIONS.iter().filter(|spec| spec.roles.intersects(Roles::CONNECTION) && is_secret(spec, "")) {
        let name = format!("STARGATE_{}", spec.key.to_uppercase());
        let also = (spec.key == "auth_token").then_some("STARGATE_TOKEN");
        let value = env::var(&name).ok().or_else(|| env::var(also?).ok());
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            options.set(spec.key, value.trim())?;
        }
    }
    Ok(options)
}
