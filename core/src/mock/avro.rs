//! Schema resolution of Avro, as far as the compatibility of two schemas depends on it.

use serde_json::Value;

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Returns whether a definition describes a type.
pub(super) fn is_schema(schema: &Value) -> bool {
    let named = || schema["name"].as_str().is_some_and(|name| !name.is_empty());
    match schema {
        Value::String(name) => PRIMITIVES.contains(&name.as_str()),
        Value::Array(branches) => !branches.is_empty(),
        Value::Object(_) => match kind(schema) {
            "record" => named() && schema["fields"].is_array(),
            "enum" => named() && schema["symbols"].is_array(),
            "fixed" => named() && schema["size"].is_u64(),
            "array" => !schema["items"].is_null(),
            "map" => !schema["values"].is_null(),
            name => PRIMITIVES.contains(&name),
        },
        _ => false,
    }
}

/// Returns whether values that are written with one schema can be read with another.
pub(super) fn reads(reader: &Value, writer: &Value) -> bool {
    if let Value::Array(branches) = writer {
        return branches.iter().all(|branch| reads(reader, branch));
    }
    if let Value::Array(branches) = reader {
        return branches.iter().any(|branch| reads(branch, writer));
    }
    match (kind(reader), kind(writer)) {
        ("record", "record") => name(reader) == name(writer) && fields(reader).all(|field| reads_field(field, writer)),
        ("enum", "enum") => {
            let known = |symbol: &Value| list(&reader["symbols"]).any(|known| known == symbol);
            name(reader) == name(writer) && (!reader["default"].is_null() || list(&writer["symbols"]).all(known))
        }
        ("fixed", "fixed") => name(reader) == name(writer) && reader["size"] == writer["size"],
        ("array", "array") => reads(&reader["items"], &writer["items"]),
        ("map", "map") => reads(&reader["values"], &writer["values"]),
        ("long", "int") | ("float", "int" | "long") | ("double", "int" | "long" | "float") => true,
        ("string", "bytes") | ("bytes", "string") => true,
        // The same primitive, or the name of a type that was defined before.
        (reader, writer) => reader == writer,
    }
}

/// Returns whether a record has what a field is read from: a field of its name or of an alias, or a default.
fn reads_field(field: &Value, writer: &Value) -> bool {
    let is = |written: &&Value| {
        written["name"] == field["name"] || list(&field["aliases"]).any(|alias| *alias == written["name"])
    };
    match fields(writer).find(is) {
        Some(written) => reads(&field["type"], &written["type"]),
        None => field.get("default").is_some(),
    }
}

/// Returns the name of a type: `record`, `int` and so on.
fn kind(schema: &Value) -> &str {
    match schema {
        Value::String(name) => name,
        Value::Object(fields) => fields.get("type").map_or("", kind),
        _ => "",
    }
}

/// Returns the name without its namespace.
fn name(schema: &Value) -> Option<&str> {
    schema["name"].as_str()?.rsplit('.').next()
}

fn fields(record: &Value) -> impl Iterator<Item = &Value> {
    list(&record["fields"])
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_are_resolved_as_avro_does() {
        let record = |fields: Value| json!({ "type": "record", "name": "a.R", "fields": fields });
        let (id, text) = (json!({ "name": "id", "type": "int" }), json!({ "name": "text", "type": "string" }));
        let optional = json!({ "name": "text", "type": ["null", "string"], "default": null });
        let other = json!({ "type": "record", "name": "S", "fields": [id] });
        let symbols = |symbols: Value| json!({ "type": "enum", "name": "E", "symbols": symbols });
        let list = |items: &str| json!({ "type": "array", "items": items });
        for (reader, writer, expected) in [
            (record(json!([id])), record(json!([id, text])), true),
            (record(json!([id, text])), record(json!([id])), false),
            (record(json!([id, optional])), record(json!([id])), true),
            (record(json!([id, optional])), record(json!([id, text])), true),
            (record(json!([id, text])), record(json!([id, optional])), false),
            (record(json!([{ "name": "n", "aliases": ["id"], "type": "long" }])), record(json!([id])), true),
            (record(json!([id])), other, false),
            (symbols(json!(["a", "b"])), symbols(json!(["a"])), true),
            (symbols(json!(["a"])), symbols(json!(["a", "b"])), false),
            (list("long"), list("int"), true),
            (list("int"), list("long"), false),
            (json!("string"), json!({ "type": "bytes" }), true),
            (json!("string"), json!("int"), false),
        ] {
            assert_eq!(reads(&reader, &writer), expected, "{reader} reads {writer}");
        }
    }

    #[test]
    fn what_is_no_type_is_no_schema() {
        for schema in ["int", "null"] {
            assert!(is_schema(&json!(schema)), "{schema}");
        }
        for schema in [json!({}), json!(1), json!("record"), json!({ "type": "record", "name": "R" }), json!([])] {
            assert!(!is_schema(&schema), "{schema}");
        }
    }
}
