//! Options as `key=value`, and the functions that an application registers with them.

use std::cell::Cell;
use std::ffi::{c_char, c_void};

use once_cell::race::OnceBox;
use stargate_core::{ConnectionState, Error, ErrorKind, Level, Options, Result, StateChange};

use crate::error::{self, STARGATE_OK, STARGATE_TOO_BIG, stargate_error, stargate_status};
use crate::util::boundary::{self, enter, enter_or, invalid};
use crate::util::handle::{self, Handle};
use crate::util::user_data::UserData;
use crate::util::values::{Text, stargate_destroy_fn, stargate_str};

/// A set of options, for a client or for what it opens. Functions that take a set copy it: one set serves many calls
/// and may be freed right after them. Only one thread may use a set at a time.
pub struct stargate_options {
    _private: [u8; 0],
}

// SAFETY: `stargate_options_new` gives nothing else to C.
unsafe impl Handle for stargate_options {
    type Inner = Options;
}

/// The options behind a pointer that may be NULL: those of the table then.
///
/// # Safety
/// `options` is NULL or live.
pub(crate) unsafe fn options_or_default(options: *const stargate_options) -> Options {
    // SAFETY: the caller's promise.
    unsafe { handle::optional(options) }.cloned().unwrap_or_default()
}

/// # Safety
/// `options` is NULL or live, and nobody else uses it now.
pub(crate) unsafe fn inner_mut<'a>(options: *mut stargate_options) -> Result<&'a mut Options> {
    // SAFETY: it was made by `stargate_options_new`; the rest is the caller's promise.
    unsafe { options.cast::<Options>().as_mut() }.ok_or_else(|| invalid("options is NULL"))
}

/// Creates an empty set of options: every option has its default. Free it with `stargate_options_free`.
///
/// Thread-safe. NULL only when memory is exhausted.
#[unsafe(no_mangle)]
pub extern "C" fn stargate_options_new() -> *mut stargate_options {
    enter_or(std::ptr::null_mut(), || handle::into_raw(Options::new()))
}

/// Sets an option. Keys, values, units and defaults are those of docs/configuration.md and `stargate_options_describe`;
/// times are in milliseconds. The call checks the value; opening a handle checks which options go together.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT with the nearest key there is, or with the values that are
/// legal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_set(
    options: *mut stargate_options,
    key: *const c_char,
    value: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            options.set(boundary::text(key, "key")?, boundary::text(value, "value")?)
        })
    }
}

/// Sets the options of a JSON object, such as {"queue_size": 100, "lazy": true, "headers": {"X-Key": "value"}}, with the
/// keys of `stargate_options_set`. A value is a text, a number or a boolean. After an error no option has changed.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for text that is no JSON object, and as
/// `stargate_options_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_set_json(
    options: *mut stargate_options,
    json: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || inner_mut(options)?.set_json(boundary::text(json, "json")?)) }
}

/// Adds a header to each WebSocket upgrade and each request to the REST API, such as the API key of a gateway. It may be called
/// again for further ones; the option `headers` takes all of them at once.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for a name or a value that cannot be sent, and for headers
/// that belong to the connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_header(
    options: *mut stargate_options,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            options.set_header(boundary::text(name, "name")?, boundary::text(value, "value")?)
        })
    }
}

/// Frees a set of options. NULL does nothing. The `destroy` of a function registered in it runs once this set and every
/// handle opened with it are gone.
///
/// For one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_free(options: *mut stargate_options) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(options) }));
}

/// Returns every option as JSON: an array of objects with "key", "aliases", "type", "range", "choices", "default",
/// "roles" (which of connection, producer, consumer and reader take it), "parameters" (the server's name for it) and
/// "doc".
///
/// Thread-safe. The text is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn stargate_options_describe() -> stargate_str {
    static TEXT: OnceBox<Text> = OnceBox::new();
    enter_or(stargate_str::NONE, || TEXT.get_or_init(|| Text::boxed(stargate_core::options::describe())).view())
}

/// Runs the callbacks and handlers of a client with these options inside `stargate_client_poll`, and on no thread of
/// the library. It is for programs with an event loop. Log and token functions are not affected. It is not a key of
/// `stargate_options_set`, because it depends on how a program is written, not on its configuration.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_poll_callbacks(
    options: *mut stargate_options,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            *options = std::mem::take(options).poll_callbacks();
            Ok(())
        })
    }
}

