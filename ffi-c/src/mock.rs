//! The mock broker, for the tests of applications; `include/stargate_mock.h`.

use std::ffi::{c_char, c_void};
use std::io;
use std::mem::offset_of;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stargate_core::mock::{Mock, MockError, MockMessage, MockOAuth2, MockOptions, MockTls};
use stargate_core::{Error, ErrorKind, Result};

use crate::error::{stargate_error, stargate_status};
use crate::producer::stargate_outgoing;
use crate::util::boundary::{self, Out, Sized_, enter, enter_or, invalid};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::time;
use crate::util::values::{Text, owned_string, stargate_bytes, stargate_property, stargate_str};

/// An in-memory Pulsar broker on a real socket at 127.0.0.1, which produces on request the faults of a real one. Any
/// WebSocket client can use it, other processes too.
pub struct stargate_mock {
    _private: [u8; 0],
}

/// What is behind a `stargate_mock`.
pub struct Inner {
    mock: Mock,
    url: Text,
    http_url: Text,
    oauth2_issuer_url: Text,
}

// SAFETY: `stargate_mock_start` gives nothing else to C.
unsafe impl Handle for stargate_mock {
    type Inner = OfProcess<Inner>;
}

/// The options of a mock broker. Begin with STARGATE_MOCK_OPTIONS_INIT; 0 and NULL stand for a real broker's defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_mock_options {
    /// sizeof(stargate_mock_options).
    pub struct_size: usize,
    /// The port at 127.0.0.1; 0 is any free one.
    pub port: u16,
    /// 1: connecting to a topic that is missing does not create it.
    pub no_auto_create_topics: i32,
    /// The token that may do everything; without one, clients need not authenticate.
    pub token: *const c_char,
    /// A token that is known and may do nothing (HTTP 403).
    pub forbidden_token: *const c_char,
    /// Serve TLS with this certificate chain (PEM file); needs tls_key_file.
    pub tls_cert_file: *const c_char,
    /// The private key (PEM file).
    pub tls_key_file: *const c_char,
    /// Largest message in bytes, as Pulsar's webSocketMaxTextFrameSize; 0 is 1,048,576.
    pub max_text_size: usize,
    /// Milliseconds without traffic after which the connection is closed with 1001; 0 is Pulsar's 300,000.
    pub idle_timeout_ms: i64,
    /// Accept client certificates of this CA (PEM file) in place of a token.
    pub tls_client_ca_file: *const c_char,
    /// The user of HTTP Basic authentication that may do everything; needs basic_password.
    pub basic_user: *const c_char,
    /// The password of basic_user.
    pub basic_password: *const c_char,
    /// Be an OAuth2 issuer with this client, at `stargate_mock_oauth2_issuer_url`, and accept its tokens; needs
    /// oauth2_client_secret.
    pub oauth2_client_id: *const c_char,
    /// The secret of oauth2_client_id.
    pub oauth2_client_secret: *const c_char,
    /// Accept tokens of the issuer for this audience only.
    pub oauth2_audience: *const c_char,
    /// Milliseconds for which a token of the issuer is valid; 0 is an hour.
    pub oauth2_token_life_ms: i64,
    /// The version of Pulsar that it plays; NULL is 4.0.8. Before 4 it lacks what those WebSocket proxies lack: consumers
    /// of several topics, encryption on the client, and the initial position of a subscription.
    pub pulsar_version: *const c_char,
    /// 1: decline the compression of WebSockets (permessage-deflate) that clients offer.
    pub no_websocket_compression: i32,
}

// SAFETY: numbers and pointers, of which zero and NULL mean "not given".
unsafe impl Sized_ for stargate_mock_options {
    const FIRST_SIZE: usize = offset_of!(stargate_mock_options, tls_client_ca_file) + size_of::<*const c_char>();
}

fn failed(error: MockError) -> Error {
    let kind = match &error {
        MockError::Invalid(_) => ErrorKind::InvalidArgument,
        MockError::NotFound(_) => ErrorKind::NotFound,
        MockError::Failed(_) => ErrorKind::Broker,
    };
    Error::new(kind, error.to_string())
}

