//! Bytes that are hard to type: `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN`.

/// Returns the bytes that a text with escapes stands for.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (escaped, taken) =
            escape(rest).ok_or_else(|| format!("{text:?}: the escapes are \\n \\r \\t \\0 \\\\ \\xNN"))?;
        bytes.push(escaped);
        rest = &rest[taken..];
    }
    Ok(bytes)
}

/// Returns the byte that stands after a backslash, and how long its name is.
fn escape(after: &[u8]) -> Option<(u8, usize)> {
    match after.first()? {
        b'n' => Some((b'\n', 1)),
        b'r' => Some((b'\r', 1)),
        b't' => Some((b'\t', 1)),
        b'0' => Some((0, 1)),
        b'\\' => Some((b'\\', 1)),
        b'x' => {
            let digits = std::str::from_utf8(after.get(1..3)?).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, 3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(bytes(r"a\n\t\0\\\xffü").unwrap(), b"a\n\t\0\\\xff\xc3\xbc");
        for wrong in [r"\q", r"\", r"\x", r"\x1", r"\xzz"] {
            assert!(bytes(wrong).unwrap_err().contains("escapes"), "{wrong}");
        }
    }
}
