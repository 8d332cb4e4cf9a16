//! A named set of producers, consumers and readers: found by key, and each restarted by itself when it fails.
//!
//! Connections reconnect by themselves; what a supervisor restarts is what ended with an error that does not heal, such
//! as a namespace that was deleted or a token that was refused. One that fails too often stays down, and the others do
//! not notice.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::client::Client;
use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::options::{Options, Roles};
use crate::producer::Producer;
use crate::reader::Reader;
use crate::runtime::may_block;
use crate::topic::{Persistence, TopicName};

/// The wait before a component that failed is opened again.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// The kinds of what a supervisor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
    /// A reader.
    Reader,
}

impl Component {
    /// The word in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::Producer => "producer",
            Component::Consumer => "consumer",
            Component::Reader => "reader",
        }
    }

    fn roles(self) -> Roles {
        match self {
            Component::Producer => Roles::PRODUCER,
            Component::Consumer => Roles::CONSUMER,
            Component::Reader => Roles::READER,
        }
    }
}

/// The name under which a supervisor holds a producer, consumer or reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistryKey {
    supervisor: String,
    component: Component,
    topic: TopicName,
    subscription: Option<String>,
}

/// The key of the producer of a persistent topic in the supervisor `default`; its methods say otherwise.
pub fn registry_key(tenant: &str, namespace: &str, topic: &str) -> Result<RegistryKey> {
    Ok(RegistryKey {
        supervisor: "default".to_owned(),
        component: Component::Producer,
        topic: TopicName::new(Persistence::Persistent, tenant, namespace, topic)?,
        subscription: None,
    })
}

impl RegistryKey {
    /// The key of what a supervisor of this name has for a topic.
    pub fn new(supervisor: impl Into<String>, component: Component, topic: TopicName) -> RegistryKey {
        RegistryKey { supervisor: supervisor.into(), component, topic, subscription: None }
    }

    /// In the supervisor of this name.
    #[must_use]
    pub fn name(mut self, supervisor: impl Into<String>) -> RegistryKey {
        self.supervisor = supervisor.into();
        self
    }

    /// Of this kind.
    #[must_use]
    pub fn component(mut self, component: Component) -> RegistryKey {
        self.component = component;
        self
    }

    /// Of a topic that is persistent or not.
    pub fn persistence(mut self, persistence: Persistence) -> Result<RegistryKey> {
        let (tenant, namespace, topic) = (self.topic.tenant(), self.topic.namespace(), self.topic.local_name());
        self.topic = TopicName::new(persistence, tenant, namespace, topic)?;
        Ok(self)
    }

    /// The consumer of this subscription. Without it a key finds the consumer of a topic that has only one.
    #[must_use]
    pub fn subscription(mut self, subscription: impl Into<String>) -> RegistryKey {
        self.subscription = Some(subscription.into());
        self
    }

    fn finds(&self, other: &RegistryKey) -> bool {
        let subscription = self.subscription.is_none() || self.subscription == other.subscription;
        self.component == other.component && self.topic == other.topic && subscription
    }
}

impl RegistryKey {
    /// Its parts as a JSON object: `supervisor`, `component`, `topic`, and `subscription` of a consumer.
    pub fn to_json(&self) -> String {
        let mut parts = serde_json::json!({
            "supervisor": self.supervisor,
            "component": self.component.as_str(),
            "topic": self.topic.to_string(),
        });
        if let Some(subscription) = &self.subscription {
            parts["subscription"] = subscription.as_str().into();
        }
        parts.to_string()
    }
}

impl fmt::Display for RegistryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.component.as_str(), self.topic)?;
        if let Some(subscription) = &self.subscription {
            write!(f, " on {subscription}")?;
        }
        write!(f, " in supervisor {:?}", self.supervisor)
    }
}

/// What to do with a consumer or reader each time it has been opened: give it its handler.
pub type Attach<T> = Arc<dyn Fn(&T) -> Result<()> + Send + Sync>;

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

/// One of the three, as it is open at the moment.
#[derive(Clone)]
enum Handle {
    Producer(Producer),
    Consumer(Consumer),
    Reader(Reader),
}

