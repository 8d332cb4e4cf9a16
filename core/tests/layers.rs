//! `docs/architecture.md` lists the layers of `core/src`, and every import is held against that list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The sources by their path below `core/src`.
type Sources = BTreeMap<String, String>;

/// Files outside of the layers: they are compiled for tests only.
fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests" || part == "tests.rs")
}

fn read_sources() -> Sources {
    fn walk(folder: &Path, prefix: &str, sources: &mut Sources) {
        for entry in std::fs::read_dir(folder).expect("core/src can be read") {
            let entry = entry.expect("core/src can be read");
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), sources);
            } else if name.ends_with(".rs") && !is_test(&name) {
                sources.insert(name, std::fs::read_to_string(entry.path()).expect("a source is text"));
            }
        }
    }
    let mut sources = Sources::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    sources
}

/// The files and folders of each layer, top to bottom.
fn read_layers() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md"));
    let page = page.expect("docs/architecture.md is there");
    let section = page.split("\n## Layers\n").nth(1).expect("it has a section named Layers");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let layers: Vec<Vec<String>> = rows
        .map(|row| {
            let cell = row.split('|').nth(1).unwrap_or_default();
            cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches('/').to_owned()).collect()
        })
        .collect();
    assert!(layers.len() > 10, "the table of layers was not understood: {layers:?}");
    layers
}

/// The code without comments and without what is compiled for tests only.
fn code_of(source: &str) -> String {
    let mut code = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let start = line.trim_start();
        if start.starts_with("#[cfg(test)") || start.starts_with("#[cfg(all(test") {
            let item = lines.by_ref().find(|line| !line.trim_start().starts_with("#[")).unwrap_or_default();
            let indent = &item[..item.len() - item.trim_start().len()];
            if !item.ends_with(';') && !item.ends_with('}') {
                let end = format!("{indent}}}");
                lines.by_ref().find(|line| *line == end || line.trim_end() == format!("{indent});"));
            }
        } else if !start.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

/// Adds the paths of a use tree, such as `a::{b, c::d}`.
fn expand(tree: &str, before: &[&str], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim_start();
    if let Some(inner) = tree.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => return expand(&inner[start..at], before, paths),
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&inner[start..at], before, paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let length = tree.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(tree.len());
    let (name, rest) = tree.split_at(length);
    let path: Vec<&str> = before.iter().copied().chain((!name.is_empty()).then_some(name)).collect();
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => expand(rest, &path, paths),
        _ => paths.push(path.into_iter().map(str::to_owned).collect()),
    }
}

/// The module of a file.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let parts = path.split('/').filter(|part| *part != "mod" && *part != "lib");
    parts.map(str::to_owned).collect()
}

/// Which files each file imports.
fn imports(sources: &Sources) -> BTreeSet<(String, String)> {
    let files: BTreeMap<Vec<String>, &String> = sources.keys().map(|file| (module_of(file), file)).collect();
    let mut found = BTreeSet::new();
    for (file, source) in sources {
        let (code, module) = (code_of(source), module_of(file));
        for (keyword, base) in [
            ("crate::", &[][..]),
            ("super::super::", &module[..module.len().saturating_sub(2)]),
            ("super::", &module[..module.len().saturating_sub(1)]),
            ("self::", &module[..]),
        ] {
            for (at, _) in code.match_indices(keyword) {
                let before = &code[..at];
                if before.ends_with("::")
                    || before.ends_with(|letter: char| letter.is_alphanumeric() || "$_`".contains(letter))
                {
                    continue;
                }
                let mut paths = Vec::new();
                let base: Vec<&str> = base.iter().map(String::as_str).collect();
                expand(&code[at + keyword.len()..], &base, &mut paths);
                for path in paths.iter().filter(|path| path.get(base.len()).is_none_or(|name| name != "super")) {
                    let target = (0..=path.len()).rev().find_map(|length| files.get(&path[..length]));
                    found.extend(
                        target.filter(|target| **target != file).map(|target| (file.clone(), (*target).clone())),
                    );
                }
            }
        }
    }
    found
}

/// The layer of a file, and the name it is listed under.
fn layer_of<'a>(layers: &'a [Vec<String>], file: &str) -> Option<(usize, &'a str)> {
    let is_in = |name: &str| file == name || file.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let listed =
        layers.iter().enumerate().flat_map(|(layer, names)| names.iter().map(move |name| (layer, name.as_str())));
    listed.filter(|(_, name)| is_in(name)).max_by_key(|(_, name)| name.len())
}

