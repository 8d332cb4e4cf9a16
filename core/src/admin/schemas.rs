//! The schemas of topics, as the broker keeps them for clients of its binary protocol.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Admin, Call, keeps_raw};
use crate::error::{Error, Result};
use crate::topic::TopicName;

/// A version of a topic's schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// Pulsar's name of the type, such as `JSON`, `AVRO` or `STRING`.
    #[serde(rename = "type")]
    pub schema_type: String,
    /// The definition: an Avro schema for `JSON` and `AVRO`, empty for primitive types.
    #[serde(rename = "data", alias = "schema")]
    pub definition: String,
    /// The properties that were uploaded with it.
    pub properties: BTreeMap<String, String>,
    /// The version, from 0; never sent.
    pub version: u64,
    /// When it was uploaded, in milliseconds since 1970; never sent.
    pub timestamp: u64,
    /// The broker's answer, in JSON; never sent.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(Schema);

impl Schema {
    /// Creates a schema of a type, such as `JSON`.
    pub fn new(schema_type: &str, definition: &str) -> Schema {
        Schema { schema_type: schema_type.to_owned(), definition: definition.to_owned(), ..Schema::default() }
    }

    /// Reads a schema in Pulsar's JSON: `type`, `schema` or `data`, and `properties`.
    pub fn from_json(text: &str) -> Result<Schema> {
        let schema: Schema = serde_json::from_str(text).map_err(|error| {
            Error::invalid(format!(
                "the schema cannot be read ({error}): expected JSON with type, schema and properties"
            ))
        })?;
        match schema.schema_type.is_empty() {
            true => Err(Error::invalid("the type of the schema is missing: expected JSON, AVRO, STRING or another")),
            false => Ok(schema),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "type": self.schema_type, "schema": self.definition, "properties": self.properties })
    }
}

/// Whether a schema may become the next version of a topic's schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SchemaCompatibility {
    /// Whether the broker would accept the schema.
    #[serde(rename = "compatibility")]
    pub compatible: bool,
    /// The strategy of the topic, such as `FULL`; empty if the broker only gave a reason.
    #[serde(rename = "schemaCompatibilityStrategy")]
    pub strategy: String,
    /// Why the broker would refuse the schema; empty if it is compatible.
    pub reason: String,
    /// The answer in JSON, with these three fields.
    #[serde(skip)]
    pub raw: String,
}

keeps_raw!(SchemaCompatibility);

impl Admin {
    /// Returns a version of a topic's schema, or the newest. Fails with [`ErrorKind::NotFound`](crate::ErrorKind::NotFound)
    /// if there is none. A topic has one schema for all its partitions.
    pub async fn schema(&self, topic: impl AsRef<str>, version: Option<u64>) -> Result<Schema> {
        let rest = version.map_or_else(|| "schema".to_owned(), |version| format!("schema/{version}"));
        self.call_schema("read the schema of", Method::GET, topic, &rest)?.with_raw().await
    }

    /// Returns all versions of a topic's schema, the oldest first.
    pub async fn schemas(&self, topic: impl AsRef<str>) -> Result<Vec<Schema>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Versions {
            get_schema_responses: Vec<Box<RawValue>>,
        }
        let call = self.call_schema("list the schemas of", Method::GET, topic, "schemas")?;
        let versions: Versions = call.read(&call.text().await?)?;
        let schema = |raw: Box<RawValue>| Ok(Schema { raw: raw.get().to_owned(), ..call.read(raw.get())? });
        versions.get_schema_responses.into_iter().map(schema).collect()
    }

    /// Uploads a schema as the next version of a topic's schema, and returns its version. One that the topic has
    /// already keeps its version. Fails with [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is not
    /// compatible, or not a schema of its type.
    pub async fn upload_schema(&self, topic: impl AsRef<str>, schema: &Schema) -> Result<u64> {
        #[derive(Deserialize)]
        struct Uploaded {
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let call = self.call_schema("upload a schema of", Method::POST, topic, "schema")?.body(&schema.to_json());
        call.json::<Uploaded>().await.map(|uploaded| uploaded.version.version)
    }

    /// Deletes all versions of a topic's schema. The versions of later schemas go on counting.
    pub async fn delete_schema(&self, topic: impl AsRef<str>) -> Result<()> {
        self.call_schema("delete the schema of", Method::DELETE, topic, "schema")?.done().await
    }

    /// Checks whether a schema may become the next version of a topic's schema. Changes nothing.
    pub async fn test_schema_compatibility(
        &self,
        topic: impl AsRef<str>,
        schema: &Schema,
    ) -> Result<SchemaCompatibility> {
        let call = self.call_schema("test a schema of", Method::POST, topic, "compatibility")?;
        match call.body(&schema.to_json()).with_raw().await {
            Err(error) if error.broker_text().is_some_and(|text| text.contains("IncompatibleSchemaException")) => {
                // What Pulsar 3.0 answers for a topic that has no schema, and so takes any.
                let compatible = error.message().contains("Do not have existing schema");
                let reason = if compatible { String::new() } else { error.message().to_owned() };
                let raw = json!({ "compatibility": compatible, "schemaCompatibilityStrategy": "", "reason": reason });
                Ok(SchemaCompatibility { compatible, reason, raw: raw.to_string(), ..SchemaCompatibility::default() })
            }
            answer => answer,
        }
    }

    /// Prepares a request about the schema of a topic; `rest` follows its name in the path.
    fn call_schema(&self, operation: &str, method: Method, topic: impl AsRef<str>, rest: &str) -> Result<Call<'_>> {
        let topic: TopicName = topic.as_ref().parse().map_err(|error: Error| error.during(operation))?;
        let path = topic.path();
        // A topic has the same schema whether or not the broker stores its messages.
        let (_, path) = path.split_once('/').unwrap_or_default();
        let mut call = self.call(operation, method, &format!("schemas/{path}/{rest}"));
        call.topic = Some(topic);
        Ok(call)
    }
}
