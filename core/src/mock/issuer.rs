//! A small OAuth2 issuer beside the broker, for the client credentials flow, and the check of its tokens.
//!
//! Its tokens have the format of unsigned JSON web tokens, so any mock with the same [`MockOAuth2`] accepts them. One
//! mock may be the issuer, and others the brokers.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::http::{Request, Response, url_decode};
use super::options::MockOAuth2;
use super::wire;

/// The path of the issuer, above its metadata.
pub(super) const PATH: &str = "/oauth2";
const METADATA: &str = "/oauth2/.well-known/openid-configuration";
const TOKEN: &str = "/oauth2/token";

/// Answers a request to the issuer; `None` for another path.
pub(super) fn answer(
    settings: &MockOAuth2,
    origin: &str,
    now_ms: u64,
    request: &Request,
    certified: bool,
) -> Option<Response> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", METADATA) => {
            let metadata = json!({ "issuer": format!("{origin}{PATH}"), "token_endpoint": format!("{origin}{TOKEN}") });
            Some(Response::new(200, "application/json", wire::json(&metadata)))
        }
        ("POST", TOKEN) => Some(token(settings, now_ms, request, certified)),
        (_, METADATA | TOKEN) => Some(Response::page(405, "Method Not Allowed", &request.path)),
        _ => None,
    }
}

fn token(settings: &MockOAuth2, now_ms: u64, request: &Request, certified: bool) -> Response {
    let form = form(&request.body);
    let field = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if field("grant_type") != Some("client_credentials") {
        return refuse(400, "unsupported_grant_type", "the mock issuer knows client_credentials only");
    }
    let by_header = request.header("Authorization").and_then(basic);
    let by_header = by_header.and_then(|(id, secret)| Some((url_decode(&id)?, url_decode(&secret)?)));
    let by_form = || Some((field("client_id")?.to_owned(), field("client_secret")?.to_owned()));
    let shown = by_header.or_else(by_form);
    let is_known = match shown {
        Some((id, secret)) => id == settings.client_id && secret == settings.client_secret,
        // `tls_client_auth` of RFC 8705
        None => certified && field("client_id") == Some(&settings.client_id),
    };
    if !is_known {
        return refuse(401, "invalid_client", "unknown client, or wrong secret");
    }
    let life = settings.token_life.as_millis() as u64;
    let claims = json!({
        "sub": settings.client_id,
        "aud": field("audience").unwrap_or_default(),
        "scope": field("scope").unwrap_or_default(),
        "iat_ms": now_ms,
        "exp_ms": now_ms.saturating_add(life),
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(wire::json(&value));
    let token = format!("{}.{}.", part(json!({ "alg": "none" })), part(claims));
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life as f64 / 1000.0 });
    let mut response = Response::new(200, "application/json", wire::json(&answer));
    response.headers.push(("Cache-Control", "no-store".to_owned()));
    response
}

fn refuse(status: u16, error: &str, description: &str) -> Response {
    let body = json!({ "error": error, "error_description": description });
    Response::new(status, "application/json", wire::json(&body))
}

/// Returns whether `token` is from an issuer with these settings, valid now and for this audience.
pub(super) fn accepts(settings: &MockOAuth2, now_ms: u64, token: &str) -> bool {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    claims.is_some_and(|claims| {
        claims["sub"] == *settings.client_id
            && settings.audience.as_ref().is_none_or(|audience| claims["aud"] == **audience)
            && claims["exp_ms"].as_u64().is_some_and(|end| now_ms < end)
    })
}

/// Returns the user and the password of an `Authorization: Basic`.
pub(super) fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body);
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((url_decode(name)?, url_decode(value)?))
    };
    body.split('&').filter_map(pair).collect()
}
