//! The supervisor: a named set of producers, consumers and readers, each restarted by itself when it fails.

use std::ffi::{c_char, c_void};

use stargate_core::{
    Component, ComponentConfig, RegistryKey, Result, Supervisor, SupervisorConfig, TopicName, blocking,
};

use crate::consumer::stargate_consumer;
use crate::error::{stargate_error, stargate_status};
use crate::options::{options_or_default, stargate_options};
use crate::producer::stargate_producer;
use crate::reader::stargate_reader;
use crate::util::boundary::{self, Out, enter, enter_or};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::handler::stargate_handler;
use crate::util::receiving;
use crate::util::time;
use crate::util::user_data::UserData;
use crate::util::values::{owned_string, stargate_destroy_fn};

/// A named set of producers, consumers and readers. Connections reconnect by themselves; a supervisor reopens what
/// ended with a permanent error, and leaves down what fails too often.
pub struct stargate_supervisor {
    _private: [u8; 0],
}

// SAFETY: the functions below give nothing else to C.
unsafe impl Handle for stargate_supervisor {
    type Inner = OfProcess<Supervisor>;
}

/// Starts a supervisor from JSON:
///
/// {"name": "shop", "host": ["localhost:8080"], "protocol": "ws", "ping_interval": 20000, "producer": {"tenant":
/// "public", "namespace": "default", "topic": "orders", "send_timeout": 5000}, "consumer": [{"topic":
/// "persistent://public/default/orders", "subscription": "billing", "query_params": {"subscription_type": "shared"}}]}
///
/// `producer`, `consumer` and `reader` are one object or a list. Everything that is not a name or a host is an option.
/// `options` are further options of connections, such as functions, which JSON cannot express; NULL for none. If one
/// component cannot be opened, all are closed.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BUSY when the process has a supervisor of this
/// name, and those of `stargate_producer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_start(
    json: *const c_char,
    options: *const stargate_options,
    timeout_ms: i64,
    out: *mut *mut stargate_supervisor,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let mut config = SupervisorConfig::from_json(boundary::text(json, "json")?)?;
            let options = options_or_default(options);
            if options.polls_callbacks() {
                return Err(boundary::invalid("options: a supervisor has no client to poll callbacks of"));
            }
            config.options = config.options.or(&options);
            let supervisor = blocking::wait(Supervisor::start(config), time::timeout(timeout_ms)?)?;
            out.set(handle::into_raw(OfProcess::new(supervisor)));
            Ok(())
        })
    }
}

/// Returns the running supervisor of this name, to be freed like the one that was started.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_find(
    name: *const c_char,
    out: *mut *mut stargate_supervisor,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let supervisor = Supervisor::find(boundary::text(name, "name")?)?;
            out.set(handle::into_raw(OfProcess::new(supervisor)));
            Ok(())
        })
    }
}

/// Opens one more producer and supervises it. `json` is an object as under `producer` in `stargate_supervisor_start`.
///
/// Thread-safe; blocks. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BUSY when there is one of this topic, and those of
/// `stargate_producer_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_add_producer(
    supervisor: *mut stargate_supervisor,
    json: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let config = ComponentConfig::from_json(Component::Producer, boundary::text(json, "json")?)?;
            blocking::wait(supervisor.add_producer(config), time::timeout(timeout_ms)?).map(drop)
        })
    }
}

/// Opens one more consumer, gives it a handler, and supervises it: after a restart it has the handler again. `handler`
/// may be NULL, for a consumer to receive from. `destroy` is called with `user_data` once no handler can run any more.
///
/// Thread-safe; blocks. Errors: as `stargate_supervisor_add_producer`, and those of `stargate_consumer_listen`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_add_consumer(
    supervisor: *mut stargate_supervisor,
    json: *const c_char,
    handler: *const stargate_handler,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let config = ComponentConfig::from_json(Component::Consumer, boundary::text(json, "json")?)?;
            let attach = receiving::attach(handler, user_data)?;
            blocking::wait(supervisor.add_consumer(config, attach), time::timeout(timeout_ms)?).map(drop)
        })
    }
}