fn not_started(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied => ErrorKind::InvalidArgument,
        _ => ErrorKind::Connect,
    };
    Error::new(kind, format!("start the mock broker: {error}"))
}

/// # Safety
/// `from` is NULL or begins with its size, and what it points to is valid.
unsafe fn options(from: *const stargate_mock_options) -> Result<MockOptions> {
    let mut options = MockOptions::default();
    if from.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's promise.
    unsafe {
        let from = boundary::sized(from, "options")?;
        options.port = from.port;
        options.auto_create_topics = from.no_auto_create_topics == 0;
        options.websocket_compression = from.no_websocket_compression == 0;
        options.tokens.extend(boundary::optional_text(from.token, "options.token")?.map(str::to_owned));
        let forbidden = boundary::optional_text(from.forbidden_token, "options.forbidden_token")?;
        options.forbidden_tokens.extend(forbidden.map(str::to_owned));
        let pair =
            |first: *const c_char, second: *const c_char, names: [&str; 2]| -> Result<Option<(String, String)>> {
                let [first, second] = [(first, names[0]), (second, names[1])]
                    .map(|(text, name)| boundary::optional_text(text, format!("options.{name}")));
                match (first?, second?) {
                    (Some(first), Some(second)) => Ok(Some((first.to_owned(), second.to_owned()))),
                    (None, None) => Ok(None),
                    _ => Err(invalid(format!("options.{} and options.{} need each other", names[0], names[1]))),
                }
            };
        options.users.extend(pair(from.basic_user, from.basic_password, ["basic_user", "basic_password"])?);
        let client =
            pair(from.oauth2_client_id, from.oauth2_client_secret, ["oauth2_client_id", "oauth2_client_secret"])?;
        options.oauth2 = client.map(|(id, secret)| MockOAuth2::new(id, secret));
        let audience = boundary::optional_text(from.oauth2_audience, "options.oauth2_audience")?;
        match &mut options.oauth2 {
            Some(issuer) => {
                issuer.audience = audience.map(str::to_owned);
                if from.oauth2_token_life_ms != 0 {
                    let negative = |_| invalid("options.oauth2_token_life_ms is negative");
                    issuer.token_life =
                        Duration::from_millis(u64::try_from(from.oauth2_token_life_ms).map_err(negative)?);
                }
            }
            None if audience.is_some() || from.oauth2_token_life_ms != 0 => {
                return Err(invalid("options.oauth2_audience and options.oauth2_token_life_ms need oauth2_client_id"));
            }
            None => {}
        }
        if from.max_text_size != 0 {
            options.max_text_size = from.max_text_size;
        }
        if from.idle_timeout_ms != 0 {
            let millis =
                u64::try_from(from.idle_timeout_ms).map_err(|_| invalid("options.idle_timeout_ms is negative"))?;
            options.idle_timeout = Duration::from_millis(millis);
        }
        if let Some(version) = boundary::optional_text(from.pulsar_version, "options.pulsar_version")? {
            options.version = version.to_owned();
        }
        let certificates = boundary::optional_text(from.tls_cert_file, "options.tls_cert_file")?;
        let key = boundary::optional_text(from.tls_key_file, "options.tls_key_file")?;
        let client_ca = boundary::optional_text(from.tls_client_ca_file, "options.tls_client_ca_file")?;
        options.tls = match (certificates, key) {
            (None, None) if client_ca.is_none() => None,
            (Some(certificates), Some(key)) => Some(MockTls {
                certificates: PathBuf::from(certificates),
                key: PathBuf::from(key),
                client_ca: client_ca.map(PathBuf::from),
            }),
            _ => return Err(invalid("options.tls_cert_file and options.tls_key_file need each other")),
        };
    }
    Ok(options)
}

/// The mock behind a handle.
///
/// # Safety
/// `mock` is NULL or live while `'a` lasts.
unsafe fn live<'a>(mock: *const stargate_mock) -> Result<&'a Mock> {
    // SAFETY: the caller's promise.
    Ok(&unsafe { handle::inner(mock, "mock") }?.get()?.mock)
}

