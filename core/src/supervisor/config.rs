//! The configuration of a supervisor, in Rust or as JSON.

use serde_json::Value;

use super::handlers::Handlers;
use super::registry::Component;
use crate::consumer::Consumer;
use crate::error::{Error, Result};
use crate::options::{Options, Roles, find};
use crate::reader::Reader;
use crate::topic::TopicName;

/// The configuration of a producer, consumer or reader to supervise.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// The topic.
    pub topic: TopicName,
    /// The subscription; for a consumer.
    pub subscription: Option<String>,
    /// The options; the supervisor's connection options apply where they set none.
    pub options: Options,
    /// A service URL of its own instead of the supervisor's.
    pub url: Option<String>,
    /// The name of its handler, for a consumer or reader; see [`SupervisorConfig::consumer_handler`].
    pub handler: Option<String>,
    /// The arguments that its handler is created with, as JSON; `[]` if not given.
    pub handler_init_args: String,
}

impl ComponentConfig {
    /// Creates the configuration for this topic, with the supervisor's URL and no options.
    pub fn new(topic: TopicName) -> ComponentConfig {
        ComponentConfig {
            topic,
            subscription: None,
            options: Options::new(),
            url: None,
            handler: None,
            handler_init_args: "[]".to_owned(),
        }
    }

    /// Reads the configuration from JSON, in the form of a component in [`SupervisorConfig::from_json`].
    pub fn from_json(component: Component, text: &str) -> Result<ComponentConfig> {
        let json = serde_json::from_str(text);
        let json =
            json.map_err(|error| Error::invalid(format!("expected JSON: {error}")).during(component.as_str()))?;
        component_of(component, json).map_err(|error| error.during(component.as_str()))
    }

    /// Sets the subscription.
    #[must_use]
    pub fn subscription(mut self, subscription: impl Into<String>) -> ComponentConfig {
        self.subscription = Some(subscription.into());
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: Options) -> ComponentConfig {
        self.options = options;
        self
    }
}

/// The configuration of a supervisor and its initial components.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// The name, unique in the process.
    pub name: String,
    /// The service URL.
    pub url: String,
    /// Connection options, inherited by all components.
    pub options: Options,
    /// A component that fails more often than this within [`SupervisorConfig::max_seconds`] is not restarted any more.
    pub max_restarts: usize,
    /// See [`SupervisorConfig::max_restarts`].
    pub max_seconds: u64,
    /// The producers.
    pub producers: Vec<ComponentConfig>,
    /// The consumers.
    pub consumers: Vec<ComponentConfig>,
    /// The readers.
    pub readers: Vec<ComponentConfig>,
    pub(super) consumer_handlers: Handlers<Consumer>,
    pub(super) reader_handlers: Handlers<Reader>,
}

impl SupervisorConfig {
    /// Creates an empty supervisor configuration called `default`, which allows 3 restarts in 5 seconds.
    pub fn new(url: impl Into<String>) -> SupervisorConfig {
        SupervisorConfig {
            name: "default".to_owned(),
            url: url.into(),
            options: Options::new(),
            max_restarts: 3,
            max_seconds: 5,
            producers: Vec::new(),
            consumers: Vec::new(),
            readers: Vec::new(),
            consumer_handlers: Handlers::default(),
            reader_handlers: Handlers::default(),
        }
    }

    /// Names a handler of consumers, so that a configuration can refer to it as `handler`.
    ///
    /// The supervisor calls `attach` each time it has opened such a consumer, with its `handler_init_args` as JSON.
    /// `attach` calls [`Consumer::listen`].
    #[must_use]
    pub fn consumer_handler<F>(mut self, name: impl Into<String>, attach: F) -> SupervisorConfig
    where
        F: Fn(&Consumer, &str) -> Result<()> + Send + Sync + 'static,
    {
        self.consumer_handlers.add(name.into(), attach);
        self
    }

    /// Names a handler of readers, as [`SupervisorConfig::consumer_handler`] does for consumers.
    #[must_use]
    pub fn reader_handler<F>(mut self, name: impl Into<String>, attach: F) -> SupervisorConfig
    where
        F: Fn(&Reader, &str) -> Result<()> + Send + Sync + 'static,
    {
        self.reader_handlers.add(name.into(), attach);
        self
    }

