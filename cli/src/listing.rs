//! Lists and statistics, as a table, JSON or CSV.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::exit::{Ended, Failure};
use crate::stdout;

/// A way to print an answer.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// Lines, with columns where there are several values
    Table,
    /// JSON; for statistics the whole answer of the broker
    Json,
    /// Values separated by commas, with a line of names
    Csv,
}

/// Prints names, one a line.
pub(crate) fn names(output: Listing, title: &str, names: &[String]) -> Ended {
    let text = match output {
        Listing::Table => names.iter().map(|name| format!("{name}\n")).collect(),
        Listing::Json => format!("{}\n", json!(names)),
        Listing::Csv => csv(&[title], &names.iter().map(|name| vec![name.clone()]).collect::<Vec<_>>()),
    };
    stdout::print(text.as_bytes())
}

/// Prints rows under titles. In JSON each row is an object.
pub(crate) fn rows(output: Listing, titles: &[&str], rows: &[Vec<String>]) -> Ended {
    let text = match output {
        Listing::Table => table(Some(titles), rows),
        Listing::Json => {
            let object = |row: &Vec<String>| -> Value { titles.iter().copied().zip(row.iter().cloned()).collect() };
            format!("{}\n", rows.iter().map(object).collect::<Value>())
        }
        Listing::Csv => csv(titles, rows),
    };
    stdout::print(text.as_bytes())
}

/// Prints names and values, or in JSON the broker's own answer.
pub(crate) fn facts(output: Listing, facts: &[(String, String)], raw: &str) -> Ended {
    let rows: Vec<Vec<String>> = facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
    let text = match output {
        Listing::Table => table(None, &rows),
        Listing::Json => format!("{}\n", parsed(raw)?),
        Listing::Csv => csv(&["name", "value"], &rows),
    };
    stdout::print(text.as_bytes())
}

/// Parses an answer of the broker.
pub(crate) fn parsed(raw: &str) -> Result<Value, Failure> {
    serde_json::from_str(raw).map_err(|error| Failure::failed(format!("the answer of the broker is no JSON: {error}")))
}

/// Columns that are as wide as they have to be, without lines between them.
pub(crate) fn table(titles: Option<&[&str]>, rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(titles) = titles {
        table.set_header(titles.iter().map(|title| title.to_uppercase()));
    }
    table.add_rows(rows.iter().map(|row| row.iter().map(|value| visible(value))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").filter(|line| line.len() > 1).collect()
}

/// Control characters could move the cursor of a terminal.
fn visible(value: &str) -> String {
    value.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// RFC 4180, with newlines alone.
pub(crate) fn csv(titles: &[&str], rows: &[Vec<String>]) -> String {
    let quoted = |value: &str| match value.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value.to_owned(),
    };
    let line = |values: Vec<String>| values.join(",") + "\n";
    let head = line(titles.iter().map(|title| quoted(title)).collect());
    head + &rows.iter().map(|row| line(row.iter().map(|value| quoted(value)).collect())).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_aligned() {
        let rows = [vec!["a,b".to_owned(), "x \"y\"".to_owned()], vec!["\u{1b}[2J".to_owned(), String::new()]];
        assert_eq!(csv(&["one", "two"], &rows[..1]), "one,two\n\"a,b\",\"x \"\"y\"\"\"\n");
        assert_eq!(table(Some(&["one", "two"]), &rows), "ONE   TWO\na,b   x \"y\"\n\u{fffd}[2J\n");
    }
}