/// Starts a broker. NULL `options` are the defaults: any free port, no authentication, no TLS.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT (options, TLS files), STARGATE_CONNECT (the port is taken).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_start(
    options: *const stargate_mock_options,
    out: *mut *mut stargate_mock,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let mock = Mock::start(self::options(options)?).map_err(not_started)?;
            let (url, http_url) = (Text::new(mock.url()), Text::new(mock.http_url()));
            let oauth2_issuer_url = Text::new(mock.oauth2_issuer_url());
            out.set(handle::into_raw(OfProcess::new(Inner { mock, url, http_url, oauth2_issuer_url })));
            Ok(())
        })
    }
}

/// Returns the service URL of a mock, "ws://127.0.0.1:PORT" or "wss://...", for `stargate_client_new`. `ptr` is NULL
/// for NULL.
///
/// Thread-safe. A view of the mock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_url(mock: *const stargate_mock) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    let inner = unsafe { handle::optional(mock) };
    enter_or(stargate_str::NONE, || {
        inner.and_then(|mock| mock.get().ok()).map_or(stargate_str::NONE, |it| it.url.view())
    })
}

/// Returns the URL of the REST API of a mock, "http://127.0.0.1:PORT". `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the mock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_http_url(mock: *const stargate_mock) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    let inner = unsafe { handle::optional(mock) };
    enter_or(stargate_str::NONE, || {
        inner.and_then(|mock| mock.get().ok()).map_or(stargate_str::NONE, |it| it.http_url.view())
    })
}

/// Returns the URL of the OAuth2 issuer that a mock is with the option oauth2_client_id,
/// "http://127.0.0.1:PORT/oauth2", for the option oauth2_issuer_url of a client. `ptr` is NULL for NULL.
///
/// Thread-safe. A view of the mock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_oauth2_issuer_url(mock: *const stargate_mock) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    let inner = unsafe { handle::optional(mock) };
    enter_or(stargate_str::NONE, || {
        inner.and_then(|mock| mock.get().ok()).map_or(stargate_str::NONE, |it| it.oauth2_issuer_url.view())
    })
}

/// The mock's message for one of C.
///
/// # Safety
/// `from` is NULL or begins with its size, and what it points to is valid.
unsafe fn message(from: *const stargate_outgoing) -> Result<MockMessage> {
    // SAFETY: the caller's promise.
    unsafe {
        let from = boundary::sized(from, "message")?;
        let mut message = MockMessage::new(from.payload.get("message.payload")?);
        if from.payload.ptr.is_null() {
            message.payload = None;
        }
        message.key = boundary::optional_text(from.key, "message.key")?.map(str::to_owned);
        for property in boundary::items(from.properties, from.property_count, "message.properties")? {
            let name = boundary::text(property.key, "message.properties[].key")?;
            message = message.property(name, boundary::text(property.value, "message.properties[].value")?);
        }
        message.event_time = from.event_time_ms;
        message.deliver_after_ms = match (from.deliver_after_ms, from.deliver_at_ms) {
            (after, 0) => u64::try_from(after).map_err(|_| invalid("message.deliver_after_ms is negative"))?,
            (0, at) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                u64::try_from(i128::from(at).saturating_sub_unsigned(now)).unwrap_or(0)
            }
            _ => return Err(invalid("message has both deliver_at_ms and deliver_after_ms")),
        };
        Ok(message)
    }
}

/// Stores a message as if a producer had sent it; its context and replication_clusters mean nothing here. A payload
/// whose ptr is NULL makes a tombstone, a message without a value, which only native clients can send; an empty payload
/// has a ptr. The broker creates the topic if it does not exist. On a partitioned topic the key selects the partition.
/// `*out_message_id` is its id, to free with `stargate_string_free`; `out_message_id` may be NULL.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_NOT_FOUND (namespace), STARGATE_BROKER (the topic is
/// terminated).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_publish(
    mock: *mut stargate_mock,
    topic: *const c_char,
    message: *const stargate_outgoing,
    out_message_id: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::optional(out_message_id, std::ptr::null_mut());
            let topic = boundary::text(topic, "topic")?;
            let message = self::message(message)?;
            let id = live(mock)?.publish(topic, message).map_err(failed)?;
            if out.is_wanted() {
                out.set(owned_string(&id)?);
            }
            Ok(())
        })
    }
}