    /// Reads a configuration from JSON:
    ///
    /// ```
    /// let config = stargate_core::SupervisorConfig::from_json(r#"{
    ///     "name": "shop", "host": ["localhost:8080"], "protocol": "ws", "ping_interval": 20000,
    ///     "producer": {"tenant": "public", "namespace": "default", "topic": "orders", "send_timeout": 5000},
    ///     "consumer": [{"topic": "persistent://public/default/orders", "subscription": "billing",
    ///                   "query_params": {"subscription_type": "shared"}}]
    /// }"#)?;
    /// assert_eq!(config.consumers[0].subscription.as_deref(), Some("billing"));
    /// # Ok::<(), stargate_core::Error>(())
    /// ```
    ///
    /// `producer`, `consumer` and `reader` are one object or a list. A component names its topic in full, or by
    /// `tenant`, `namespace`, `topic` and `persistence`, and may have a `host` and `protocol` of its own. A consumer or
    /// reader may have a `handler` that was named with [`SupervisorConfig::consumer_handler`], and `handler_init_args`
    /// for it. Everything else in an object, and in its `query_params`, is an option. Unknown keys are errors.
    ///
    /// Every key of the Elixir library of this name is accepted. `host` may be `"name:port"`, `{"name": port}`,
    /// `["name", port]`, or a list of these; `ssl_options` has `cacertfile`, `certfile`, `keyfile` and `verify`.
    pub fn from_json(text: &str) -> Result<SupervisorConfig> {
        let bad = |why: String| Error::invalid(format!("supervisor configuration: {why}"));
        let json: Value = serde_json::from_str(text).map_err(|error| bad(format!("not JSON: {error}")))?;
        let Value::Object(mut fields) = json else { return Err(bad("expected a JSON object".into())) };
        let url = url_of(&mut fields)?
            .ok_or_else(|| bad("host is missing: expected \"name:port\" or a list of them".into()))?;
        let mut config = SupervisorConfig::new(url);
        if let Some(name) = fields.remove("name") {
            config.name = text_of("name", &name)?;
        }
        let mut number = |key: &str, into: &mut u64| -> Result<()> {
            match fields.remove(key) {
                None => Ok(()),
                Some(value) => {
                    *into =
                        value.as_u64().ok_or_else(|| bad(format!("{key}: expected a whole number, got {value}")))?;
                    Ok(())
                }
            }
        };
        let mut max_restarts = config.max_restarts as u64;
        number("max_restarts", &mut max_restarts)?;
        number("max_seconds", &mut config.max_seconds)?;
        config.max_restarts = usize::try_from(max_restarts).unwrap_or(usize::MAX);
        for component in [Component::Producer, Component::Consumer, Component::Reader] {
            let word = component.as_str();
            let parts = match fields.remove(word) {
                None => Vec::new(),
                Some(Value::Array(parts)) => parts,
                Some(one) => vec![one],
            };
            let parsed: Result<Vec<ComponentConfig>> = parts
                .into_iter()
                .map(|part| component_of(component, part).map_err(|error| error.during(word)))
                .collect();
            *config.list(component) = parsed?;
        }
        config.options = options_of(fields, Roles::CONNECTION)?;
        Ok(config)
    }

    fn list(&mut self, component: Component) -> &mut Vec<ComponentConfig> {
        match component {
            Component::Producer => &mut self.producers,
            Component::Consumer => &mut self.consumers,
            Component::Reader => &mut self.readers,
        }
    }
}

type Fields = serde_json::Map<String, Value>;

fn text_of(key: &str, value: &Value) -> Result<String> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| Error::invalid(format!("{key}: expected a text that is not empty, got {value}")))
}

fn url_of(fields: &mut Fields) -> Result<Option<String>> {
    let protocol = fields.remove("protocol").map(|value| text_of("protocol", &value)).transpose()?;
    let Some(host) = fields.remove("host") else {
        return match protocol {
            None => Ok(None),
            Some(_) => Err(Error::invalid("protocol needs host: give both")),
        };
    };
    Ok(Some(format!("{}://{}", protocol.as_deref().unwrap_or("ws"), hosts_of(&host)?.join(","))))
}

