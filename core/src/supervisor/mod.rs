//! A named set of producers, consumers and readers: found by key, and restarted individually when they fail.
//!
//! Connections reconnect by themselves. A supervisor restarts components that ended with a permanent error, such as a
//! deleted namespace or a refused token. A component that fails too often is not restarted any more, and the others are
//! not affected.

mod component;
mod config;
mod handlers;
mod registry;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use component::{Handle, Open, Watch};
pub use config::{ComponentConfig, SupervisorConfig};
pub use registry::{Component, RegistryKey, registry_key};

use crate::client::Client;
use crate::consumer::Consumer;
use crate::error::{Error, ErrorKind, Result};
use crate::fork::PerProcess;
use crate::log::Log;
use crate::producer::Producer;
use crate::reader::Reader;
use crate::runtime::may_block;

/// Called each time a consumer or reader has been opened, to attach its handler.
pub type Attach<T> = Arc<dyn Fn(&T) -> Result<()> + Send + Sync>;

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
    /// Set or dropped when the supervisor ends.
    closing: watch::Sender<bool>,
}

/// The supervisors of the process, by name.
static SUPERVISORS: PerProcess<Mutex<HashMap<String, Weak<Inner>>>> = PerProcess::new();

fn supervisors() -> MutexGuard<'static, HashMap<String, Weak<Inner>>> {
    SUPERVISORS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

impl Supervisor {
    /// Starts a supervisor with all components of its configuration. If one cannot be opened, the call fails and none
    /// stays open.
    ///
    /// Fails if another supervisor of the process has this name.
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
                let handler = config.consumer_handlers.of(&consumer);
                supervisor.add_consumer(consumer, handler).await?;
            }
            for reader in config.readers {
                let handler = config.reader_handlers.of(&reader);
                supervisor.add_reader(reader, handler).await?;
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

    /// Returns the running supervisor of this name.
    pub fn find(name: &str) -> Result<Supervisor> {
        let found = supervisors().get(name).and_then(Weak::upgrade);
        let missing = || Error::new(ErrorKind::NotFound, format!("there is no supervisor {name:?}"));
        Ok(Supervisor { inner: found.ok_or_else(missing)? })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the keys of all components.
    pub fn keys(&self) -> Vec<RegistryKey> {
        self.inner.parts().keys().cloned().collect()
    }

    /// Opens a producer and supervises it; returns its key.
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

    /// Opens a consumer and supervises it; returns its key. `attach` attaches its handler, now and after each restart.
    pub async fn add_consumer(&self, config: ComponentConfig, attach: Option<Attach<Consumer>>) -> Result<RegistryKey> {
        handlers::check_given(&config, attach.is_some())?;
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

    /// Opens a reader and supervises it; returns its key. `attach` attaches its handler, now and after each restart.
    ///
    /// A restarted reader starts at its `starting_message` again, since its position is lost.
    pub async fn add_reader(&self, config: ComponentConfig, attach: Option<Attach<Reader>>) -> Result<RegistryKey> {
        handlers::check_given(&config, attach.is_some())?;
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

    /// Returns the supervisor's client, or one for the component's own hosts with the supervisor's options.
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
            // Another call may have added the key while this component was opened; dropping the handle closes it.
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

    /// Returns the producer under this key, as it is now; a restart replaces it. If the producer is down for good, the
    /// call fails with its error.
    pub fn producer(&self, key: &RegistryKey) -> Result<Producer> {
        match self.handle(key, Component::Producer)? {
            Handle::Producer(producer) => Ok(producer),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// Returns the consumer under this key, as it is now; see [`Supervisor::producer`].
    pub fn consumer(&self, key: &RegistryKey) -> Result<Consumer> {
        match self.handle(key, Component::Consumer)? {
            Handle::Consumer(consumer) => Ok(consumer),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// Returns the reader under this key, as it is now; see [`Supervisor::producer`].
    pub fn reader(&self, key: &RegistryKey) -> Result<Reader> {
        match self.handle(key, Component::Reader)? {
            Handle::Reader(reader) => Ok(reader),
            _ => Err(Error::new(ErrorKind::Internal, format!("{key} is something else"))),
        }
    }

    /// Stops restarting, closes all components, and releases the name.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let handles: Vec<Handle> = {
            let mut parts = self.inner.parts();
            // Under the lock: a component that is being added is either in the set already, or finds the supervisor
            // closed.
            self.inner.closing.send_replace(true);
            std::mem::take(&mut *parts).into_values().filter_map(|handle| handle.borrow().clone().ok()).collect()
        };
        // Handles of the supervisor's client are closed with it; those with hosts of their own have their own clients.
        let handles = futures_util::future::join_all(handles.iter().map(|handle| async move {
            match handle {
                Handle::Producer(producer) => producer.close(timeout).await,
                Handle::Consumer(consumer) => consumer.close(timeout).await,
                Handle::Reader(reader) => reader.close(timeout).await,
            }
        }));
        let (closed, others) = futures_util::future::join(self.inner.client.close(timeout), handles).await;
        let mut all = supervisors();
        if all.get(&self.inner.name).is_some_and(|held| std::ptr::eq(held.as_ptr(), Arc::as_ptr(&self.inner))) {
            all.remove(&self.inner.name);
        }
        drop(all);
        closed.and(others.into_iter().collect())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("name", &self.inner.name).field("keys", &self.keys()).finish_non_exhaustive()
    }
}

/// The components: the open handle of each, or the error why it is not open.
type Parts = BTreeMap<RegistryKey, watch::Receiver<Result<Handle>>>;

impl Inner {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if a component may not take this key. A component that is down for good, or closed by the application, has
    /// released it.
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

/// Runs `attach` on a thread that may block: it waits until the handlers are created.
async fn attach_to<T: Send + 'static>(client: &Client, target: T, attach: Option<Attach<T>>) -> Result<()> {
    let Some(attach) = attach else { return Ok(()) };
    let Some(runtime) = client.inner.runtime.handle() else { return Err(crate::status::gone()) };
    let attached = runtime.spawn_blocking(move || may_block(|| attach(&target))).await;
    attached.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "attaching the handler panicked")))
}
