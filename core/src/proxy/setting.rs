//! The address of a proxy, as given by the option or the environment.

use std::fmt;

use crate::error::{Error, Result};
use crate::topic::{Host, parse_host, percent_decode};

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// CONNECT over TCP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS5; the client resolves names.
    Socks5,
    /// SOCKS5; the proxy resolves names.
    Socks5h,
}

impl Scheme {
    const ALL: [Scheme; 4] = [Scheme::Http, Scheme::Https, Scheme::Socks5, Scheme::Socks5h];

    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
            Scheme::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 | Scheme::Socks5h => 1080,
        }
    }

    fn is_socks(self) -> bool {
        matches!(self, Scheme::Socks5 | Scheme::Socks5h)
    }
}

/// The credentials for a proxy.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A proxy. Its text form omits the user and password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) login: Option<Login>,
    /// Where the proxy was named: the option, or a variable.
    pub(crate) source: String,
}

const SHAPE: &str = "expected http://, https://, socks5:// or socks5h:// and [user[:password]@]host[:port]";

impl Proxy {
    /// Parses an address; without a scheme, it is that of an HTTP proxy. The error names `source` and never quotes the
    /// text, which may contain a password.
    pub(crate) fn parse(text: &str, source: &str) -> Result<Proxy> {
        let bad = |why: &str| Error::invalid(format!("{source}: {why}; {SHAPE}"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        let scheme = Scheme::ALL
            .into_iter()
            .find(|known| known.name() == scheme)
            .ok_or_else(|| bad("its scheme is not one of a proxy"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(bad("it has a path, a query or a fragment (in a password, / ? # are written %2F %3F %23)"));
        }
        let (login, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(login(userinfo, scheme).map_err(|why| bad(&why))?), host),
            None => (None, authority),
        };
        let host = parse_host(host, scheme.default_port())
            .map_err(|_| bad("it has no host and port that can be used (IPv6 addresses are in brackets)"))?;
        Ok(Proxy { scheme, host, login, source: source.to_owned() })
    }
}

fn login(userinfo: &str, scheme: Scheme) -> std::result::Result<Login, String> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |part: &str, what: &str| {
        percent_decode(part).ok_or_else(|| format!("its {what} has a % that begins no byte (% itself is written %25)"))
    };
    let login = Login { user: decoded(user, "user")?, password: decoded(password, "password")? };
    if scheme.is_socks() {
        // The length of each is encoded in one byte.
        if !(1..=255).contains(&login.user.len()) || login.password.len() > 255 {
            return Err("its user or password is empty or longer than the 255 bytes that SOCKS can carry".into());
        }
    } else if login.user.contains(':') {
        return Err("its user has a colon, which Basic cannot carry".into());
    }
    Ok(login)
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { " (with a user)" } else { "" };
        write!(f, "{self}{login}, {}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topic::percent_encode;

    #[test]
    fn addresses_have_their_default_ports() {
        for (text, expected) in [
            ("http://squid", "http://squid:80"),
            ("squid:3128", "http://squid:3128"),
            ("HTTP://squid:3128/", "http://squid:3128"),
            ("https://squid", "https://squid:443"),
            ("socks5://1.2.3.4", "socks5://1.2.3.4:1080"),
            ("socks5h://[::1]:9050", "socks5h://[::1]:9050"),
            ("u:p@squid:1", "http://squid:1"),
        ] {
            assert_eq!(Proxy::parse(text, "option proxy").unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_says_why_and_never_repeats_it() {
        for (text, why) in [
            ("ftp://squid", "its scheme"),
            ("socks4://squid", "its scheme"),
            ("socks://squid", "its scheme"),
            ("", "no host"),
            ("http://", "no host"),
            ("http://u:s3cret@", "no host"),
            ("http://u:s3cret", "no host"),
            ("http://squid:0", "no host"),
            ("http://squid:65536", "no host"),
            ("http://::1:3128", "no host"),
            ("http://squid/s3cret", "a path"),
            ("http://u:s3/cret@squid", "a path"),
            ("http://squid?s3cret", "a query"),
            ("http://squid#s3cret", "a fragment"),
            ("http://u:s3cret%@squid", "its password has a %"),
            ("http://u%zz:s3cret@squid", "its user has a %"),
            ("http://u%3Au:s3cret@squid", "its user has a colon"),
            ("socks5://:s3cret@squid", "its user or password is empty"),
            ("http://squ id:1", "no host"),
            ("http://squid\r\nX: y:1", "no host"),
        ] {
            let error = Proxy::parse(text, "option proxy").unwrap_err().to_string();
            assert!(error.starts_with("option proxy: ") && error.contains(why), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn users_and_passwords_are_decoded_and_not_shown() {
        let proxy = Proxy::parse("http://me+you:p%40ss%3A+%2f@squid", "option proxy").unwrap();
        let login = proxy.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("me+you", "p@ss:+/"));
        assert_eq!(format!("{proxy:?}"), "http://squid:80 (with a user), option proxy");
        // The last @ precedes the host.
        let proxy = Proxy::parse("http://me@corp:p@ss@squid", "option proxy").unwrap();
        assert_eq!(proxy.login.unwrap().user, "me@corp");
    }

    proptest! {
        #[test]
        fn every_password_comes_through(user in "[^:]{1,40}", password in ".{0,40}") {
            for scheme in Scheme::ALL {
                let text = format!("{}://{}:{}@h:1", scheme.name(), percent_encode(&user), percent_encode(&password));
                let login = Proxy::parse(&text, "x").unwrap().login.unwrap();
                prop_assert_eq!((&login.user, &login.password), (&user, &password));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(proxy) = Proxy::parse(&text, "x") {
                prop_assert_eq!(Proxy::parse(&proxy.to_string(), "x").unwrap().host, proxy.host);
            }
        }
    }
}
