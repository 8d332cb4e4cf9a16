//! The message in a response of any format: Jetty's page, another page, JSON, plain text.

use serde_json::Value;

/// The maximum number of characters that an error quotes.
const SHOWN: usize = 300;

/// Returns the message in the body of a response; empty if there is none.
pub(crate) fn own_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        return of_json(&json).unwrap_or_else(|| text.to_owned());
    }
    if text.starts_with('<') {
        return of_page(text);
    }
    text.to_owned()
}

/// Returns the message on one line, shortened to a reasonable length for an error.
pub(crate) fn shortened(words: &str) -> String {
    let printable: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        _ if line.is_empty() => "no reason given".to_owned(),
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Finds the message by the names that gateways and frameworks use: `error` before fields that describe it.
fn of_json(json: &Value) -> Option<String> {
    match json {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => values.iter().find_map(of_json),
        Value::Object(fields) => {
            let field = |names: &[&str]| {
                let mut found = names.iter().filter_map(|name| fields.get(*name)).filter_map(of_json);
                found.find(|text| !text.trim().is_empty())
            };
            let description = field(&["reason", "error_description", "message", "detail", "msg", "errorMsg"]);
            match (field(&["error", "errors", "title", "fault"]), description) {
                (Some(error), Some(description)) if !description.contains(&error) => {
                    Some(format!("{error}: {description}"))
                }
                (error, description) => description.or(error),
            }
        }
        _ => None,
    }
}

fn of_page(page: &str) -> String {
    // Jetty's page, and so Pulsar's.
    if let Some((cell, _)) = page.split_once("<th>MESSAGE:</th><td>").and_then(|(_, rest)| rest.split_once("</td>")) {
        return unescaped(cell.trim());
    }
    let title = element(page, "title").map(visible).unwrap_or_default();
    let body = visible(element(page, "body").unwrap_or(""));
    match (title.as_str(), body.as_str()) {
        (title, "") => title.to_owned(),
        ("", body) => body.to_owned(),
        (title, body) if body.starts_with(title) => body.to_owned(),
        (title, body) => format!("{title}: {body}"),
    }
}

/// Returns the content of the first element of that name, up to the end of a truncated page.
fn element<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find(&format!("<{name}"))?;
    let begin = begin + lower[begin..].find('>')? + 1;
    let end = lower[begin..].find(&format!("</{name}")).map_or(page.len(), |end| begin + end);
    Some(&page[begin..end])
}

/// Returns the text of some HTML, without tags, comments, scripts and styles.
fn visible(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let closing = match tag.get(..6).map(str::to_ascii_lowercase).as_deref() {
            Some("script") => "</script",
            Some(name) if name.starts_with("style") => "</style",
            _ if tag.starts_with("!--") => "-->",
            _ => ">",
        };
        let end = tag.to_ascii_lowercase().find(closing).map(|end| end + closing.len());
        rest = end.map_or("", |end| &tag[end..]);
        if closing.starts_with("</") {
            rest = rest.split_once('>').map_or("", |(_, rest)| rest);
        }
    }
    text.push_str(rest);
    unescaped(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn unescaped(text: &str) -> String {
    let entities = [
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_shape_the_words_are_found() {
        for (body, words) in [
            (r#"{"reason":"Tenant missing"}"#, "Tenant missing"),
            (r#"{"message":"no Route matched with those values"}"#, "no Route matched with those values"),
            (r#"{"error":"invalid_token","error_description":"expired"}"#, "invalid_token: expired"),
            (r#"{"error":{"code":403,"message":"blocked by policy"}}"#, "blocked by policy"),
            (r#"{"status":404,"error":"Not Found","message":"no route","path":"/x"}"#, "Not Found: no route"),
            (r#"{"errors":[{"message":"quota"}]}"#, "quota"),
            (r#"{"code":7}"#, r#"{"code":7}"#),
            (r#""plain""#, "plain"),
            ("upstream connect error\n", "upstream connect error"),
            ("<title>Error 401 Unauthorized</title>", "Error 401 Unauthorized"),
            ("<html><body><h1>503</h1>\nNo server is available.\n</body></html>", "503 No server is available."),
            (
                "<HTML><HEAD><TITLE>Sign in</TITLE><style>a{}</style></HEAD><BODY><!-- <x> --><script>f(1<2)</script>\
                 <p>Please &amp; thanks</BODY>",
                "Sign in: Please & thanks",
            ),
            ("<html><body>cut <b", "cut"),
            ("", ""),
        ] {
            assert_eq!(own_words(body.as_bytes()), words, "{body}");
        }
        assert_eq!(own_words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn jettys_message_is_the_whole_of_it() {
        let page = "<html><title>Error 409 x</title><tr><th>MESSAGE:</th><td>{&quot;a&quot;}</td></tr>more</html>";
        assert_eq!(own_words(page.as_bytes()), "{\"a\"}");
    }

    #[test]
    fn long_and_wild_words_become_a_short_line() {
        assert_eq!(shortened("a\r\n\tb\u{7}c"), "a b c");
        assert_eq!(shortened(" "), "no reason given");
        let long = shortened(&"é".repeat(1_000));
        assert_eq!(long.chars().count(), SHOWN + 3);
    }
}