/// Opens one more reader and supervises it, as `stargate_supervisor_add_consumer` does. `handler` may be NULL.
/// After a restart it begins at its `starting_message` again.
///
/// Thread-safe; blocks. Errors: as `stargate_supervisor_add_consumer`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_add_reader(
    supervisor: *mut stargate_supervisor,
    json: *const c_char,
    handler: *const stargate_handler,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let config = ComponentConfig::from_json(Component::Reader, boundary::text(json, "json")?)?;
            let attach = receiving::attach(handler, user_data)?;
            blocking::wait(supervisor.add_reader(config, attach), time::timeout(timeout_ms)?).map(drop)
        })
    }
}

/// The key of a component, by its topic and, if given, its subscription.
///
/// # Safety
/// The texts are NULL or end with a NUL.
unsafe fn key(
    supervisor: &Supervisor,
    component: Component,
    topic: *const c_char,
    subscription: *const c_char,
) -> Result<RegistryKey> {
    // SAFETY: the caller's promise.
    unsafe {
        let topic: TopicName = boundary::text(topic, "topic")?.parse()?;
        let key = RegistryKey::new(supervisor.name(), component, topic);
        Ok(match boundary::optional_text(subscription, "subscription")? {
            Some(subscription) => key.subscription(subscription),
            None => key,
        })
    }
}

/// Returns the producer of a topic, as it is now; after a restart it is another one. The caller frees the handle; the
/// producer continues in the supervisor.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, or that of a producer that the supervisor gave up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_producer(
    supervisor: *mut stargate_supervisor,
    topic: *const c_char,
    out: *mut *mut stargate_producer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let producer = supervisor.producer(&key(supervisor, Component::Producer, topic, std::ptr::null())?)?;
            out.set(handle::into_raw(OfProcess::shared(producer)));
            Ok(())
        })
    }
}

/// Returns the consumer of a topic and subscription, as it is now; see `stargate_supervisor_producer`. `subscription`
/// may be NULL when the topic has one consumer.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT when there are several, or that of a consumer
/// that the supervisor gave up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_consumer(
    supervisor: *mut stargate_supervisor,
    topic: *const c_char,
    subscription: *const c_char,
    out: *mut *mut stargate_consumer,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let consumer = supervisor.consumer(&key(supervisor, Component::Consumer, topic, subscription)?)?;
            out.set(handle::into_raw(OfProcess::shared(consumer)));
            Ok(())
        })
    }
}

/// Returns the reader of a topic, as it is now; see `stargate_supervisor_producer`.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, or that of a reader that the supervisor gave up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_reader(
    supervisor: *mut stargate_supervisor,
    topic: *const c_char,
    out: *mut *mut stargate_reader,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let reader = supervisor.reader(&key(supervisor, Component::Reader, topic, std::ptr::null())?)?;
            out.set(handle::into_raw(OfProcess::shared(reader)));
            Ok(())
        })
    }
}

/// Returns what a supervisor holds, as a JSON array of objects with `supervisor`, `component`, `topic` and, of
/// consumers, `subscription`; for `stargate_string_free`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_keys_json(
    supervisor: *mut stargate_supervisor,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            let keys: Vec<String> = supervisor.keys().iter().map(RegistryKey::to_json).collect();
            out.set(owned_string(&format!("[{}]", keys.join(",")))?);
            Ok(())
        })
    }
}

/// Stops restarting and closes everything that the supervisor holds, within `timeout_ms`. Its name can then be used
/// again.
///
/// Thread-safe; blocks. Errors: as `stargate_client_close`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_close(
    supervisor: *mut stargate_supervisor,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let supervisor = handle::inner(supervisor, "supervisor")?.get()?;
            blocking::wait(supervisor.close(time::limit(timeout_ms)?), None)
        })
    }
}

/// Frees a supervisor. NULL does nothing. It ends when it was closed, or when its last handle is freed; without a close
/// its handlers may run a moment longer.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_free(supervisor: *mut stargate_supervisor) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(supervisor) }));
}

/// Frees a supervisor as `stargate_supervisor_free` does, but never waits, and runs nothing of the application on this thread. It
/// is for finalizers. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_supervisor_release(supervisor: *mut stargate_supervisor) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    unsafe { handle::release(supervisor) }
}
