//! A place in a topic as a person types it: a word, an id, a time, an age or a number of messages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stargate_core::MessageId;

use crate::exit::Failure;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    Earliest,
    Latest,
    Id(MessageId),
    Time(SystemTime),
    /// This many messages before the end.
    Last(u32),
}

/// Reads a place; `option` is named in errors.
pub(crate) fn parse(option: &str, text: &str) -> Result<Place, Failure> {
    let place = match text {
        "earliest" => Some(Place::Earliest),
        "latest" => Some(Place::Latest),
        _ => match text.strip_prefix('-') {
            Some(back) => back.parse().ok().map(Place::Last).or_else(|| age(back).map(Place::Time)),
            None => time(text).map(Place::Time).or_else(|| text.parse().ok().map(Place::Id)),
        },
    };
    place.ok_or_else(|| {
        Failure::usage(format!(
            "{option} {text}: expected earliest, latest, a message id, a time (2026-11-28T12:30:00Z or ms since 1970), \
             an age (-90s, -15m, -1h, -2d) or a number of messages (-100)"
        ))
    })
}

fn age(text: &str) -> Option<SystemTime> {
    let seconds = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    SystemTime::now().checked_sub(Duration::from_secs(number.checked_mul(seconds)?))
}

/// Milliseconds since 1970, or a time in the form of RFC 3339; without a zone it is UTC, and without a clock midnight.
fn time(text: &str) -> Option<SystemTime> {
    let millis = match text.parse::<i64>() {
        Ok(millis) => millis,
        Err(_) => {
            let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
            days(date)?.checked_mul(86_400_000)? + millis_of(clock)?
        }
    };
    UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(millis).ok()?))
}

/// Days since 1970 of YYYY-MM-DD.
fn days(date: &str) -> Option<i64> {
    let mut numbers = date.splitn(3, '-').map(digits);
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if !(1970..=9999).contains(&year) || day < 1 || day > *lengths.get(before)? {
        return None;
    }
    let last = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    Some((year - 1970) * 365 + leaps(last) - leaps(1969) + lengths[..before].iter().sum::<i64>() + day - 1)
}

/// Milliseconds since midnight UTC of HH:MM[:SS[.fraction]] with Z, +HH:MM or nothing behind it.
fn millis_of(clock: &str) -> Option<i64> {
    let (clock, zone) = match (clock.strip_suffix('Z'), clock.find(['+', '-'])) {
        (Some(clock), _) => (clock, 0),
        (None, Some(at)) => {
            let minutes = minutes(&clock[at + 1..])?;
            (&clock[..at], if clock[at..].starts_with('-') { -minutes } else { minutes })
        }
        (None, None) => (clock, 0),
    };
    let (minute_part, second) = match clock.match_indices(':').nth(1) {
        Some((at, _)) => (&clock[..at], &clock[at + 1..]),
        None => (clock, "0"),
    };
    let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
    digits(fraction)?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let whole = digits(whole).filter(|seconds| *seconds < 60)?;
    Some((minutes(minute_part)? - zone) * 60_000 + whole * 1000 + millis)
}

/// Minutes of HH:MM.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let millis = |text: &str| time(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_millis());
        assert_eq!(millis("1970-01-02"), Some(86_400_000));
        assert_eq!(millis("2000-03-01T00:00:00Z"), Some(951_868_800_000));
        assert_eq!(millis("2026-11-28T12:30:00.25+01:00"), Some(1_795_865_400_250));
        assert_eq!(millis("2026-11-28 11:30"), Some(1_795_865_400_000));
        assert_eq!(millis("1795865400000"), Some(1_795_865_400_000));
        for wrong in ["2025-02-29", "2026-13-01", "2026-11-28T24:00", "2026-11-28T1", "x", "2026-11-28T12:00:60Z"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn places_are_read() {
        assert_eq!(parse("--from", "-100").unwrap(), Place::Last(100));
        assert!(matches!(parse("--from", "-2h").unwrap(), Place::Time(_)));
        assert!(matches!(parse("--from", "CAUQATAA").unwrap(), Place::Id(_)));
        for wrong in ["", "-", "-5y", "yesterday!"] {
            assert!(parse("--from", wrong).is_err(), "{wrong}");
        }
    }
}