/// Returns the hosts of `"name:port"`, `{"name": port, ...}`, `["name", port]`, or a list of these.
fn hosts_of(host: &Value) -> Result<Vec<String>> {
    let with_port = |name: &str, port: &Value| match port.as_u64().and_then(|port| u16::try_from(port).ok()) {
        Some(port) if port > 0 && !name.is_empty() => Ok(format!("{name}:{port}")),
        _ => Err(Error::invalid(format!("host: expected a name and a port from 1 to 65535, got {name:?} and {port}"))),
    };
    match host {
        Value::Array(pair) if pair.len() == 2 && pair[0].is_string() && pair[1].is_number() => {
            Ok(vec![with_port(pair[0].as_str().unwrap_or_default(), &pair[1])?])
        }
        Value::Array(hosts) if !hosts.is_empty() => {
            let hosts: Result<Vec<Vec<String>>> = hosts.iter().map(hosts_of).collect();
            Ok(hosts?.concat())
        }
        Value::Object(hosts) if !hosts.is_empty() => hosts.iter().map(|(name, port)| with_port(name, port)).collect(),
        host => text_of("host", host).map(|host| vec![host]),
    }
}

fn component_of(component: Component, part: Value) -> Result<ComponentConfig> {
    let Value::Object(mut fields) = part else { return Err(Error::invalid(format!("expected an object, got {part}"))) };
    let url = url_of(&mut fields)?;
    let mut text = |key: &str| fields.remove(key).map(|value| text_of(key, &value)).transpose();
    let topic = text("topic")?.ok_or_else(|| Error::invalid("topic is missing"))?;
    let (tenant, namespace, persistence) = (text("tenant")?, text("namespace")?, text("persistence")?);
    let (subscription, handler) = (text("subscription")?, text("handler")?);
    let handler_init_args = fields.remove("handler_init_args");
    let topic: TopicName = match topic.contains("://") || topic.contains('/') {
        true if tenant.is_some() || namespace.is_some() || persistence.is_some() => {
            return Err(Error::invalid("a full topic name excludes tenant, namespace and persistence"));
        }
        true => topic.parse()?,
        false => format!(
            "{}://{}/{}/{topic}",
            persistence.as_deref().unwrap_or("persistent"),
            tenant.as_deref().unwrap_or("public"),
            namespace.as_deref().unwrap_or("default")
        )
        .parse()?,
    };
    match (component, &subscription) {
        (Component::Consumer, None) => {
            return Err(Error::invalid("subscription is missing").on_topic(&topic.to_string()));
        }
        (Component::Producer | Component::Reader, Some(_)) => {
            return Err(Error::invalid(format!("a {} has no subscription", component.as_str())));
        }
        (Component::Producer, None) if handler.is_some() || handler_init_args.is_some() => {
            return Err(Error::invalid("a producer has no handler"));
        }
        _ => {}
    }
    if let Some(params) = fields.remove("query_params") {
        let Value::Object(params) = params else {
            return Err(Error::invalid(format!("query_params: expected an object, got {params}")));
        };
        fields.extend(params);
    }
    let options = options_of(fields, component.roles())?;
    let handler_init_args = handler_init_args.map_or_else(|| "[]".to_owned(), |args| args.to_string());
    Ok(ComponentConfig { topic, subscription, options, url, handler, handler_init_args })
}

/// The options that have other names in Erlang's `ssl`.
const SSL_OPTIONS: &[(&str, &str)] =
    &[("cacertfile", "tls_ca_file"), ("certfile", "tls_cert_file"), ("keyfile", "tls_key_file")];

