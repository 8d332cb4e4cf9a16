//! The table of options, as JSON for bindings and tools and as a Markdown page.

use serde_json::json;

use super::spec::{Kind, OptionSpec, Roles};
use super::table::{ALIASES, OPTIONS};

/// Returns the table as JSON for bindings and tools: an array of
/// `{key, aliases, type, range, choices, min, max, or_zero, default, roles, parameters, doc}`.
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

/// Returns the table as the Markdown page `docs/configuration.md`: an overview, then a heading for each option.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         The keys are the same in Rust (setters of `Options`), C (`stargate_options_set`), Python (keyword arguments,\n\
         where times are seconds or `timedelta`) and supervisor configurations. Unknown keys, values out of range and\n\
         combinations that the server refuses are errors.\n\n\
         Options of a connection are given to the client. A producer, consumer or reader inherits them and may override\n\
         them.\n\n\
         `make docs` generates this page from `core/src/options/table.rs`; do not edit it.\n\n",
    );
    let groups = groups();
    page.push_str("| option | default | applies to |\n|---|---|---|\n");
    for spec in groups.iter().flat_map(|(_, specs)| specs) {
        let applies = if spec.roles.intersects(Roles::CONNECTION) { "everything".into() } else { roles(spec) };
        let link = format!("<a href=\"#{0}\"><code>{0}</code></a>", spec.key);
        page.push_str(&format!("| {link} | {} | {applies} |\n", code(spec.default)));
    }
    for (title, specs) in groups {
        page.push_str(&format!("\n## {title}\n"));
        specs.iter().for_each(|spec| page.push_str(&entry(spec)));
    }
    page
}

/// Returns the options grouped by what they apply to, each once.
fn groups() -> Vec<(&'static str, Vec<&'static OptionSpec>)> {
    let titles = ["Connection", "Producer", "Consumer", "Reader", "Several handles"];
    let mut groups: Vec<_> = titles.into_iter().map(|title| (title, Vec::new())).collect();
    for spec in OPTIONS {
        let group = match spec.roles {
            roles if roles.intersects(Roles::CONNECTION) => 0,
            Roles::PRODUCER => 1,
            Roles::CONSUMER => 2,
            Roles::READER => 3,
            _ => 4,
        };
        groups[group].1.push(spec);
    }
    groups
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn roles(spec: &OptionSpec) -> String {
    spec.roles.names().join(", ")
}

/// Returns the text of one option: a heading, which is its anchor, its description, and its properties.
fn entry(spec: &OptionSpec) -> String {
    let doc = spec.doc.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = format!("\n### `{}`\n\n{doc}\n\n- Value: {}\n", spec.key, spec.kind.describe());
    let aliases: Vec<String> =
        ALIASES.iter().filter(|(_, key)| *key == spec.key).map(|(alias, _)| code(alias)).collect();
    let mut parameters: Vec<String> = spec.parameters.iter().map(|(_, name)| code(name)).collect();
    parameters.dedup();
    for (name, fact) in [
        ("Default", code(spec.default)),
        ("Applies to", if spec.roles.intersects(Roles::CONNECTION) { String::new() } else { roles(spec) }),
        ("The server's parameter", parameters.join(", ")),
        ("Also called", aliases.join(", ")),
    ] {
        if !fact.is_empty() {
            text.push_str(&format!("- {name}: {fact}\n"));
        }
    }
    text
}
