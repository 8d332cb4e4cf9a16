//! How clients reach and authenticate to servers, for WebSockets and the REST API alike.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use rustls::pki_types::ServerName;

use super::cookies::Jar;
use super::deflate::Offer;
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

/// The options that concern connections.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) dialer: Dialer,
    /// The path prefix of Pulsar's APIs.
    pub(crate) prefix: String,
    pub(crate) auth: Auth,
    pub(crate) token_in: AuthTokenIn,
    pub(crate) trust: Trust,
    pub(crate) timeout: Duration,
    pub(crate) max_frame_bytes: usize,
    /// The compression to offer to WebSocket proxies.
    pub(crate) offer: Option<Offer>,
    /// The hosts that receive the application's own headers.
    hosts: Vec<Host>,
    headers: Headers,
    method_name: Option<HeaderValue>,
    jar: Option<Arc<Jar>>,
}

impl Access {
    /// Returns the access to the servers of a URL that `options` describe. It uses the cookies in `jar` if the options
    /// enable cookies.
    pub(crate) fn new(
        url: &ServiceUrl,
        credentials: &Credentials,
        jar: &Arc<Jar>,
        options: &Resolved,
        protocol: Protocol,
    ) -> Result<Access> {
        let via = Via::new(options, protocol, url.is_tls())?;
        via.proxies.check(url.hosts())?;
        let server_name = options.tls_server_name.clone().map(ServerName::try_from).transpose();
        let method_name = options.auth_method_name.clone().map(HeaderValue::try_from).transpose();
        Ok(Access {
            dialer: Dialer {
                via,
                tls: url.is_tls().then(|| crate::tls::client_config(options)).transpose()?,
                server_name: server_name.map_err(|error| Error::option("tls_server_name", error))?,
                is_gateway: !url.prefix().is_empty(),
            },
            prefix: url.prefix().to_owned(),
            auth: credentials.auth(options)?,
            token_in: options.auth_token_in,
            trust: Trust::new(url, options)?,
            timeout: options.connect_timeout,
            max_frame_bytes: usize::try_from(options.max_frame_bytes).unwrap_or(usize::MAX),
            offer: Offer::new(options),
            hosts: url.hosts().to_vec(),
            headers: Headers::new(options)?,
            method_name: method_name.map_err(|error| Error::option("auth_method_name", error))?,
            jar: options.cookies.then(|| jar.clone()),
        })
    }

    /// Returns the headers of a request for `path` on `host` that authenticate the client, and the application's own
    /// headers.
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
        // A broker that a redirect names is trusted with the token, but not with what is meant for the gateway.
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

    /// Returns the explanation to append to the message of a server that answers `status`.
    pub(crate) fn explain(&self, status: u16) -> String {
        match status == 401 && matches!(self.auth, Auth::None) && self.headers.authorize() {
            true => "; the Authorization among the headers of the application is not accepted".into(),
            false => self.auth.explain(status),
        }
    }

    /// Handles the headers of a response to a request for `path`.
    pub(crate) fn heard(&self, host: &Host, path: &str, headers: &HeaderMap) {
        if let Some(jar) = &self.jar {
            jar.take(host, path, headers);
        }
    }

    /// Handles the end of an attempt to connect to `host`.
    pub(crate) fn tried(&self, host: &Host, connected: bool) {
        if let Some(jar) = &self.jar {
            jar.tried(host, connected);
        }
    }
}

fn value(text: String) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::new(ErrorKind::Internal, "a header that cannot be sent"))
}