/// A message as the broker stored it. It is valid for the call that receives it.
#[repr(C)]
pub struct stargate_mock_message {
    /// The size of this struct in the library that runs; later versions append fields.
    pub struct_size: usize,
    /// The full name of the topic; of a partitioned one, the partition.
    pub topic: stargate_str,
    /// The id as a consumer gets it.
    pub message_id: stargate_str,
    /// The content; `ptr` is NULL for a null value, which only native clients send.
    pub payload: stargate_bytes,
    /// The key; `ptr` is NULL when it has none.
    pub key: stargate_str,
    /// The properties, in the order of their names.
    pub properties: *const stargate_property,
    /// How many there are.
    pub property_count: usize,
    /// The application's time, in milliseconds since 1970 UTC, or 0.
    pub event_time_ms: i64,
    /// When it was stored, in milliseconds since 1970 UTC.
    pub publish_time_ms: i64,
    /// Before this time shared and key_shared subscriptions do not deliver it, in milliseconds since 1970 UTC, or 0.
    pub deliver_at_ms: i64,
    /// The producer's name, given or generated.
    pub producer_name: stargate_str,
    /// The sequence id that the broker keeps for it.
    pub sequence_id: i64,
}

/// Receives a stored message, in the call that it is passed to.
pub type stargate_mock_visit_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, message: *const stargate_mock_message)>;

/// Calls `visit` for everything that a topic holds, acknowledged or not, partition after partition and in order, on
/// this thread and before it returns. Their number goes to `*count`. `visit` and `count` may be NULL.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND for a topic that nobody created or used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_messages(
    mock: *mut stargate_mock,
    topic: *const c_char,
    visit: stargate_mock_visit_fn,
    user_data: *mut c_void,
    count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them; `visit` gets views that outlive its calls.
    unsafe {
        enter(error, || {
            let out = Out::optional(count, 0);
            let mock = live(mock)?;
            let stored = mock.messages(boundary::text(topic, "topic")?).map_err(failed)?;
            let total = stored.len();
            if let Some(visit) = visit {
                stored.into_iter().for_each(|message| show(message, |it| visit(user_data, it)));
            }
            out.set(total);
            Ok(())
        })
    }
}

/// Shows a stored message to C.
fn show(message: stargate_core::mock::StoredMessage, visit: impl FnOnce(*const stargate_mock_message)) {
    let (topic, id, producer) =
        (Text::new(message.topic), Text::new(message.message_id), Text::new(message.producer_name));
    let key = message.key.map(Text::new);
    let texts: Vec<_> =
        message.properties.into_iter().map(|(name, value)| (Text::new(name), Text::new(value))).collect();
    let properties: Vec<_> =
        texts.iter().map(|(name, value)| stargate_property { key: name.view().ptr, value: value.view().ptr }).collect();
    let millis = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    visit(&stargate_mock_message {
        struct_size: size_of::<stargate_mock_message>(),
        topic: topic.view(),
        message_id: id.view(),
        payload: message.payload.as_deref().map_or(stargate_bytes::NONE, stargate_bytes::view),
        key: key.as_ref().map_or(stargate_str::NONE, Text::view),
        properties: properties.as_ptr(),
        property_count: properties.len(),
        event_time_ms: message.event_time,
        publish_time_ms: millis(message.publish_time),
        deliver_at_ms: millis(message.deliver_at),
        producer_name: producer.view(),
        sequence_id: message.sequence_id,
    });
}

/// Returns the messages of a topic as JSON in `*out`, to free with `stargate_string_free`: an array of objects with
/// "topic", "message_id", "payload" (in base64, or null), "key" (or null), "properties", "event_time_ms",
/// "publish_time_ms", "deliver_at_ms", "producer_name", "sequence_id" and "batch" (null, or its place in its batch and
/// the batch's size).
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_messages_json(
    mock: *mut stargate_mock,
    topic: *const c_char,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            let text = live(mock)?.messages_json(boundary::text(topic, "topic")?).map_err(failed)?;
            out.set(owned_string(&text)?);
            Ok(())
        })
    }
}

