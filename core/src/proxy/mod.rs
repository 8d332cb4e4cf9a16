//! Chooses the proxy for a host: that of the option or the environment, except for hosts that bypass the proxy.
//!
//! `setting` parses the address of a proxy, `environment` finds it in the variables of the process, and `bypass` is the
//! list of exceptions. `net/tunnel` speaks to the proxy.

mod bypass;
mod environment;
mod setting;

use std::fmt;
use std::sync::Arc;

use self::bypass::Bypass;
pub(crate) use self::environment::{Environment, Protocol};
pub(crate) use self::setting::{Login, Proxy, Scheme};
use crate::error::Result;
use crate::topic::Host;

/// The name of the option in errors.
const OPTION: &str = "option proxy";

/// The proxy for the connections of one protocol.
#[derive(Clone)]
pub(crate) struct Proxies {
    /// An error of the environment concerns only hosts that do not bypass the proxy.
    proxy: Result<Option<Arc<Proxy>>>,
    bypass: Arc<Bypass>,
    /// Whether this machine bypasses the proxy.
    spares_loopback: bool,
}

impl Proxies {
    /// Takes the values of the options `proxy` and `no_proxy`. With `env`, uses the environment's proxy for `protocol`,
    /// with TLS or without.
    ///
    /// Fails on an option that cannot be used. A variable that cannot be used is an error of [`Proxies::choose`].
    pub(crate) fn new(
        setting: &str,
        exceptions: Option<&str>,
        environment: &Environment,
        protocol: Protocol,
        tls: bool,
    ) -> Result<Proxies> {
        let from_environment = setting == "env";
        let proxy = match setting {
            "env" => environment.proxy(protocol, tls).map(|proxy| proxy.map(Arc::new)),
            "none" => Ok(None),
            url => Ok(Some(Arc::new(parse(url)?))),
        };
        let bypass = match exceptions {
            Some(list) => Bypass::parse(list)?,
            None if from_environment => environment.bypass(),
            None => Bypass::default(),
        };
        Ok(Proxies { proxy, bypass: Arc::new(bypass), spares_loopback: from_environment })
    }

    /// Returns the proxy for a connection to `host`; `None` for a direct one.
    pub(crate) fn choose(&self, host: &Host) -> Result<Option<&Arc<Proxy>>> {
        if matches!(self.proxy, Ok(None)) || self.bypass.matches(host) || (self.spares_loopback && is_loopback(host)) {
            return Ok(None);
        }
        self.proxy.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// Fails if the environment names an unusable proxy for one of `hosts`.
    pub(crate) fn check(&self, hosts: &[Host]) -> Result<()> {
        hosts.iter().try_for_each(|host| self.choose(host).map(drop))
    }

    /// Returns whether some connections use TLS to the proxy.
    pub(crate) fn need_tls(&self) -> bool {
        matches!(&self.proxy, Ok(Some(proxy)) if proxy.scheme == Scheme::Https)
    }

    /// Returns the invalid entries of the environment's list of exceptions.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.bypass.ignored
    }
}

/// Checks whether the option `proxy` may have this value.
pub(crate) fn check_setting(text: &str) -> Result<()> {
    match text {
        "env" | "none" => Ok(()),
        url => parse(url).map(drop),
    }
}

fn parse(url: &str) -> Result<Proxy> {
    Proxy::parse(url, OPTION).map_err(|error| error.see_option("proxy"))
}

/// Checks whether the option `no_proxy` may have this value.
pub(crate) fn check_bypass(text: &str) -> Result<()> {
    Bypass::parse(text).map(drop)
}

/// Returns the value of the option `proxy` without its user and password.
pub(crate) fn shown(text: &str) -> String {
    match text {
        "env" | "none" => text.to_owned(),
        url => parse(url).map_or_else(|_| "(not a proxy)".into(), |proxy| proxy.to_string()),
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("proxy", &self.proxy).field("bypass", &self.bypass).finish_non_exhaustive()
    }
}

/// Returns whether the host is this machine, regardless of its interfaces.
fn is_loopback(host: &Host) -> bool {
    let name = host.name.trim_end_matches('.').to_ascii_lowercase();
    match host.name.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options `proxy` and `no_proxy`.
    type Options = (&'static str, Option<&'static str>);

    const UNSET: Options = ("env", None);

    fn proxies(options: Options, variables: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::new(options.0, options.1, &Environment::of(variables), Protocol::WebSocket, true)
    }

    /// Returns the proxy for `target`, or `direct`.
    fn chosen(options: Options, variables: &[(&str, &str)], target: &str) -> String {
        let (name, port) = target.rsplit_once(':').unwrap();
        let host = Host { name: name.to_owned(), port: port.parse().unwrap() };
        match proxies(options, variables).and_then(|proxies| Ok(proxies.choose(&host)?.cloned())) {
            Ok(proxy) => proxy.map_or("direct".into(), |proxy| proxy.to_string()),
            Err(error) => error.to_string(),
        }
    }

    const IN_ENVIRONMENT: &[(&str, &str)] = &[("HTTPS_PROXY", "http://squid:3128"), ("NO_PROXY", "near.example")];

    #[test]
    fn options_and_environment_have_their_order() {
        for (options, target, expected) in [
            (UNSET, "far:1", "http://squid:3128"),
            (UNSET, "near.example:1", "direct"),
            (("env", None), "far:1", "http://squid:3128"),
            (("none", None), "far:1", "direct"),
            // The environment's exceptions do not apply to a proxy from the option.
            (("socks5h://own", None), "near.example:1", "socks5h://own:1080"),
            (("socks5h://own", Some("near.example")), "near.example:1", "direct"),
            // A set `no_proxy` replaces the variable, even if it is empty.
            (("env", Some("")), "near.example:1", "http://squid:3128"),
            (("env", Some("far")), "far:1", "direct"),
        ] {
            assert_eq!(chosen(options, IN_ENVIRONMENT, target), expected, "{options:?} {target}");
        }
    }

    #[test]
    fn this_machine_is_reached_directly_unless_the_option_names_the_proxy() {
        for name in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"] {
            let target = format!("{name}:8080");
            assert_eq!(chosen(UNSET, IN_ENVIRONMENT, &target), "direct", "{name}");
            let explicit = ("http://own:3128", None);
            assert_eq!(chosen(explicit, IN_ENVIRONMENT, &target), "http://own:3128", "{name}");
        }
        for name in ["localhost.example", "notlocalhost", "128.0.0.1", "10.0.0.1"] {
            assert_eq!(chosen(UNSET, IN_ENVIRONMENT, &format!("{name}:1")), "http://squid:3128", "{name}");
        }
    }

    #[test]
    fn an_unusable_variable_is_an_error_only_where_it_would_be_used() {
        let bad = &[("https_proxy", "ftp://x"), ("no_proxy", "near")];
        assert!(chosen(UNSET, bad, "far:1").contains("environment variable https_proxy"), "names the variable");
        assert_eq!(chosen(UNSET, bad, "near:1"), "direct");
        assert_eq!(chosen(UNSET, bad, "localhost:1"), "direct");
        assert_eq!(chosen(("none", None), bad, "far:1"), "direct");
    }

    #[test]
    fn secrets_are_not_shown() {
        let proxies = proxies(("http://me:s3cret@squid", None), &[]).unwrap();
        assert!(!format!("{proxies:?}").contains("s3cret"));
    }
}
