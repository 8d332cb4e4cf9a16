//! Writes `include/stargate.abi.json`, the ABI for programs that make bindings. What a parameter is follows from the
//! rules "Declarations" at the top of stargate.h; one that no rule covers is an error, and so are words that are missing.

use std::collections::{BTreeSet, HashMap};

use crate::declarations::{Doc, Function, Header, Struct, Value, layouts};

/// The headers, and what their sources say besides.
pub(crate) struct Sources {
    /// Name of the file and what is in it.
    pub(crate) headers: Vec<(&'static str, Header)>,
    /// The lines of `layout!`.
    pub(crate) layouts: String,
    /// Every constant with its type and the file that has it.
    pub(crate) constants: HashMap<String, (String, String)>,
    /// The section of each function of stargate.h.
    pub(crate) sections: HashMap<String, String>,
}

/// What a parameter is, by the rules of the header.
#[derive(Default)]
struct Role {
    kind: &'static str,
    /// Written by the callee.
    out: bool,
    /// Whose it is: "borrowed", "given" (to the receiving side, to free with `free`) or "taken" (by the callee).
    ownership: Option<&'static str>,
    free: Option<String>,
    /// The parameter with the number of items, if it is an array.
    count: Option<String>,
    /// The parameter with the room of an array to fill.
    capacity: Option<String>,
    /// NULL is allowed by a rule, whatever the words say.
    optional: bool,
    /// A callback: the parameters with its pointer and with what ends that, and until when it is called.
    user_data: Option<String>,
    destroy: Option<String>,
}

impl Role {
    fn new(kind: &'static str) -> Role {
        Role { kind, ..Role::default() }
    }

    fn owned(kind: &'static str, ownership: &'static str) -> Role {
        Role { kind, ownership: Some(ownership), ..Role::default() }
    }

    fn given(kind: &'static str, free: String) -> Role {
        Role { kind, out: true, ownership: Some("given"), free: Some(free), ..Role::default() }
    }

    fn of(mut self, count: Option<&Value>) -> Role {
        self.count = count.map(|count| count.name.clone());
        self
    }
}

const NUMBERS: [&str; 8] =
    ["int32_t", "int64_t", "uint16_t", "uint32_t", "uint64_t", "size_t", "stargate_status", "uintptr_t"];

struct Rules {
    handles: BTreeSet<String>,
    structs: BTreeSet<String>,
    frees: BTreeSet<String>,
}

impl Rules {
    fn new<'a>(headers: impl Iterator<Item = &'a Header> + Clone) -> Rules {
        let headers = || headers.clone();
        let functions = headers().flat_map(|header| &header.functions);
        Rules {
            handles: headers().flat_map(|header| &header.handles).map(|(name, _)| name.clone()).collect(),
            structs: headers().flat_map(|header| &header.structs).map(|found| found.name.clone()).collect(),
            frees: functions.map(|function| function.name.clone()).filter(|name| name.ends_with("_free")).collect(),
        }
    }

    /// The function that frees what a type points to.
    fn free_of(&self, type_: &str) -> String {
        let free = if type_ == "char" { "stargate_string_free".to_owned() } else { format!("{type_}_free") };
        assert!(self.frees.contains(&free), "{type_} is given to the caller, and there is no {free}");
        free
    }

