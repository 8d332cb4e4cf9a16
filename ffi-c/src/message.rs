//! A received message, as views.

use std::borrow::Cow;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use once_cell::race::OnceBox;
use stargate_core::{Message, MessageId, Result};

use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, Out, enter, enter_or};
use crate::util::handle::{self, Handle};
use crate::util::handler::STARGATE_RECONSUME_LATER;
use crate::util::values::{Text, flat, stargate_bytes, stargate_str};

/// A received message. The caller frees a message that a receive returned. One passed to a handler lives for that call;
/// `stargate_message_clone` keeps it. All accessors return views that live as long as the message.
pub struct stargate_message {
    _private: [u8; 0],
}

/// What is behind a `stargate_message`. Texts are made for C when they are asked for.
pub(crate) struct Inner<'a> {
    message: Cow<'a, Message>,
    id: OnceBox<Text>,
    topic: OnceBox<Text>,
    key: OnceBox<Text>,
    encryption_context: OnceBox<Text>,
    properties: OnceBox<Vec<(Text, Text)>>,
    property_fields: OnceBox<Vec<stargate_property_fields>>,
    /// The delay in milliseconds after which a handler requests redelivery.
    delay_ms: AtomicU64,
}

// SAFETY: receives give boxes of this, and handlers a pointer to one that outlives their call.
unsafe impl Handle for stargate_message {
    type Inner = Inner<'static>;
}

impl Inner<'_> {
    pub(crate) fn borrowed(message: &Message) -> Inner<'_> {
        Inner::new(Cow::Borrowed(message))
    }

    fn new(message: Cow<'_, Message>) -> Inner<'_> {
        Inner {
            message,
            id: OnceBox::new(),
            topic: OnceBox::new(),
            key: OnceBox::new(),
            encryption_context: OnceBox::new(),
            properties: OnceBox::new(),
            property_fields: OnceBox::new(),
            delay_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// For a handler, as long as this lives.
    pub(crate) fn as_ptr(&self) -> *const stargate_message {
        std::ptr::from_ref(self).cast()
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))
    }

    /// In the order of their names, as the core has them.
    fn properties(&self) -> &[(Text, Text)] {
        self.properties.get_or_init(|| {
            let all = self.message.properties().iter();
            Box::new(all.map(|(key, value)| (Text::new(key), Text::new(value))).collect())
        })
    }
}

/// A message for C to free.
pub(crate) fn into_raw(message: Message) -> *mut stargate_message {
    handle::into_raw(Inner::new(Cow::Owned(message)))
}

/// The messages of an array of C, all of which must be there.
///
/// # Safety
/// `messages` is NULL or has `count` messages that live while `'a` lasts.
pub(crate) unsafe fn all<'a>(messages: *const *mut stargate_message, count: usize) -> Result<Vec<&'a Inner<'static>>> {
    // SAFETY: the caller's promise.
    unsafe {
        let messages = boundary::items(messages, count, "messages")?.iter().enumerate();
        messages.map(|(index, message)| handle::inner(*message, format_args!("messages[{index}]"))).collect()
    }
}

/// What an accessor finds in a message, or `otherwise` for NULL.
///
/// # Safety
/// `message` is NULL or live.
unsafe fn read<T>(
    message: *const stargate_message,
    otherwise: T,
    part: impl FnOnce(&'static Inner<'static>) -> Option<T>,
) -> T
where
    T: Copy,
{
    // SAFETY: the caller's promise; the views made from it live as long as the message, as the header says.
    enter_or(otherwise, || unsafe { handle::optional(message) }.and_then(part).unwrap_or(otherwise))
}

/// Returns the content. Empty for NULL.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_payload(message: *const stargate_message) -> stargate_bytes {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, stargate_bytes::NONE, |inner| Some(stargate_bytes::view(inner.message.payload()))) }
}

/// Returns the id of a message in base64, to acknowledge it later or to start a reader after it. The ids of one message
/// can differ as text between producer and consumer: compare with `stargate_message_id_compare`.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_id(message: *const stargate_message) -> stargate_str {
    let part = |inner: &Inner<'_>| Some(inner.id.get_or_init(|| Text::boxed(inner.message.id().as_str())).view());
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, stargate_str::NONE, part) }
}

