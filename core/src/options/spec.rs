//! The contents of a row of the table: what an option applies to, its type and range, and the checks that follow.

use std::time::Duration;

use super::headers::of_lines;
use crate::error::{Error, Result};

/// What an option applies to: a set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(pub(super) u8);

impl Roles {
    /// How connections are opened and kept: set on the client, inherited by everything it opens, and overridable there.
    pub const CONNECTION: Roles = Roles(1);
    /// Producers.
    pub const PRODUCER: Roles = Roles(2);
    /// Consumers.
    pub const CONSUMER: Roles = Roles(4);
    /// Readers.
    pub const READER: Roles = Roles(8);

    pub(super) const fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    /// Returns whether the two sets share a role.
    pub const fn intersects(self, other: Roles) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the names of the roles in the set.
    pub fn names(self) -> Vec<&'static str> {
        [
            (Roles::CONNECTION, "connection"),
            (Roles::PRODUCER, "producer"),
            (Roles::CONSUMER, "consumer"),
            (Roles::READER, "reader"),
        ]
        .into_iter()
        .filter_map(|(role, name)| self.intersects(role).then_some(name))
        .collect()
    }
}

/// The type and the legal range of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, with an inclusive range.
    Int {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
    },
    /// A time in whole milliseconds. With `or_zero`, 0 is also legal and disables the feature.
    Millis {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
        /// Whether 0 is legal although `min` is larger.
        or_zero: bool,
    },
    /// A text that is not empty.
    Text,
    /// A number with a fraction, with an inclusive range.
    Float {
        /// The smallest legal value.
        min: f64,
        /// The largest legal value.
        max: f64,
    },
    /// A token or password of printable ASCII that is never printed.
    Secret,
    /// A text of any characters that is never printed.
    SecretText,
    /// Headers, `Name: value`, one per line; only their names are ever printed.
    Headers,
    /// A PEM text, never printed.
    Pem,
    /// The path of a file.
    Path,
    /// One of a few words, each with the server's word for it.
    Choice(&'static [(&'static str, &'static str)]),
    /// `earliest`, `latest` or a message id in base64.
    Position,
    /// `env`, `none` or the address of a proxy, whose password is never printed.
    Proxy,
    /// Domains, addresses and networks. The list may be empty.
    Hosts,
}

impl Kind {
    /// Returns the type and range in words, for documentation and errors.
    pub fn describe(&self) -> String {
        match self {
            Kind::Bool => "true or false".into(),
            Kind::Int { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Millis { min, max, or_zero: false } => format!("milliseconds, {min} to {max}"),
            Kind::Millis { min, max, or_zero: true } => format!("milliseconds, 0 (off) or {min} to {max}"),
            Kind::Text => "a text that is not empty".into(),
            Kind::Float { min, max } => format!("a number from {min} to {max}"),
            Kind::Secret | Kind::SecretText => "a secret that is not empty".into(),
            Kind::Headers => "`Name: value`, one a line".into(),
            Kind::Pem => "a text in PEM, with its BEGIN and END lines".into(),
            Kind::Path => "the path of a file".into(),
            Kind::Choice(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::Position => "earliest, latest or a message id in base64".into(),
            Kind::Proxy => "env, none or the address of a proxy".into(),
            Kind::Hosts => "domains, addresses or networks, separated by commas".into(),
        }
    }

    /// Returns whether values of this kind are never printed.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Kind::Secret | Kind::SecretText | Kind::Headers | Kind::Pem)
    }

    /// Returns the name of the type, for generated bindings.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int { .. } => "int",
            Kind::Millis { .. } => "millis",
            Kind::Text => "text",
            Kind::Float { .. } => "float",
            Kind::Secret | Kind::SecretText => "secret",
            Kind::Headers => "headers",
            Kind::Pem => "pem",
            Kind::Path => "path",
            Kind::Choice(_) => "choice",
            Kind::Position => "position",
            Kind::Proxy => "secret",
            Kind::Hosts => "text",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key in every language.
    pub key: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// The default value, as text; empty if there is none.
    pub default: &'static str,
    /// The query parameter that transmits it to the server, for each role that has one.
    pub parameters: &'static [(Roles, &'static str)],
    /// What it applies to.
    pub roles: Roles,
    /// What it does.
    pub doc: &'static str,
}