    /// What a parameter of a function is. `callback` turns the direction around: the application is the callee.
    fn role(&self, all: &[Value], at: usize, function: &str, callback: bool) -> Option<Role> {
        let Value { name, kind, .. } = &all[at];
        let named = |name: &str| all.iter().find(|other| other.name == name);
        let next = all.get(at + 1);
        let count = next.filter(|next| next.kind == "size_t" && is_count(&next.name)).or_else(|| named("count"));
        let ends = function.ends_with("_free") || function.ends_with("_release");
        let constant = kind.strip_prefix("const ");
        let pointee = kind.trim_start_matches("const ").split(' ').next().unwrap_or_default();
        let stars = kind.matches('*').count();
        Some(match (kind.as_str(), stars) {
            _ if NUMBERS.contains(&kind.as_str()) => Role::new("number"),
            ("stargate_str" | "stargate_bytes", 0) => Role::owned("struct", "borrowed"),
            ("stargate_destroy_fn", _) => Role { optional: true, ..Role::new("destroy") },
            (_, 0) if kind.ends_with("_fn") => Role {
                user_data: named("user_data").map(|data| data.name.clone()),
                destroy: named("destroy").map(|destroy| destroy.name.clone()),
                ..Role::new("callback")
            },
            ("void *", _) if name == "user_data" || name == "state" => {
                Role { optional: true, ..Role::new("user_data") }
            }
            ("void **", _) if name == "state" && callback => Role { out: true, ..Role::new("user_data") },
            // What a call opened without waiting; its words say with which free.
            ("void *", _) if name == "handle" && callback => Role { optional: true, ..Role::owned("handle", "given") },
            ("stargate_error **", _) if name == "error" && next.is_none() => {
                Role { optional: true, ..Role::given("error", self.free_of(pointee)) }
            }
            // Before all others, since these take what those give.
            (_, 1) if ends && at == 0 && constant.is_none() && self.handles.contains(pointee) => {
                Role { optional: true, ..Role::owned("handle", "taken") }
            }
            ("char *", _) if ends && at == 0 => Role { optional: true, ..Role::owned("text", "taken") },
            (_, 1 | 2) if ends && at == 0 && constant.is_none() => {
                Role { optional: true, ..Role::owned("array", "taken") }.of(count)
            }
            ("char *", _) if callback && named("capacity").is_some() => {
                Role { out: true, capacity: Some("capacity".into()), ..Role::owned("bytes", "borrowed") }
            }
            ("char **", _) => Role::given("text", self.free_of(pointee)),
            ("const char *" | "const void *", _) if next.is_some_and(|next| is_length(next, name)) => {
                Role::owned("bytes", "borrowed").of(next)
            }
            ("const char *", _) => Role::owned("text", "borrowed"),
            ("const char *const *", _) => Role::owned("array", "borrowed").of(Some(count?)),
            (_, 2) if kind.ends_with("*const *") && self.handles.contains(pointee) => {
                Role::owned("array", "borrowed").of(Some(count?))
            }
            (_, 2) if callback && self.handles.contains(pointee) => {
                Role { out: false, ..Role::given("array", self.free_of(pointee)) }.of(Some(count?))
            }
            (_, 2) if self.handles.contains(pointee) => {
                let capacity = named("max").map(|max| max.name.clone());
                let kind = if capacity.is_some() { "array" } else { "handle" };
                let count = named("out_count").filter(|_| kind == "array");
                Role { capacity, ..Role::given(kind, self.free_of(pointee)) }.of(count)
            }
            // Of a callback: NULL after a success.
            ("const stargate_error *", _) if callback => Role { optional: true, ..Role::owned("error", "borrowed") },
            (_, 1) if self.handles.contains(pointee) => {
                Role { optional: at > 0 && name == "options", ..Role::owned("handle", "borrowed") }
            }
            (_, 1) if self.structs.contains(pointee) && constant.is_some() => {
                let kind = if count.is_some() { "array" } else { "struct" };
                Role::owned(kind, "borrowed").of(count)
            }
            (_, 1) if self.structs.contains(pointee) => {
                let kind = if count.is_some() { "array" } else { "struct" };
                let free = Some(format!("{pointee}s_free")).filter(|free| self.frees.contains(free));
                let ownership = Some(if free.is_some() { "given" } else { "borrowed" });
                Role { out: true, ownership, free, ..Role::new(kind) }.of(count)
            }
            (_, 1) if NUMBERS.contains(&pointee) && constant.is_none() => Role { out: true, ..Role::new("number") },
            _ => return None,
        })
    }

    /// As `role`, for what has to have one.
    fn role_of(&self, function: &Function, at: usize, callback: bool) -> Role {
        let Value { name, kind, .. } = &function.parameters[at];
        let found = self.role(&function.parameters, at, &function.name, callback);
        found.unwrap_or_else(|| panic!("no rule of the header says what {kind} {name} of {} is", function.name))
    }

    fn is_given(&self, type_: &str) -> bool {
        type_.strip_suffix(" *").is_some_and(|pointee| self.handles.contains(pointee))
    }
}

fn is_count(name: &str) -> bool {
    name == "count" || (name.ends_with("_count") && !name.starts_with("out_"))
}

/// Whether a parameter is the number of bytes of the one before it, which has this name.
fn is_length(value: &Value, of: &str) -> bool {
    value.kind == "size_t" && (value.name == "length" || value.name == format!("{of}_len"))
}

/// What each parameter of the last function of a header is, or of its last callback.
pub(crate) fn roles(header: &Header) -> Vec<String> {
    let rules = Rules::new(std::iter::once(header));
    let callback = header.callbacks.last();
    let function = callback.or(header.functions.last()).expect("it declares something");
    let role = |at| rules.role_of(function, at, callback.is_some());
    let words = |role: Role| {
        let direction = if role.out { "out" } else { "in" };
        [role.kind, direction, role.ownership.unwrap_or_default()].join(" ").trim_end().to_owned()
    };
    (0..function.parameters.len()).map(role).map(words).collect()
}