/// Replaces `ssl_options` by the options of this library.
fn take_ssl_options(fields: &mut Fields) -> Result<()> {
    let ssl = match fields.remove("ssl_options") {
        None => return Ok(()),
        Some(Value::Object(ssl)) => ssl,
        // The error does not repeat the value, which may hold a secret.
        Some(_) => return Err(Error::invalid("ssl_options: expected an object with cacertfile, certfile and keyfile")),
    };
    for (key, value) in ssl {
        let (option, value) = match (key.as_str(), value.as_str()) {
            ("verify", Some("verify_peer")) => ("tls_insecure", Value::Bool(false)),
            ("verify", Some("verify_none")) => ("tls_insecure", Value::Bool(true)),
            ("verify", _) => return Err(Error::invalid("ssl_options: verify is verify_peer or verify_none")),
            (key, _) => match SSL_OPTIONS.iter().find(|(name, _)| *name == key) {
                Some((_, option)) => (*option, value),
                None => {
                    return Err(Error::invalid(format!(
                        "ssl_options: there is no {key:?}; there are cacertfile, certfile, keyfile and verify"
                    )));
                }
            },
        };
        if fields.contains_key(option) {
            return Err(Error::invalid(format!("{option} and {key} of ssl_options are the same: give one")));
        }
        fields.insert(option.to_owned(), value);
    }
    Ok(())
}

fn options_of(mut fields: Fields, roles: Roles) -> Result<Options> {
    take_ssl_options(&mut fields)?;
    // The Elixir library's README gives a producer both a `name` and a `producer_name`; the Elixir library used `name`.
    if fields.contains_key("name") {
        fields.retain(|key, _| key == "name" || find(key).map_or(true, |spec| spec.key != "name"));
    }
    let mut options = Options::new();
    options.set_fields(fields)?;
    match roles == Roles::CONNECTION {
        true => options.check(roles)?,
        false => options.check_handle(roles)?,
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_the_seeds_shape_is_read() {
        let config = SupervisorConfig::from_json(
            r#"{"name": "n", "host": ["a:1", "b:2"], "protocol": "ws", "auth_token": "t", "max_restarts": 7,
                "producer": [{"tenant": "x", "namespace": "y", "topic": "z", "query_params": {"producer_name": "p"}}],
                "consumer": {"topic": "x/y/z", "subscription": "s", "pull_mode": true, "host": "c:3"},
                "reader": {"topic": "r", "starting_message": "earliest", "persistence": "non-persistent"}}"#,
        )
        .unwrap();
        assert_eq!((config.name.as_str(), config.url.as_str(), config.max_restarts), ("n", "ws://a:1,b:2", 7));
        assert_eq!(config.producers[0].topic.to_string(), "persistent://x/y/z");
        assert_eq!(config.producers[0].options, Options::new().name("p"));
        assert_eq!(config.consumers[0].url.as_deref(), Some("ws://c:3"));
        assert_eq!(config.readers[0].topic.to_string(), "non-persistent://public/default/r");
    }

    #[test]
    fn headers_are_an_object_or_lines() {
        for headers in [r#"{"X-A": "1", "X-B": "2"}"#, r#""X-A: 1\nX-B: 2""#] {
            let json = format!(r#"{{"host": "gateway/pulsar", "headers": {headers}}}"#);
            let config = SupervisorConfig::from_json(&json).unwrap();
            assert_eq!(config.options, Options::new().header("X-A", "1").header("X-B", "2"));
            assert_eq!(config.url, "ws://gateway/pulsar");
        }
    }

    #[test]
    fn mistakes_in_a_configuration_are_named() {
        for (json, part) in [
            (r#"{"host": "h", "headers": {"Host": "x"}}"#, "\"host\" belongs to the connection"),
            (r#"{"host": "h", "headers": {"X": 1}}"#, "headers"),
            ("[]", "object"),
            ("{", "not JSON"),
            ("{}", "host"),
            (r#"{"host": 3}"#, "host"),
            (r#"{"host": "h:1", "hots": 1}"#, "no option \"hots\""),
            (r#"{"host": "h:1", "producer": {}}"#, "topic is missing"),
            (r#"{"host": "h:1", "consumer": {"topic": "t"}}"#, "subscription is missing"),
            (r#"{"host": "h:1", "producer": {"topic": "t", "subscription": "s"}}"#, "no subscription"),
            (r#"{"host": "h:1", "producer": {"topic": "t", "ack_timeout": 0}}"#, "applies to consumer"),
            (r#"{"host": "h:1", "reader": {"topic": "t", "query_params": 1}}"#, "query_params"),
            (r#"{"host": "h:1", "ack_timeout": 0}"#, "applies to consumer"),
        ] {
            let error = SupervisorConfig::from_json(json).unwrap_err();
            assert!(error.to_string().contains(part), "{json}: {error}");
        }
    }
}