/// A permanent failure.
pub const STARGATE_LOG_ERROR: i32 = 1;
/// A problem that the library is handling, such as a lost connection.
pub const STARGATE_LOG_WARN: i32 = 2;
/// A change of state, for operators.
pub const STARGATE_LOG_INFO: i32 = 3;
/// Details, for developers.
pub const STARGATE_LOG_DEBUG: i32 = 4;

const _: () = {
    assert!(STARGATE_LOG_ERROR == Level::Error as i32 && STARGATE_LOG_WARN == Level::Warn as i32);
    assert!(STARGATE_LOG_INFO == Level::Info as i32 && STARGATE_LOG_DEBUG == Level::Debug as i32);
};

/// Receives a log record: its level (STARGATE_LOG_ERROR and so on), what it is about (a topic, or "client"), and one line
/// of text. The texts live for the call. It may come from any thread and must not block; records that the library would
/// write because of what this function does are dropped.
pub type stargate_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, target: stargate_str, text: stargate_str)>;

thread_local! {
    /// A log function runs on this thread.
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

/// Sends the log records of whatever is opened with these options to `log`, up to `max_level` (STARGATE_LOG_DEBUG for
/// all). On a client's options it applies to everything that the client opens.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL and for a level that does not exist. `destroy`
/// runs after an error too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_on_log(
    options: *mut stargate_options,
    max_level: i32,
    log: stargate_log_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            let log = log.ok_or_else(|| invalid("log is NULL"))?;
            if !(STARGATE_LOG_ERROR..=STARGATE_LOG_DEBUG).contains(&max_level) {
                return Err(invalid(format!("max_level is {max_level}: expected 1 (error) to 4 (debug)")));
            }
            let sink = move |level: Level, target: &str, text: &str| {
                if level as i32 > max_level || LOGGING.replace(true) {
                    return;
                }
                let (target, text) = (Text::new(target), Text::new(text));
                log(user_data.get(), level as i32, target.view(), text.view());
                LOGGING.set(false);
            };
            *options = std::mem::take(options).log_sink(sink);
            Ok(())
        })
    }
}

/// Writes the token of a connection, without "Bearer", into `buffer` of `capacity` bytes and its length into `*length`,
/// and returns STARGATE_OK. If the buffer is too small, the function returns STARGATE_TOO_BIG with the size that it
/// needs in `*length`, and is called a second time with that capacity. Any other status means that there is no token:
/// the attempt to connect fails, and is repeated.
///
/// It runs on a thread of the library that may block, within the option connect_timeout.
pub type stargate_token_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        buffer: *mut c_char,
        capacity: usize,
        length: *mut usize,
    ) -> stargate_status,
>;

/// Calls `token` for the JSON web token at each connect, so that tokens can expire and be renewed. It replaces the
/// options auth_token and auth_token_file.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_on_token(
    options: *mut stargate_options,
    token: stargate_token_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            let token = token.ok_or_else(|| invalid("token is NULL"))?;
            let supplier = move || {
                ask_for_text("token", |buffer, capacity, length| token(user_data.get(), buffer, capacity, length))
            };
            *options = std::mem::take(options).token_supplier(supplier);
            Ok(())
        })
    }
}

/// Writes headers, "Name: value" a line, into `buffer` of `capacity` bytes and their length into `*length`, and returns
/// STARGATE_OK. It behaves as a token function does, the second call with a larger buffer included, and runs on a
/// thread of the library that may block.
pub type stargate_headers_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        buffer: *mut c_char,
        capacity: usize,
        length: *mut usize,
    ) -> stargate_status,
>;

/// Calls `headers` for headers at each connect and each request to the REST API. They are added to those set as
/// options, and replace those of the same names.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_on_headers(
    options: *mut stargate_options,
    headers: stargate_headers_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            let headers = headers.ok_or_else(|| invalid("headers is NULL"))?;
            let supplier = move || -> Result<Vec<(String, String)>> {
                let ask = |buffer, capacity, length| headers(user_data.get(), buffer, capacity, length);
                let lines = ask_for_text("headers", ask)?;
                let pair = |line: &str| {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    (name.to_owned(), value.to_owned())
                };
                Ok(lines.split('\n').filter(|line| !line.is_empty()).map(pair).collect())
            };
            *options = std::mem::take(options).headers_supplier(supplier);
            Ok(())
        })
    }
}

