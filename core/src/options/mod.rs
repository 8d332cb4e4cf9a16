//! All options of the library, in one table: key, type, range, default, query parameter and meaning of each.
//!
//! The table defines the Rust setters of [`Options`], the `key=value` options of C and the keyword arguments of Python.
//! It also defines `docs/configuration.md` and all checks, so that they always agree.

mod choices;
mod credentials;
mod describe;
mod gateway;
mod headers;
mod json;
mod spec;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::connection_state::{StateChange, StateListener};
use crate::crypto_key_reader::CryptoKeyReader;
use crate::error::{Error, Result};
use crate::headers_supplier::HeadersSupplier;
use crate::log::LogSink;
use crate::proxy::Environment;
use crate::query::Query;
use crate::token_supplier::TokenSupplier;

pub use choices::*;
pub use describe::{describe, markdown};
pub(crate) use headers::{header_map, of_lines};
pub use spec::{Kind, OptionSpec, Roles};
pub(crate) use table::Resolved;
pub use table::{OPTIONS, find};

use spec::{Setting, Value, check, parse};

/// Returns the error of an option that cannot be combined with others.
fn refuse(key: &str, why: impl Into<String>) -> Result<()> {
    Err(Error::invalid(why).see_option(key))
}

/// Options for a client or for what it opens. Unset options have the defaults of the table.
///
/// ```
/// use std::time::Duration;
/// use stargate_core::{Options, SubscriptionType};
///
/// let options = Options::new().subscription_type(SubscriptionType::Shared).ack_timeout(Duration::from_secs(30));
/// // the same by key, as C and configuration files do it
/// let mut by_key = Options::new();
/// by_key.set("subscription_type", "shared")?;
/// by_key.set("ack_timeout", "30000")?;
/// assert_eq!(by_key, options);
/// # Ok::<(), stargate_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Options {
    values: BTreeMap<&'static str, Value>,
    pub(crate) token_supplier: Option<Arc<dyn TokenSupplier>>,
    pub(crate) headers_supplier: Option<Arc<dyn HeadersSupplier>>,
    pub(crate) crypto_key_reader: Option<Arc<dyn CryptoKeyReader>>,
    pub(crate) on_state: Option<StateListener>,
    pub(crate) log: Option<Arc<dyn LogSink>>,
    /// A snapshot of the variables that name proxies, taken when the client was created.
    pub(crate) environment: Option<Arc<Environment>>,
    pub(crate) polled: bool,
}

impl Options {
    /// Creates options of which none is set.
    pub fn new() -> Options {
        Options::default()
    }

    fn with(mut self, key: &'static str, value: Value) -> Options {
        self.values.insert(key, value);
        self
    }

