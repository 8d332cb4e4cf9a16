//! Redirects: only to trusted hosts, and never from TLS to plain text.

use hyper::Uri;
use hyper::header::LOCATION;

use crate::error::{Error, ErrorKind, Result};
use crate::net::http1::Response;
use crate::options::Resolved;
use crate::topic::{Host, ServiceUrl};

/// A broker redirects once, to the owner of the topic. While a topic moves, it may redirect a few times.
pub(crate) const MAX_REDIRECTS: usize = 5;

/// The hosts to which a request may be redirected with its credentials.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    tls: bool,
    hosts: Vec<Trusted>,
}

impl Trust {
    /// Trusts the hosts of a URL and those of the option `admin_trusted_hosts`.
    pub(crate) fn new(url: &ServiceUrl, options: &Resolved) -> Result<Trust> {
        let mut trust = Trust { tls: url.is_tls(), hosts: Vec::new() };
        trust.add(url);
        if let Some(hosts) = &options.admin_trusted_hosts {
            for host in hosts.split(',') {
                trust.hosts.push(Trusted::parse(host.trim())?);
            }
        }
        Ok(trust)
    }

    /// Trusts the hosts of another URL as well.
    pub(crate) fn add(&mut self, url: &ServiceUrl) {
        self.hosts.extend(url.hosts().iter().map(Trusted::exactly));
    }

    /// Returns the host and the path that a response from `from` redirects to.
    pub(crate) fn follow(&self, from: &Host, response: &Response) -> Result<(Host, String)> {
        let location = response.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let status = response.status;
        let (Some(location), 307 | 308) = (location, status) else {
            let to = location.map_or("no Location".to_owned(), |location| {
                location.split(['?', '#']).next().unwrap_or_default().to_owned()
            });
            let odd = format!("{from} answered with {status} to {to}, which is no redirect that Pulsar makes");
            return Err(Error::new(ErrorKind::Protocol, odd).with_http_status(status));
        };
        let unusable = || Error::new(ErrorKind::Protocol, format!("{from} redirects to what is no HTTP address"));
        let uri: Uri = location.parse().map_err(|_| unusable())?;
        let path = uri.path_and_query().ok_or_else(unusable)?.to_string();
        let Some(authority) = uri.authority() else { return Ok((from.clone(), path)) };
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(unusable()),
        };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = Host { name, port };
        let refused = |why: &str| {
            let text = format!("{from} redirects to {host}, {why}");
            Err(Error::invalid(text).with_http_status(status).with_broker_text(location))
        };
        if tls != self.tls {
            let [ours, theirs] = if tls { ["http", "https"] } else { ["https", "http"] };
            return refused(&format!("from {ours} to {theirs}: the scheme must stay the same"));
        }
        if !self.hosts.iter().any(|trusted| trusted.matches(&host)) {
            return refused("which the configuration does not trust with a token (option admin_trusted_hosts)");
        }
        Ok((host, path))
    }
}

/// Hosts that may receive the token.
#[derive(Debug, Clone, PartialEq)]
struct Trusted {
    /// In lower case; `*.domain` matches all hosts below the domain.
    name: String,
    /// `None` matches any port.
    port: Option<u16>,
}

impl Trusted {
    fn exactly(host: &Host) -> Trusted {
        Trusted { name: host.name.to_ascii_lowercase(), port: Some(host.port) }
    }

    fn parse(text: &str) -> Result<Trusted> {
        let bad = || {
            Error::option(
                "admin_trusted_hosts",
                format!("{text:?}: expected host, host:port or *.domain, further ones after commas"),
            )
        };
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once(']').ok_or_else(bad)? {
                (name, "") => (name, None),
                (name, port) => (name, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            },
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = port.map(|port| port.parse().map_err(|_| bad())).transpose()?;
        let domain = name.strip_prefix("*.").unwrap_or(name);
        if domain.is_empty() || domain.contains(['*', '/', '@', ' ']) {
            return Err(bad());
        }
        Ok(Trusted { name: name.to_ascii_lowercase(), port })
    }

    fn matches(&self, host: &Host) -> bool {
        let name = host.name.to_ascii_lowercase();
        let named = match self.name.strip_prefix('*') {
            Some(domain) => name.len() > domain.len() && name.ends_with(domain),
            None => name == self.name,
        };
        named && self.port.is_none_or(|port| port == host.port)
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn trust_is_by_host_by_port_and_by_domain() {
        for (rule, name, port, expected) in [
            ("broker-1", "BROKER-1", 1, true),
            ("broker-1", "broker-11", 1, false),
            ("broker-1:8080", "broker-1", 8080, true),
            ("broker-1:8080", "broker-1", 8081, false),
            ("*.pulsar.svc", "b.pulsar.svc", 1, true),
            ("*.pulsar.svc:8443", "b.pulsar.svc", 1, false),
            ("*.pulsar.svc", "pulsar.svc", 1, false),
            ("*.pulsar.svc", ".pulsar.svc", 1, false),
            ("*.pulsar.svc", "evilpulsar.svc", 1, false),
            ("*.pulsar.svc", "b.pulsar.svc.evil", 1, false),
            ("[::1]:2", "::1", 2, true),
        ] {
            assert_eq!(Trusted::parse(rule).unwrap().matches(&host(name, port)), expected, "{rule} and {name}:{port}");
        }
    }

    #[test]
    fn rules_of_trust_that_are_none_are_errors() {
        for rule in ["*", "*.", "a*b", "http://h", "h:x", "[::1", "[::1]2", "u@h"] {
            assert!(Trusted::parse(rule).is_err(), "{rule}");
        }
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        let url: ServiceUrl = "wss://broker-1".parse().unwrap();
        let options = crate::options::Options::new().admin_trusted_hosts("broker-2").resolve();
        let trust = Trust::new(&url, &options).unwrap();
        let to = |location: &str| {
            let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
            trust.follow(&url.hosts()[0], &Response { status: 307, headers, body: Default::default() })
        };
        assert_eq!(to("https://broker-2/x?y").unwrap(), (host("broker-2", 443), "/x?y".to_owned()));
        assert_eq!(to("/x").unwrap(), (host("broker-1", 8443), "/x".to_owned()));
        let error = to("http://broker-2/x").unwrap_err();
        assert!(error.to_string().contains("from https to http"), "{error}");
        // The apparent trusted host is the user name of the URL here.
        assert!(to("https://broker-2@elsewhere/x").is_err());
    }
}
