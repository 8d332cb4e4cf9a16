//! The table for those who read it: as JSON for bindings and tools, as Markdown for people.

use serde_json::json;

use super::spec::{Kind, Roles};
use super::table::{ALIASES, OPTIONS};

/// The table as JSON: an array of `{key, aliases, type, range, choices, min, max, or_zero, default, roles, parameters,
/// doc}`, for bindings and tools.
pub fn describe() -> String {
    let rows: Vec<serde_json::Value> = OPTIONS
        .iter()
        .map(|spec| {
            let choices = match spec.kind {
                Kind::Choice(words) => words.iter().map(|(word, _)| *word).collect(),
                _ => Vec::new(),
            };
            let (min, max, or_zero) = match spec.kind {
                Kind::Int { min, max } => (Some(json!(min)), Some(json!(max)), false),
                Kind::Float { min, max } => (Some(json!(min)), Some(json!(max)), false),
                Kind::Millis { min, max, or_zero } => (Some(json!(min)), Some(json!(max)), or_zero),
                _ => (None, None, false),
            };
            let aliases: Vec<&str> =
                ALIASES.iter().filter(|(_, key)| *key == spec.key).map(|(alias, _)| *alias).collect();
            json!({
                "key": spec.key,
                "aliases": aliases,
                "type": spec.kind.name(),
                "range": spec.kind.describe(),
                "choices": choices,
                "min": min,
                "max": max,
                "or_zero": or_zero,
                "default": spec.default,
                "roles": spec.roles.names(),
                "parameters": spec.parameters.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
                "doc": spec.doc.split_whitespace().collect::<Vec<_>>().join(" "),
            })
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}

/// The table as the Markdown page `docs/configuration.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from the table in `core/src/options/table.rs` by `make docs`; do not edit. The keys are the same in Rust\n\
         (setters of `Options`), C (`stargate_options_set`), Python (keyword arguments, where times are seconds or\n\
         `timedelta`) and supervisor configurations. Unknown keys, values out of range and combinations that the server\n\
         refuses are errors.\n",
    );
    let sections = [
        (
            Roles::CONNECTION,
            "Connection",
            "Given to the client; a producer, consumer or reader inherits them and may override them.",
        ),
        (Roles::PRODUCER, "Producer", ""),
        (Roles::CONSUMER, "Consumer", ""),
        (Roles::READER, "Reader", ""),
    ];
    for (role, title, text) in sections {
        page.push_str(&format!("\n## {title}\n\n"));
        if !text.is_empty() {
            page.push_str(&format!("{text}\n\n"));
        }
        page.push_str("| key | value | default | server's parameter | meaning |\n|---|---|---|---|---|\n");
        for spec in OPTIONS.iter().filter(|spec| spec.roles.intersects(role)) {
            let parameter = spec.parameters.iter().find(|(to, _)| to.intersects(role)).map(|(_, name)| *name);
            let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
            let doc = spec.doc.split_whitespace().collect::<Vec<_>>().join(" ");
            page.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                spec.key,
                spec.kind.describe(),
                code(spec.default),
                code(parameter.unwrap_or_default()),
                doc.replace('|', "\\|"),
            ));
        }
    }
    let mut aliases: Vec<String> = ALIASES.iter().map(|(alias, key)| format!("`{alias}` for `{key}`")).collect();
    aliases.sort();
    page.push_str(&format!("\nOther words taken for a key: {}.\n", aliases.join(", ")));
    page
}