    /// Sets `key` from text, as C and configuration files do. An error names the nearest key, or the legal values.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let spec = find(key)?;
        let parsed = parse(spec, value)?;
        check(spec, &parsed)?;
        self.values.insert(spec.key, parsed);
        Ok(())
    }

    /// Sets a producer's option from the server's query parameter, unless it is already set.
    pub(crate) fn set_parameter(&mut self, parameter: &str, value: &str) -> Result<()> {
        if parameter == "token" {
            return match self.authenticates() {
                true => Ok(()),
                false => self.set("auth_token", value),
            };
        }
        let of_producer = |spec: &&OptionSpec| spec.parameters.contains(&(Roles::PRODUCER, parameter));
        let Some(spec) = OPTIONS.iter().find(of_producer) else {
            return Err(Error::invalid(format!("the server has no parameter {parameter:?} for producers")));
        };
        if self.is_set(spec.key) {
            return Ok(());
        }
        let word = match spec.kind {
            Kind::Choice(words) => words.iter().find(|(_, wire)| *wire == value).map(|(word, _)| *word),
            _ => None,
        };
        self.set(spec.key, word.unwrap_or(value))
    }

    /// Calls `supplier` for the token at each connect. Replaces `auth_token` and `auth_token_file`.
    #[must_use]
    pub fn token_supplier(mut self, supplier: impl TokenSupplier + 'static) -> Options {
        self.token_supplier = Some(Arc::new(supplier));
        self
    }

    /// Adds a header to those of the option `headers`. It is checked when the options are used.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Options {
        // A line cannot contain a line break; the carriage return that replaces it here is refused.
        let line = format!("{name}: {value}").replace('\n', "\r");
        let lines = match self.values.remove("headers") {
            Some(Value::Text(lines)) => format!("{lines}\n{line}"),
            _ => line,
        };
        self.with("headers", Value::Text(lines))
    }

    /// Adds a header like [`Options::header`], and checks it immediately. Returns an error if it is invalid.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<()> {
        header_map([(name, value)].into_iter()).map_err(Error::invalid)?;
        *self = std::mem::take(self).header(name, value);
        Ok(())
    }

    /// Calls `supplier` for headers at each connect and each REST request, in addition to the option `headers`.
    #[must_use]
    pub fn headers_supplier(mut self, supplier: impl HeadersSupplier + 'static) -> Options {
        self.headers_supplier = Some(Arc::new(supplier));
        self
    }

    /// Calls `reader` for the keys of end-to-end encryption. Replaces the options that name key files. Applies to a
    /// producer, which also needs `encryption_key`, or to a consumer, which then decrypts. It is not inherited from the
    /// client.
    #[must_use]
    pub fn crypto_key_reader(mut self, reader: impl CryptoKeyReader + 'static) -> Options {
        self.crypto_key_reader = Some(Arc::new(reader));
        self
    }

    /// Calls `listener` whenever a connection of the handle changes its state. It runs on the client's callback thread.
    #[must_use]
    pub fn on_state(mut self, listener: impl Fn(&StateChange) + Send + Sync + 'static) -> Options {
        self.on_state = Some(Arc::new(listener));
        self
    }

    /// Runs a client's callbacks and handlers in [`Client::poll_callbacks`](crate::Client::poll_callbacks) instead of
    /// on a thread of the library. Intended for programs with an event loop. It is not a key of the table, because it
    /// concerns how a program is written and not how it is configured.
    #[must_use]
    pub fn poll_callbacks(mut self) -> Options {
        self.polled = true;
        self
    }

    /// Returns whether [`Options::poll_callbacks`] is on.
    pub fn polls_callbacks(&self) -> bool {
        self.polled
    }

    /// Sends every log record of the client to `sink`, in addition to `tracing`.
    #[must_use]
    pub fn log_sink(mut self, sink: impl LogSink + 'static) -> Options {
        self.log = Some(Arc::new(sink));
        self
    }

    /// Returns these options, with those of `base` where they are not set. An authentication method replaces that of
    /// `base`.
    #[must_use]
    pub fn or(&self, base: &Options) -> Options {
        let mut merged = self.clone();
        for (key, value) in &base.values {
            merged.values.entry(key).or_insert_with(|| value.clone());
        }
        merged.keep_one_way(self, base);
        merged.keep_one_source(self);
        merged.headers_supplier = merged.headers_supplier.or_else(|| base.headers_supplier.clone());
        merged.on_state = merged.on_state.or_else(|| base.on_state.clone());
        merged.log = merged.log.or_else(|| base.log.clone());
        merged.environment = merged.environment.or_else(|| base.environment.clone());
        merged
    }

    /// Returns the options that determine how to connect, for a handle that another one opens.
    pub(crate) fn of_connection(&self) -> Options {
        let mut kept = Options { on_state: None, crypto_key_reader: None, polled: false, ..self.clone() };
        kept.values.retain(|key, _| find(key).is_ok_and(|spec| spec.roles.intersects(Roles::CONNECTION)));
        kept
    }

    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn get<T: Setting + ?Sized>(&self, key: &str) -> Option<T::Read> {
        self.values.get(key).and_then(T::read)
    }

    /// Checks each value, that each key applies to one of `roles`, and the combinations that the server refuses.
    pub(crate) fn check(&self, roles: Roles) -> Result<()> {
        for (key, value) in &self.values {
            let spec = find(key)?;
            check(spec, value)?;
            if !spec.roles.intersects(roles) {
                return Err(Error::invalid(format!(
                    "option {key:?} applies to {} and not to {}",
                    spec.roles.names().join(", "),
                    roles.names().last().unwrap_or(&"this"),
                ))
                .see_option(key));
            }
        }
        self.clone().resolve().check_combinations(roles)
    }

    /// Checks like [`Options::check`] for a handle, which accepts its own options and those of connections.
    pub(crate) fn check_handle(&self, role: Roles) -> Result<()> {
        if self.polled {
            return Err(Error::invalid("polling the callbacks is a matter of the client: give it the option"));
        }
        self.check(role.and(Roles::CONNECTION))
    }

    /// Returns the query parameters of the set options, for a role.
    pub(crate) fn query(&self, role: Roles) -> Query {
        let mut query = Query::default();
        for (key, value) in &self.values {
            let Ok(spec) = find(key) else { continue };
            let Some((_, parameter)) = spec.parameters.iter().find(|(to, _)| to.intersects(role)) else { continue };
            let text = match (value, spec.kind) {
                (Value::Text(word), Kind::Choice(words)) => {
                    words.iter().find(|(ours, _)| ours == word).map(|(_, wire)| (*wire).to_owned())
                }
                (Value::Text(text), _) => Some(text.clone()),
                (Value::Int(number), _) => Some(number.to_string()),
                (Value::Float(number), _) => Some(number.to_string()),
                (Value::Bool(flag), _) => Some(flag.to_string()),
            };
            if let Some(text) = text {
                query.set(parameter, text);
            }
        }
        query
    }
}

