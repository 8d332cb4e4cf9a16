//! The proxies in the environment of the process, read when a client is created.

use super::bypass::Bypass;
use super::setting::Proxy;
use crate::error::Result;

/// The purpose of a connection, because the variables are named by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `ws` and `wss`.
    WebSocket,
    /// `http` and `https`: Pulsar's REST API and the issuers of tokens.
    Http,
}

impl Protocol {
    /// Returns the names of its variables in lower case, in order of precedence.
    fn variables(self, tls: bool) -> &'static [&'static str] {
        match (self, tls) {
            (Protocol::WebSocket, false) => &["ws_proxy", "http_proxy", "all_proxy"],
            (Protocol::WebSocket, true) => &["wss_proxy", "https_proxy", "all_proxy"],
            (Protocol::Http, false) => &["http_proxy", "all_proxy"],
            (Protocol::Http, true) => &["https_proxy", "all_proxy"],
        }
    }
}

const NAMES: [&str; 6] = ["ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// A snapshot of the relevant variables.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    /// The name as found, and the value, which is not empty and may contain a password.
    found: Vec<(String, String)>,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Environment {
        Environment::with(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn with(variable: impl Fn(&str) -> Option<String>) -> Environment {
        // In a CGI program the header `Proxy` of a request becomes HTTP_PROXY (CVE-2016-5385).
        let in_cgi = variable("REQUEST_METHOD").is_some();
        let mut found = Vec::new();
        for name in NAMES {
            let upper = name.to_ascii_uppercase();
            let forms =
                if in_cgi && name == "http_proxy" { vec![name.to_owned()] } else { vec![name.to_owned(), upper] };
            let set = |form: String| Some((variable(&form).filter(|value| !value.trim().is_empty())?, form));
            if let Some((value, form)) = forms.into_iter().find_map(set) {
                found.push((form, value.trim().to_owned()));
            }
        }
        Environment { found }
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Environment {
        let value = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Environment::with(value)
    }

    fn variable(&self, name: &str) -> Option<(&str, &str)> {
        let found = self.found.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some((&found.0, &found.1))
    }

    /// Returns the proxy for connections of `protocol`, if any. The error names the variable.
    pub(super) fn proxy(&self, protocol: Protocol, tls: bool) -> Result<Option<Proxy>> {
        let Some((name, value)) = protocol.variables(tls).iter().find_map(|name| self.variable(name)) else {
            return Ok(None);
        };
        Proxy::parse(value, &format!("environment variable {name}")).map(Some)
    }

    /// Returns the hosts that bypass the proxy.
    pub(super) fn bypass(&self) -> Bypass {
        self.variable("no_proxy").map(|(_, list)| Bypass::lenient(list)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WS: (Protocol, bool) = (Protocol::WebSocket, false);
    const WSS: (Protocol, bool) = (Protocol::WebSocket, true);
    const HTTP: (Protocol, bool) = (Protocol::Http, false);
    const HTTPS: (Protocol, bool) = (Protocol::Http, true);

    #[test]
    fn variables_have_their_order() {
        for (variables, protocol, expected) in [
            (&[("ws_proxy", "a"), ("http_proxy", "b"), ("all_proxy", "c")][..], WS, Some("ws_proxy")),
            (&[("http_proxy", "b"), ("all_proxy", "c")], WS, Some("http_proxy")),
            (&[("all_proxy", "c")], WS, Some("all_proxy")),
            (&[("wss_proxy", "a"), ("https_proxy", "b")], WSS, Some("wss_proxy")),
            (&[("https_proxy", "b"), ("http_proxy", "c")], WSS, Some("https_proxy")),
            (&[("http_proxy", "b")], WSS, None),
            (&[("ws_proxy", "a")], HTTP, None),
            (&[("http_proxy", "b")], HTTP, Some("http_proxy")),
            (&[("https_proxy", "b")], HTTPS, Some("https_proxy")),
            (&[("https_proxy", "b")], HTTP, None),
            (&[("ALL_PROXY", "b")], HTTPS, Some("ALL_PROXY")),
            (&[("HTTPS_PROXY", "b"), ("https_proxy", "c")], HTTPS, Some("https_proxy")),
            // An empty variable counts as not set.
            (&[("https_proxy", " "), ("HTTPS_PROXY", "c")], HTTPS, Some("HTTPS_PROXY")),
            (&[("https_proxy", ""), ("ALL_PROXY", "c")], HTTPS, Some("ALL_PROXY")),
            // In a CGI program, a request may have set it.
            (&[("HTTP_PROXY", "b"), ("REQUEST_METHOD", "GET")], HTTP, None),
            (&[("HTTP_PROXY", "b"), ("REQUEST_METHOD", "GET"), ("all_proxy", "c")], WS, Some("all_proxy")),
            (&[("http_proxy", "b"), ("REQUEST_METHOD", "GET")], HTTP, Some("http_proxy")),
            (&[("HTTPS_PROXY", "b"), ("REQUEST_METHOD", "GET")], HTTPS, Some("HTTPS_PROXY")),
            (&[("HTTP_PROXY", "b")], HTTP, Some("HTTP_PROXY")),
        ] {
            let proxy = Environment::of(variables).proxy(protocol.0, protocol.1).unwrap();
            let source = proxy.map(|proxy| proxy.source);
            let expected = expected.map(|name| format!("environment variable {name}"));
            assert_eq!(source, expected, "{variables:?} {protocol:?}");
        }
    }

    #[test]
    fn an_unusable_value_names_its_variable_and_not_its_password() {
        let error = Environment::of(&[("ALL_PROXY", "u:s3cret@h:x")]).proxy(WS.0, WS.1).unwrap_err().to_string();
        assert!(error.starts_with("environment variable ALL_PROXY: it has no host and port"), "{error}");
        assert!(!error.contains("s3cret"));
    }
}
