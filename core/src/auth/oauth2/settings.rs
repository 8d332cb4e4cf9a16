//! The validated options of an OAuth2 issuer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use super::key_file::{Identity, KeyFile};
use crate::error::{Error, Result};
use crate::net::dial::Via;
use crate::options::{OAuth2AuthMethod, Resolved};
use crate::proxy::Protocol;
use crate::tls;
use crate::topic::Host;

/// An address of an issuer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IssuerUrl {
    pub(super) tls: bool,
    pub(super) host: Host,
    /// Includes the query, if any.
    pub(super) path: String,
}

/// Omits the query.
impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority())
    }
}

impl IssuerUrl {
    /// Parses the value of `source`, such as `option "oauth2_issuer_url"`. An error does not quote the text, because it
    /// may contain a password.
    pub(super) fn parse(source: &str, text: &str, allow_http: bool) -> Result<IssuerUrl> {
        let bad = |why: &str| Error::invalid(format!("{source}: {why}; expected https://host[:port]/path"));
        let uri: Uri = text.parse().map_err(|_| bad("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it does not begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it holds a user or a password"));
        }
        if text.contains('#') {
            return Err(bad("it has a fragment"));
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if name.is_empty() {
            return Err(bad("it has no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let url = IssuerUrl {
            tls,
            host: Host { name, port },
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        };
        match tls || allow_http || url.is_on_this_machine() {
            true => Ok(url),
            false => Err(Error::invalid(format!(
                "{source}: {url} would send the client secret unencrypted: use https://, or set oauth2_allow_http"
            ))),
        }
    }

    fn is_on_this_machine(&self) -> bool {
        let name = self.host.name.to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Returns the host, and the port if it differs from the scheme's default.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        let full = self.host.to_string();
        match self.host.port == usual {
            true => full.strip_suffix(&format!(":{usual}")).unwrap_or(&full).to_owned(),
            false => full,
        }
    }

    pub(super) fn has_origin_of(&self, other: &IssuerUrl) -> bool {
        self.tls == other.tls
            && self.host.port == other.host.port
            && self.host.name.eq_ignore_ascii_case(&other.host.name)
    }

    /// Returns the address of the metadata of the issuer at this address. The path of RFC 8414 precedes the issuer's
    /// path; other paths follow it.
    pub(super) fn well_known(&self, path: &str) -> IssuerUrl {
        let own = self.path.trim_end_matches('/');
        let path = match path.starts_with("/.well-known/oauth-authorization-server") {
            true => format!("{path}{own}"),
            false => format!("{own}{path}"),
        };
        IssuerUrl { path, ..self.clone() }
    }
}

/// The source of the client's identity.
#[derive(Clone)]
pub(super) enum Client {
    Fixed(Identity),
    File(KeyFile),
}

/// Everything that a fetch needs.
pub(super) struct Settings {
    pub(super) issuer: Option<IssuerUrl>,
    pub(super) token_endpoint: Option<IssuerUrl>,
    pub(super) well_known_path: String,
    pub(super) client: Client,
    pub(super) audience: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) method: OAuth2AuthMethod,
    /// Absent if there are no trust roots and all addresses are plain HTTP.
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    /// The proxies for an `http://` address, and for an `https://` one.
    pub(super) via: [Via; 2],
    pub(super) timeout: Duration,
    pub(super) allow_http: bool,
}

impl Settings {
    /// Validates the options. Fails on values that cannot be used. Does not read the key file; each fetch reads it.
    pub(super) fn new(options: &Resolved) -> Result<Settings> {
        let allow_http = options.oauth2_allow_http;
        let url = |key: &str, text: &Option<String>| {
            let parsed = text.as_ref().map(|text| IssuerUrl::parse(&format!("option {key:?}"), text, allow_http));
            parsed.transpose().map_err(|error| error.see_option(key))
        };
        let issuer = url("oauth2_issuer_url", &options.oauth2_issuer_url)?;
        if issuer.as_ref().is_some_and(|issuer| issuer.path.contains('?')) {
            return Err(Error::option("oauth2_issuer_url", "an issuer has no query"));
        }
        let well_known_path = options.oauth2_well_known_path.clone();
        if !well_known_path.starts_with('/') || well_known_path.contains(char::is_whitespace) {
            let why = format!("expected a path that begins with /, got {well_known_path:?}");
            return Err(Error::option("oauth2_well_known_path", why));
        }
        let client = match &options.oauth2_key_file {
            Some(file) => Client::File(KeyFile::new(file)?),
            None => {
                let id = options.oauth2_client_id.clone().unwrap_or_default();
                Client::Fixed(Identity::new(id, options.oauth2_client_secret.clone()))
            }
        };
        let method = options.oauth2_auth_method;
        let token_endpoint = url("oauth2_token_endpoint", &options.oauth2_token_endpoint)?;
        let tls = tls::issuer_config(options, method == OAuth2AuthMethod::TlsClientAuth);
        let mut known = issuer.iter().chain(&token_endpoint).peekable();
        let is_plain = known.peek().is_some() && known.all(|url| !url.tls) && options.oauth2_ca_file.is_none();
        Ok(Settings {
            // A machine without trust roots can still contact a local issuer.
            tls: if is_plain { tls.ok() } else { Some(tls?) },
            via: [Via::new(options, Protocol::Http, false)?, Via::new(options, Protocol::Http, true)?],
            issuer,
            token_endpoint,
            well_known_path,
            client,
            audience: options.oauth2_audience.clone(),
            scope: options.oauth2_scope.clone(),
            method,
            timeout: options.oauth2_timeout,
            allow_http,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<IssuerUrl> {
        IssuerUrl::parse("option \"oauth2_issuer_url\"", text, false)
    }

    #[test]
    fn an_issuer_is_shown_as_it_was_given_without_its_query() {
        for (text, shown) in [
            ("https://idp.example/realms/x", "https://idp.example/realms/x"),
            ("https://idp.example", "https://idp.example/"),
            ("https://idp.example:443/x?tenant=y", "https://idp.example/x"),
            ("http://localhost:8081/default", "http://localhost:8081/default"),
            ("http://[::1]:8081/", "http://[::1]:8081/"),
            ("http://127.0.0.9/", "http://127.0.0.9/"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn addresses_that_cannot_be_an_issuer_say_why() {
        for (text, says) in [
            ("idp.example", "does not begin with https://"),
            ("ftp://idp.example/", "does not begin with https://"),
            ("https://user:s3cret@idp.example/", "a user or a password"),
            ("https://idp.example/ s3cret", "not a URL"),
            ("https:///x", ""),
            ("http://idp.example/", "oauth2_allow_http"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("oauth2_issuer_url"), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(IssuerUrl::parse("x", "http://idp.example/", true).is_ok());
    }

    #[test]
    fn metadata_is_behind_the_issuer_and_by_rfc_8414_before_its_path() {
        let issuer = parse("https://idp.example/realms/x/").unwrap();
        let of = |path: &str| issuer.well_known(path).to_string();
        let behind = "https://idp.example/realms/x/.well-known/openid-configuration";
        assert_eq!(of("/.well-known/openid-configuration"), behind);
        let before = "https://idp.example/.well-known/oauth-authorization-server/realms/x";
        assert_eq!(of("/.well-known/oauth-authorization-server"), before);
    }
}
