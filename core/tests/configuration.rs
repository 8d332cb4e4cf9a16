//! `docs/configuration.md` is the table of options, `docs/statistics.md` that of counters; `UPDATE_DOCS=1` updates both.

use std::path::Path;

fn compare(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page).expect("docs/ can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/{name} is not that of the table; run `make docs`");
}

#[test]
fn the_page_is_the_table() {
    compare("configuration.md", &stargate_core::options::markdown());
}

#[test]
fn the_page_of_statistics_is_the_table() {
    compare("statistics.md", &stargate_core::stats::markdown());
}
