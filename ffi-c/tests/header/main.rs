//! Checks that the headers in `include`, and the ABI as JSON beside them, are what the sources of this crate say.
//! `UPDATE_HEADER=1 cargo test -p stargate-ffi --test header` updates them.

mod abi;
mod declarations;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, DocumentationStyle, Language, SortKey, Style};
use declarations::Header;

/// What C macros alone can say.
fn macros() -> String {
    let part = |name: &str| name.parse::<u32>().expect("Cargo writes numbers");
    let (major, minor, patch) = (
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    );
    format!(
        r#"
/** The version of this header. The library that runs may be another: see stargate_version. */
#define STARGATE_VERSION "{major}.{minor}.{patch}"
#define STARGATE_VERSION_MAJOR {major}
#define STARGATE_VERSION_MINOR {minor}
#define STARGATE_VERSION_PATCH {patch}
/** The same as one number, 0xMMmmpp00, for the preprocessor and stargate_version_compatible. */
#define STARGATE_VERSION_NUMBER 0x{major:02x}{minor:02x}{patch:02x}00u

/** An outgoing message with nothing in it: stargate_outgoing message = STARGATE_OUTGOING_INIT; */
#define STARGATE_OUTGOING_INIT {{ sizeof(stargate_outgoing), {{ NULL, 0 }}, NULL, NULL, 0, NULL, 0, 0, 0, NULL, 0 }}
/** A handler with no function yet: stargate_handler handler = STARGATE_HANDLER_INIT; */
#define STARGATE_HANDLER_INIT {{ sizeof(stargate_handler), NULL, NULL, NULL }}
"#
    )
}

/// What both headers have in common.
fn config(guard: &str, rules: &str) -> Config {
    Config {
        language: Language::C,
        header: Some(rules.trim_end().to_owned()),
        include_guard: Some(guard.to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into()],
        cpp_compat: true,
        documentation_style: DocumentationStyle::Doxy,
        style: Style::Both,
        usize_is_size_t: true,
        line_length: 100,
        tab_width: 4,
        sort_by: SortKey::None,
        ..Config::default()
    }
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)
}

fn written(builder: Builder, config: Config) -> String {
    let mut header = Vec::new();
    let bindings = builder.with_config(config).generate();
    bindings.expect("the sources are what cbindgen understands").write(&mut header);
    String::from_utf8(header).expect("the sources are UTF-8")
}

/// Everything but the mock.
fn main_header() -> String {
    let mut config = config("STARGATE_H", include_str!("../../header_rules.h"));
    config.after_includes = Some(macros());
    let mock = std::fs::read_to_string(source("mock.rs")).expect("the sources are UTF-8");
    let names =
        mock.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("stargate_mock"));
    config.export.exclude = names.map(str::to_owned).collect();
    grouped(&written(Builder::new().with_crate(env!("CARGO_MANIFEST_DIR")), config))
}

/// The sections of the header, and of the reference that Doxygen makes, in their order: the functions of these files.
const SECTIONS: [(&str, &str); 22] = [
    ("version.rs", "Text and version"),
    ("util/values.rs", "Text and version"),
    ("error.rs", "Errors"),
    ("options.rs", "Options"),
    ("client.rs", "Client"),
    ("producer.rs", "Producer"),
    ("consumer.rs", "Consumer"),
    ("reader.rs", "Reader"),
    ("message.rs", "Messages"),
    ("supervisor.rs", "Supervisor"),
    ("encryption.rs", "Encryption"),
    ("admin/mod.rs", "Administration"),
    ("admin/strings.rs", "Administration: lists of texts"),
    ("admin/brokers.rs", "Administration: clusters and brokers"),
    ("admin/tenants.rs", "Administration: tenants"),
    ("admin/namespaces.rs", "Administration: namespaces"),
    ("admin/topics.rs", "Administration: topics"),
    ("admin/topic_walk.rs", "Administration: topics"),
    ("admin/subscriptions.rs", "Administration: subscriptions"),
    ("admin/messages.rs", "Administration: stored messages"),
    ("admin/stats.rs", "Administration: statistics"),
    ("admin/schemas.rs", "Administration: schemas"),
];

