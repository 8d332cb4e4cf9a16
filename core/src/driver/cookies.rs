//! The cookies of gateways, which keep a client at one server (sticky sessions). They stay in memory and are returned
//! only to the host that set them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::SET_COOKIE;

use crate::topic::Host;

/// The maximum number of cookies of a client, and the maximum bytes of each.
const MOST: usize = 50;
const MOST_BYTES: usize = 4 * 1024;
/// After this many failed connects in a row the client discards the cookies of a host: the server that they name may be
/// gone.
const FAILURES: u32 = 2;

/// The cookies of a client, shared by all its connections.
#[derive(Default)]
pub(crate) struct Jar(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    cookies: Vec<Cookie>,
    /// The number of consecutive failed connects, by host.
    failures: Vec<(String, u32)>,
}

#[derive(Clone)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
    secure: bool,
    expires: Option<SystemTime>,
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inner().cookies.iter().map(|cookie| &cookie.name)).finish()
    }
}

impl Jar {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value of the `Cookie` header of a request, if it has one.
    pub(crate) fn header(&self, host: &Host, path: &str, tls: bool) -> Option<String> {
        let now = SystemTime::now();
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let mut inner = self.inner();
        inner.cookies.retain(|cookie| cookie.expires.is_none_or(|at| at > now));
        let fits = |cookie: &&Cookie| cookie.host == host.name && (tls || !cookie.secure) && covers(&cookie.path, path);
        let pairs: Vec<String> =
            inner.cookies.iter().filter(fits).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Stores the cookies of a response to a request for `path`.
    pub(crate) fn take(&self, host: &Host, path: &str, headers: &HeaderMap) {
        let now = SystemTime::now();
        for text in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let Some(cookie) = parse(text, &host.name, path, now) else { continue };
            let mut inner = self.inner();
            let same =
                |other: &Cookie| (&other.host, &other.path, &other.name) == (&cookie.host, &cookie.path, &cookie.name);
            inner.cookies.retain(|other| !same(other));
            if cookie.expires.is_none_or(|at| at > now) {
                if inner.cookies.len() == MOST {
                    inner.cookies.remove(0);
                }
                inner.cookies.push(cookie);
            }
        }
    }

    /// Handles the end of an attempt to connect to `host`.
    pub(crate) fn tried(&self, host: &Host, connected: bool) {
        let mut inner = self.inner();
        let before = inner.failures.iter().position(|(name, _)| *name == host.name);
        let before = before.map_or(0, |index| inner.failures.swap_remove(index).1);
        match connected {
            true => {}
            false if before + 1 >= FAILURES => inner.cookies.retain(|cookie| cookie.host != host.name),
            false => inner.failures.push((host.name.clone(), before + 1)),
        }
    }
}

/// Returns whether a cookie applies to a path (RFC 6265, 5.1.4).
fn covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.ends_with('/'))
}

/// Parses a cookie by RFC 6265, 5.2, for only the host that set it.
fn parse(text: &str, host: &str, path: &str, now: SystemTime) -> Option<Cookie> {
    let mut parts = text.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || text.len() > MOST_BYTES {
        return None;
    }
    let folder = path.split(['?', '#']).next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut cookie = Cookie {
        host: host.to_owned(),
        path: if folder.is_empty() { "/".to_owned() } else { folder.to_owned() },
        name: name.to_owned(),
        value: value.to_owned(),
        secure: false,
        expires: None,
    };
    let mut max_age = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "secure" => cookie.secure = true,
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => cookie.expires = date(value),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        // A distant time that the system cannot represent is treated as none.
        let age = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        cookie.expires = if age.is_zero() { Some(UNIX_EPOCH) } else { now.checked_add(age) };
    }
    Some(cookie)
}

