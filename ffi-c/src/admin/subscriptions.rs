//! Subscriptions: where they are, and where they go.

use std::collections::BTreeMap;
use std::ffi::c_char;

use serde_json::json;
use stargate_core::admin::Position;

use super::call;
use super::strings::stargate_strings;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, count, text};
use crate::util::seek::position_of;
use crate::util::time;
use crate::util::values::stargate_property;

/// Returns the names of the subscriptions of a topic, of all its partitions together. For `stargate_strings_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_subscriptions(
    client: *mut stargate_client,
    topic: *const c_char,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::names(client, timeout_ms, out, error, async |admin| admin.subscriptions(text(topic, "topic")?).await)
    }
}

/// Creates a subscription that starts at `position`: "earliest", "latest" or a message id, with `after` 1 after that
/// message.
///
/// Thread-safe; blocks. Errors: STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_create_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let position = position_of(text(position, "position")?, after)?;
            admin.create_subscription(text(topic, "topic")?, text(subscription, "subscription")?, &position).await
        })
    }
}

/// As `stargate_admin_create_subscription`, but only if it does not exist; `*out` is 1 if it was created, otherwise 0.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_ensure_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let position = position_of(text(position, "position")?, after)?;
            admin.ensure_subscription(text(topic, "topic")?, text(subscription, "subscription")?, &position).await
        })
    }
}

/// Deletes a subscription. One with consumers is STARGATE_BUSY, unless `force` disconnects them.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, STARGATE_BUSY, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_delete_subscription(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    force: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.delete_subscription(text(topic, "topic")?, text(subscription, "subscription")?, force != 0).await
        })
    }
}

/// Moves a subscription to `position`: "earliest", "latest" or a message id, with `after` 1 after that message. Its
/// consumers reconnect by themselves. Batches are indivisible: a seek to any message in one starts at its first.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_seek(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    position: *const c_char,
    after: i32,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let position = position_of(text(position, "position")?, after)?;
            admin.seek(text(topic, "topic")?, text(subscription, "subscription")?, &position).await
        })
    }
}

/// Moves a subscription to the first message that was published at `time_ms` or later.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_seek_time(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    time_ms: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let position = Position::Time(time::since_epoch("time_ms", time_ms)?);
            admin.seek(text(topic, "topic")?, text(subscription, "subscription")?, &position).await
        })
    }
}

/// Skips the next entries of a subscription; a batch is one. Not for topics with partitions.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_skip(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    entries: i64,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.skip(text(topic, "topic")?, text(subscription, "subscription")?, count("entries", entries)?).await
        })
    }
}

/// Skips everything stored, for a subscription.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_skip_all(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            admin.skip_all(text(topic, "topic")?, text(subscription, "subscription")?).await
        })
    }
}

/// Acknowledges all older messages for a subscription; the broker does so after it answers. `*out` is 0 if it does not
/// begin, because no message is old enough or it is already doing so; otherwise 1.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_messages(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    older_than_seconds: i64,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let older_than = time::seconds("older_than_seconds", older_than_seconds)?;
            admin.expire_messages(text(topic, "topic")?, text(subscription, "subscription")?, older_than).await
        })
    }
}

/// As `stargate_admin_expire_messages`, but up to a message, inclusive.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_messages_until(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    message_id: *const c_char,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let last = text(message_id, "message_id")?.parse()?;
            admin.expire_messages_until(text(topic, "topic")?, text(subscription, "subscription")?, &last).await
        })
    }
}

/// As `stargate_admin_expire_messages`, but for all subscriptions of a topic.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_expire_all_messages(
    client: *mut stargate_client,
    topic: *const c_char,
    older_than_seconds: i64,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::number(client, timeout_ms, out, error, async |admin| {
            let older_than = time::seconds("older_than_seconds", older_than_seconds)?;
            admin.expire_all_messages(text(topic, "topic")?, older_than).await
        })
    }
}

/// Returns the properties of a subscription, as a JSON object of texts. For `stargate_string_free`.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_subscription_properties(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::text(client, timeout_ms, out, error, async |admin| {
            let properties =
                admin.subscription_properties(text(topic, "topic")?, text(subscription, "subscription")?).await?;
            Ok(json!(properties).to_string())
        })
    }
}

/// Replaces the properties of a subscription.
///
/// Thread-safe; blocks. Errors: STARGATE_NOT_FOUND, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_set_subscription_properties(
    client: *mut stargate_client,
    topic: *const c_char,
    subscription: *const c_char,
    properties: *const stargate_property,
    property_count: usize,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let (topic, subscription) = (text(topic, "topic")?, text(subscription, "subscription")?);
            let mut given = BTreeMap::new();
            for property in boundary::items(properties, property_count, "properties")? {
                let value = text(property.value, "property value")?;
                given.insert(text(property.key, "property key")?.to_owned(), value.to_owned());
            }
            admin.set_subscription_properties(topic, subscription, &given).await
        })
    }
}
