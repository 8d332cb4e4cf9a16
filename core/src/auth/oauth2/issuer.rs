//! The requests to an OAuth2 issuer: for its metadata, and for a token.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, LOCATION, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::key_file::Identity;
use super::settings::{Client, IssuerUrl, Settings};
use crate::auth::failed;
use crate::auth::token::is_token;
use crate::error::{Error, ErrorKind, Result};
use crate::net::dial::{Dialer, dial};
use crate::net::http1::{self, Response, broken};
use crate::net::steps::Steps;
use crate::net::{self};
use crate::options::OAuth2AuthMethod;
use crate::topic::percent_encode;

/// The maximum length of an answer.
const MAX_ANSWER: usize = 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
/// The maximum length of an issuer's text that an error quotes.
const MAX_SHOWN: usize = 500;

/// A token, and how long it is valid if the issuer says so.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) token: Arc<str>,
    pub(super) life: Option<Duration>,
}

/// An issuer, and what its metadata contained.
pub(super) struct Issuer {
    settings: Settings,
    discovered: Mutex<Option<IssuerUrl>>,
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.settings.issuer, &self.settings.token_endpoint, &self.settings.client) {
            (Some(url), _, _) | (None, Some(url), _) => write!(f, "{url}"),
            (None, None, Client::File(file)) => write!(f, "of {file}"),
            (None, None, Client::Fixed(_)) => f.write_str("without an address"),
        }
    }
}

impl Issuer {
    pub(super) fn new(settings: Settings) -> Issuer {
        Issuer { settings, discovered: Mutex::default() }
    }

    /// Fetches a token, within `oauth2_timeout`.
    pub(super) async fn grant(&self) -> Result<Grant> {
        let limit = self.settings.timeout;
        let steps = Steps::default();
        let asked = tokio::time::timeout(limit, self.ask(&steps)).await;
        let outcome = asked.unwrap_or_else(|_| Err(self.explained(steps.late(limit, "oauth2_timeout"))));
        if outcome.is_err() {
            // The endpoint may have moved.
            self.discovered().take();
        }
        outcome
    }

