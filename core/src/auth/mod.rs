//! How the client authenticates itself to Pulsar: with a token, with HTTP Basic, or with the token of an OAuth2 issuer.

mod basic;
mod oauth2;
pub(crate) mod plugin;
mod token;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use self::basic::Basic;
use self::oauth2::TokenCache;
use self::token::TokenSource;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Log;
use crate::net::steps::Steps;
use crate::options::{Options, Resolved};

/// The authentication method of a connection.
#[derive(Clone)]
pub(crate) enum Auth {
    None,
    Token(TokenSource),
    Basic(Basic),
    OAuth2(Arc<TokenCache>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Token(_) => "Token",
            Auth::Basic(_) => "Basic",
            Auth::OAuth2(_) => "OAuth2",
        })
    }
}

impl Auth {
    /// Returns the explanation to append to the message of a server that answers `status`.
    pub(crate) fn explain(&self, status: u16) -> String {
        match self {
            _ if status != 401 => String::new(),
            Auth::None => "; no token was given (option auth_token, auth_token_file or oauth2_key_file)".into(),
            Auth::Token(_) => "; the token that was given is not accepted".into(),
            Auth::Basic(basic) => format!("; the password of {:?} is not accepted (option basic_user)", basic.user()),
            Auth::OAuth2(cache) => format!(
                "; the token of the OAuth2 issuer {} is not accepted: does the server trust this issuer, and is \
                 oauth2_audience what it expects?",
                cache.issuer()
            ),
        }
    }

    /// Returns the value of the `Authorization` header. `limit` applies to files and functions, `oauth2_timeout` to an
    /// OAuth2 issuer.
    pub(crate) async fn header(&self, limit: Duration) -> Result<Option<String>> {
        match self {
            Auth::None => Ok(None),
            Auth::Token(source) => {
                let token = self.within(limit, source.token()).await?;
                Ok(Some(format!("Bearer {token}")))
            }
            Auth::Basic(basic) => self.within(limit, basic.header()).await.map(Some),
            Auth::OAuth2(cache) => Ok(Some(format!("Bearer {}", cache.token().await?))),
        }
    }

    /// Returns the report of a timeout during [`Auth::header`].
    pub(crate) fn unfinished(&self) -> String {
        match self {
            Auth::None => "the credential was not ready".into(),
            Auth::Token(source) => source.unfinished(),
            Auth::Basic(basic) => basic.unfinished(),
            Auth::OAuth2(cache) => format!("the OAuth2 issuer {} gave no token", cache.issuer()),
        }
    }

    async fn within(&self, limit: Duration, work: impl Future<Output = Result<String>>) -> Result<String> {
        let steps = Steps::default();
        steps.enter(self.unfinished());
        steps.within(limit, work).await
    }

    /// Records that a server answered 401 to `header`. Returns whether a new header may succeed.
    pub(crate) fn renew(&self, header: Option<&str>) -> bool {
        match (self, header.and_then(|header| header.strip_prefix("Bearer "))) {
            (Auth::OAuth2(cache), Some(token)) => cache.rejected(token),
            _ => false,
        }
    }
}

/// The credentials of a client. Handles with the same OAuth2 options share one token.
pub(crate) struct Credentials {
    log: Log,
    caches: Mutex<Vec<(Options, Weak<TokenCache>)>>,
}

impl Credentials {
    pub(crate) fn new(log: Log) -> Credentials {
        Credentials { log, caches: Mutex::default() }
    }

    /// Returns the authentication method that `options` configure.
    pub(crate) fn auth(&self, options: &Resolved) -> Result<Auth> {
        if options.given.uses_oauth2() {
            return self.oauth2(options).map(Auth::OAuth2);
        }
        let source = TokenSource::new(options).map(Auth::Token);
        Ok(source.or_else(|| Basic::new(options).map(Auth::Basic)).unwrap_or(Auth::None))
    }

    fn oauth2(&self, options: &Resolved) -> Result<Arc<TokenCache>> {
        let relevant = options.given.of_issuer();
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|(_, cache)| cache.strong_count() > 0);
        let known = caches.iter().find(|(known, _)| *known == relevant);
        if let Some(cache) = known.and_then(|(_, cache)| cache.upgrade()) {
            return Ok(cache);
        }
        let cache = TokenCache::new(options, self.log.clone())?;
        caches.push((relevant, Arc::downgrade(&cache)));
        Ok(cache)
    }

    /// Stops the renewal of tokens.
    pub(crate) fn close(&self) {
        for (_, cache) in self.caches.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(cache) = cache.upgrade() {
                cache.close();
            }
        }
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

type Read = std::result::Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// Runs `work` where it may block. `what` is the subject of an error, such as `reading the token file /t`.
async fn blocking(what: &str, work: impl FnOnce() -> Read + Send + 'static) -> Result<String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| failed(format!("{what} failed: {error}"))),
        Err(_) => Err(failed(format!("{what} failed: it panicked"))),
    }
}