impl Resolved {
    /// Checks for combinations that cannot work.
    fn check_combinations(&self, roles: Roles) -> Result<()> {
        self.given.check_credentials()?;
        self.given.check_tls(self.tls_insecure)?;
        self.check_headers()?;
        if self.backoff_min > self.backoff_max {
            return refuse("backoff_min", "backoff_min is larger than backoff_max");
        }
        if self.enable_retry {
            if !self.subscription_type.is_shared() {
                return refuse(
                    "enable_retry",
                    "enable_retry needs subscription_type shared or key_shared: others deliver at once, not later",
                );
            }
        } else if self.retry_letter_topic.is_some() {
            return refuse("retry_letter_topic", "retry_letter_topic needs enable_retry");
        } else if self.dead_letter_topic.is_some() && self.max_redeliver_count.is_none() {
            return refuse(
                "dead_letter_topic",
                "dead_letter_topic needs max_redeliver_count: say after how many redeliveries",
            );
        }
        if self.effectively_once {
            if self.name.is_none() {
                return refuse(
                    "effectively_once",
                    "effectively_once needs a name: the broker tells duplicates by the producer's name",
                );
            }
            if self.on_disconnect == OnDisconnect::Fail {
                return refuse(
                    "effectively_once",
                    "effectively_once sends again after a disconnect, which on_disconnect=fail forbids",
                );
            }
        }
        if self.effectively_once && self.batch_enabled {
            return refuse(
                "effectively_once",
                "effectively_once excludes batch_enabled: the broker judges a batch by its first message, and would drop \
                 one that holds both old and new messages",
            );
        }
        self.check_encryption(roles)?;
        if self.connections > 1 && !self.subscription_type.is_shared() {
            return refuse("connections", "connections above 1 needs subscription_type shared or key_shared");
        }
        Ok(())
    }

    fn check_encryption(&self, roles: Roles) -> Result<()> {
        let reader = self.given.crypto_key_reader.is_some();
        let (public, private) = (self.encryption_public_key_file.is_some(), self.encryption_private_key_file.is_some());
        if reader && (public || private) {
            let file = if public { "encryption_public_key_file" } else { "encryption_private_key_file" };
            return refuse(file, "a crypto key reader and key files exclude each other: give one of them");
        }
        if reader && roles.intersects(Roles::READER) {
            return Err(Error::invalid(
                "readers cannot decrypt: the proxy tells them no encryption context; use a consumer",
            ));
        }
        if reader && !roles.intersects(Roles::PRODUCER.and(Roles::CONSUMER)) {
            return Err(Error::invalid("a crypto key reader is for a producer or a consumer: give it to those"));
        }
        if roles.intersects(Roles::PRODUCER) && self.encryption_key.is_some() != (reader || public) {
            return refuse(
                "encryption_key",
                "encryption_key needs encryption_public_key_file or a crypto key reader, and they need it",
            );
        }
        if self.encryption_key.is_some() && self.encryption_keys.is_some() {
            return refuse(
                "encryption_key",
                "encryption_key encrypts here and encryption_keys in the proxy: give one of them",
            );
        }
        if self.encryption_key.is_some() && self.batch_enabled {
            return refuse(
                "encryption_key",
                "encryption_key excludes batch_enabled: the proxy cannot make batches of what it cannot read",
            );
        }
        if roles.intersects(Roles::CONSUMER) && (reader || private) && self.max_redeliver_count.is_some() {
            return refuse(
                "max_redeliver_count",
                "max_redeliver_count excludes decryption: the proxy writes dead letters without their data keys, so nobody \
                 could ever read them",
            );
        }
        if roles.intersects(Roles::CONSUMER) && (reader || private) && self.enable_retry {
            return refuse(
                "enable_retry",
                "enable_retry excludes decryption: the copies would be stored as everybody can read them",
            );
        }
        Ok(())
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Options) -> bool {
        self.values == other.values
    }
}