/// Returns the full name of the topic that was subscribed to or read. For several topics or a pattern the server does
/// not say which topic it was; this is the first topic, or the pattern.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_topic(message: *const stargate_message) -> stargate_str {
    let part =
        |inner: &Inner<'_>| Some(inner.topic.get_or_init(|| Text::boxed(inner.message.topic().to_string())).view());
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, stargate_str::NONE, part) }
}

/// Returns the key; `ptr` is NULL if the message has none.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_key(message: *const stargate_message) -> stargate_str {
    let part = |inner: &Inner<'_>| {
        let key = inner.message.key()?;
        Some(inner.key.get_or_init(|| Text::boxed(key)).view())
    };
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, stargate_str::NONE, part) }
}

/// Returns the value of a property; `ptr` is NULL if there is none of that name.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_property(
    message: *const stargate_message,
    key: *const c_char,
) -> stargate_str {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe {
        read(message, stargate_str::NONE, |inner| {
            let key = boundary::text(key, "key").ok()?;
            let all = inner.properties();
            let found = all.binary_search_by(|(name, _)| name.bytes().cmp(key.as_bytes())).ok()?;
            Some(all[found].1.view())
        })
    }
}

/// Returns how many properties it has; 0 for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_property_count(message: *const stargate_message) -> usize {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| Some(inner.message.properties().len())) }
}

/// Finds the property number `index`, in the order of their names, and returns 1 if there is one, 0 if not. `key` and
/// `value` may be NULL.
///
/// Thread-safe. Views of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_property_at(
    message: *const stargate_message,
    index: usize,
    key: *mut stargate_str,
    value: *mut stargate_str,
) -> i32 {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        let found = read(message, None, |inner| {
            inner.properties().get(index).map(|(key, value)| Some((key.view(), value.view())))
        });
        let (name, text) = found.unwrap_or((stargate_str::NONE, stargate_str::NONE));
        if !key.is_null() {
            key.write(name);
        }
        if !value.is_null() {
            value.write(text);
        }
        i32::from(found.is_some())
    }
}

/// Returns when the broker stored the message, in milliseconds since 1970 UTC; 0 if the server sent no time.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_publish_time_ms(message: *const stargate_message) -> i64 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| inner.message.publish_time_ms()) }
}

/// Returns the event time that the sender set, in milliseconds since 1970 UTC; 0 if it set none.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_event_time_ms(message: *const stargate_message) -> i64 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| inner.message.event_time_ms()) }
}

/// Returns how often it was delivered before. The broker counts on shared and key_shared subscriptions only.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_redelivery_count(message: *const stargate_message) -> u32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| Some(inner.message.redelivery_count())) }
}

/// Returns how often the retry letter topic has redelivered the message; see `stargate_consumer_reconsume_later`.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_reconsume_times(message: *const stargate_message) -> u32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| Some(inner.message.reconsume_times())) }
}

/// Returns the outcome with which a handler schedules redelivery after `delay_ms` (below 0 counts as 0), as
/// `stargate_consumer_reconsume_later` does: `return stargate_message_reconsume_later(message, 60000);`. The consumer
/// needs the option enable_retry; without it, and when the copy cannot be stored, it is as STARGATE_NACK.
///
/// Thread-safe. Always STARGATE_RECONSUME_LATER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_reconsume_later(message: *const stargate_message, delay_ms: i64) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe {
        read(message, STARGATE_RECONSUME_LATER, |inner| {
            inner.delay_ms.store(u64::try_from(delay_ms).unwrap_or(0), Ordering::Relaxed);
            None
        })
    }
}

/// Returns how the payload was encrypted, in the server's JSON, for a message that arrived encrypted, where the server
/// passes it on: to consumers with a key of their own, or with the option crypto_failure_action=consume. `ptr` is NULL
/// otherwise.
///
/// Thread-safe. A view of the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_encryption_context(message: *const stargate_message) -> stargate_str {
    let part = |inner: &Inner<'_>| {
        let context = inner.message.encryption_context()?;
        Some(inner.encryption_context.get_or_init(|| Text::boxed(context)).view())
    };
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, stargate_str::NONE, part) }
}