/// A validated value.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Value {
        Value::Int(i64::try_from(value.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

/// A type that a row of the table may have, with the type of its value.
pub(crate) trait Setting {
    type Read;

    fn read(value: &Value) -> Option<Self::Read>;
    /// Parses a default.
    fn parse(text: &str) -> Option<Self::Read>;
}

impl Setting for bool {
    type Read = bool;

    fn read(value: &Value) -> Option<bool> {
        if let Value::Bool(flag) = value { Some(*flag) } else { None }
    }

    fn parse(text: &str) -> Option<bool> {
        text.parse().ok()
    }
}

impl Setting for i64 {
    type Read = i64;

    fn read(value: &Value) -> Option<i64> {
        if let Value::Int(number) = value { Some(*number) } else { None }
    }

    fn parse(text: &str) -> Option<i64> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    type Read = u32;

    fn read(value: &Value) -> Option<u32> {
        u32::try_from(i64::read(value)?).ok()
    }

    fn parse(text: &str) -> Option<u32> {
        text.parse().ok()
    }
}

impl Setting for f64 {
    type Read = f64;

    fn read(value: &Value) -> Option<f64> {
        if let Value::Float(number) = value { Some(*number) } else { None }
    }

    fn parse(text: &str) -> Option<f64> {
        text.parse().ok()
    }
}

impl Setting for Duration {
    type Read = Duration;

    fn read(value: &Value) -> Option<Duration> {
        u64::try_from(i64::read(value)?).ok().map(Duration::from_millis)
    }

    fn parse(text: &str) -> Option<Duration> {
        text.parse().ok().map(Duration::from_millis)
    }
}

impl Setting for str {
    type Read = String;

    fn read(value: &Value) -> Option<String> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

pub(super) fn parse(spec: &OptionSpec, text: &str) -> Result<Value> {
    let value = match spec.kind {
        Kind::Bool => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Int { .. } | Kind::Millis { .. } => text.parse().ok().map(Value::Int),
        Kind::Float { .. } => text.parse().ok().map(Value::Float),
        _ => Some(Value::from(text)),
    };
    value.ok_or_else(|| bad_value(spec, text))
}

pub(super) fn check(spec: &OptionSpec, value: &Value) -> Result<()> {
    let good = match (spec.kind, value) {
        (Kind::Proxy, Value::Text(text)) => return crate::proxy::check_setting(text),
        (Kind::Hosts, Value::Text(text)) => return crate::proxy::check_bypass(text),
        (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Int { min, max }, Value::Int(number)) => (min..=max).contains(number),
        (Kind::Float { min, max }, Value::Float(number)) => (min..=max).contains(number),
        (Kind::Millis { min, max, or_zero }, Value::Int(number)) => {
            (min..=max).contains(number) || (or_zero && *number == 0)
        }
        (Kind::Text | Kind::Path | Kind::SecretText, Value::Text(text)) => !text.is_empty(),
        (Kind::Secret, Value::Text(text)) => !text.trim().is_empty() && text.chars().all(|c| (' '..='~').contains(&c)),
        (Kind::Headers, Value::Text(lines)) => return of_lines(lines).map(drop),
        (Kind::Pem, Value::Text(text)) => text.contains("-----BEGIN ") && text.contains("-----END "),
        (Kind::Choice(words), Value::Text(text)) => words.iter().any(|(word, _)| word == text),
        (Kind::Position, Value::Text(text)) => {
            text == "earliest" || text == "latest" || text.parse::<crate::message::MessageId>().is_ok()
        }
        _ => false,
    };
    let shown = match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    if good { Ok(()) } else { Err(bad_value(spec, &shown)) }
}

fn bad_value(spec: &OptionSpec, text: &str) -> Error {
    let key = spec.key;
    let expected = spec.kind.describe();
    match spec.kind {
        Kind::Secret => Error::option(key, format!("expected {expected}, of printable ASCII characters")),
        kind if kind.is_secret() => Error::option(key, format!("expected {expected}")),
        _ => Error::option(key, format!("expected {expected}, got {text:?}")),
    }
}