/// The same header with its functions by section; cbindgen writes them file after file, by the names of the files.
fn grouped(header: &str) -> String {
    let (types, functions) = header.split_once("extern \"C\" {").expect("the header declares C for C++");
    let mut files: HashMap<String, String> = HashMap::new();
    for (path, function) in exported() {
        files.insert(name_of(&function).to_owned(), path);
    }
    let section = |block: &str| {
        let declaration = block.rsplit("*/").next().unwrap_or_default();
        let name = declaration.split('(').next().and_then(|before| before.rsplit([' ', '*', '\n']).next());
        let file = files.get(name?)?;
        let listed = SECTIONS.iter().position(|(listed, _)| listed == file);
        Some(listed.unwrap_or_else(|| panic!("src/{file} has functions, and no section in {}", file!())))
    };
    let mut blocks: Vec<_> = functions.trim_start().split("\n\n").map(|block| (section(block), block)).collect();
    let rest = blocks.split_off(blocks.iter().rposition(|(section, _)| section.is_some()).map_or(0, |last| last + 1));
    blocks.sort_by_key(|(section, _)| *section);
    let mut text = format!("{types}extern \"C\" {{");
    let mut last = None;
    for (section, block) in &blocks {
        let title = section.map(|section| SECTIONS[section].1);
        if title != last {
            text += if last.is_some() { "\n\n/** @} */" } else { "" };
            text += &title.map(|title| format!("\n\n/** @name {title}\n * @{{ */")).unwrap_or_default();
        }
        text += &format!("\n\n{block}");
        last = title;
    }
    text += "\n\n/** @} */";
    rest.iter().for_each(|(_, block)| text += &format!("\n\n{block}"));
    text
}

/// The sources: their names below `src`, and what is in them.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources are there").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.strip_prefix(source("")).expect("it is below").to_string_lossy().into_owned();
            found.push((file, std::fs::read_to_string(&path).expect("the sources are UTF-8")));
        }
    }
    found
}

/// Every function of the ABI from its attribute on, with its file below `src`.
fn exported() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, text) in files() {
        let functions = text.split("#[unsafe(no_mangle)]").skip(1);
        found.extend(
            functions.map(|text| (file.clone(), text.split_inclusive("\n}\n").next().unwrap_or_default().to_owned())),
        );
    }
    found
}

fn name_of(function: &str) -> &str {
    function.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default()
}

fn mock_header() -> String {
    let mut config = config("STARGATE_MOCK_H", include_str!("../../mock_rules.h"));
    config.includes = vec!["stargate.h".into()];
    config.after_includes = Some(
        "\n/** A broker as a real one is: stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT; */\n\
         #define STARGATE_MOCK_OPTIONS_INIT \\\n    \
         { sizeof(stargate_mock_options), 0, 0, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0 }\n"
            .into(),
    );
    written(Builder::new().with_src(source("mock.rs")), config)
}