    fn discovered(&self) -> std::sync::MutexGuard<'_, Option<IssuerUrl>> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, steps: &Steps) -> Result<Grant> {
        let identity = match &self.settings.client {
            Client::Fixed(identity) => identity.clone(),
            Client::File(file) => file.read().await?,
        };
        let endpoint = self.endpoint(&identity, steps).await?;
        let answer = self.exchange(&endpoint, self.token_request(&endpoint, &identity)?, steps).await?;
        match answer.status {
            200..=299 => grant_of(&endpoint, &answer.body),
            status => Err(self.refusal(&endpoint, &identity, status, &answer.body)),
        }
    }

    /// Returns the URL that issues tokens.
    async fn endpoint(&self, identity: &Identity, steps: &Steps) -> Result<IssuerUrl> {
        if let Some(endpoint) = self.settings.token_endpoint.clone().or_else(|| self.discovered().clone()) {
            return Ok(endpoint);
        }
        let issuer = match (&self.settings.issuer, &identity.issuer_url) {
            (Some(issuer), _) => issuer.clone(),
            (None, Some(url)) => {
                let source = "issuer_url in the OAuth2 key file";
                IssuerUrl::parse(source, url, self.settings.allow_http).map_err(|error| failed(error.message()))?
            }
            (None, None) => {
                return Err(failed("the OAuth2 key file has no issuer_url: give oauth2_issuer_url"));
            }
        };
        let endpoint = self.discover(issuer.well_known(&self.settings.well_known_path), steps).await?;
        *self.discovered() = Some(endpoint.clone());
        Ok(endpoint)
    }

    /// Reads the metadata, following redirects within the same origin, and returns the token endpoint.
    async fn discover(&self, mut url: IssuerUrl, steps: &Steps) -> Result<IssuerUrl> {
        let odd = |url: &IssuerUrl, why: String| {
            let hint = "give oauth2_issuer_url as its documentation has it, or oauth2_token_endpoint";
            Error::new(ErrorKind::Protocol, format!("the metadata of the OAuth2 issuer at {url} {why}; {hint}"))
        };
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.exchange(&url, request(&url, Method::GET, &[], String::new())?, steps).await?;
            match answer.status {
                200..=299 => {
                    let metadata: Option<Value> = serde_json::from_slice(&answer.body).ok();
                    let endpoint = metadata.as_ref().and_then(|metadata| metadata["token_endpoint"].as_str());
                    let endpoint = endpoint.ok_or_else(|| odd(&url, "have no token_endpoint".into()))?;
                    let source = format!("token_endpoint in the metadata of the OAuth2 issuer at {url}");
                    return IssuerUrl::parse(&source, endpoint, self.settings.allow_http)
                        .map_err(|error| Error::new(ErrorKind::Protocol, error.message()));
                }
                301 | 302 | 303 | 307 | 308 => {
                    let next = redirected(&url, &answer.headers);
                    let next = next.filter(|next| next.has_origin_of(&url));
                    url = next.ok_or_else(|| odd(&url, "redirect to another host, which is not followed".into()))?;
                }
                status @ (429 | 500..) => return Err(unavailable(&url, status)),
                status => return Err(odd(&url, format!("cannot be read (HTTP {status})"))),
            }
        }
        Err(odd(&url, format!("redirect more than {MAX_REDIRECTS} times")))
    }

    fn token_request(&self, endpoint: &IssuerUrl, identity: &Identity) -> Result<Request<String>> {
        let settings = &self.settings;
        let secret = match (settings.method, &identity.client_secret) {
            (OAuth2AuthMethod::TlsClientAuth, _) => None,
            (_, Some(secret)) => Some(secret),
            (_, None) => return Err(failed("the OAuth2 key file has no client_secret")),
        };
        let mut form = vec![("grant_type", "client_credentials")];
        let mut headers = vec![(CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned())];
        match (settings.method, secret) {
            (OAuth2AuthMethod::ClientSecretBasic, Some(secret)) => {
                // RFC 6749, section 2.3.1: both are first encoded as in a form.
                let pair = format!("{}:{}", percent_encode(&identity.client_id), percent_encode(secret));
                headers.push((AUTHORIZATION, format!("Basic {}", STANDARD.encode(pair))));
            }
            (_, secret) => {
                form.push(("client_id", &identity.client_id));
                form.extend(secret.map(|secret| ("client_secret", secret.as_str())));
            }
        }
        form.extend(settings.audience.as_deref().map(|audience| ("audience", audience)));
        let scope = settings.scope.as_deref().or(identity.scope.as_deref());
        form.extend(scope.map(|scope| ("scope", scope)));
        let fields: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
        request(endpoint, Method::POST, &headers, fields.join("&"))
    }

    /// Sends a request over a new connection and returns the response.
    async fn exchange(&self, url: &IssuerUrl, request: Request<String>, steps: &Steps) -> Result<Response> {
        let tls = match (url.tls, &self.settings.tls) {
            (true, None) => return Err(failed(format!("{url} needs trust roots: name a CA with oauth2_ca_file"))),
            (true, config) => config.clone(),
            (false, _) => None,
        };
        let unreachable = |error: Error| {
            let why = in_terms_of_an_issuer(&error.to_string());
            let unreached = Error::new(error.kind(), format!("the OAuth2 issuer {url} could not be reached: {why}"));
            if error.is_final() { unreached.not_retriable() } else { unreached }
        };
        let via = self.settings.via[usize::from(url.tls)].clone();
        let dialer = Dialer { via, tls, server_name: None, is_gateway: false };
        let link = dial(&url.host, &dialer, steps).await.map_err(unreachable)?;
        steps.enter(format!("the OAuth2 issuer {url} did not answer"));
        let broken = |error| unreachable(broken(&url.host, url.tls, error));
        let (mut sender, connection) = http1::builder().handshake(TokioIo::new(link)).await.map_err(broken)?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let body = http1::read(&url.host, url.tls, body, MAX_ANSWER, "").await;
        connection.abort();
        let body = body.map_err(unreachable)?;
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Returns the timeout error, with the issuer if the step does not name it.
    fn explained(&self, late: Error) -> Error {
        match late.message().contains("OAuth2 issuer") {
            true => late,
            false => Error::new(late.kind(), format!("the OAuth2 issuer {self}: {}", late.message())),
        }
    }

    /// Returns the error of a token endpoint that issued no token.
    fn refusal(&self, url: &IssuerUrl, identity: &Identity, status: u16, body: &[u8]) -> Error {
        if status == 429 || status >= 500 {
            return unavailable(url, status);
        }
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let code = answer["error"].as_str().unwrap_or_default();
        let description = answer["error_description"].as_str().unwrap_or_default();
        let words = match (code, description) {
            ("", _) => "it gives no reason".to_owned(),
            (code, "") => code.to_owned(),
            (code, description) => format!("{code}: {description}"),
        };
        let words = shown(&words, identity);
        if !matches!(status, 400 | 401 | 403) {
            let hint = "is it the URL of its token endpoint?";
            let text =
                format!("the OAuth2 issuer {url} answered the request for a token with {status}, {words}; {hint}");
            return Error::new(ErrorKind::Protocol, text);
        }
        let source = match &self.settings.client {
            Client::Fixed(_) => "oauth2_client_id and oauth2_client_secret".to_owned(),
            Client::File(file) => format!("the key file {file}"),
        };
        let check = match code {
            "invalid_scope" => "oauth2_scope".to_owned(),
            "invalid_target" | "access_denied" | "invalid_request" => "oauth2_audience and oauth2_scope".to_owned(),
            _ => source,
        };
        let id = shown(&identity.client_id, identity);
        failed(format!("the OAuth2 issuer {url} refuses the client {id:?} ({status}): {words}; check {check}"))
            .with_http_status(status)
    }
}

