//! What producers, consumers and readers have in common. Each function of the header is a line that calls one of these:
//! cbindgen, which writes the header, reads no functions that a macro makes.

use std::ffi::c_char;
use std::time::Duration;

use stargate_core::{Consumer, Producer, Reader, Result, Stats, TopicName, blocking};

use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{Out, enter, enter_or};
use crate::util::completion::{Done, stargate_done_fn};
use crate::util::handle::{self, Handle, OfProcess};
use crate::util::time;
use crate::util::user_data::UserData;
use crate::util::values::{Text, owned_string, stargate_str};

/// A handle of the core with connections of its own.
pub(crate) trait Opened {
    /// What the functions of the header call it.
    const NAME: &'static str;

    fn topic(&self) -> &TopicName;
    fn wait_connected(&self) -> impl Future<Output = Result<()>>;
    fn is_connected(&self) -> bool;
    fn stats(&self) -> Stats;
    fn close(&self, timeout: Duration) -> impl Future<Output = Result<()>> + Send;
    fn close_with(&self, timeout: Duration, callback: impl FnOnce(Result<()>) + Send + 'static) -> Result<()>;
}

macro_rules! opened {
    ($($type:ident $name:literal)+) => {$(
        impl Opened for $type {
            const NAME: &'static str = $name;

            fn topic(&self) -> &TopicName {
                $type::topic(self)
            }

            fn wait_connected(&self) -> impl Future<Output = Result<()>> {
                $type::wait_connected(self)
            }

            fn is_connected(&self) -> bool {
                $type::is_connected(self)
            }

            fn stats(&self) -> Stats {
                $type::stats(self)
            }

            fn close(&self, timeout: Duration) -> impl Future<Output = Result<()>> + Send {
                $type::close(self, timeout)
            }

            fn close_with(&self, timeout: Duration, callback: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
                $type::close_with(self, timeout, callback)
            }
        }
    )+};
}

opened! { Producer "producer" Consumer "consumer" Reader "reader" }

/// Returns the core's handle behind one of C, in the process that opened it.
///
/// # Safety
/// `handle` is NULL or live while `'a` lasts.
pub(crate) unsafe fn of<'a, H, T>(handle: *const H) -> Result<&'a T>
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'a,
{
    // SAFETY: the caller's promise.
    unsafe { handle::inner(handle, T::NAME) }?.get()
}

/// # Safety
/// `handle` is NULL or live.
pub(crate) unsafe fn topic<H, T>(handle: *const H) -> stargate_str
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    enter_or(stargate_str::NONE, || {
        // SAFETY: the caller's promise.
        let Some(owned) = (unsafe { handle::optional(handle) }) else { return stargate_str::NONE };
        let topic = owned.get().map(|opened| owned.texts.topic.get_or_init(|| Text::boxed(opened.topic().to_string())));
        topic.map_or(stargate_str::NONE, Text::view)
    })
}

/// # Safety
/// `handle` is NULL or live; `error` is NULL or may be written.
pub(crate) unsafe fn wait_connected<H, T>(
    handle: *const H,
    timeout_ms: i64,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let opened = of(handle)?;
            blocking::wait(opened.wait_connected(), time::timeout(timeout_ms)?)
                .map_err(|error| error.during("connect to").on_topic(&opened.topic().to_string()))
        })
    }
}

/// # Safety
/// `handle` is NULL or live.
pub(crate) unsafe fn is_connected<H, T>(handle: *const H) -> i32
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    // SAFETY: the caller's promise.
    enter_or(0, || unsafe { of(handle) }.map_or(0, |opened| opened.is_connected().into()))
}

/// # Safety
/// `handle` is NULL or live; `out` and `error` are NULL or may be written.
pub(crate) unsafe fn stats_json<H, T>(
    handle: *const H,
    out: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let out = Out::pointer(out, "out")?;
            out.set(owned_string(&of(handle)?.stats().to_json())?);
            Ok(())
        })
    }
}

/// # Safety
/// `handle` is NULL or live; `error` is NULL or may be written.
pub(crate) unsafe fn close<H, T>(handle: *const H, timeout_ms: i64, error: *mut *mut stargate_error) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    // SAFETY: the caller's promise.
    unsafe { enter(error, || blocking::wait(of(handle)?.close(time::limit(timeout_ms)?), None)) }
}

/// # Safety
/// `handle` is NULL or live; `error` is NULL or may be written.
pub(crate) unsafe fn close_async<H, T>(
    handle: *const H,
    timeout_ms: i64,
    on_done: stargate_done_fn,
    user_data: UserData,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let opened = of(handle)?;
            let (done, limit) = (Done::new(on_done, user_data)?, time::limit(timeout_ms)?);
            opened.close_with(limit, |closed| done.ended(closed))
        })
    }
}

/// Closes in the background, without time to linger, what [`free`] would close while it waits.
///
/// # Safety
/// `handle` is NULL or live, and nobody uses it any more.
pub(crate) unsafe fn release<H, T>(handle: *mut H)
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + Send + Sync + 'static,
{
    enter_or((), || {
        // SAFETY: the caller's promise.
        let Some(owned) = (unsafe { handle::take(handle) }) else { return };
        // In a child after a fork this only gives memory back.
        if owned.get().is_ok() {
            let _ = stargate_core::spawn(async move {
                if let Some(opened) = owned.to_close() {
                    let _ = opened.close(Duration::ZERO).await;
                }
            });
        }
    });
}

/// # Safety
/// `handle` is NULL or live, and nobody uses it any more.
pub(crate) unsafe fn free<H, T>(handle: *mut H)
where
    H: Handle<Inner = OfProcess<T>>,
    T: Opened + 'static,
{
    enter_or((), || {
        // SAFETY: the caller's promise.
        let Some(owned) = (unsafe { handle::take(handle) }) else { return };
        if let Some(opened) = owned.to_close() {
            time::close_for_good(|linger| blocking::wait(opened.close(linger), None));
        }
    });
}