impl Handle {
    /// Waits until it ends; the error when it failed, nothing when it was closed.
    async fn failed(&self) -> Option<Error> {
        match self {
            Handle::Producer(producer) => producer.failed().await,
            Handle::Consumer(consumer) => consumer.failed().await,
            Handle::Reader(reader) => reader.failed().await,
        }
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<Handle>> + Send>>;
type Open = Arc<dyn Fn() -> Opening + Send + Sync>;

/// A named set of producers, consumers and readers. Cheap to clone; all clones are one supervisor, which ends with
/// [`Supervisor::close`] or with its last clone.
#[derive(Clone)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    client: Client,
    max_restarts: usize,
    max_seconds: u64,
    log: Log,
    parts: Mutex<Parts>,
    /// Dropped or set when the supervisor ends.
    closing: watch::Sender<bool>,
}

/// The supervisors of the process by name.
static SUPERVISORS: Mutex<Option<HashMap<String, Weak<Inner>>>> = Mutex::new(None);

fn supervisors() -> MutexGuard<'static, Option<HashMap<String, Weak<Inner>>>> {
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Supervisor {
    /// Starts a supervisor with all that its configuration names; when one of them cannot be opened, none stays.
    ///
    /// Fails when another supervisor of the process has its name.
    pub async fn start(config: SupervisorConfig) -> Result<Supervisor> {
        if config.options.polls_callbacks() {
            return Err(Error::invalid("a supervisor has no client to poll callbacks of").during("start supervisor"));
        }
        let supervisor = Supervisor::empty(&config).map_err(|error| error.during("start supervisor"))?;
        let added = async {
            for producer in config.producers {
                supervisor.add_producer(producer).await?;
            }
            for consumer in config.consumers {
                supervisor.add_consumer(consumer, None).await?;
            }
            for reader in config.readers {
                supervisor.add_reader(reader, None).await?;
            }
            Ok(())
        };
        if let Err(error) = added.await {
            let _ = supervisor.close(Duration::ZERO).await;
            return Err(error);
        }
        Ok(supervisor)
    }

    fn empty(config: &SupervisorConfig) -> Result<Supervisor> {
        let client = Client::new(&config.url, config.options.clone())?;
        let inner = Arc::new(Inner {
            name: config.name.clone(),
            log: Log::new(format!("supervisor {}", config.name), config.options.log.clone()),
            client,
            max_restarts: config.max_restarts,
            max_seconds: config.max_seconds,
            parts: Mutex::default(),
            closing: watch::Sender::new(false),
        });
        let mut all = supervisors();
        let all = all.get_or_insert_with(HashMap::new);
        all.retain(|_, other| other.strong_count() > 0);
        if all.contains_key(&config.name) {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("there is a supervisor {:?} already: close it, or choose another name", config.name),
            ));
        }
        all.insert(config.name.clone(), Arc::downgrade(&inner));
        Ok(Supervisor { inner })
    }

    /// The running supervisor of this name.
    pub fn find(name: &str) -> Result<Supervisor> {
        let found = supervisors().as_ref().and_then(|all| all.get(name)).and_then(Weak::upgrade);
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no supervisor {name:?}"));
        Ok(Supervisor { inner: found.ok_or_else(missing)? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The keys of all that it holds.
    pub fn keys(&self) -> Vec<RegistryKey> {
        self.inner.parts().keys().cloned().collect()
    }

    /// Opens a producer and supervises it.
    pub async fn add_producer(&self, config: ComponentConfig) -> Result<RegistryKey> {
        let (client, config_) = (self.client_for(&config)?, config.clone());
        let open: Open = Arc::new(move || {
            let (client, config) = (client.clone(), config_.clone());
            Box::pin(
                async move { client.producer(config.topic.to_string(), config.options).await.map(Handle::Producer) },
            )
        });
        self.add(Component::Producer, config, open).await
    }

    /// Opens a consumer and supervises it; `attach` gives it its handler, now and after each restart.
    pub async fn add_consumer(&self, config: ComponentConfig, attach: Option<Attach<Consumer>>) -> Result<RegistryKey> {
        let (client, config_) = (self.client_for(&config)?, config.clone());
        let open: Open = Arc::new(move || {
            let (client, config, attach) = (client.clone(), config_.clone(), attach.clone());
            Box::pin(async move {
                let subscription = config.subscription.unwrap_or_default();
                let consumer = client.consumer(config.topic.to_string(), subscription, config.options).await?;
                attach_to(&client, consumer.clone(), attach).await?;
                Ok(Handle::Consumer(consumer))
            })
        });
        self.add(Component::Consumer, config, open).await
    }

    /// Opens a reader and supervises it; `attach` gives it its handler, now and after each restart.
    ///
    /// A reader that is restarted begins at its `starting_message` again: its position went with it.
    pub async fn add_reader(&self, config: ComponentConfig, attach: Option<Attach<Reader>>) -> Result<RegistryKey> {
        let (client, config_) = (self.client_for(&config)?, config.clone());
        let open: Open = Arc::new(move || {
            let (client, config, attach) = (client.clone(), config_.clone(), attach.clone());
            Box::pin(async move {
                let reader = client.reader(config.topic.to_string(), config.options).await?;
                attach_to(&client, reader.clone(), attach).await?;
                Ok(Handle::Reader(reader))
            })
        });
        self.add(Component::Reader, config, open).await
    }

    /// The supervisor's client, or one for the component's own hosts with the supervisor's options.
    fn client_for(&self, config: &ComponentConfig) -> Result<Client> {
        match &config.url {
            None => Ok(self.inner.client.clone()),
            Some(url) => Client::new(url, self.inner.client.inner.options.clone()),
        }
    }

    async fn add(&self, component: Component, config: ComponentConfig, open: Open) -> Result<RegistryKey> {
        let key = RegistryKey {
            supervisor: self.inner.name.clone(),
            component,
            topic: config.topic,
            subscription: config.subscription,
        };
        self.inner.check_free(&self.inner.parts(), &key)?;
        let handle = open().await?;
        let (current, watcher) = watch::channel(Ok(handle.clone()));
        {
            let mut parts = self.inner.parts();
            // Somebody may have been faster while this one was opened; dropping it closes it.
            self.inner.check_free(&parts, &key)?;
            parts.insert(key.clone(), watcher);
        }
        let watch = Watch {
            key: key.clone(),
            open,
            current,
            max_restarts: self.inner.max_restarts,
            window: Duration::from_secs(self.inner.max_seconds),
            log: self.inner.log.clone(),
        };
        self.inner.client.inner.runtime.spawn(watch.run(handle, self.inner.closing.subscribe()));
        Ok(key)
    }

    fn handle(&self, key: &RegistryKey, component: Component) -> Result<Handle> {
        let wanted = RegistryKey { component, ..key.clone() };
        let parts = self.inner.parts();
        let mut found = parts.iter().filter(|(held, _)| wanted.finds(held));
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no {wanted}"));
        let (_, handle) = found.next().ok_or_else(missing)?;
        if found.next().is_some() {
            return Err(Error::invalid(format!("there is more than one {wanted}: name the subscription")));
        }
        handle.borrow().clone()
    }

    /// The producer under this key, as it is now; after a restart it is another one. The error is that of a producer
    /// that stays down.
    pub fn producer(&self, key: &RegistryKey) -> Result<Producer> {
        match self.handle(key, Component::Producer)? {
            Handle::Producer(producer) => Ok(producer),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// The consumer under this key, as it is now; see [`Supervisor::producer`].
    pub fn consumer(&self, key: &RegistryKey) -> Result<Consumer> {
        match self.handle(key, Component::Consumer)? {
            Handle::Consumer(consumer) => Ok(consumer),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// The reader under this key, as it is now; see [`Supervisor::producer`].
    pub fn reader(&self, key: &RegistryKey) -> Result<Reader> {
        match self.handle(key, Component::Reader)? {
            Handle::Reader(reader) => Ok(reader),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// Restarts nothing any more and closes all that it holds; its name is free again.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let handles: Vec<Handle> = {
            let mut parts = self.inner.parts();
            // Under the lock: what is being added is either here already, or finds the supervisor closed.
            self.inner.closing.send_replace(true);
            std::mem::take(&mut *parts).into_values().filter_map(|handle| handle.borrow().clone().ok()).collect()
        };
        // Those of the client are closed with it; those with hosts of their own have clients of their own.
        let handles = futures_util::future::join_all(handles.iter().map(|handle| async move {
            match handle {
                Handle::Producer(producer) => producer.close(timeout).await,
                Handle::Consumer(consumer) => consumer.close(timeout).await,
                Handle::Reader(reader) => reader.close(timeout).await,
            }
        }));
        let (closed, others) = futures_util::future::join(self.inner.client.close(timeout), handles).await;
        if let Some(all) = supervisors().as_mut()
            && all.get(&self.inner.name).is_some_and(|held| std::ptr::eq(held.as_ptr(), Arc::as_ptr(&self.inner)))
        {
            all.remove(&self.inner.name);
        }
        closed.and(others.into_iter().collect())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("name", &self.inner.name).field("keys", &self.keys()).finish_non_exhaustive()
    }
}

/// What a supervisor holds: each with what is open now, or why nothing is.
type Parts = BTreeMap<RegistryKey, watch::Receiver<Result<Handle>>>;

impl Inner {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a component may take this key. One that stays down, or that the application closed, has given it up.
    fn check_free(&self, parts: &Parts, key: &RegistryKey) -> Result<()> {
        if *self.closing.borrow() {
            return Err(Error::new(ErrorKind::Closed, format!("supervisor {:?} is closed", self.name)));
        }
        let watched = parts.get(key).is_some_and(|held| held.has_changed().is_ok());
        match watched {
            true => Err(Error::new(ErrorKind::Busy, format!("there is a {key} already"))),
            false => Ok(()),
        }
    }
}

/// Runs `attach` where it may block: it waits for the handlers to be made.
async fn attach_to<T: Send + 'static>(client: &Client, target: T, attach: Option<Attach<T>>) -> Result<()> {
    let Some(attach) = attach else { return Ok(()) };
    let Some(runtime) = client.inner.runtime.handle() else { return Err(crate::status::gone()) };
    let attached = runtime.spawn_blocking(move || may_block(|| attach(&target))).await;
    attached.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "attaching the handler panicked")))
}

/// Watches over one component.
struct Watch {
    key: RegistryKey,
    open: Open,
    current: watch::Sender<Result<Handle>>,
    max_restarts: usize,
    window: Duration,
    log: Log,
}

impl Watch {
    async fn run(self, mut handle: Handle, mut closing: watch::Receiver<bool>) {
        let mut restarts = VecDeque::new();
        loop {
            let failed = tokio::select! {
                failed = handle.failed() => failed,
                _ = closing.wait_for(|closing| *closing) => None,
            };
            // Closed by the application, or with the supervisor.
            let Some(mut error) = failed else { return };
            handle = loop {
                self.log.write(Level::Error, &format!("{} failed: {error}", self.key));
                let now = Instant::now();
                restarts.retain(|at| now.duration_since(*at) < self.window);
                if restarts.len() >= self.max_restarts {
                    let often = format!("{} stays down after {} restarts", self.key, restarts.len());
                    self.log.write(Level::Error, &often);
                    let _ = self.current.send_replace(Err(error));
                    return;
                }
                restarts.push_back(now);
                let _ = self.current.send_replace(Err(error.clone()));
                let opened = async {
                    tokio::time::sleep(RESTART_AFTER).await;
                    (self.open)().await
                };
                let opened = tokio::select! {
                    opened = opened => opened,
                    _ = closing.wait_for(|closing| *closing) => return,
                };
                match opened {
                    Ok(handle) => {
                        self.log.write(Level::Warn, &format!("{} was restarted", self.key));
                        let _ = self.current.send_replace(Ok(handle.clone()));
                        break handle;
                    }
                    Err(again) => error = again,
                }
            };
        }
    }
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

    #[test]
    fn a_key_without_subscription_finds_any() {
        let key = registry_key("a", "b", "c").unwrap().component(Component::Consumer);
        assert!(key.finds(&key.clone().subscription("s")));
        assert!(!key.clone().subscription("r").finds(&key.clone().subscription("s")));
        assert!(!key.finds(&key.clone().component(Component::Reader)));
    }
}
