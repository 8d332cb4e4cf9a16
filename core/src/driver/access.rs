//! How the servers are reached, and how they let the client in: for WebSockets and the REST API alike.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use rustls::pki_types::ServerName;

use super::cookies::Jar;
use super::redirect::Trust;
use crate::auth::{Auth, Credentials};
use crate::error::{Error, ErrorKind, Result};
use crate::headers::Headers;
use crate::net::USER_AGENT as OURSELVES;
use crate::net::dial::{Dialer, Via};
use crate::net::steps::Steps;
use crate::options::{AuthTokenIn, Resolved};
use crate::proxy::Protocol;
use crate::topic::{Host, ServiceUrl};

/// Selects the broker's provider of authentication.
const METHOD_NAME: HeaderName = HeaderName::from_static("x-pulsar-auth-method-name");

/// What the options say about connections.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) dialer: Dialer,
    /// What goes before the paths of Pulsar's APIs.
    pub(crate) prefix: String,
    pub(crate) auth: Auth,
    pub(crate) token_in: AuthTokenIn,
    pub(crate) trust: Trust,
    pub(crate) timeout: Duration,
    pub(crate) max_frame_bytes: usize,
    /// Those to which the application's own headers are sent.
    hosts: Vec<Host>,
    headers: Headers,
    method_name: Option<HeaderValue>,
    jar: Option<Arc<Jar>>,
}

impl Access {
    /// How `options` say that the servers of a URL are reached, with the cookies in `jar` if they want any.
    pub(crate) fn new(
        url: &ServiceUrl,
        credentials: &Credentials,
        jar: &Arc<Jar>,
        options: &Resolved,
        protocol: Protocol,
    ) -> Result<Access> {
        let via = Via::new(options, protocol, url.is_tls())?;
        via.proxies.check(url.hosts())?;
        let bad = |key: &str, error: &dyn std::fmt::Display| Error::invalid(format!("option {key:?}: {error}"));
        let server_name = options.tls_server_name.clone().map(ServerName::try_from).transpose();
        let method_name = options.auth_method_name.clone().map(HeaderValue::try_from).transpose();
        Ok(Access {
            dialer: Dialer {
                via,
                tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
                server_name: server_name.map_err(|error| bad("tls_server_name", &error))?,
                is_gateway: !url.prefix().is_empty(),
            },
            prefix: url.prefix().to_owned(),
            auth: credentials.auth(options)?,
            token_in: options.auth_token_in,
            trust: Trust::new(url, options)?,
            timeout: options.connect_timeout,
            max_frame_bytes: usize::try_from(options.max_frame_bytes).unwrap_or(usize::MAX),
            hosts: url.hosts().to_vec(),
            headers: Headers::new(options)?,
            method_name: method_name.map_err(|error| bad("auth_method_name", &error))?,
            jar: options.cookies.then(|| jar.clone()),
        })
    }

    /// The headers of a request for `path` on `host` that say who asks, and for whom.
    pub(crate) async fn headers(
        &self,
        host: &Host,
        path: &str,
        authorization: Option<&str>,
        steps: &Steps,
    ) -> Result<HeaderMap> {
        let tls = self.dialer.tls.is_some();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, value(host.authority(tls))?);
        headers.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
        // Whoever a broker redirects to is trusted with the token, and with nothing that is for the gateway.
        if self.hosts.contains(host) {
            steps.enter("the headers function gave no headers");
            self.headers.add_to(&mut headers).await?;
        }
        if let Some(authorization) = authorization {
            let mut authorization = value(authorization.to_owned())?;
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        if let Some(name) = &self.method_name {
            headers.insert(METHOD_NAME, name.clone());
        }
        if let Some(cookies) = self.jar.as_ref().and_then(|jar| jar.header(host, path, tls)) {
            headers.insert(COOKIE, value(cookies)?);
        }
        Ok(headers)
    }

    /// Returns what to add to the words of a server that answers `status`.
    pub(crate) fn explain(&self, status: u16) -> String {
        match status == 401 && matches!(self.auth, Auth::None) && self.headers.authorize() {
            true => "; the Authorization among the headers of the application is not accepted".into(),
            false => self.auth.explain(status),
        }
    }

    /// A response came to a request for `path`, with these headers.
    pub(crate) fn heard(&self, host: &Host, path: &str, headers: &HeaderMap) {
        if let Some(jar) = &self.jar {
            jar.take(host, path, headers);
        }
    }

    /// An attempt to connect to `host` has ended.
    pub(crate) fn tried(&self, host: &Host, connected: bool) {
        if let Some(jar) = &self.jar {
            jar.tried(host, connected);
        }
    }
}

fn value(text: String) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::new(ErrorKind::Internal, "a header that cannot be sent"))
}
