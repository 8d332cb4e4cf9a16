//! What the generated headers declare, read back from their text: types as C has them, and the words about them.

use std::collections::HashMap;

/// The words about a declaration, without the signs of a comment.
#[derive(Clone, Default)]
pub(crate) struct Doc(pub(crate) String);

impl Doc {
    /// The first sentence.
    pub(crate) fn summary(&self) -> String {
        let paragraph = self.0.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let ends = paragraph.match_indices(['.', ':']).map(|(at, _)| at + 1).find(|end| {
            let rest = &paragraph[*end..];
            rest.is_empty() || (rest.starts_with(' ') && rest[1..].starts_with(|c: char| c.is_uppercase() || c == '`'))
        });
        paragraph[..ends.unwrap_or(paragraph.len())].trim_end_matches(':').to_owned()
    }

    /// All of it on one line.
    pub(crate) fn line(&self) -> String {
        self.0.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Its sentences. Texts in quotes and numbers have points without a space after them.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.line().split_inclusive(". ").map(|sentence| sentence.trim_end().to_owned()).collect()
    }
}

/// A parameter, or a field of a struct: `kind` has one space before its asterisks, and none of `struct`.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) doc: Doc,
    /// What a pointer to a function takes and returns.
    pub(crate) function: Option<(Vec<Value>, String)>,
}

/// A function, or the type of one that the application passes.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) parameters: Vec<Value>,
    pub(crate) returns: String,
}

pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) fields: Vec<Value>,
}

pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) doc: Doc,
    pub(crate) value: i64,
}

/// All that a header declares, in its order.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) functions: Vec<Function>,
    pub(crate) callbacks: Vec<Function>,
    pub(crate) structs: Vec<Struct>,
    pub(crate) handles: Vec<(String, Doc)>,
    pub(crate) constants: Vec<Constant>,
}

impl Header {
    pub(crate) fn read(text: &str) -> Header {
        let mut header = Header::default();
        for block in blocks(text) {
            let Some((words, declaration)) = block.split_once("*/\n") else { continue };
            header.add(doc(words), declaration.trim());
        }
        header
    }

    fn add(&mut self, doc: Doc, declaration: &str) {
        if let Some(constant) = declaration.strip_prefix("#define ") {
            let (name, value) = constant.split_once(' ').expect("a constant has a value");
            // The others are macros, of which `macros` in main.rs knows more.
            if let Ok(value) = value.parse() {
                self.constants.push(Constant { name: name.to_owned(), doc, value });
            }
        } else if let Some(typedef) = declaration.strip_prefix("typedef ") {
            if typedef.contains('{') {
                self.structs.push(structure(doc, typedef));
            } else if typedef.contains("(*") {
                let (name, parameters, returns) = pointer_to_function(typedef.trim_end_matches(';'));
                self.callbacks.push(Function { name, doc, parameters, returns });
            } else if let Some(handle) = typedef.strip_prefix("struct ") {
                let name = handle.split(' ').next().expect("a struct has a name");
                self.handles.push((name.to_owned(), doc));
            }
        } else if declaration.ends_with(");") {
            let (before, listed) = declaration.trim_end_matches(");").split_once('(').expect("it has parameters");
            let Value { name, kind: returns, .. } = value(before);
            self.functions.push(Function { name, doc, parameters: parameters(listed), returns });
        }
    }
}

/// The blocks of a header that have words: a struct has empty lines nowhere, and nothing else has any inside.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim).filter(|block| block.starts_with("/**") && !block.contains("@name"))
}

fn doc(comment: &str) -> Doc {
    let lines = comment.lines().map(|line| line.trim().trim_start_matches("/**").trim_start_matches('*').trim());
    Doc(lines.collect::<Vec<_>>().join("\n").trim().to_owned())
}

fn structure(doc_: Doc, typedef: &str) -> Struct {
    let (name, body) = typedef.trim_start_matches("struct ").split_once('{').expect("it is a struct");
    let body = body.rsplit_once('}').expect("it ends").0;
    let mut fields = Vec::new();
    for field in body.split("/**").skip(1) {
        let (words, declaration) = field.split_once("*/").expect("a comment ends");
        let declaration = declaration.trim().trim_end_matches(';');
        let mut field = if declaration.contains("(*") {
            let (name, parameters, returns) = pointer_to_function(declaration);
            Value { name, kind: "function".into(), doc: Doc::default(), function: Some((parameters, returns)) }
        } else {
            value(declaration)
        };
        field.doc = doc(words);
        fields.push(field);
    }
    Struct { name: name.trim().to_owned(), doc: doc_, fields }
}

/// `RETURNS (*NAME)(PARAMETERS)`
fn pointer_to_function(declaration: &str) -> (String, Vec<Value>, String) {
    let (returns, rest) = declaration.split_once("(*").expect("it is a pointer to a function");
    let (name, listed) = rest.split_once(")(").expect("it has parameters");
    (name.to_owned(), parameters(listed.trim_end_matches(')')), returns.trim().to_owned())
}

fn parameters(listed: &str) -> Vec<Value> {
    let listed = listed.trim();
    if listed == "void" { Vec::new() } else { listed.split(',').map(value).collect() }
}

/// `TYPE NAME`
fn value(declaration: &str) -> Value {
    let words = declaration.split_whitespace().filter(|word| *word != "struct").collect::<Vec<_>>().join(" ");
    let at = words.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').expect("a type stands before the name");
    let (kind, name) = words.split_at(at + 1);
    Value { name: name.to_owned(), kind: kind.trim().to_owned(), doc: Doc::default(), function: None }
}

/// Sizes and offsets, which `layout!` in lib.rs asserts: by struct, and by field.
pub(crate) fn layouts(source: &str) -> HashMap<String, (u64, HashMap<String, u64>)> {
    let number = |text: &str| text.trim().parse::<u64>().expect("sizes and offsets are numbers");
    let rows = source.split("layout!(").skip(1).filter(|row| row.contains("::"));
    rows.map(|row| {
        let row = row.split(')').next().expect("it ends");
        let mut parts = row.split(',');
        let name = parts.next().and_then(|path| path.rsplit("::").next()).expect("it names a struct");
        let size = number(parts.next().expect("it has a size"));
        let fields = parts.map(|field| field.trim().split_once(' ').expect("a field has an offset"));
        (name.to_owned(), (size, fields.map(|(name, at)| (name.to_owned(), number(at))).collect()))
    })
    .collect()
}
