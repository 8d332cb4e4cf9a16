//! Authentication to the broker: tokens, users with passwords, tokens of its issuer, client certificates.

use super::http::Request;
use super::issuer;
use super::options::MockOptions;
use super::topics::Refusal;

/// Returns why a request is refused; `None` if it is allowed.
pub(super) fn check(options: &MockOptions, now_ms: u64, request: &Request, certified: bool) -> Option<Refusal> {
    let (accepted, forbidden) = (&options.tokens, &options.forbidden_tokens);
    if accepted.is_empty() && forbidden.is_empty() && options.users.is_empty() && options.oauth2.is_none() {
        return None;
    }
    let unknown = || Some(Refusal::new(401, "Authentication required"));
    // the header takes precedence, and its prefix is case-sensitive
    let token = match (request.header("Authorization"), request.parameter("token")) {
        (Some(header), _) if header.starts_with("Basic ") => {
            let known = issuer::basic(header).is_some_and(|shown| options.users.contains(&shown));
            return if known { None } else { unknown() };
        }
        (Some(header), _) => header.strip_prefix("Bearer "),
        (None, Some(token)) => Some(token.strip_prefix("Bearer ").unwrap_or(token)),
        (None, None) if certified => return None,
        (None, None) => None,
    };
    let Some(token) = token else { return unknown() };
    let granted = || options.oauth2.as_ref().is_some_and(|settings| issuer::accepts(settings, now_ms, token));
    if accepted.iter().any(|known| known == token) || granted() {
        return None;
    }
    match forbidden.iter().any(|known| known == token) {
        true => Some(Refusal::new(403, "Not authorized")),
        false => unknown(),
    }
}