// ---- what the words say ----

/// The parameters that may be NULL: those in `...` of a sentence that says so.
fn may_be_null(doc: &Doc) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for sentence in doc.sentences() {
        if sentence.contains("may be NULL") {
            let before = sentence.split("may be NULL").next().unwrap_or_default();
            found.extend(quoted(before.rsplit(';').next().unwrap_or_default()));
        }
        for rest in sentence.split("NULL `").skip(1) {
            found.extend(rest.split('`').next().map(str::to_owned));
        }
    }
    found
}

fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// How the call of a function may wait: "no", "timeout" (as `timeout_ms` says) or "callbacks" (for those that run).
fn blocking(doc: &Doc) -> &'static str {
    let words = doc.line();
    match () {
        () if words.contains("Thread-safe; blocks") => "timeout",
        () if words.contains("Thread-safe; waits for callbacks") => "callbacks",
        () => "no",
    }
}

/// Which threads may call a function.
fn threads(doc: &Doc) -> &'static str {
    match () {
        () if doc.line().contains("For one thread at a time.") => "one at a time",
        () if doc.line().contains("In the call of the key function.") => "in the key function",
        () => "any",
    }
}

/// Where the library calls a function of the application: the words, and what they are called in the JSON.
const CALLED: [(&str, &str); 4] = [
    ("on the client's callback thread", "callback thread"),
    ("any thread", "any"),
    ("on a thread of the library that may block", "library thread"),
    ("in the call that it is passed to", "caller"),
];

fn called(name: &str, doc: &Doc) -> &'static str {
    let words = doc.line();
    let mut found = CALLED.iter().filter(|(said, _)| words.contains(said));
    let (_, called) = found.next().unwrap_or_else(|| panic!("{name} does not say where it runs: one of {CALLED:?}"));
    assert_eq!(found.next(), None, "{name} says in two ways where it runs");
    called
}

/// The statuses that a function names under "Errors:", those of the functions that it refers to, and of the REST API.
fn errors(function: &Function, all: &HashMap<&str, &Function>) -> (BTreeSet<String>, bool) {
    let words = function.doc.line();
    let Some(listed) = words.split("Errors:").nth(1) else { return Default::default() };
    let mut errors: BTreeSet<String> = crate::names(listed)
        .filter(|name| name.starts_with("STARGATE_") && *name != "STARGATE_OK")
        .map(str::to_owned)
        .collect();
    let mut rest = listed.contains("those of the REST API");
    if listed.contains("as `") || listed.contains("those of `") || listed.contains("those of a send") {
        let send = listed.contains("those of a send").then_some("stargate_producer_send".to_owned());
        for other in quoted(listed).filter(|name| name.starts_with("stargate_")).chain(send) {
            let other = all.get(other.as_str()).unwrap_or_else(|| panic!("{} refers to {other}", function.name));
            let (more, of_rest) = self::errors(other, all);
            errors.extend(more);
            rest |= of_rest;
        }
    }
    (errors, rest)
}

/// The version that had it first, "Since 0.2." in its words; without such a tag, the first.
fn since(doc: &Doc) -> String {
    let words = doc.line();
    let tag = words.split("Since ").nth(1).and_then(|rest| rest.split(['.', ' ']).next().map(|major| (major, rest)));
    tag.filter(|(major, _)| major.parse::<u32>().is_ok()).map_or("0.1".to_owned(), |(_, rest)| {
        rest.split(|c: char| !c.is_ascii_digit() && c != '.')
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_owned()
    })
}

// ---- JSON, a line each for what is looked up together ----

fn text(value: &str) -> String {
    serde_json::to_string(value).expect("a text is JSON")
}

fn texts<'a>(values: impl IntoIterator<Item = &'a String>) -> String {
    let values: Vec<_> = values.into_iter().map(|value| text(value)).collect();
    format!("[{}]", values.join(", "))
}

/// An object on one line; members that are empty are left out.
fn object(members: &[(&str, String)]) -> String {
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = members.map(|(name, value)| format!("{}: {value}", text(name))).collect();
    format!("{{{}}}", members.join(", "))
}

/// An object with a line for each member.
fn block(members: &[(&str, String)], indent: &str) -> String {
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = members.map(|(name, value)| format!("{indent}  {}: {value}", text(name))).collect();
    format!("{indent}{{\n{}\n{indent}}}", members.join(",\n"))
}