/// Rewords a connection error, whose text otherwise concerns Pulsar's servers.
fn in_terms_of_an_issuer(text: &str) -> String {
    let terms = [
        ("tls_ca_file", "oauth2_ca_file"),
        (": connect to one of them, or name it with tls_server_name", ": use one of them in the issuer's URL"),
        (", or tls_server_name", ""),
        ("wss://", "https://"),
        ("ws://", "http://"),
    ];
    terms.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Returns an issuer's text, shortened, and without the secret if the issuer repeats it.
fn shown(text: &str, identity: &Identity) -> String {
    let secret = identity.client_secret.as_deref().filter(|secret| !secret.is_empty());
    let text = secret.map_or_else(|| text.to_owned(), |secret| text.replace(secret, "(secret)"));
    text.chars().filter(|character| !character.is_control()).take(MAX_SHOWN).collect()
}

fn unavailable(url: &IssuerUrl, status: u16) -> Error {
    let why = if status == 429 { "is asked too often" } else { "is not available" };
    Error::new(ErrorKind::Connect, format!("the OAuth2 issuer {url} {why} (HTTP {status})"))
}

fn request(
    url: &IssuerUrl,
    method: Method,
    headers: &[(hyper::header::HeaderName, String)],
    body: String,
) -> Result<Request<String>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(&url.path)
        .header(HOST, url.authority())
        .header(USER_AGENT, net::USER_AGENT)
        .header(ACCEPT, "application/json");
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(body).map_err(|_| Error::invalid(format!("{url} cannot be asked for")))
}

fn redirected(from: &IssuerUrl, headers: &HeaderMap) -> Option<IssuerUrl> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    match location.starts_with('/') && !location.starts_with("//") {
        true => Some(IssuerUrl { path: location.to_owned(), ..from.clone() }),
        // Plain HTTP is a different origin from HTTPS, and is allowed only if it was before.
        false => IssuerUrl::parse("Location", location, !from.tls).ok(),
    }
}

fn grant_of(url: &IssuerUrl, body: &[u8]) -> Result<Grant> {
    let odd = |why: &str| {
        let text = format!("the OAuth2 issuer {url} {why}; is it the URL of its token endpoint?");
        Error::new(ErrorKind::Protocol, text)
    };
    let answer: Value = serde_json::from_slice(body).map_err(|_| odd("answers in what is not JSON"))?;
    let token = answer["access_token"].as_str().ok_or_else(|| odd("answers without an access_token"))?;
    if !is_token(token) {
        return Err(odd("gives an access_token that cannot be sent: it is empty or not printable ASCII"));
    }
    // Some issuers send the number as a string.
    let seconds = match &answer["expires_in"] {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let life = seconds.filter(|seconds| *seconds >= 1.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Grant { token: token.into(), life })
}