/// Returns how many messages (a batch counts as one) a subscription has not acknowledged.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_backlog(
    mock: *mut stargate_mock,
    topic: *const c_char,
    subscription: *const c_char,
    out: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let (topic, subscription) =
                (boundary::text(topic, "topic")?, boundary::text(subscription, "subscription")?);
            out.set(live(mock)?.backlog(topic, subscription).map_err(failed)?);
            Ok(())
        })
    }
}

/// Creates a namespace ("tenant/namespace") and its tenant. "public/default" is there from the start.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_create_namespace(
    mock: *mut stargate_mock,
    name: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || live(mock)?.create_namespace(boundary::text(name, "name")?).map_err(failed)) }
}

/// Creates a topic with partitions.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT, STARGATE_BROKER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_create_partitioned(
    mock: *mut stargate_mock,
    topic: *const c_char,
    partitions: u32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || live(mock)?.create_partitioned(boundary::text(topic, "topic")?, partitions).map_err(failed))
    }
}

/// Creates a durable subscription, at the beginning of the topic if `earliest` is not 0, otherwise at its end. Messages
/// then wait for a consumer that is opened later. The broker creates the topic if it does not exist.
///
/// Thread-safe. Errors: STARGATE_BROKER (it exists), STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_create_subscription(
    mock: *mut stargate_mock,
    topic: *const c_char,
    subscription: *const c_char,
    earliest: i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let mock = live(mock)?;
            let (topic, subscription) =
                (boundary::text(topic, "topic")?, boundary::text(subscription, "subscription")?);
            mock.create_subscription(topic, subscription, earliest != 0).map_err(failed)
        })
    }
}

/// Enables deduplication in a namespace such as "public/default", or disables it if `on` is 0. With it the broker drops
/// messages whose sequence id it has seen.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_set_deduplication(
    mock: *mut stargate_mock,
    name: *const c_char,
    on: i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || live(mock)?.set_deduplication(boundary::text(name, "name")?, on != 0).map_err(failed)) }
}

/// Ends a topic: nothing more can be sent to it, and consumers learn that it has ended once they have everything.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_terminate(
    mock: *mut stargate_mock,
    topic: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || live(mock)?.terminate(boundary::text(topic, "topic")?).map_err(failed)) }
}

/// Deletes a topic by force. Connected clients are not notified, and the next message to it creates it again.
///
/// Thread-safe. Errors: STARGATE_NOT_FOUND, STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_delete_topic(
    mock: *mut stargate_mock,
    topic: *const c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || live(mock)?.delete_topic(boundary::text(topic, "topic")?).map_err(failed)) }
}

/// Scripts a fault: it happens the next `count` times that `op` happens on `topic` (NULL `topic`: any), first in first
/// out; SIZE_MAX means without limit.
///
/// Operations: "connect", "send", "ack", "nack", "permit", "receive", "ping", "close", "unsubscribe", "end_of_topic",
/// and "http", for which the topic is a path. Faults, each where it makes sense: "http:STATUS[:reason]",
/// "send-error:N[:text]", "close[:CODE[:reason]]", "close-empty", "drop", "drop-after", "reset", "half-frame",
/// "garbage", "binary", "delay:MS", "no-context", "wrong-context", "no-receipt", "duplicate", "resent", "lost-ack",
/// "no-pong", "stall".
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_fault(
    mock: *mut stargate_mock,
    op: *const c_char,
    topic: *const c_char,
    fault: *const c_char,
    count: usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let topic = boundary::optional_text(topic, "topic")?;
            live(mock)?.fault(boundary::text(op, "op")?, topic, boundary::text(fault, "fault")?, count).map_err(failed)
        })
    }
}

/// Returns how many faults have not happened yet; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_faults_left(mock: *const stargate_mock) -> usize {
    // SAFETY: NULL or live, by the rules of the header.
    let inner = unsafe { handle::optional(mock) };
    enter_or(0, || inner.and_then(|mock| mock.get().ok()).map_or(0, |it| it.mock.faults_left()))
}

/// Forgets the faults that have not happened yet.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_clear_faults(
    mock: *mut stargate_mock,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            live(mock)?.clear_faults();
            Ok(())
        })
    }
}

