//! The headers that an application may add to requests.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::error::{Error, Result};

/// The maximum number of headers, and the maximum bytes of all together.
const MOST: usize = 64;
const MOST_BYTES: usize = 16 * 1024;

/// Headers that belong to the request and the connection.
const OWN: &[&str] =
    &["host", "connection", "upgrade", "content-length", "content-type", "transfer-encoding", "te", "trailer"];
const OWN_PREFIXES: &[&str] = &["sec-websocket-", "proxy-"];

/// Parses the headers of the option `headers`: `Name: value`, one per line.
pub(crate) fn of_lines(lines: &str) -> Result<HeaderMap> {
    let pairs = lines.split('\n').map(|line| line.split_once(':').unwrap_or((line, "")));
    header_map(pairs).map_err(|why| Error::option("headers", why))
}

/// Returns the headers with these names and values, or the error of an invalid one. Errors do not quote values, which
/// may be secrets.
pub(crate) fn header_map<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> std::result::Result<HeaderMap, String> {
    let (mut headers, mut bytes) = (HeaderMap::new(), 0);
    for (number, (name, value)) in pairs.enumerate() {
        if name.trim().is_empty() && value.is_empty() {
            continue;
        }
        let (name, value) = header(number + 1, name.trim(), value)?;
        bytes += name.as_str().len() + value.len();
        headers.append(name, value);
    }
    if headers.len() > MOST || bytes > MOST_BYTES {
        return Err(format!("more than {MOST} headers, or {MOST_BYTES} bytes of them"));
    }
    Ok(headers)
}

fn header(number: usize, name: &str, value: &str) -> std::result::Result<(HeaderName, HeaderValue), String> {
    // An invalid name may be a value.
    let name = HeaderName::try_from(name).map_err(|_| {
        format!("header {number}: expected a name of letters, digits and -, then a colon and the value")
    })?;
    let shown = name.as_str();
    if OWN.contains(&shown) || OWN_PREFIXES.iter().any(|prefix| shown.starts_with(prefix)) {
        return Err(format!("header {shown:?} belongs to the connection and cannot be set"));
    }
    let value = value.trim_matches([' ', '\t']);
    if value.is_empty() {
        return Err(format!("header {shown:?} has no value; expected a line \"Name: value\" for each"));
    }
    let mut value = HeaderValue::from_str(value)
        .ok()
        .filter(|value| value.as_bytes().is_ascii())
        .ok_or_else(|| format!("header {shown:?}: a value is of printable ASCII characters, blanks and tabs"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_cannot_be_set_are_refused_without_their_values() {
        for (name, value, why) in [
            ("", "secret", "header 1: expected a name"),
            ("X Key", "secret", "header 1: expected a name"),
            ("X-K\u{e9}y", "secret", "header 1: expected a name"),
            ("X-Key", "", "\"x-key\" has no value"),
            ("X-Key", "secret\rX: y", "printable ASCII"),
            ("X-Key", "secret\nX: y", "printable ASCII"),
            ("X-Key", "secr\u{e9}t", "printable ASCII"),
            ("Host", "secret", "belongs to the connection"),
            ("connection", "secret", "belongs to the connection"),
            ("Upgrade", "secret", "belongs to the connection"),
            ("Sec-WebSocket-Protocol", "secret", "belongs to the connection"),
            ("Content-Length", "secret", "belongs to the connection"),
            ("Transfer-Encoding", "secret", "belongs to the connection"),
            ("Proxy-Authorization", "secret", "belongs to the connection"),
        ] {
            let error = header_map([(name, value)].into_iter()).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{name}: {error}");
        }
        assert!(header_map((0..65).map(|_| ("X-Key", "v"))).unwrap_err().contains("more than 64 headers"));
        let long = "v".repeat(17_000);
        assert!(header_map([("X-Key", long.as_str())].into_iter()).unwrap_err().contains("16384 bytes"));
    }

    #[test]
    fn a_header_may_come_twice_and_its_value_has_inner_blanks() {
        let headers = header_map([("X-Key", " a\tb c "), ("x-key", "d")].into_iter()).unwrap();
        assert_eq!(headers.get_all("X-Key").iter().collect::<Vec<_>>(), ["a\tb c", "d"]);
        assert!(!format!("{headers:?}").contains("a\tb"));
    }
}