/// Returns 1 if the payload is still encrypted, otherwise 0; 0 for NULL. Only the option crypto_failure_action=consume
/// lets such messages through.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_is_encrypted(message: *const stargate_message) -> i32 {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, 0, |inner| Some(inner.message.is_encrypted().into())) }
}

/// Returns a copy that outlives the call of a handler; free it with `stargate_message_free`. The payload is shared, not
/// copied. NULL for NULL.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_clone(message: *const stargate_message) -> *mut stargate_message {
    // SAFETY: NULL or live, by the rules of the header.
    unsafe { read(message, std::ptr::null_mut(), |inner| Some(into_raw(inner.message.clone().into_owned()))) }
}

/// Frees a message that a receive or a clone returned, not one passed to a handler. NULL does nothing. Freeing does not
/// acknowledge.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_free(message: *mut stargate_message) {
    // SAFETY: NULL or live, and freed once, by the rules of the header.
    enter_or((), || drop(unsafe { handle::take(message) }));
}

/// Frees `count` messages of an array, as `stargate_consumer_receive_many` fills it, and sets its places to NULL. The
/// array itself is the caller's.
///
/// Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_messages_free(messages: *mut *mut stargate_message, count: usize) {
    if messages.is_null() {
        return;
    }
    for index in 0..count {
        // SAFETY: the array has `count` places, each NULL or a message that is freed once, by the rules of the header.
        unsafe {
            let place = messages.add(index);
            let message = place.replace(std::ptr::null_mut());
            stargate_message_free(message);
        }
    }
}

/// A property of a message in `stargate_message_fields`. No 0 ends the texts.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_property_fields {
    /// Its name, in UTF-8.
    pub key: *const c_char,
    /// The number of bytes of the name.
    pub key_len: usize,
    /// Its value, in UTF-8.
    pub value: *const c_char,
    /// The number of bytes of the value.
    pub value_len: usize,
}

/// Everything that a message holds, flat: for languages to which a struct by value, or a call for each field, is costly.
/// What it points to lives as long as the message. Texts are UTF-8, and no 0 ends them; a missing one is NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_message_fields {
    /// The content.
    pub payload: *const c_void,
    /// The number of bytes of the content.
    pub payload_len: usize,
    /// The id in base64, as `stargate_message_id` returns it.
    pub id: *const c_char,
    /// The number of bytes of the id.
    pub id_len: usize,
    /// The full name of the topic, as `stargate_message_topic` returns it.
    pub topic: *const c_char,
    /// The number of bytes of the topic's name.
    pub topic_len: usize,
    /// The key, or NULL.
    pub key: *const c_char,
    /// The number of bytes of the key.
    pub key_len: usize,
    /// The properties, in the order of their names; NULL if there are none.
    pub properties: *const stargate_property_fields,
    /// How many there are.
    pub property_count: usize,
    /// How the payload was encrypted, as `stargate_message_encryption_context` returns it, or NULL.
    pub encryption_context: *const c_char,
    /// The number of bytes of that text.
    pub encryption_context_len: usize,
    /// When the broker stored the message, in milliseconds since 1970 UTC; 0 if the server sent no time.
    pub publish_time_ms: i64,
    /// The event time that the sender set, in milliseconds since 1970 UTC; 0 if it set none.
    pub event_time_ms: i64,
    /// How often it was delivered before.
    pub redelivery_count: u32,
    /// How often the retry letter topic has redelivered it.
    pub reconsume_times: u32,
    /// 1 if the payload is still encrypted, otherwise 0.
    pub is_encrypted: i32,
}