/// Takes the broker down (`up` is 0) or up again. Down, connections are dropped and new ones refused; its data and its
/// port stay.
///
/// Thread-safe. Errors: STARGATE_BROKER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_set_up(
    mock: *mut stargate_mock,
    up: i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe { enter(error, || live(mock)?.set_up(up != 0).map_err(failed)) }
}

/// Drops the connections about a topic (NULL `topic`: all), without a close frame. `*out` is how many there were; `out`
/// may be NULL.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_drop_connections(
    mock: *mut stargate_mock,
    topic: *const c_char,
    out: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::optional(out, 0);
            let dropped = live(mock)?.drop_connections(boundary::optional_text(topic, "topic")?).map_err(failed)?;
            out.set(dropped);
            Ok(())
        })
    }
}

/// Returns how many WebSocket connections are open; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_connections(mock: *const stargate_mock) -> usize {
    // SAFETY: NULL or live, by the rules of the header.
    let inner = unsafe { handle::optional(mock) };
    enter_or(0, || inner.and_then(|mock| mock.get().ok()).map_or(0, |it| it.mock.connections()))
}

/// Waits until `op` (as in `stargate_mock_fault`, and "disconnect") has happened `at_least` times on `topic` (NULL
/// `topic`: any) since the start or the last `stargate_mock_clear_requests`. It replaces sleeps in tests.
///
/// Thread-safe; blocks. Errors: STARGATE_TIMEOUT, with how often it did happen; STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_wait(
    mock: *mut stargate_mock,
    op: *const c_char,
    topic: *const c_char,
    at_least: usize,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let (op, topic) = (boundary::text(op, "op")?, boundary::optional_text(topic, "topic")?);
            let mock = live(mock)?;
            if mock.wait(op, topic, at_least, time::limit(timeout_ms)?).map_err(failed)? {
                return Ok(());
            }
            let happened = mock.count(op.parse().map_err(failed)?, topic).map_err(failed)?;
            let on = topic.map(|topic| format!(" on {topic}")).unwrap_or_default();
            let text =
                format!("mock broker: {op}{on} happened {happened} times within {timeout_ms} ms, not {at_least}");
            Err(Error::new(ErrorKind::Timeout, text))
        })
    }
}

/// Returns how often `op` has happened on `topic` (NULL `topic`: any) since the start or the last
/// `stargate_mock_clear_requests`.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_count(
    mock: *mut stargate_mock,
    op: *const c_char,
    topic: *const c_char,
    out: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let mock = live(mock)?;
            let op = boundary::text(op, "op")?.parse().map_err(failed)?;
            let topic = boundary::optional_text(topic, "topic")?;
            out.set(mock.count(op, topic).map_err(failed)?);
            Ok(())
        })
    }
}

/// Returns what clients did and received, in order and at most the last 100,000, as JSON in `*out`, to free with
/// `stargate_string_free`: an array of objects with "at_ms" (since the start), "op", "topic", "role" (producer,
/// consumer, reader, admin), "connection" (counted from 1) and "detail" (the status of an upgrade, the context of a
/// send, the id of an acknowledgement ...).
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_requests_json(
    mock: *mut stargate_mock,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            out.set(owned_string(&live(mock)?.requests_json())?);
            Ok(())
        })
    }
}

/// Empties that list, and counts from zero again.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_clear_requests(
    mock: *mut stargate_mock,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            live(mock)?.clear_requests();
            Ok(())
        })
    }
}

/// Ends the broker and every connection to it. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_free(mock: *mut stargate_mock) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(mock) }));
}

/// Ends the broker and every connection to it, as `stargate_mock_free` does, but in the background: it never waits. It is
/// for finalizers. NULL does nothing.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_mock_release(mock: *mut stargate_mock) {
    enter_or((), || {
        // SAFETY: NULL or live, and freed once, by the rules of the header.
        let Some(owned) = (unsafe { handle::take(mock) }) else { return };
        if owned.get().is_ok() {
            // It waits for the broker's own thread, so not on one that carries clients.
            std::thread::spawn(move || drop(owned));
        }
    });
}