/// Calls a function for a text, a second time with more room if it wants it.
fn ask_for_text(function: &str, ask: impl Fn(*mut c_char, usize, *mut usize) -> stargate_status) -> Result<String> {
    const FIRST: usize = 8 * 1024;
    const MOST: usize = 1024 * 1024;
    let failed = |why: String| Error::new(ErrorKind::Authentication, why);
    let mut buffer = vec![0u8; FIRST];
    for _ in 0..2 {
        let mut length = 0usize;
        match ask(buffer.as_mut_ptr().cast(), buffer.len(), &mut length) {
            STARGATE_OK if length <= buffer.len() => {
                buffer.truncate(length);
                return String::from_utf8(buffer)
                    .map_err(|_| failed(format!("what the {function} function gave is not UTF-8")));
            }
            STARGATE_OK => {
                return Err(failed(format!("the {function} function gave {length} bytes, larger than its buffer")));
            }
            STARGATE_TOO_BIG if length > buffer.len() && length <= MOST => buffer.resize(length, 0),
            status => return Err(failed(format!("the {function} function returned {status}"))),
        }
    }
    Err(failed(format!("the {function} function wants more room each time")))
}

/// An attempt to connect is under way.
pub const STARGATE_STATE_CONNECTING: i32 = 0;
/// Connected, and attached to the topic.
pub const STARGATE_STATE_CONNECTED: i32 = 1;
/// The connection is lost, or the attempt failed; another attempt follows.
pub const STARGATE_STATE_DISCONNECTED: i32 = 2;
/// Closed by the application.
pub const STARGATE_STATE_CLOSED: i32 = 3;
/// Ended by a permanent error.
pub const STARGATE_STATE_FAILED: i32 = 4;
/// Connected, but the server delivers nothing: it waits for acknowledgements, or stopped at a message without a value
/// (then the error is `STARGATE_BROKER`).
pub const STARGATE_STATE_STALLED: i32 = 5;

const _: () = {
    assert!(STARGATE_STATE_CONNECTING == ConnectionState::Connecting as i32);
    assert!(STARGATE_STATE_CONNECTED == ConnectionState::Connected as i32);
    assert!(STARGATE_STATE_DISCONNECTED == ConnectionState::Disconnected as i32);
    assert!(STARGATE_STATE_CLOSED == ConnectionState::Closed as i32);
    assert!(STARGATE_STATE_FAILED == ConnectionState::Failed as i32);
    assert!(STARGATE_STATE_STALLED == ConnectionState::Stalled as i32);
};

/// A change of state of a connection. It is valid for the call that receives it.
#[repr(C)]
pub struct stargate_state_change {
    /// The size of this struct in the library that runs; later versions append fields.
    pub struct_size: usize,
    /// STARGATE_STATE_CONNECTED and so on.
    pub state: i32,
    /// Which of the handle's connections it is; 0 when it has one.
    pub session: u32,
    /// The topic of the producer, consumer or reader.
    pub topic: stargate_str,
    /// The host, as "name:port"; empty if the change concerns none.
    pub host: stargate_str,
    /// The reason, or NULL.
    pub error: *const stargate_error,
    /// Milliseconds until the next attempt, or -1 when none follows.
    pub retry_in_ms: i64,
    /// The proxy of the connection, such as "http://squid:3128", without its user; empty for a direct one.
    pub proxy: stargate_str,
}

/// Receives changes of state, on the client's callback thread.
pub type stargate_state_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, change: *const stargate_state_change)>;

/// Calls `on_state` whenever a connection of what is opened with these options changes its state. On a client's options
/// it applies to everything that the client opens.
///
/// For one thread at a time. Errors: STARGATE_INVALID_ARGUMENT for NULL. `destroy` runs after an error too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_options_on_state(
    options: *mut stargate_options,
    on_state: stargate_state_fn,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let options = inner_mut(options)?;
            let on_state = on_state.ok_or_else(|| invalid("on_state is NULL"))?;
            let listener = move |change: &StateChange| {
                let (topic, host) = (Text::new(change.topic.to_string()), Text::new(change.host.clone()));
                let proxy = Text::new(change.proxy.clone().unwrap_or_default());
                let error = change.error.clone().map(error::Inner::new);
                let change = stargate_state_change {
                    struct_size: size_of::<stargate_state_change>(),
                    state: change.state as i32,
                    session: u32::try_from(change.session).unwrap_or(u32::MAX),
                    topic: topic.view(),
                    host: host.view(),
                    error: error.as_ref().map_or(std::ptr::null(), error::Inner::as_ptr),
                    retry_in_ms: change.retry_in.map_or(-1, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
                    proxy: proxy.view(),
                };
                on_state(user_data.get(), &change);
            };
            *options = std::mem::take(options).on_state(listener);
            Ok(())
        })
    }
}