fn compare(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include").join(name);
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
        std::fs::write(&path, wanted).expect("the header can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = committed.lines().zip(wanted.lines()).position(|(old, new)| old != new);
    assert!(
        committed == wanted,
        "include/{name} differs from the sources from line {} on; update it with UPDATE_HEADER=1",
        differ.unwrap_or_else(|| committed.lines().count().min(wanted.lines().count())) + 1
    );
}

#[test]
fn the_committed_header_is_what_the_sources_say() {
    compare("stargate.h", &main_header());
}

#[test]
fn the_committed_header_of_the_mock_is_what_the_sources_say() {
    compare("stargate_mock.h", &mock_header());
}

/// Every constant of the sources, with its type and its file.
fn constants() -> HashMap<String, (String, String)> {
    let mut found = HashMap::new();
    for (file, text) in files() {
        for rest in text.split("pub const STARGATE_").skip(1) {
            let declared = rest.split(" = ").next().and_then(|declared| declared.split_once(": "));
            let (name, kind) = declared.expect("a constant has a type and a value");
            found.insert(format!("STARGATE_{name}"), (kind.to_owned(), file.clone()));
        }
    }
    found
}

fn abi_json() -> String {
    let main = main_header();
    let mock = mock_header();
    let titles: HashMap<_, _> = SECTIONS.into_iter().collect();
    let sections = exported()
        .into_iter()
        .filter_map(|(file, function)| Some((name_of(&function).to_owned(), (*titles.get(file.as_str())?).to_owned())));
    let sources = abi::Sources {
        headers: [("stargate.h", &main), ("stargate_mock.h", &mock)]
            .map(|(name, text)| (name, Header::read(text)))
            .into(),
        layouts: std::fs::read_to_string(source("lib.rs")).expect("the sources are UTF-8"),
        constants: constants(),
        sections: sections.collect(),
    };
    abi::json(&sources, &(main + &mock))
}

#[test]
fn the_committed_abi_is_what_the_sources_say() {
    compare("stargate.abi.json", &abi_json());
}

#[test]
fn the_headers_need_no_type_that_c99_has_only_with_another_header() {
    for header in [main_header(), mock_header()] {
        let found = header.lines().find(|line| !line.starts_with(" *") && line.contains("bool "));
        assert_eq!(found, None, "a truth is an int32_t at the boundary, 1 or 0");
    }
}

#[test]
fn every_function_says_which_threads_may_call_it_whether_it_blocks_and_how_it_fails() {
    const THREADS: [&str; 3] = ["Thread-safe", "For one thread at a time.", "In the call of the key function."];
    let mut functions = 0;
    for header in [main_header(), mock_header()] {
        for block in header.split("\n\n").filter(|block| block.trim_end().ends_with(");")) {
            let Some((words, declaration)) = block.split_once("*/\n") else { panic!("it has no words: {block}") };
            if declaration.starts_with("typedef") {
                continue;
            }
            assert!(THREADS.iter().any(|tag| words.contains(tag)), "it says none of {THREADS:?}: {block}");
            let blocks = words.contains("Thread-safe; blocks");
            let waits_elsewhere = ["stargate_done_fn", "stargate_received_fn"].iter().any(|f| declaration.contains(f));
            let has_time = declaration.contains("timeout_ms");
            assert_eq!(blocks, has_time && !waits_elsewhere, "what blocks has a time, and says so: {block}");
            assert_eq!(
                words.contains("Thread-safe; never blocks"),
                waits_elsewhere,
                "it calls back, and says so: {block}"
            );
            if declaration.contains("stargate_error **error") {
                assert!(words.contains("Errors:"), "it says no errors: {block}");
            }
            functions += 1;
        }
    }
    assert_eq!(functions, exported().len(), "a function was not seen");
}

/// The names that begin with `stargate_`, or `STARGATE_` for constants.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("stargate_") || word.starts_with("STARGATE_"))
}

