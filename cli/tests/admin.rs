//! `stargate topics`, `subscriptions`, `namespaces`, `tenants`, `mock`, `completion` and `version`.

mod common;

use common::{Shell, interrupt, said};

fn text(shell: &Shell, arguments: &[&str]) -> String {
    String::from_utf8(shell.ok(arguments, b"")).unwrap()
}

#[test]
fn topics_are_listed_created_looked_at_and_deleted() {
    let shell = Shell::new();
    text(&shell, &["topics", "create", "plain"]);
    text(&shell, &["topics", "create", "parts", "--partitions", "3"]);
    let full = |name: &str| format!("persistent://public/default/{name}");
    assert_eq!(text(&shell, &["topics", "ls"]), format!("{}\n{}\n", full("parts"), full("plain")));
    let listed = text(&shell, &["topics", "ls", "public/default", "-o", "json"]);
    assert_eq!(listed, format!("[\"{}\",\"{}\"]\n", full("parts"), full("plain")));
    shell.ok(&["produce", "plain"], b"a\nb\n");
    assert!(text(&shell, &["topics", "stats", "plain"]).contains("messages in            2\n"));
    assert!(text(&shell, &["topics", "stats", "parts"]).starts_with("partitions             3\n"));
    assert!(text(&shell, &["topics", "stats", "plain", "-o", "json"]).contains("\"msgInCounter\":2"));
    let unasked = shell.run(&["topics", "delete", "plain"], b"y\n");
    assert_eq!(unasked.status.code(), Some(2));
    assert!(said(&unasked).contains("give -y"), "{}", said(&unasked));
    text(&shell, &["topics", "delete", "plain", "-y"]);
    text(&shell, &["topics", "delete", "parts", "-y"]);
    assert_eq!(text(&shell, &["topics", "ls"]), "");
}

#[test]
fn subscriptions_are_listed_created_looked_at_and_deleted() {
    let shell = Shell::new();
    shell.ok(&["produce", "t"], b"a\nb\n");
    text(&shell, &["subscriptions", "create", "t", "old", "--from", "earliest"]);
    text(&shell, &["subscriptions", "create", "t", "new"]);
    assert_eq!(text(&shell, &["subscriptions", "ls", "t"]), "new\nold\n");
    assert!(text(&shell, &["subscriptions", "stats", "t", "old"]).contains("backlog                2\n"));
    assert!(text(&shell, &["subscriptions", "stats", "t", "new", "-o", "json"]).contains("\"msgBacklog\":0"));
    text(&shell, &["subscriptions", "delete", "t", "old", "-y"]);
    assert_eq!(text(&shell, &["subscriptions", "ls", "t"]), "new\n");
    let missing = shell.run(&["subscriptions", "stats", "t", "old"], b"");
    assert_eq!((missing.status.code(), said(&missing)), (Some(1), "stargate: t has no subscription old\n".to_owned()));
}

#[test]
fn namespaces_and_tenants_are_listed_created_looked_at_and_deleted() {
    let shell = Shell::new();
    text(&shell, &["tenants", "create", "shop", "--admin-role", "boss"]);
    assert_eq!(text(&shell, &["tenants", "ls"]), "public\npulsar\nshop\n");
    assert!(text(&shell, &["tenants", "stats", "shop"]).contains("admin roles  boss\n"));
    text(&shell, &["namespaces", "create", "shop/eu"]);
    assert_eq!(text(&shell, &["namespaces", "ls", "shop"]), "shop/eu\n");
    assert!(text(&shell, &["namespaces", "stats", "shop/eu"]).contains("bundles"));
    text(&shell, &["namespaces", "delete", "shop/eu", "-y"]);
    text(&shell, &["tenants", "delete", "shop", "-y"]);
    assert_eq!(text(&shell, &["tenants", "ls"]), "public\npulsar\n");
}

#[test]
fn the_mock_serves_until_ctrl_c() {
    use std::io::{BufRead, BufReader};
    let shell = Shell::new();
    let mut child = shell.command(&["mock", "--port", "0", "--partitioned", "parts=2"]).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let listed = text(&shell, &["--url", url.trim(), "topics", "ls"]);
    assert_eq!(listed, "persistent://public/default/parts\n");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
}

#[test]
fn help_shows_placeholders_as_they_are_typed() {
    let help = text(&Shell::new(), &["help", "produce"]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("{{ n }} is the number, {{ time }}"), "{help}");
}

#[test]
fn completions_and_the_version_are_printed() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish"] {
        assert!(text(&shell, &["completion", name]).contains("print-ids"), "{name}");
    }
    assert_eq!(text(&shell, &["version"]), format!("stargate {}\n", env!("CARGO_PKG_VERSION")));
}