/// Omits secrets.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in &self.values {
            let secret = find(key).is_ok_and(|spec| spec.kind.is_secret());
            match value {
                Value::Text(lines) if key == &"headers" => {
                    let names = lines.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
                    map.entry(key, &names.collect::<Vec<_>>())
                }
                Value::Text(text) if key == &"proxy" => map.entry(key, &crate::proxy::shown(text)),
                Value::Text(text) if secret || holds_secret(text) => map.entry(key, &"(secret)"),
                Value::Text(text) => map.entry(key, text),
                Value::Int(number) => map.entry(key, number),
                Value::Float(number) => map.entry(key, number),
                Value::Bool(flag) => map.entry(key, flag),
            };
        }
        map.finish()
    }
}

/// Returns whether a text that is not of a secret kind contains a secret: a `data:` URL instead of a file, or a user in
/// a URL.
fn holds_secret(text: &str) -> bool {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    text.starts_with("data:") || authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = Options::new().set("ack_timout", "1").unwrap_err();
        assert!(error.to_string().contains("\"ack_timeout\""), "{error}");
    }

    #[test]
    fn a_key_that_is_near_to_none_says_where_all_are() {
        let error = Options::new().set("gibberish", "1").unwrap_err();
        assert!(
            error.to_string().ends_with("there is no option \"gibberish\"; docs/configuration.md has all"),
            "{error}"
        );
    }

    #[test]
    fn every_default_is_a_legal_value() {
        for spec in OPTIONS.iter().filter(|spec| !spec.default.is_empty()) {
            Options::new().set(spec.key, spec.default).unwrap();
        }
    }

    #[test]
    fn what_is_not_set_resolves_to_its_default_and_what_is_set_to_its_value() {
        let defaults = Options::new().resolve();
        assert_eq!((defaults.queue_size, defaults.lazy, defaults.ordering), (1000, false, Ordering::None));
        assert_eq!((defaults.name, defaults.starting_message.as_str()), (None, "latest"));
        let mut options = Options::new().initial_seq_id(-1).ordering(Ordering::Key);
        options.set("send_timeout", "0").unwrap();
        let resolved = options.resolve();
        assert_eq!((resolved.initial_seq_id, resolved.ordering), (Some(-1), Ordering::Key));
        assert_eq!(resolved.send_timeout, Duration::ZERO);
    }

    #[test]
    fn values_out_of_range_name_the_range() {
        for (key, value, expected) in [
            ("queue_size", "0", "from 1 to 1000"),
            ("ack_timeout", "999", "0 (off) or 1000"),
            ("subscription_type", "Shared", "exclusive, shared"),
            ("pull_mode", "yes", "true or false"),
            ("starting_message", "!!", "earliest, latest"),
            ("name", "", "not empty"),
        ] {
            let error = Options::new().set(key, value).unwrap_err();
            assert!(error.to_string().contains(expected), "{key}={value}: {error}");
        }
    }

    #[test]
    fn an_option_of_another_role_is_an_error_when_opening() {
        let error = Options::new().ack_timeout(Duration::from_secs(1)).check(Roles::PRODUCER).unwrap_err();
        assert!(error.to_string().contains("applies to consumer and not to producer"), "{error}");
    }

    #[test]
    fn only_what_was_set_goes_to_the_server_under_its_names() {
        let options = Options::new().subscription_type(SubscriptionType::KeyShared).name("me").lazy(true);
        assert_eq!(options.query(Roles::CONSUMER).to_string(), "?consumerName=me&subscriptionType=Key_Shared");
    }

    #[test]
    fn secrets_are_never_shown() {
        for options in [
            Options::new().auth_token("s3cret"),
            Options::new().basic_password("s3cret").auth_params("s3cret").oauth2_client_secret("s3cret"),
            Options::new().oauth2_key_file("data:application/json,s3cret"),
            Options::new().oauth2_issuer_url("https://user:s3cret@h/x").admin_url("http://user:s3cret@h"),
        ] {
            assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
        }
        let error = Options::new().auth_token("s3cret\n").check(Roles::CONNECTION).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    /// Checks that the error ends with the place of an option that exists.
    pub(super) fn assert_documented(error: &Error) {
        let text = error.to_string();
        let key = text.rsplit_once(" (see docs/configuration.md#").and_then(|(_, rest)| rest.strip_suffix(')'));
        assert!(key.is_some_and(|key| OPTIONS.iter().any(|spec| spec.key == key)), "{text}");
    }

    #[test]
    fn errors_about_values_end_with_where_the_option_is_documented() {
        for (key, value) in [
            ("queue_size", "0"),
            ("receiver_queue_size", "0"),
            ("ordering", "random"),
            ("proxy", "ftp://squid"),
            ("no_proxy", "a b/c/d"),
            ("headers", "none"),
            ("auth_token", "\n"),
            ("queue_sizes", "1"),
        ] {
            assert_documented(&Options::new().set(key, value).unwrap_err());
        }
        let error = Options::new().queue_size(0).check(Roles::CONSUMER).unwrap_err();
        assert_eq!(
            error.to_string(),
            "option \"queue_size\": expected a whole number from 1 to 1000, got \"0\" \
             (see docs/configuration.md#queue_size)"
        );
    }

    #[test]
    fn combinations_that_cannot_work_are_errors() {
        for options in [
            Options::new().dead_letter_topic("d"),
            Options::new().enable_retry(true),
            Options::new().subscription_type(SubscriptionType::Shared).retry_letter_topic("r"),
            Options::new().effectively_once(true),
            Options::new().effectively_once(true).name("p").batch_enabled(true),
            Options::new().tls_cert_file("c"),
            Options::new().auth_token("a").auth_token_file("b"),
            Options::new().connections(2),
            Options::new().backoff_min(Duration::from_secs(60)),
        ] {
            assert_documented(&options.check(Roles(15)).unwrap_err());
        }
    }

    #[test]
    fn encryption_that_could_not_work_is_refused_and_says_why() {
        let keys = || Options::new().crypto_key_reader(crate::PemKeyReader::new());
        let (producer, consumer) = (Roles::PRODUCER, Roles::CONSUMER);
        for (options, role, expected) in [
            (Options::new().encryption_key("k"), producer, "needs encryption_public_key_file"),
            (Options::new().encryption_public_key_file("f"), producer, "encryption_key needs"),
            (keys(), producer, "encryption_key needs"),
            (keys().encryption_key("k").encryption_public_key_file("f"), producer, "exclude each other"),
            (keys().encryption_key("k").encryption_keys("k"), producer, "give one of them"),
            (keys().encryption_key("k").batch_enabled(true), producer, "excludes batch_enabled"),
            (keys().max_redeliver_count(3), consumer, "without their data keys"),
            (
                Options::new().encryption_private_key_file("f").max_redeliver_count(3),
                consumer,
                "without their data keys",
            ),
            (
                keys().enable_retry(true).subscription_type(SubscriptionType::Shared),
                consumer,
                "as everybody can read them",
            ),
            (keys(), Roles::READER, "readers cannot decrypt"),
            (keys(), Roles::CONNECTION, "give it to those"),
            (Options::new().encryption_private_key_file("f"), Roles::READER, "applies to consumer"),
        ] {
            let error = options.check(role).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(keys().encryption_key("k").check(producer).is_ok() && keys().check(consumer).is_ok());
    }

    #[test]
    fn polling_is_for_clients_only() {
        assert!(Options::new().poll_callbacks().check_handle(Roles::PRODUCER).is_err());
        let inherited = Options::new().or(&Options::new().poll_callbacks());
        assert!(inherited.check_handle(Roles::PRODUCER).is_ok());
    }

    #[test]
    fn an_own_token_replaces_the_inherited_one() {
        let base = Options::new().auth_token_file("f").ping_interval(Duration::from_secs(1));
        let merged = Options::new().auth_token("t").or(&base);
        assert!(!merged.is_set("auth_token_file"));
        assert_eq!(merged.resolve().ping_interval, Duration::from_secs(1));
    }
}