#[test]
fn the_pages_name_only_what_the_headers_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("it is there, in UTF-8");
    let headers = ["stargate.h", "stargate_mock.h", "stargate.hpp", "stargate_admin.hpp", "stargate_mock.hpp"];
    let mut known: Vec<String> = headers.map(|header| read(root.join("include").join(header))).to_vec();
    // File names, a crate, an atom of Elixir, and what tests and programs read from their environment.
    let others =
        "stargate_core stargate_admin stargate_mock stargate_state STARGATE_LIB_DIR STARGATE_LIBRARY STARGATE_ABI";
    known.push(others.into());
    // The variables of the command.
    let cli = std::fs::read_dir(root.join("cli/src")).expect("cli/src is there").map(|entry| entry.unwrap().path());
    known.extend(cli.filter(|path| path.is_file()).map(read));
    let known: BTreeSet<&str> = known.iter().flat_map(|text| names(text)).collect();
    let pages = std::fs::read_dir(root.join("docs")).expect("docs/ is there").map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for page in pages.filter(|page| page.extension().is_some_and(|end| end == "md")).chain([root.join("README.md")]) {
        let text = read(page.clone());
        for name in names(&text) {
            // `stargate_admin_*` stands for all that begin so.
            let there = known.contains(name) || (name.ends_with('_') && known.iter().any(|one| one.starts_with(name)));
            assert!(there, "{} names {name}, which no header has", page.display());
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} names were seen");
}

#[test]
fn every_function_runs_inside_the_boundary() {
    // A panic that leaves an `extern "C"` function ends the process, so no function is without one of these.
    const CHECKED: [&str; 15] = [
        "with_mock(",
        "enter(",
        "enter_or(",
        "enter_receive(",
        "handle::release(",
        "read(",
        "view(",
        "open(",
        "open_async(",
        "call::",
        "handle_ops::",
        "receiving::",
        "seek::",
        "stargate_message_free(",
        "stargate_error_free(",
    ];
    // These compare constants, and nothing in them can panic.
    const PLAIN: [&str; 3] = ["stargate_version", "stargate_version_compatible", "stargate_status_name"];
    let functions = exported();
    for (file, function) in &functions {
        let name = name_of(function);
        let checked = CHECKED.iter().any(|call| function.contains(call)) || PLAIN.contains(&name);
        assert!(checked, "{name} in src/{file} does not go through util::boundary");
    }
    assert!(functions.len() > 200, "{} functions were found", functions.len());
}

/// The roles of the parameters of one declaration, beside a few types.
fn roles(declaration: &str) -> Vec<String> {
    let types = "/**\n * Opaque.\n */\ntypedef struct stargate_message stargate_message;\n\n\
                 /**\n * Opaque.\n */\ntypedef struct stargate_error stargate_error;\n\n\
                 /**\n * Thread-safe.\n */\nvoid stargate_message_free(struct stargate_message *message);\n\n\
                 /**\n * Thread-safe.\n */\nvoid stargate_error_free(struct stargate_error *error);\n\n";
    abi::roles(&Header::read(&format!("{types}/**\n * Thread-safe.\n */\n{declaration}")))
}

#[test]
fn the_rules_say_whose_a_parameter_is() {
    let many = "stargate_status stargate_receive(size_t max, struct stargate_message **out, size_t *out_count);";
    assert_eq!(roles(many), ["number in", "array out given", "number out"]);
    let one = "stargate_status stargate_next(const char *name, struct stargate_message **out, struct stargate_error **error);";
    assert_eq!(roles(one), ["text in borrowed", "handle out given", "error out given"]);
    let acknowledged = "stargate_status stargate_ack(struct stargate_message *const *messages, size_t count);";
    assert_eq!(roles(acknowledged), ["array in borrowed", "number in"]);
    let bytes = "void stargate_send(const void *payload, size_t payload_len, const char *key, size_t key_len);";
    assert_eq!(roles(bytes), ["bytes in borrowed", "number in", "bytes in borrowed", "number in"]);
    let done = "typedef void (*stargate_done_fn)(void *user_data, void *handle, struct stargate_message **messages,\n\
                size_t count, const struct stargate_error *error);";
    assert_eq!(roles(done), ["user_data in", "handle in given", "array in given", "number in", "error in borrowed"]);
    assert_eq!(roles("void stargate_message_release(struct stargate_message *message);"), ["handle in taken"]);
}

#[test]
#[should_panic(expected = "no rule of the header says what double * value of stargate_x is")]
fn a_parameter_that_no_rule_covers_is_refused() {
    roles("void stargate_x(double *value);");
}
