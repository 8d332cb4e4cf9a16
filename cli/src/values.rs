//! Values of arguments that several commands take.

use std::time::Duration;

use crate::escapes;

/// The bytes of a separator.
#[derive(Clone)]
pub(crate) struct Separator(pub(crate) Vec<u8>);

/// Reads a separator, which may be written with escapes.
pub(crate) fn separator(text: &str) -> Result<Separator, String> {
    match escapes::bytes(text)? {
        empty if empty.is_empty() => Err("a separator has at least one byte".to_owned()),
        bytes => Ok(Separator(bytes)),
    }
}

/// Reads NAME=VALUE.
pub(crate) fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a number of seconds, or a number with a unit: 500ms, 10s, 5m, 1h, 2d.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration, such as 500ms, 2.5s, 10m, 1h or 2d".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(expected()),
    };
    let number: f64 = digits.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| expected())
}

/// Reads a number of messages a second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().unwrap_or(0.0);
    match (0.001..=1e9).contains(&number) {
        true => Ok(number),
        false => Err("expected a number of messages a second, such as 1000 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("2.5", 2500), ("500ms", 500), ("10s", 10_000), ("1.5m", 90_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text).unwrap().as_millis(), millis, "{text}");
        }
        for wrong in ["", "s", "-1s", "5y", "1h30m", "inf", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("-1").is_err() && rate("x").is_err() && rate("0.5").is_ok());
    }
}
