//! Messages as bytes for standard output.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use stargate_core::Message;

use crate::escapes;
use crate::exit::Failure;
use crate::filter::{self, Filter, all_match};
use crate::stdout::{Stdout, Stop};

/// How a message is printed.
#[derive(Args)]
pub(crate) struct Output {
    /// Print by this pattern: %s payload, %S its length, %k key, %h properties, %t topic, %p partition, %i id, %T
    /// publish time and %E event time in ms, %r redeliveries, %n number from 1, %% percent; with the escapes \n \r \t
    /// \0 \\ \xNN
    #[arg(short = 'f', long, value_name = "FORMAT", conflicts_with = "output", allow_hyphen_values = true)]
    pub(crate) format: Option<String>,
    /// How messages are printed
    #[arg(short = 'o', value_enum, default_value_t = Form::Text)]
    pub(crate) output: Form,
    /// Only messages in whose key (key=REGEX) or property (prop.NAME=REGEX) the pattern is found; may be repeated
    #[arg(long = "filter", value_name = "FIELD=REGEX", value_parser = filter::parse)]
    pub(crate) filters: Vec<Filter>,
}

/// A way to print a message.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The payload and a newline
    Text,
    /// A line of JSON, as `produce -J` reads it
    Jsonl,
    /// The payload and nothing else
    Raw,
    /// The payload in hexadecimal digits and a newline
    Hex,
}

/// Prints the messages that are wanted, and counts them.
pub(crate) struct Printer {
    pub(crate) out: Stdout,
    format: Format,
    filters: Vec<Filter>,
    pub(crate) count: u64,
}

impl Printer {
    pub(crate) fn new(output: &Output) -> Result<Printer, Stop> {
        let format = Format::new(output.format.as_deref(), output.output)?;
        Ok(Printer { format, out: Stdout::new()?, filters: output.filters.clone(), count: 0 })
    }

    /// Prints in this form, without a filter.
    pub(crate) fn of_form(form: Form, out: Stdout) -> Printer {
        Printer { format: Format::Form(form), out, filters: Vec::new(), count: 0 }
    }

    /// Prints a message if the filters let it through.
    pub(crate) fn print(&mut self, message: &Message) -> io::Result<()> {
        if !self.wants(message) {
            return Ok(());
        }
        self.count += 1;
        self.format.write(&mut self.out, message, self.count)
    }

    pub(crate) fn wants(&self, message: &Message) -> bool {
        all_match(&self.filters, message)
    }
}

/// How messages are printed.
pub(crate) enum Format {
    Form(Form),
    Pattern(Vec<Part>),
}

/// A part of a pattern.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Bytes(Vec<u8>),
    Token(u8),
}

const TOKENS: &[u8] = b"sSkhtpiTErn";

impl Format {
    /// Returns the pattern where there is one, or else the form.
    pub(crate) fn new(pattern: Option<&str>, form: Form) -> Result<Format, Failure> {
        match pattern {
            Some(pattern) => parts(pattern).map(Format::Pattern).map_err(|why| Failure::usage(format!("-f {why}"))),
            None => Ok(Format::Form(form)),
        }
    }

    /// Writes a message, the `number`th from 1.
    pub(crate) fn write(&self, out: &mut impl Write, message: &Message, number: u64) -> io::Result<()> {
        let payload = message.payload();
        match self {
            Format::Form(Form::Raw) => out.write_all(payload),
            Format::Form(Form::Text) => out.write_all(payload).and_then(|()| out.write_all(b"\n")),
            Format::Form(Form::Hex) => hex(out, payload),
            Format::Form(Form::Jsonl) => json(out, message),
            Format::Pattern(parts) => parts.iter().try_for_each(|part| match part {
                Part::Bytes(bytes) => out.write_all(bytes),
                Part::Token(token) => write_token(out, *token, message, number),
            }),
        }
    }
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for (index, text) in pattern.split('%').enumerate() {
        let mut literal = text;
        if index > 0 {
            // An empty piece that follows another is the second half of %%.
            match text.as_bytes().first() {
                Some(token) if TOKENS.contains(token) && !is_escaped(&parts) => {
                    parts.push(Part::Token(*token));
                    literal = &text[1..];
                }
                _ if is_escaped(&parts) => {
                    parts.pop();
                    parts.push(Part::Bytes(b"%".to_vec()));
                }
                None => parts.push(Part::Token(b'%')),
                Some(_) => return Err(format!("{pattern:?}: the tokens are %s %S %k %h %t %p %i %T %E %r %n %%")),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Bytes(escapes::bytes(literal)?));
        }
    }
    match is_escaped(&parts) {
        true => Err(format!("{pattern:?} ends with a single %; a percent sign is %%")),
        false => Ok(parts),
    }
}

/// Returns whether a single % waits for its second half.
fn is_escaped(parts: &[Part]) -> bool {
    parts.last() == Some(&Part::Token(b'%'))
}

fn write_token(out: &mut impl Write, token: u8, message: &Message, number: u64) -> io::Result<()> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let shown = match token {
        b's' => return out.write_all(message.payload()),
        b'S' => message.payload().len().to_string(),
        b'k' => message.key().unwrap_or_default().to_owned(),
        b'h' => {
            message.properties().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
        }
        b't' => message.topic().to_string(),
        b'p' => text(message.id().partition().map(|partition| partition.to_string())),
        b'i' => message.id().as_str().to_owned(),
        b'T' => text(message.publish_time_ms().map(|millis| millis.to_string())),
        b'E' => text(message.event_time_ms().map(|millis| millis.to_string())),
        b'r' => message.redelivery_count().to_string(),
        _ => number.to_string(),
    };
    out.write_all(shown.as_bytes())
}

fn hex(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    for byte in payload {
        write!(out, "{byte:02x}")?;
    }
    out.write_all(b"\n")
}

/// Returns the field of JSON that holds a payload, and its value; a payload that is not UTF-8 is in base64.
pub(crate) fn payload_field(payload: &[u8]) -> (&'static str, Value) {
    match std::str::from_utf8(payload) {
        Ok(text) => ("payload", text.into()),
        Err(_) => ("payload_base64", STANDARD.encode(payload).into()),
    }
}

/// Formats a message as JSON.
fn json(out: &mut impl Write, message: &Message) -> io::Result<()> {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    put("id", message.id().as_str().into());
    put("topic", message.topic().to_string().into());
    if let Some(partition) = message.id().partition() {
        put("partition", partition.into());
    }
    if let Some(key) = message.key() {
        put("key", key.into());
    }
    let (name, payload) = payload_field(message.payload());
    put(name, payload);
    let properties = message.properties().iter().map(|(name, value)| (name.clone(), value.clone().into()));
    put("properties", Value::Object(properties.collect()));
    if let Some(millis) = message.publish_time_ms() {
        put("publish_time", millis.into());
    }
    if let Some(millis) = message.event_time_ms() {
        put("event_time", millis.into());
    }
    put("redeliveries", message.redelivery_count().into());
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_tokens_and_bytes() {
        let bytes = |text: &str| Part::Bytes(text.as_bytes().to_vec());
        assert_eq!(parts(r"%k=%s\n").unwrap(), [Part::Token(b'k'), bytes("="), Part::Token(b's'), bytes("\n")]);
        assert_eq!(parts("%%s 5%%").unwrap(), [bytes("%"), bytes("s 5"), bytes("%")]);
        for wrong in ["%q", "%", "100% ", "%s%", r"\q"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }
}