/// A list with a line for each item.
fn list(items: &[String], indent: &str) -> String {
    if items.is_empty() {
        return "[]".into();
    }
    let items: Vec<_> = items.iter().map(|item| format!("{indent}  {}", item.trim_start())).collect();
    format!("[\n{}\n{indent}]", items.join(",\n"))
}

fn optional(value: &Option<impl AsRef<str>>) -> String {
    value.as_ref().map(|value| text(value.as_ref())).unwrap_or_default()
}

// ---- the parts ----

fn parameters(function: &Function, rules: &Rules, callback: bool) -> Vec<String> {
    let all = &function.parameters;
    let words = may_be_null(&function.doc);
    for name in &words {
        let known = all.iter().any(|parameter| parameter.name == *name);
        assert!(known, "{} says that `{name}` may be NULL, and has no such parameter", function.name);
    }
    let can_fail = all.last().is_some_and(|last| last.kind == "stargate_error **");
    let one = |at: usize| {
        let role = rules.role_of(function, at, callback);
        let Value { name, kind, .. } = &all[at];
        let pointer = kind.contains('*') || kind.ends_with("_fn");
        // What cannot fail has an answer for NULL.
        let nullable = pointer && (role.optional || words.contains(name) || (!can_fail && !callback));
        object(&[
            ("name", text(name)),
            ("type", text(kind)),
            ("kind", text(role.kind)),
            ("direction", text(if role.out { "out" } else { "in" })),
            ("nullable", if pointer { nullable.to_string() } else { String::new() }),
            ("ownership", optional(&role.ownership)),
            ("free", optional(&role.free)),
            ("count", optional(&role.count)),
            ("capacity", optional(&role.capacity)),
            ("user_data", optional(&role.user_data)),
            ("destroy", optional(&role.destroy)),
        ])
    };
    (0..all.len()).map(one).collect()
}

/// What a function returns, and whose that is.
fn returns(function: &Function, rules: &Rules) -> String {
    let words = function.doc.line();
    let type_ = function.returns.as_str();
    let view = matches!(type_, "stargate_str" | "stargate_bytes");
    let mut members = vec![("type", text(type_))];
    if rules.is_given(type_) {
        members.push(("ownership", text("given")));
        members.push(("free", text(&rules.free_of(type_.trim_end_matches(" *")))));
    } else if words.contains("The text is never freed.") {
        members.push(("ownership", text("static")));
    } else if let Some(of) = words.split("A view of ").nth(1).filter(|_| view) {
        let of = of.split(['.', ' ']).nth(1).unwrap_or_default();
        members.push(("ownership", text("borrowed")));
        members.push(("view_of", text(of)));
    } else {
        let plain = NUMBERS.contains(&type_) || type_ == "void";
        assert!(plain, "{} does not say whose {type_} is: a view of what, or never freed", function.name);
    }
    object(&members)
}

fn function(function: &Function, header: &str, section: &str, rules: &Rules, all: &HashMap<&str, &Function>) -> String {
    let (errors, rest) = errors(function, all);
    let members = [
        ("name", text(&function.name)),
        ("header", text(header)),
        ("section", text(section)),
        ("since", text(&since(&function.doc))),
        ("summary", text(&function.doc.summary())),
        ("doc", text(&function.doc.0)),
        ("threads", text(threads(&function.doc))),
        ("blocking", text(blocking(&function.doc))),
        ("parameters", list(&parameters(function, rules, false), "      ")),
        ("returns", returns(function, rules)),
        ("errors", texts(&errors)),
        ("errors_of_rest", rest.to_string()),
    ];
    block(&members, "    ")
}

fn callback(function: &Function, rules: &Rules) -> String {
    let members = [
        ("name", text(&function.name)),
        ("summary", text(&function.doc.summary())),
        ("doc", text(&function.doc.0)),
        ("called", text(called(&function.name, &function.doc))),
        ("parameters", list(&parameters(function, rules, true), "      ")),
        ("returns", object(&[("type", text(&function.returns))])),
    ];
    block(&members, "    ")
}

