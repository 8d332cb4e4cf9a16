//! The versions of a topic's schema, checked with the strategy `FULL`, which is the broker's default.

use serde_json::{Value, json};

use super::avro;

pub(super) const STRATEGY: &str = "FULL";

/// A version of a topic's schema.
pub(super) struct Schema {
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) properties: Value,
    pub(super) timestamp: u64,
}

/// Why a schema is refused.
pub(super) enum Refused {
    Incompatible(String),
    Invalid(String),
    /// Pulsar has no type of this name.
    NoType(String),
}

/// The versions of a topic's schema. A deletion takes a version, too: `None`.
#[derive(Default)]
pub(super) struct Versions(Vec<Option<Schema>>);

impl Versions {
    /// Returns the versions since the last deletion.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &Schema)> {
        let begin = self.0.iter().rposition(Option::is_none).map_or(0, |deletion| deletion + 1);
        self.0.iter().enumerate().skip(begin).filter_map(|(version, schema)| Some((version, schema.as_ref()?)))
    }

    /// Deletes all versions, and returns that of the deletion.
    pub(super) fn delete(&mut self) -> usize {
        self.0.push(None);
        self.0.len() - 1
    }

    /// Stores a schema as the newest version unless it is there, and returns its version.
    pub(super) fn keep(&mut self, schema: Schema) -> usize {
        if let Some((version, _)) = self.live().find(|(_, known)| known.equals(&schema)) {
            return version;
        }
        self.0.push(Some(schema));
        self.0.len() - 1
    }

    /// Checks whether a schema may become the newest version.
    pub(super) fn check(&self, schema: &Schema) -> Result<(), Refused> {
        schema.check()?;
        let Some((_, newest)) = self.live().last() else { return Ok(()) };
        if newest.kind != schema.kind {
            let (known, new) = (&newest.kind, &schema.kind);
            let text = format!("Incompatible schema: exists schema type {known}, new schema type {new}");
            return Err(Refused::Incompatible(text));
        }
        let (Some(known), Some(new)) = (newest.avro(), schema.avro()) else { return Ok(()) };
        if avro::reads(&known, &new) && avro::reads(&new, &known) {
            return Ok(());
        }
        Err(Refused::Incompatible(format!(
            "Error during schema compatibility check with strategy {STRATEGY}: \
             org.apache.avro.SchemaValidationException: Unable to read schema: {known} using schema: {new}"
        )))
    }
}

impl Schema {
    fn check(&self) -> Result<(), Refused> {
        let Schema { kind, data, .. } = self;
        let invalid = |text: String| Err(Refused::Invalid(format!("Invalid schema definition data for {text}")));
        match kind.as_str() {
            "AVRO" | "JSON" | "PROTOBUF" => match self
                .avro()
                .is_some_and(|schema| avro::is_schema(&schema) || kind == "JSON" && is_json_schema(&schema))
            {
                true => Ok(()),
                false => invalid(format!("{kind} schema")),
            },
            "STRING" if !data.is_empty() && data != "null" => invalid(format!("string schema : '{data}'")),
            "AUTO" | "AUTO_CONSUME" | "AUTO_PUBLISH" => {
                Err(Refused::Invalid(format!("Schema {kind} is a client-side schema type")))
            }
            "NONE" | "BYTES" | "STRING" | "KEY_VALUE" | "PROTOBUF_NATIVE" => Ok(()),
            "BOOLEAN" | "INT8" | "INT16" | "INT32" | "INT64" | "FLOAT" | "DOUBLE" | "DATE" | "TIME" | "TIMESTAMP"
            | "INSTANT" | "LOCAL_DATE" | "LOCAL_TIME" | "LOCAL_DATE_TIME" => match data.len() {
                0 => Ok(()),
                length => invalid(format!(
                    "primitive schemas :length of schema data should be zero, but {length} bytes is found"
                )),
            },
            _ => Err(Refused::NoType(kind.clone())),
        }
    }

    /// Returns the definition of a type that Avro describes.
    fn avro(&self) -> Option<Value> {
        let described = matches!(self.kind.as_str(), "AVRO" | "JSON" | "PROTOBUF");
        described.then(|| serde_json::from_str(&self.data).ok()).flatten()
    }

    fn equals(&self, other: &Schema) -> bool {
        self.kind == other.kind && (self.data == other.data || self.avro().is_some_and(|own| Some(own) == other.avro()))
    }

    /// Returns the version in the JSON of the REST API.
    pub(super) fn shown(&self, version: usize) -> Value {
        let Schema { kind, data, properties, timestamp } = self;
        json!({ "version": version, "type": kind, "timestamp": timestamp, "data": data, "properties": properties })
    }
}

/// Returns whether a definition is one of JSON Schema, which older clients send for the type `JSON`.
fn is_json_schema(schema: &Value) -> bool {
    let types = ["string", "number", "integer", "boolean", "object", "array", "null", "any"];
    schema["type"].as_str().is_some_and(|name| types.contains(&name))
}
