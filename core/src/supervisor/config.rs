//! What a supervisor is made from, in Rust or as JSON.

use serde_json::Value;

use super::registry::Component;
use crate::error::{Error, Result};
use crate::options::{Options, Roles};
use crate::topic::TopicName;

/// A producer, consumer or reader to be supervised.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// The topic.
    pub topic: TopicName,
    /// The subscription, of a consumer.
    pub subscription: Option<String>,
    /// Its options; what they do not say about connections is the supervisor's.
    pub options: Options,
    /// Its own service URL instead of the supervisor's.
    pub url: Option<String>,
}

impl ComponentConfig {
    /// Of this topic, with the supervisor's URL and no options.
    pub fn new(topic: TopicName) -> ComponentConfig {
        ComponentConfig { topic, subscription: None, options: Options::new(), url: None }
    }

    /// From JSON, as a component stands in [`SupervisorConfig::from_json`].
    pub fn from_json(component: Component, text: &str) -> Result<ComponentConfig> {
        let json = serde_json::from_str(text);
        let json =
            json.map_err(|error| Error::invalid(format!("expected JSON: {error}")).during(component.as_str()))?;
        component_of(component, json).map_err(|error| error.during(component.as_str()))
    }

    /// On this subscription.
    #[must_use]
    pub fn subscription(mut self, subscription: impl Into<String>) -> ComponentConfig {
        self.subscription = Some(subscription.into());
        self
    }

    /// With these options.
    #[must_use]
    pub fn options(mut self, options: Options) -> ComponentConfig {
        self.options = options;
        self
    }
}

/// Everything about a supervisor and what it holds from the start.
#[derive(Debug, Clone)]
pub struct SupervisorConfig {
    /// Its name, unique in the process.
    pub name: String,
    /// The service URL.
    pub url: String,
    /// Connection options, inherited by all components.
    pub options: Options,
    /// A component that fails more often than this within [`SupervisorConfig::max_seconds`] stays down.
    pub max_restarts: usize,
    /// See [`SupervisorConfig::max_restarts`].
    pub max_seconds: u64,
    /// The producers.
    pub producers: Vec<ComponentConfig>,
    /// The consumers.
    pub consumers: Vec<ComponentConfig>,
    /// The readers.
    pub readers: Vec<ComponentConfig>,
}

impl SupervisorConfig {
    /// An empty supervisor called `default`, which restarts up to 3 times in 5 seconds.
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
        }
    }

    /// From JSON:
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
    /// `producer`, `consumer` and `reader` are one object or a list. A component names its topic in full, or by `tenant`,
    /// `namespace`, `topic` and `persistence`, and may have a `host` and `protocol` of its own. Everything else in an
    /// object, and in its `query_params`, is an option. Unknown keys are errors.
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
    let hosts: Result<Vec<String>> = match &host {
        Value::Array(hosts) if !hosts.is_empty() => hosts.iter().map(|host| text_of("host", host)).collect(),
        host => text_of("host", host).map(|host| vec![host]),
    };
    Ok(Some(format!("{}://{}", protocol.as_deref().unwrap_or("ws"), hosts?.join(","))))
}

fn component_of(component: Component, part: Value) -> Result<ComponentConfig> {
    let Value::Object(mut fields) = part else { return Err(Error::invalid(format!("expected an object, got {part}"))) };
    let url = url_of(&mut fields)?;
    let mut text = |key: &str| fields.remove(key).map(|value| text_of(key, &value)).transpose();
    let topic = text("topic")?.ok_or_else(|| Error::invalid("topic is missing"))?;
    let (tenant, namespace, persistence) = (text("tenant")?, text("namespace")?, text("persistence")?);
    let subscription = text("subscription")?;
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
        _ => {}
    }
    if let Some(params) = fields.remove("query_params") {
        let Value::Object(params) = params else {
            return Err(Error::invalid(format!("query_params: expected an object, got {params}")));
        };
        fields.extend(params);
    }
    let options = options_of(fields, component.roles())?;
    Ok(ComponentConfig { topic, subscription, options, url })
}

fn options_of(fields: Fields, roles: Roles) -> Result<Options> {
    let mut options = Options::new();
    for (key, value) in fields {
        let text = match value {
            Value::String(text) => text,
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            // What it is instead is not repeated: it may hold a secret.
            _ => return Err(Error::invalid(format!("option {key:?}: expected a text, a number or a boolean"))),
        };
        options.set(&key, &text)?;
    }
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
    fn mistakes_in_a_configuration_are_named() {
        for (json, part) in [
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
