//! Texts with `{{n}}`, `{{time}}` and `{{uuid}}` in them, also with a blank inside the braces.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the text with its placeholders filled in: the number, ms since 1970, and a random UUID for each place.
pub(crate) fn fill(text: &str, number: u64) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let mut filled = text.to_owned();
    for name in ["n", "time", "uuid"] {
        filled = filled.replace(&format!("{{{{ {name} }}}}"), &format!("{{{{{name}}}}}"));
    }
    filled = filled.replace("{{n}}", &number.to_string());
    if filled.contains("{{time}}") {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        filled = filled.replace("{{time}}", &since.as_millis().to_string());
    }
    while filled.contains("{{uuid}}") {
        filled = filled.replacen("{{uuid}}", &uuid()?, 1);
    }
    Ok(filled)
}

/// Returns a random UUID (version 4 of RFC 9562).
fn uuid() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers for {{{{uuid}}}}: {error}"))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(fill("{{n}}-{{n}} {{other}}", 7).unwrap(), "7-7 {{other}}");
        assert_eq!(fill("{{ n }} {{ other }}", 7).unwrap(), "7 {{ other }}");
        let millis: u64 = fill("{{time}}", 1).unwrap().parse().unwrap();
        assert!(millis > 1_700_000_000_000);
        let two = fill("{{uuid}} {{uuid}}", 1).unwrap();
        let (one, other) = two.split_once(' ').unwrap();
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert_ne!(one, other);
    }
}
