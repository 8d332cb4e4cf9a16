//! Schemas in the REST API.

use serde_json::{Value, json};

use super::super::http::{Request, Response};
use super::super::names::base_topic;
use super::super::schemas::{Refused, STRATEGY, Schema, Versions};
use super::super::topics::Broker;
use super::{body, not_allowed, ok, reason};

pub(super) fn answer(broker: &mut Broker, now: u64, request: &Request, rest: &[&str]) -> Response {
    let [tenant, namespace, topic, rest @ ..] = rest else { return reason(404, "HTTP 404 Not Found") };
    let namespace = format!("{tenant}/{namespace}");
    if request.method == "POST" && !broker.namespaces.contains_key(&namespace) {
        return reason(404, "Namespace does not exist");
    }
    let versions = broker.schemas.entry(format!("{namespace}/{}", base_topic(topic))).or_default();
    match (request.method.as_str(), rest) {
        ("GET", ["schema"]) => shown(versions.live().last()),
        ("GET", ["schema", version]) => match version.parse::<usize>() {
            Ok(version) => shown(versions.live().find(|(live, _)| *live == version)),
            Err(_) => failure("java.lang.NumberFormatException", &format!("For input string: \"{version}\"")),
        },
        ("GET", ["schemas"]) => ok(json!({
            "getSchemaResponses": versions.live().map(|(version, schema)| schema.shown(version)).collect::<Vec<_>>()
        })),
        ("DELETE", ["schema"]) => ok(json!({ "version": versions.delete() })),
        ("POST", [operation @ ("schema" | "compatibility")]) => match posted(request, now) {
            Ok(schema) if *operation == "schema" => upload(versions, schema, &request.path),
            Ok(schema) => test(versions, &schema),
            Err(unreadable) => unreadable,
        },
        (_, ["schema" | "schemas" | "compatibility"]) => not_allowed(),
        _ => reason(404, "HTTP 404 Not Found"),
    }
}

/// Reads the schema in the body of a request.
fn posted(request: &Request, now: u64) -> Result<Schema, Response> {
    let posted = body(request)?.unwrap_or_default();
    let text = |name: &str| posted.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let properties = posted.get("properties").cloned().unwrap_or_else(|| json!({}));
    Ok(Schema { kind: text("type"), data: text("schema"), properties, timestamp: now })
}

fn upload(versions: &mut Versions, schema: Schema, path: &str) -> Response {
    match versions.check(&schema) {
        Ok(()) => ok(json!({ "version": { "version": versions.keep(schema) } })),
        Err(Refused::Incompatible(why)) => Response::page(409, &why, path),
        Err(Refused::Invalid(why)) => Response::page(422, &why, path),
        Err(Refused::NoType(name)) => no_type(&name),
    }
}

fn test(versions: &Versions, schema: &Schema) -> Response {
    match versions.check(schema) {
        Ok(()) => ok(json!({ "compatibility": true, "schemaCompatibilityStrategy": STRATEGY })),
        Err(Refused::Incompatible(why)) => failure(&exception("IncompatibleSchema"), &why),
        Err(Refused::Invalid(why)) => failure(&exception("InvalidSchemaData"), &why),
        Err(Refused::NoType(name)) => no_type(&name),
    }
}

fn no_type(name: &str) -> Response {
    let why = format!("No enum constant org.apache.pulsar.common.schema.SchemaType.{name}");
    failure("java.lang.IllegalArgumentException", &why)
}

fn exception(name: &str) -> String {
    format!("org.apache.pulsar.broker.service.schema.exceptions.{name}Exception")
}

/// Returns the answer to an exception that the broker does not expect.
fn failure(exception: &str, message: &str) -> Response {
    let unexpected = "\n --- An unexpected error occurred in the server ---\n\nMessage: ";
    reason(500, &format!("{unexpected}{message}\n\nStacktrace:\n\n{exception}: {message}\n\tat mock\n"))
}

fn shown(found: Option<(usize, &Schema)>) -> Response {
    found.map_or_else(|| reason(404, "Schema not found"), |(version, schema)| ok(schema.shown(version)))
}