fn structure(found: &Struct, header: &str, init: &str, layouts: &Layouts, rules: &Rules) -> String {
    let (size, offsets) = layouts.get(&found.name).expect("lib.rs has the layout! of every struct");
    let field = |field: &Value| {
        let offset = offsets.get(&field.name).unwrap_or_else(|| panic!("layout! has no {}", field.name));
        let function = field.function.as_ref().map(|(parameters, returns)| Function {
            name: format!("{}.{}", found.name, field.name),
            doc: field.doc.clone(),
            parameters: parameters.clone(),
            returns: returns.clone(),
        });
        let mut members = vec![
            ("name", text(&field.name)),
            ("type", text(&field.kind)),
            ("offset", offset.to_string()),
            ("doc", text(&field.doc.line())),
        ];
        if let Some(function) = &function {
            members.push(("called", text("processor")));
            members.push(("parameters", format!("[{}]", parameters(function, rules, true).join(", "))));
            members.push(("returns", object(&[("type", text(&function.returns))])));
        }
        object(&members)
    };
    let macro_ = format!("{}_INIT", found.name.to_uppercase());
    let members = [
        ("name", text(&found.name)),
        ("header", text(header)),
        ("summary", text(&found.doc.summary())),
        ("doc", text(&found.doc.0)),
        ("size", size.to_string()),
        // The application fills it: struct_size first, and zeros.
        ("init", if init.contains(&format!("#define {macro_} ")) { text(&macro_) } else { String::new() }),
        ("fields", list(&found.fields.iter().map(field).collect::<Vec<_>>(), "      ")),
    ];
    block(&members, "    ")
}

type Layouts = HashMap<String, (u64, HashMap<String, u64>)>;

/// The constants of a group that is no type of its own, by the beginning or the end of their names.
const GROUPS: [(&str, &str); 7] = [
    ("STARGATE_STATE_", "state"),
    ("STARGATE_LOG_", "log level"),
    ("_KEY", "key half"),
    ("STARGATE_ACK", "outcome"),
    ("STARGATE_CONTINUE", "outcome"),
    ("STARGATE_NACK", "outcome"),
    ("STARGATE_RECONSUME_LATER", "outcome"),
];

fn group(name: &str, type_: &str) -> String {
    if type_ == "stargate_status" {
        return "status".into();
    }
    let found =
        GROUPS.iter().find(|(part, _)| name.starts_with(part) || (part.starts_with('_') && name.ends_with(part)));
    let (_, group) = found.unwrap_or_else(|| panic!("{name} is in no group of {}", file!()));
    (*group).to_owned()
}

/// The whole file.
pub(crate) fn json(sources: &Sources, header_text: &str) -> String {
    let rules = Rules::new(sources.headers.iter().map(|(_, header)| header));
    let layouts = layouts(&sources.layouts);
    let all: HashMap<_, _> = sources
        .headers
        .iter()
        .flat_map(|(_, header)| &header.functions)
        .map(|function| (function.name.as_str(), function))
        .collect();
    let mut parts: [Vec<String>; 5] = Default::default();
    for (file, header) in &sources.headers {
        let [constants, handles, structs, callbacks, functions] = &mut parts;
        constants.extend(header.constants.iter().map(|constant| {
            let (type_, _) = &sources.constants[&constant.name];
            object(&[
                ("name", text(&constant.name)),
                ("value", constant.value.to_string()),
                ("group", text(&group(&constant.name, type_))),
                ("doc", text(&constant.doc.line())),
            ])
        }));
        handles.extend(header.handles.iter().map(|(name, doc)| {
            let free = format!("{name}_free");
            object(&[
                ("name", text(name)),
                ("header", text(file)),
                ("free", if rules.frees.contains(&free) { text(&free) } else { String::new() }),
                ("doc", text(&doc.line())),
            ])
        }));
        structs.extend(header.structs.iter().map(|found| structure(found, file, header_text, &layouts, &rules)));
        callbacks.extend(header.callbacks.iter().map(|found| callback(found, &rules)));
        functions.extend(header.functions.iter().map(|found| {
            let section = sources.sections.get(&found.name).map_or("Mock", String::as_str);
            function(found, file, section, &rules, &all)
        }));
    }
    let [constants, handles, structs, callbacks, functions] = parts.map(|part| list(&part, "  "));
    let version = env!("CARGO_PKG_VERSION");
    block(
        &[
            ("generated_by", text("UPDATE_HEADER=1 cargo test -p stargate-ffi --test header")),
            ("described_in", text("docs/bindings.md")),
            ("version", text(version)),
            ("soname", text(&soname())),
            ("constants", constants),
            ("handles", handles),
            ("structs", structs),
            ("callbacks", callbacks),
            ("functions", functions),
        ],
        "",
    ) + "\n"
}

/// By the rule of build.rs.
fn soname() -> String {
    let minor = concat!("0.", env!("CARGO_PKG_VERSION_MINOR"));
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    format!("libstargate.so.{}", if major == "0" { minor } else { major })
}
