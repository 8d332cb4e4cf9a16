//! The scenarios that every language carries out, with the same transcripts. See `table/README.md`.

mod interpreter;

use std::path::{Path, PathBuf};

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios/table");
    let files = std::fs::read_dir(folder).expect("the table is there").map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "scenario")).collect();
    paths.sort();
    paths
}

/// Carries out scenarios, and fails with all transcripts that differ.
fn compare(paths: Vec<PathBuf>, url: Option<&str>) {
    assert!(!paths.is_empty());
    let mut differences = String::new();
    for path in paths {
        let expected = std::fs::read_to_string(path.with_extension("transcript")).expect("each has a transcript");
        let transcript = interpreter::run(&path, url).unwrap_or_else(|reason| format!("{reason}\n"));
        if transcript != expected {
            differences += &format!("{}:\n{transcript}expected:\n{expected}", path.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_scenario_has_its_transcript_on_the_mock() {
    compare(scenarios(), None);
}

#[test]
#[ignore = "needs a broker at PULSAR_URL"]
fn every_scenario_for_any_broker_has_its_transcript_on_a_real_one() {
    let url = std::env::var("PULSAR_URL").expect("PULSAR_URL is the WebSocket URL of a broker, ws://host:port");
    let on_any = |path: &PathBuf| std::fs::read_to_string(path).unwrap().lines().any(|line| line == "on any");
    compare(scenarios().into_iter().filter(on_any).collect(), Some(&url));
}