/// Parses a date by RFC 6265, 5.1.1: `Sun, 06 Nov 1994 08:49:37 GMT` and similar forms, in any order.
fn date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let (mut day, mut month, mut year, mut time) = (None, None, None, None);
    for token in text.split([' ', ',', '-']).filter(|token| !token.is_empty()) {
        let lower = token.to_ascii_lowercase();
        let clock: Option<Vec<i64>> = token.split(':').map(|part| part.parse().ok()).collect();
        match (clock.as_deref(), lower.get(..3).and_then(|start| MONTHS.iter().position(|month| *month == start))) {
            (Some(&[hours, minutes, seconds]), _) if time.is_none() => {
                time = Some((hours * 60 + minutes) * 60 + seconds)
            }
            (Some(&[number]), _) if day.is_none() && token.len() <= 2 => day = Some(number),
            (Some(&[number]), _) if year.is_none() => {
                year = Some(match number {
                    0..70 => number + 2000,
                    70..100 => number + 1900,
                    number => number,
                });
            }
            (_, Some(index)) if month.is_none() => month = i64::try_from(index + 1).ok(),
            _ => {}
        }
    }
    let (day, month, year, time) = (day?, month?, year?, time?);
    if !(1..=31).contains(&day) || !(1601..=9999).contains(&year) || !(0..86_400).contains(&time) {
        return None;
    }
    // Days from 1970 to a date, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    match u64::try_from(days * 86_400 + time) {
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        Err(_) => Some(UNIX_EPOCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Host {
        Host { name: name.to_owned(), port: 1 }
    }

    fn set(jar: &Jar, name: &str, cookies: &[&str]) {
        let headers = cookies.iter().map(|cookie| (SET_COOKIE, cookie.parse().unwrap())).collect();
        jar.take(&host(name), "/p/ws/v2/producer/t?x", &headers);
    }

    fn sent(jar: &Jar, name: &str, path: &str, tls: bool) -> String {
        jar.header(&host(name), path, tls).unwrap_or_default()
    }

    #[test]
    fn cookies_go_back_to_their_host_and_path() {
        let jar = Jar::default();
        set(&jar, "a", &["route=1; Path=/; HttpOnly", "deep=2", "safe=3; Path=/p; Secure", "nonsense", "=4"]);
        assert_eq!(sent(&jar, "a", "/x", false), "route=1");
        assert_eq!(sent(&jar, "a", "/p/ws/v2/producer/u?y", false), "route=1; deep=2");
        assert_eq!(sent(&jar, "a", "/p/x", true), "route=1; safe=3");
        assert_eq!(sent(&jar, "a", "/pp", true), "route=1");
        assert_eq!(sent(&jar, "b", "/", true), "");
        set(&jar, "a", &["route=5; Path=/"]);
        assert_eq!(sent(&jar, "a", "/x", false), "route=5");
        assert!(!format!("{jar:?}").contains('5'));
    }

    #[test]
    fn cookies_end_with_their_time() {
        let jar = Jar::default();
        set(&jar, "a", &["old=1; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "new=2; Path=/; Max-Age=60"]);
        set(&jar, "a", &["far=3; Path=/; Expires=Fri, 31-Dec-2100 23:59:59 GMT"]);
        assert_eq!(sent(&jar, "a", "/", true), "new=2; far=3");
        set(&jar, "a", &["new=; Path=/; Max-Age=0", "far=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(sent(&jar, "a", "/", true), "");
    }

    #[test]
    fn dates_are_read() {
        let at = |text| date(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(at("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(at("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(at("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(at("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(at("soon"), None);
    }

    #[test]
    fn two_failures_in_a_row_drop_the_cookies_of_the_host() {
        let jar = Jar::default();
        set(&jar, "a", &["route=1; Path=/"]);
        set(&jar, "b", &["route=2; Path=/"]);
        for connected in [false, true, false] {
            jar.tried(&host("a"), connected);
        }
        assert_eq!(sent(&jar, "a", "/", true), "route=1");
        jar.tried(&host("a"), false);
        assert_eq!((sent(&jar, "a", "/", true), sent(&jar, "b", "/", true)), (String::new(), "route=2".into()));
    }

    #[test]
    fn a_jar_has_its_bounds() {
        let jar = Jar::default();
        for number in 0..60 {
            set(&jar, "a", &[&format!("c{number}=1; Path=/")]);
        }
        set(&jar, "a", &[&format!("long={}; Path=/", "x".repeat(5_000))]);
        let sent = sent(&jar, "a", "/", true);
        assert_eq!((sent.split("; ").count(), sent.starts_with("c10=1")), (50, true));
    }
}
