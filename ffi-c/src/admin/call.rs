//! What all functions of one shape are: cbindgen reads no functions that a macro makes, so each is written out, and its
//! body is a line that calls one of these with what it asks of the core. Its arguments are read in there, too.

use std::ffi::c_char;
use std::pin::Pin;
use std::ptr;

use stargate_core::admin::StoredMessage;
use stargate_core::{Admin, Result, blocking};

use super::strings::{self, stargate_strings};
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{Out, enter, invalid};
use crate::util::handle;
use crate::util::time;
use crate::util::values::owned_string;

/// Boxed, so that waiting is compiled once for each shape, and not for each function.
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// # Safety
/// `client` is NULL or live while `'a` lasts.
unsafe fn admin(client: *mut stargate_client) -> Result<Admin> {
    // SAFETY: the caller's promise.
    Ok(unsafe { handle::inner(client, "client") }?.get()?.admin())
}

/// Does something, and has nothing to give.
///
/// # Safety
/// `client` is NULL or live; `error` is NULL or may be written; and what `ask` wants.
pub(super) unsafe fn done<'a>(
    client: *mut stargate_client,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
    ask: impl AsyncFnOnce(Admin) -> Result<()> + 'a,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe { does(timeout_ms, error, Box::pin(async move { ask(admin(client)?).await })) }
}

/// Gives a text, JSON mostly, or NULL.
///
/// # Safety
/// As [`done`]; `out` is NULL or may be written.
pub(super) unsafe fn text<'a, T: Into<Option<String>>>(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
    ask: impl AsyncFnOnce(Admin) -> Result<T> + 'a,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe {
        gives(
            out,
            ptr::null_mut(),
            timeout_ms,
            error,
            Box::pin(async move {
                let text: Option<String> = ask(admin(client)?).await?.into();
                text.map_or(Ok(ptr::null_mut()), |text| owned_string(&text))
            }),
        )
    }
}

/// Gives a list of texts.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn names<'a, T: IntoIterator<Item: Into<Option<String>>>>(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut *mut stargate_strings,
    error: *mut *mut stargate_error,
    ask: impl AsyncFnOnce(Admin) -> Result<T> + 'a,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe {
        gives(
            out,
            ptr::null_mut(),
            timeout_ms,
            error,
            Box::pin(async move { Ok(strings::into_raw(ask(admin(client)?).await?)) }),
        )
    }
}

/// Gives a number, or whether something is so.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn number<'a, T: Into<i32>>(
    client: *mut stargate_client,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
    ask: impl AsyncFnOnce(Admin) -> Result<T> + 'a,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe { gives(out, 0, timeout_ms, error, Box::pin(async move { Ok(ask(admin(client)?).await?.into()) })) }
}

/// Gives stored messages.
///
/// # Safety
/// As [`done`]; `out` is NULL or has `max` places that may be written, and `out_count` is NULL or may be written.
pub(super) unsafe fn messages<'a>(
    client: *mut stargate_client,
    timeout_ms: i64,
    max: usize,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
    ask: impl AsyncFnOnce(Admin) -> Result<Vec<StoredMessage>> + 'a,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe { gives_many(out, max, out_count, timeout_ms, error, Box::pin(async move { ask(admin(client)?).await })) }
}

/// # Safety
/// As [`done`].
unsafe fn does(timeout_ms: i64, error: *mut *mut stargate_error, work: Work<'_, ()>) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe { enter(error, || blocking::wait(work, time::timeout(timeout_ms)?)) }
}

/// # Safety
/// As [`text`].
unsafe fn gives<T>(
    out: *mut T,
    nothing: T,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
    work: Work<'_, T>,
) -> stargate_status {
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let out = Out::new(out, nothing, "out")?;
            out.set(blocking::wait(work, time::timeout(timeout_ms)?)?);
            Ok(())
        })
    }
}

/// # Safety
/// As [`messages`].
unsafe fn gives_many(
    out: *mut *mut stargate_message,
    max: usize,
    out_count: *mut usize,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
    work: Work<'_, Vec<StoredMessage>>,
) -> stargate_status {
    // SAFETY: the caller's promise; of `out` no more than `max` places are written.
    unsafe {
        enter(error, || {
            let count = Out::new(out_count, 0, "out_count")?;
            if out.is_null() {
                return Err(invalid("out is NULL"));
            }
            if max == 0 {
                return Err(invalid("max is 0: expected 1 or more"));
            }
            let found = blocking::wait(work, time::timeout(timeout_ms)?)?;
            count.set(found.len().min(max));
            for (index, stored) in found.into_iter().take(max).enumerate() {
                out.add(index).write(message::into_raw(stored.into_message()));
            }
            Ok(())
        })
    }
}
