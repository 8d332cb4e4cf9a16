//! The headers in `include` are generated from the sources of this crate. These tests fail when they are not what the
//! sources say; `UPDATE_HEADER=1 cargo test -p stargate-ffi --test header` writes them anew.

use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, DocumentationStyle, Language, SortKey, Style};

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
    let mut config = config("STARGATE_H", include_str!("../header_rules.h"));
    config.after_includes = Some(macros());
    let mock = std::fs::read_to_string(source("mock.rs")).expect("the sources are UTF-8");
    let names =
        mock.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("stargate_mock"));
    config.export.exclude = names.map(str::to_owned).collect();
    grouped(&written(Builder::new().with_crate(env!("CARGO_MANIFEST_DIR")), config))
}

/// The section of the header, and of the reference that Doxygen makes, in which a function stands.
fn section(function: &str) -> String {
    let title = match function.trim_start_matches("stargate_").split('_').next().unwrap_or_default() {
        "client" => "Client",
        "consumer" => "Consumer",
        "error" | "status" => "Errors",
        "key" => "Encryption",
        "message" | "messages" => "Messages",
        "options" => "Options",
        "producer" | "produce" | "send" => "Producer",
        "reader" => "Reader",
        "supervisor" => "Supervisor",
        "string" | "version" => "Text and version",
        other => return other[..1].to_uppercase() + &other[1..],
    };
    title.to_owned()
}

/// The same header with a heading before the functions of each section; cbindgen writes them file after file.
fn grouped(header: &str) -> String {
    let (types, functions) = header.split_once("extern \"C\" {").expect("C++ is told that this is C");
    let mut text = format!("{types}extern \"C\" {{");
    let mut last: Option<String> = None;
    for block in functions.split("\n\n") {
        let declaration = block.rsplit("*/").next().unwrap_or_default();
        let name = declaration.split('(').next().and_then(|before| before.rsplit([' ', '*']).next());
        let now = name.filter(|name| name.starts_with("stargate_")).map(section);
        if now != last {
            if last.is_some() {
                text += "\n\n/** @} */";
            }
            if let Some(title) = &now {
                text += &format!("\n\n/** @name {title}\n * @{{ */");
            }
        }
        text += if text.ends_with('{') && now.is_none() { "" } else { "\n\n" };
        text += block;
        last = now;
    }
    text
}

fn mock_header() -> String {
    let mut config = config("STARGATE_MOCK_H", include_str!("../mock_rules.h"));
    config.includes = vec!["stargate.h".into()];
    config.after_includes = Some(
        "\n/** A broker as a real one is: stargate_mock_options options = STARGATE_MOCK_OPTIONS_INIT; */\n\
         #define STARGATE_MOCK_OPTIONS_INIT { sizeof(stargate_mock_options), 0, 0, NULL, NULL, NULL, NULL, 0, 0, NULL }\n"
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
        "include/{name} is not what the sources say, from line {} on; write it anew with UPDATE_HEADER=1",
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

#[test]
fn the_headers_need_no_type_that_c99_has_only_with_another_header() {
    for header in [main_header(), mock_header()] {
        let found = header.lines().find(|line| !line.starts_with(" *") && line.contains("bool "));
        assert_eq!(found, None, "a truth is an int32_t at the boundary, 1 or 0");
    }
}

#[test]
fn every_function_runs_inside_the_boundary() {
    // A panic that leaves an `extern "C"` function ends the process, so no function is without one of these.
    const CHECKED: [&str; 12] = [
        "with_mock(",
        "enter(",
        "enter_or(",
        "enter_receive(",
        "read(",
        "view(",
        "open(",
        "opened::",
        "receiving::",
        "place::",
        "stargate_message_free(",
        "stargate_error_free(",
    ];
    // These compare constants, and nothing in them can panic.
    const PLAIN: [&str; 3] = ["stargate_version", "stargate_version_compatible", "stargate_status_name"];
    let mut functions = 0;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("the sources are there").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("the sources are UTF-8");
            for function in text.split("#[unsafe(no_mangle)]").skip(1) {
                let body = function.split("\n}\n").next().unwrap_or_default();
                let name = body.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
                let checked = CHECKED.iter().any(|call| body.contains(call)) || PLAIN.contains(&name);
                assert!(checked, "{name} in {} does not go through util::boundary", path.display());
                functions += 1;
            }
        }
    }
    assert!(functions > 60, "{functions} functions were found");
}
