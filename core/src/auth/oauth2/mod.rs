//! Tokens of an OAuth2 issuer (client credentials, RFC 6749 section 4.4). All handles with the same options share one
//! token. The client makes one fetch at a time, and renews the token in the background while it is still valid.

mod issuer;
mod key_file;
mod settings;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use self::issuer::{Grant, Issuer};
use self::settings::Settings;
use crate::error::{Error, Result};
use crate::log::{Level, Log};
use crate::options::Resolved;
use crate::proto::backoff::Backoff;

/// How long a token without `expires_in` is used, and how long a replacement for a refused token is kept. This limits
/// how often a server's answers can make a client contact its issuer.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// Bounds of the delay between failed fetches. It doubles up to `BACKOFF_MAX` while a token is still valid, and up to
/// `WANTED_BACKOFF_MAX` while connections wait for one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(300);
const WANTED_BACKOFF_MAX: Duration = Duration::from_secs(1);

type Fetch = Shared<BoxFuture<'static, Result<Arc<str>>>>;

/// A token, and everything needed to get the next one.
pub(crate) struct TokenCache {
    issuer: Issuer,
    /// The part of its life after which a token is renewed.
    refresh: f64,
    log: Log,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    fetching: Option<Fetch>,
    refresher: Option<AbortHandle>,
    /// The number of consecutive failed fetches, and when the last one failed.
    failures: u32,
    failed_at: Option<Instant>,
    /// Whether a server refused the last token.
    refused: bool,
    closed: bool,
}

struct Held {
    token: Arc<str>,
    since: Instant,
    /// How long the token is valid, if the issuer says so.
    life: Option<Duration>,
    /// Whether it replaced a token that a server refused.
    replaces_refused: bool,
}

impl Held {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < self.life.unwrap_or(AT_MOST_EVERY)
    }

    /// Returns whether the token may still be valid although a new one is due.
    fn may_be_good(&self) -> bool {
        self.life.is_none_or(|life| self.since.elapsed() < life)
    }
}

impl TokenCache {
    /// Creates a cache without fetching a token. Fails on options that cannot be used.
    pub(super) fn new(options: &Resolved, log: Log) -> Result<Arc<TokenCache>> {
        let issuer = Issuer::new(Settings::new(options)?);
        Ok(Arc::new(TokenCache { issuer, refresh: options.oauth2_refresh, log, state: Mutex::default() }))
    }

    /// Returns the address of the issuer, for errors.
    pub(super) fn issuer(&self) -> String {
        self.issuer.to_string()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a valid token, after a fetch if necessary. Must be called on the runtime.
    pub(super) async fn token(self: &Arc<TokenCache>) -> Result<Arc<str>> {
        let fetch = {
            let mut state = self.state();
            if let Some(held) = state.held.as_ref().filter(|held| held.is_fresh()) {
                return Ok(held.token.clone());
            }
            self.fetch(&mut state)
        };
        fetch.await.or_else(|error| {
            // A token of unknown lifetime may still be valid: the server decides.
            let state = self.state();
            let held = state.held.as_ref().filter(|held| held.may_be_good() && error.http_status().is_none());
            held.map(|held| held.token.clone()).ok_or(error)
        })
    }

    /// Records that a server refused `token`. Returns whether another token may be available.
    pub(super) fn rejected(&self, token: &str) -> bool {
        let mut state = self.state();
        match &state.held {
            Some(held) if *held.token != *token => return true,
            Some(held) if held.replaces_refused && held.since.elapsed() < AT_MOST_EVERY => return false,
            _ => {}
        }
        if state.held.take().is_some() {
            state.refused = true;
        }
        true
    }

    /// Joins the current fetch, or starts one. The fetch continues even if nobody waits for it any more.
    fn fetch(self: &Arc<TokenCache>, state: &mut State) -> Fetch {
        if let Some(fetch) = state.fetching.as_ref().filter(|fetch| fetch.peek().is_none()) {
            return fetch.clone();
        }
        let wait = state.failed_at.map_or(Duration::ZERO, |failed_at| {
            let bound =
                BACKOFF_MIN.saturating_mul(1 << state.failures.saturating_sub(1).min(20)).min(WANTED_BACKOFF_MAX);
            bound.saturating_sub(failed_at.elapsed())
        });
        let (done, outcome) = oneshot::channel();
        let cache = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let granted = cache.issuer.grant().await;
            // The token is kept even if nobody waits for it any more.
            let _ = done.send(cache.store(granted));
        });
        let fetch = async move { outcome.await.unwrap_or_else(|_| Err(Error::closed())) }.boxed().shared();
        state.fetching = Some(fetch.clone());
        fetch
    }

    fn store(self: &Arc<TokenCache>, granted: Result<Grant>) -> Result<Arc<str>> {
        let mut state = self.state();
        state.fetching = None;
        match granted {
            Ok(Grant { token, life }) => {
                state.failures = 0;
                state.failed_at = None;
                let replaces_refused = std::mem::take(&mut state.refused);
                state.held = Some(Held { token: token.clone(), since: Instant::now(), life, replaces_refused });
                self.keep_fresh(&mut state);
                drop(state);
                let validity = life.map_or("for a time that it does not tell".into(), |life| format!("for {life:?}"));
                self.log
                    .write(Level::Debug, &format!("the OAuth2 issuer {} gave a token, valid {validity}", self.issuer));
                Ok(token)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                state.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    /// Starts the task that renews the token, unless it is running.
    fn keep_fresh(self: &Arc<TokenCache>, state: &mut State) {
        let runs = state.refresher.as_ref().is_some_and(|task| !task.is_finished());
        if !runs && !state.closed && self.refresh < 1.0 && state.until_refresh(self.refresh).is_some() {
            state.refresher = Some(tokio::spawn(renew(Arc::downgrade(self))).abort_handle());
        }
    }

    /// Stops the renewal. Handles that are still open may fetch a token.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        if let Some(refresher) = state.refresher.take() {
            refresher.abort();
        }
    }
}

impl Drop for TokenCache {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    /// Returns how long until the token must be renewed; `None` without a renewable token.
    fn until_refresh(&self, part: f64) -> Option<Duration> {
        let held = self.held.as_ref()?;
        Some(held.life?.mul_f64(part).saturating_sub(held.since.elapsed()))
    }
}

/// Renews the token whenever it is due, until the cache is dropped.
async fn renew(cache: Weak<TokenCache>) {
    let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX, RandomState::new().hash_one(0));
    loop {
        let Some(wait) = cache.upgrade().and_then(|cache| cache.state().until_refresh(cache.refresh)) else { return };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
            continue; // The token may have been replaced meanwhile.
        }
        let Some(strong) = cache.upgrade() else { return };
        let fetch = strong.fetch(&mut strong.state());
        let Err(error) = fetch.await else {
            backoff.reset();
            continue;
        };
        let wait = backoff.next();
        strong
            .log
            .write(Level::Warn, &format!("the OAuth2 token could not be renewed: {error}; next attempt in {wait:?}"));
        drop(strong);
        tokio::time::sleep(wait).await;
    }
}
