//! The mock's clock, and dates as Pulsar writes and reads them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, taken from the system once and then from the monotonic clock, so that a timer never jumps.
pub(super) struct Clock {
    started: Instant,
    epoch_ms: u64,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let epoch_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Clock { started: Instant::now(), epoch_ms }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.epoch_ms + self.started.elapsed().as_millis() as u64
    }

    pub(super) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the instant at which `now_ms` reaches `ms`.
    pub(super) fn instant(&self, ms: u64) -> Instant {
        self.started + Duration::from_millis(ms.saturating_sub(self.epoch_ms))
    }
}

/// Formats a time like `2026-11-24T08:27:35.45Z`: ISO 8601 in UTC, the fraction without its trailing zeros.
pub(super) fn iso(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let fraction = in_day % 1000;
    if fraction != 0 {
        text.push_str(format!(".{fraction:03}").trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Parses an `ISO_OFFSET_DATE_TIME`, which requires an offset, to milliseconds since 1970. `Err` has Java's message.
pub(super) fn parse_iso(text: &str) -> Result<i64, String> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    let found = cursor.date_time();
    match found {
        Some(ms) if cursor.at == cursor.bytes.len() => Ok(ms),
        Some(_) => Err(format!("Text '{text}' could not be parsed, unparsed text found at index {}", cursor.at)),
        None => Err(format!("Text '{text}' could not be parsed at index {}", cursor.at)),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn date_time(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let month = self.after(b"-")?.number(2).filter(|month| (1..=12).contains(month))?;
        let day = self.after(b"-")?.number(2)?;
        let days = days_from_civil(year, month, day);
        if civil(days) != (year, month, day) {
            return None;
        }
        let hour = self.after(b"Tt")?.number(2).filter(|hour| *hour < 24)?;
        let minute = self.after(b":")?.number(2).filter(|minute| *minute < 60)?;
        let (mut second, mut fraction) = (0, 0);
        if self.peek(b":") {
            self.at += 1;
            second = self.number(2).filter(|second| *second < 60)?;
            if self.peek(b".") {
                self.at += 1;
                let digits = self.bytes[self.at..].iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
                for place in 0..3 {
                    let digit = if place < digits { i64::from(self.bytes[self.at + place] - b'0') } else { 0 };
                    fraction = fraction * 10 + digit;
                }
                self.at += digits;
            }
        }
        let offset = self.offset()?;
        Some((((days * 24 + hour) * 60 + minute) * 60 + second - offset) * 1000 + fraction)
    }

    /// Parses an offset to seconds east of UTC: `Z`, `+01`, `+01:00` or `+01:00:00`.
    fn offset(&mut self) -> Option<i64> {
        if self.peek(b"Zz") {
            self.at += 1;
            return Some(0);
        }
        let sign = if self.peek(b"-") { -1 } else { 1 };
        let mut offset = self.after(b"+-")?.number(2).filter(|hours| *hours <= 18)? * 3600;
        for unit in [60, 1] {
            if !self.peek(b":") {
                break;
            }
            self.at += 1;
            offset += self.number(2).filter(|value| *value < 60)? * unit;
        }
        Some(sign * offset)
    }

    fn peek(&self, any: &[u8]) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| any.contains(byte))
    }

    fn after(&mut self, any: &[u8]) -> Option<&mut Self> {
        if !self.peek(any) {
            return None;
        }
        self.at += 1;
        Some(self)
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let text = self.bytes.get(self.at..self.at + digits)?;
        if !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.at += digits;
        Some(text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }
}

/// Returns year, month and day for a day since 1970-01-01, in the proleptic Gregorian calendar (Hinnant's algorithm).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_server_writes_them() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_704_161_045_678), "2024-01-02T02:04:05.678Z");
        assert_eq!(iso(1_709_164_800_030), "2024-02-29T00:00:00.03Z");
        assert_eq!(iso(-1), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn dates_need_an_offset_and_nothing_else() {
        assert_eq!(parse_iso("2024-01-02T03:04:05.678+01:00"), Ok(1_704_161_045_678));
        assert_eq!(parse_iso("2024-01-02T02:04:05.678999999Z"), Ok(1_704_161_045_678));
        assert_eq!(parse_iso("2024-01-02T03:04:05.678+01"), Ok(1_704_161_045_678));
        assert_eq!(parse_iso("2024-01-02T02:04Z"), Ok(1_704_161_040_000));
        for bad in ["", "1704161045678", "2024-01-02T03:04:05", "2024-01-02 03:04:05Z", "2024-01-02T03:04:05+0100"] {
            assert!(parse_iso(bad).is_err(), "{bad}");
        }
        let found = parse_iso("2024-01-02T03:04:05+0100").unwrap_err();
        assert_eq!(found, "Text '2024-01-02T03:04:05+0100' could not be parsed, unparsed text found at index 22");
        for bad in ["2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-02T03:04:05Zx", "é"] {
            assert!(parse_iso(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_survives_a_round_trip() {
        for day in -80_000..80_000 {
            assert_eq!(parse_iso(&iso(day * 86_400_000)), Ok(day * 86_400_000));
        }
    }
}
