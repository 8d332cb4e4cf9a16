//! Options from JSON, as the configuration of a supervisor and bindings to other languages have them.

use serde_json::{Map, Value};

use super::Options;
use crate::error::{Error, Result};

impl Options {
    /// Sets the options of a JSON object, such as `{"queue_size": 100, "lazy": true, "headers": {"X-Key": "value"}}`. A
    /// value is a text, a number or a boolean; times are in milliseconds. After an error no option has changed.
    pub fn set_json(&mut self, text: &str) -> Result<()> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| Error::invalid(format!("options are not JSON: {error}")))?;
        let Value::Object(fields) = json else { return Err(Error::invalid("options: expected a JSON object")) };
        let mut changed = self.clone();
        changed.set_fields(fields)?;
        *self = changed;
        Ok(())
    }

    /// Sets the options of a JSON object; after an error some of them.
    pub(crate) fn set_fields(&mut self, fields: Map<String, Value>) -> Result<()> {
        for (key, value) in fields {
            let text = match value {
                Value::String(text) => text,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Object(headers) if key == "headers" => {
                    for (name, value) in &headers {
                        let value = value.as_str().filter(|text| !text.is_empty());
                        // The error does not repeat the value, which may hold a secret.
                        let why = || format!("expected a text that is not empty for {name:?}");
                        let value = value.ok_or_else(|| Error::option("headers", why()))?;
                        self.set_header(name, value)?;
                    }
                    continue;
                }
                // As above.
                _ => return Err(Error::option(&key, "expected a text, a number or a boolean")),
            };
            self.set(&key, &text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_json_are_those_set_by_key_and_an_error_changes_none() {
        let mut options = Options::new();
        let json = r#"{"queue_size": 7, "lazy": true, "subscription_type": "shared", "headers": {"X-Key": "v"}}"#;
        options.set_json(json).unwrap();
        let mut by_key = Options::new();
        for (key, value) in [("queue_size", "7"), ("lazy", "true"), ("subscription_type", "shared")] {
            by_key.set(key, value).unwrap();
        }
        by_key.set_header("X-Key", "v").unwrap();
        assert_eq!(options, by_key);
        for (json, part) in [
            (r#"{"queue_size": 9, "queue_sise": 9}"#, "queue_size"),
            (r#"{"queue_size": [9]}"#, "expected a text, a number or a boolean"),
            (r#"{"queue_size": null}"#, "expected a text, a number or a boolean"),
            (r#"{"headers": {"X-Key": 1}}"#, "X-Key"),
            ("[]", "expected a JSON object"),
            ("{", "not JSON"),
        ] {
            let error = options.set_json(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
            assert_eq!(options, by_key, "{json}");
        }
    }
}
