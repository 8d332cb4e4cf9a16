//! `--filter`: which messages are wanted.

use regex_lite::Regex;
use stargate_core::Message;

/// One condition; a message has to meet all that are given.
#[derive(Clone)]
pub(crate) struct Filter {
    field: Field,
    pattern: Regex,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Field {
    Key,
    Property(String),
}

/// Reads `key=REGEX` or `prop.NAME=REGEX`.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    let (field, pattern) = text.split_once('=').ok_or("expected key=REGEX or prop.NAME=REGEX")?;
    let field = match field.strip_prefix("prop.") {
        Some(name) if !name.is_empty() => Field::Property(name.to_owned()),
        None if field == "key" => Field::Key,
        _ => return Err("expected key=REGEX or prop.NAME=REGEX".to_owned()),
    };
    Ok(Filter { field, pattern: Regex::new(pattern).map_err(|error| format!("{pattern:?}: {error}"))? })
}

impl Filter {
    /// Returns whether the message has the field, and the pattern is found in it.
    fn matches(&self, message: &Message) -> bool {
        let value = match &self.field {
            Field::Key => message.key(),
            Field::Property(name) => message.properties().get(name).map(String::as_str),
        };
        value.is_some_and(|value| self.pattern.is_match(value))
    }
}

/// Returns whether the message meets every condition.
pub(crate) fn all_match(filters: &[Filter], message: &Message) -> bool {
    filters.iter().all(|filter| filter.matches(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_a_field_and_a_pattern() {
        assert_eq!(parse("key=^a").unwrap().field, Field::Key);
        assert_eq!(parse("prop.a.b=x=y").unwrap().field, Field::Property("a.b".to_owned()));
        for wrong in ["key", "value=x", "prop.=x", "key=("] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
