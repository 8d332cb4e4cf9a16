//! The handlers that a configuration can name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Attach, ComponentConfig};
use crate::error::{Error, Result};

type Named<T> = Arc<dyn Fn(&T, &str) -> Result<()> + Send + Sync>;

/// Handlers of consumers or of readers, by name.
#[derive(Clone)]
pub(super) struct Handlers<T>(BTreeMap<String, Named<T>>);

impl<T> Default for Handlers<T> {
    fn default() -> Handlers<T> {
        Handlers(BTreeMap::new())
    }
}

impl<T> fmt::Debug for Handlers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<T: 'static> Handlers<T> {
    pub(super) fn add(&mut self, name: String, attach: impl Fn(&T, &str) -> Result<()> + Send + Sync + 'static) {
        self.0.insert(name, Arc::new(attach));
    }

    /// Returns the handler that a component names, with its arguments; `None` if it names none.
    pub(super) fn of(&self, config: &ComponentConfig) -> Option<Attach<T>> {
        let attach = self.0.get(config.handler.as_ref()?)?.clone();
        let args = config.handler_init_args.clone();
        Some(Arc::new(move |handle: &T| attach(handle, &args)))
    }
}

/// Fails if a component names a handler that was not given: its messages would wait without limit.
pub(super) fn check_given(config: &ComponentConfig, given: bool) -> Result<()> {
    match &config.handler {
        Some(name) if !given => Err(Error::invalid(format!(
            "there is no handler {name:?}: name it with consumer_handler or reader_handler of the configuration, or add \
             the component with its handler"
        ))
        .on_topic(&config.topic.to_string())),
        _ => Ok(()),
    }
}