impl Inner<'_> {
    fn property_fields(&self) -> &[stargate_property_fields] {
        self.property_fields.get_or_init(|| {
            let all = self.message.properties().iter();
            let fields = all.map(|(key, value)| {
                let ((key, key_len), (value, value_len)) = (flat(Some(key)), flat(Some(value)));
                stargate_property_fields { key, key_len, value, value_len }
            });
            Box::new(fields.collect())
        })
    }

    fn fields(&self) -> stargate_message_fields {
        let message = self.message();
        let topic = self.topic.get_or_init(|| Text::boxed(message.topic().to_string())).view();
        let (id, id_len) = flat(Some(message.id().as_str()));
        let (key, key_len) = flat(message.key());
        let (encryption_context, encryption_context_len) = flat(message.encryption_context());
        let properties: &[stargate_property_fields] =
            if message.properties().is_empty() { &[] } else { self.property_fields() };
        stargate_message_fields {
            payload: message.payload().as_ptr().cast(),
            payload_len: message.payload().len(),
            id,
            id_len,
            topic: topic.ptr,
            topic_len: topic.len,
            key,
            key_len,
            properties: if properties.is_empty() { std::ptr::null() } else { properties.as_ptr() },
            property_count: properties.len(),
            encryption_context,
            encryption_context_len,
            publish_time_ms: message.publish_time_ms().unwrap_or(0),
            event_time_ms: message.event_time_ms().unwrap_or(0),
            redelivery_count: message.redelivery_count(),
            reconsume_times: message.reconsume_times(),
            is_encrypted: message.is_encrypted().into(),
        }
    }
}

/// Writes what `count` messages of an array hold to `fields`, which has room for `count` structs of `stride` bytes.
/// `stride` is sizeof(stargate_message_fields): a library with more fields writes no more than that, and one with fewer
/// sets the rest to 0. A message passed to a handler can be one of them.
///
/// Thread-safe. Views of the messages. Errors: STARGATE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_messages_view(
    messages: *const *mut stargate_message,
    count: usize,
    fields: *mut stargate_message_fields,
    stride: usize,
    error: *mut *mut stargate_error,
) -> stargate_status {
    /// The size up to the last field of the first version: what programs of that version give as their stride.
    const FIRST_SIZE: usize = (offset_of!(stargate_message_fields, is_encrypted) + size_of::<i32>())
        .next_multiple_of(align_of::<stargate_message_fields>());
    // SAFETY: pointers are NULL or as the rules of the header want them; `fields` has room for `count` strides.
    unsafe {
        enter(error, || {
            if count > 0 && fields.is_null() {
                return Err(boundary::invalid("fields is NULL"));
            }
            if stride < FIRST_SIZE || !stride.is_multiple_of(align_of::<stargate_message_fields>()) {
                let expected = "expected sizeof(stargate_message_fields)";
                return Err(boundary::invalid(format!("stride is {stride}: {expected}, at least {FIRST_SIZE}")));
            }
            for (index, inner) in all(messages, count)?.into_iter().enumerate() {
                boundary::write_fields(fields.cast::<u8>().add(index * stride), stride, &inner.fields());
            }
            Ok(())
        })
    }
}

/// Compares two message ids by the positions that they name: `*order` is -1, 0 or 1 as `left` is before, at or after
/// `right`. Across the partitions of a topic it is only a fixed order, not one of time.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_id_compare(
    left: *const c_char,
    right: *const c_char,
    order: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let order = Out::new(order, 0, "order")?;
            let left: MessageId = boundary::text(left, "left")?.parse()?;
            let right: MessageId = boundary::text(right, "right")?.parse()?;
            order.set(left.cmp(&right) as i32);
            Ok(())
        })
    }
}

/// Returns what a message id names: the ledger, the entry in it, the partition, and the place in its batch; the last
/// two are -1 where there is none. `ledger`, `entry`, `partition` and `batch_index` may be NULL.
///
/// Thread-safe. Errors: STARGATE_INVALID_ARGUMENT for text that is no message id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_message_id_parts(
    message_id: *const c_char,
    ledger: *mut u64,
    entry: *mut u64,
    partition: *mut i32,
    batch_index: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    let index = |part: Option<u32>| part.and_then(|part| i32::try_from(part).ok()).unwrap_or(-1);
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let (ledger, entry) = (Out::optional(ledger, 0), Out::optional(entry, 0));
            let (partition, batch_index) = (Out::optional(partition, 0), Out::optional(batch_index, 0));
            let id: MessageId = boundary::text(message_id, "message_id")?.parse()?;
            ledger.set(id.ledger());
            entry.set(id.entry());
            partition.set(index(id.partition()));
            batch_index.set(index(id.batch_index()));
            Ok(())
        })
    }
}