/// Both files below the innermost folder they share; `None` where one is the parent of the other.
fn siblings(one: &str, other: &str) -> Option<(String, String)> {
    let (one, other): (Vec<_>, Vec<_>) = (one.split('/').collect(), other.split('/').collect());
    let shared = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
    let unit = |path: &[&str]| path[..=shared].join("/");
    let is_parent = |path: &[&str]| path[shared] == "mod.rs";
    (!is_parent(&one) && !is_parent(&other)).then(|| (unit(&one), unit(&other)))
}

/// Everything that is wrong, in words.
fn violations(sources: &Sources, layers: &[Vec<String>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in sources.keys() {
        if layer_of(layers, file).is_none() && !file.starts_with("mock/") {
            wrong.push(format!("{file} is in no layer of docs/architecture.md"));
        }
    }
    for name in layers.iter().flatten() {
        if !sources.keys().any(|file| layer_of(layers, file).is_some_and(|(_, listed)| listed == name)) {
            wrong.push(format!("docs/architecture.md lists {name}, which does not exist"));
        }
    }
    let mut beside: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, target) in imports(sources) {
        match (file.starts_with("mock/"), target.starts_with("mock/")) {
            (false, true) if layer_of(layers, &file).is_none_or(|(layer, _)| layer > 0) => {
                wrong.push(format!("{file} imports {target}: only the top layer may use the mock"));
            }
            (true, false) => wrong.push(format!("{file} imports {target}: the mock shares no code with the client")),
            (false, true) => {}
            (inside, _) => match (layer_of(layers, &file), layer_of(layers, &target)) {
                (Some((from, name)), Some((to, other))) if name != other && from >= to => {
                    wrong.push(format!("{file} imports {target}, which is in a layer above it or beside it"));
                }
                (Some((_, name)), Some((_, other))) if name != other => {}
                (None, _) | (_, None) if !inside => {}
                _ => {
                    if let Some((from, to)) = siblings(&file, &target) {
                        beside.entry(from).or_default().insert(to);
                    }
                }
            },
        }
    }
    wrong.extend(circles(&beside));
    wrong
}

/// The files of one folder that import each other in a circle.
fn circles(beside: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches = |start: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(targets) = next.pop().and_then(|file| beside.get(file)) {
            next.extend(targets.iter().filter(|target| seen.insert((*target).clone())));
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = beside.keys().map(|file| (file, reaches(file))).collect();
    let in_circle = reached.iter().filter(|(file, seen)| seen.contains(**file));
    in_circle.map(|(file, _)| format!("{file} is in a circle of imports within its folder")).collect()
}

#[test]
fn no_import_runs_upwards() {
    let wrong = violations(&read_sources(), &read_layers());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_edge_put_back_is_found() {
    let (sources, layers) = (read_sources(), read_layers());
    for (file, line, complaint) in [
        ("message/received.rs", "use crate::retry::RetryLetters;", "message/received.rs imports retry.rs"),
        ("options/mod.rs", "use crate::encryption::{PemKeyReader, keys};", "options/mod.rs imports encryption/mod.rs"),
        (
            "receiver/polled.rs",
            "use crate::client::{Client, inner::Child};",
            "receiver/polled.rs imports client/mod.rs",
        ),
        ("http.rs", "fn up() { crate::client::inner::ClientInner::close(); }", "http.rs imports client/inner.rs"),
        ("consumer/mod.rs", "use crate::reader::Reader;", "consumer/mod.rs imports reader.rs"),
        ("topic.rs", "use crate::Error;", "topic.rs imports lib.rs"),
        ("proto/restart.rs", "use super::consumer::Event;", "proto/restart.rs is in a circle"),
        ("mock/ledger.rs", "use super::topics::Broker;", "mock/ledger.rs is in a circle"),
        ("mock/ledger.rs", "use crate::topic::TopicName;", "the mock shares no code"),
        ("topic.rs", "use crate::mock::Mock;", "only the top layer may use the mock"),
        ("stranger.rs", "", "stranger.rs is in no layer"),
    ] {
        let mut changed = sources.clone();
        let text = changed.entry(file.to_owned()).or_default();
        *text = format!("{line}\n{text}");
        let wrong = violations(&changed, &layers);
        assert!(wrong.iter().any(|found| found.contains(complaint)), "{line} in {file}: {wrong:?}");
    }
}
