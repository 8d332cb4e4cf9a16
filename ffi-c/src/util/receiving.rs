//! What consumers and readers have in common, beyond [`opened`].

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use stargate_core::{Attach, Consumer, Handler, Message, Reader, Result, blocking};

use crate::error::{stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{Out, enter, enter_receive, invalid};
use crate::util::completion::{Received, stargate_received_fn};
use crate::util::handle::{Handle, OfProcess};
use crate::util::handle_ops::{self, Opened};
use crate::util::handler::{self, stargate_handler};
use crate::util::time;
use crate::util::user_data::UserData;
use crate::util::values::stargate_destroy_fn;

/// A handle of the core that receives.
pub(crate) trait Receiver: Opened + 'static {
    fn receive(&self) -> impl Future<Output = Result<Message>>;
    fn receive_many(&self, max: usize) -> impl Future<Output = Result<Vec<Message>>>;
    fn receive_with(
        &self,
        max: usize,
        timeout: Option<Duration>,
        callback: impl FnOnce(Result<Vec<Message>>) + Send + 'static,
    ) -> Result<()>;
    fn interrupt(&self) -> Result<()>;
    fn is_end_of_topic(&self) -> impl Future<Output = Result<bool>>;
    /// Where its client says: on threads of the library, or in the poll.
    fn listen<P: Handler + Send>(&self, init: impl Fn(usize) -> Result<P> + Send + Sync + 'static) -> Result<()>;
}

macro_rules! receiver {
    ($($type:ident)+) => {$(
        impl Receiver for $type {
            fn receive(&self) -> impl Future<Output = Result<Message>> {
                $type::receive(self)
            }

            fn receive_many(&self, max: usize) -> impl Future<Output = Result<Vec<Message>>> {
                $type::receive_many(self, max)
            }

            fn receive_with(
                &self,
                max: usize,
                timeout: Option<Duration>,
                callback: impl FnOnce(Result<Vec<Message>>) + Send + 'static,
            ) -> Result<()> {
                $type::receive_with(self, max, timeout, callback)
            }

            fn interrupt(&self) -> Result<()> {
                $type::interrupt(self)
            }

            fn is_end_of_topic(&self) -> impl Future<Output = Result<bool>> {
                $type::is_end_of_topic(self)
            }

            fn listen<P: Handler + Send>(
                &self,
                init: impl Fn(usize) -> Result<P> + Send + Sync + 'static,
            ) -> Result<()> {
                if self.is_polled() { self.listen_polled(init) } else { $type::listen(self, init) }
            }
        }
    )+};
}

receiver! { Consumer Reader }

/// # Safety
/// `handle` is NULL or live; `out` and `error` are NULL or may be written.
pub(crate) unsafe fn receive<H, T>(
    handle: *const H,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter_receive(error, || {
            let out = Out::pointer(out, "out")?;
            let receiver = handle_ops::of(handle)?;
            out.set(message::into_raw(blocking::wait(receiver.receive(), time::timeout(timeout_ms)?)?));
            Ok(())
        })
    }
}

/// Waits for the first message, and gives up to `max` that are there.
///
/// # Safety
/// `handle` is NULL or live; `out` is NULL or has `max` places; `out_count` and `error` are NULL or may be written.
pub(crate) unsafe fn receive_many<H, T>(
    handle: *const H,
    max: usize,
    timeout_ms: i64,
    out: *mut *mut stargate_message,
    out_count: *mut usize,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    // SAFETY: the caller's promise; of `out` no more than `max` places are written.
    unsafe {
        enter_receive(error, || {
            let out_count = Out::new(out_count, 0, "out_count")?;
            if out.is_null() {
                return Err(invalid("out is NULL"));
            }
            check_max(max)?;
            let receiver = handle_ops::of(handle)?;
            let messages = blocking::wait(receiver.receive_many(max), time::timeout(timeout_ms)?)?;
            out_count.set(messages.len());
            for (index, message) in messages.into_iter().enumerate() {
                out.add(index).write(message::into_raw(message));
            }
            Ok(())
        })
    }
}

fn check_max(max: usize) -> Result<()> {
    if max == 0 { Err(invalid("max is 0: expected 1 message at least")) } else { Ok(()) }
}

/// # Safety
/// `handle` is NULL or live; `error` is NULL or may be written.
pub(crate) unsafe fn receive_async<H, T>(
    handle: *const H,
    max: usize,
    timeout_ms: i64,
    on_received: stargate_received_fn,
    user_data: UserData,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            check_max(max)?;
            let receiver = handle_ops::of(handle)?;
            let (received, timeout) = (Received::new(on_received, user_data)?, time::timeout(timeout_ms)?);
            receiver.receive_with(max, timeout, |outcome| received.ended(outcome))
        })
    }
}

/// # Safety
/// `handle` is NULL or live; `error` is NULL or may be written.
pub(crate) unsafe fn interrupt<H, T>(handle: *const H, error: *mut *mut stargate_error) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    // SAFETY: the caller's promise.
    unsafe { enter(error, || handle_ops::of(handle)?.interrupt()) }
}

/// # Safety
/// `handle` is NULL or live; `handler` is NULL or begins with its size; `error` is NULL or may be written.
pub(crate) unsafe fn listen<H, T>(
    handle: *const H,
    handler: *const stargate_handler,
    user_data: *mut c_void,
    destroy: stargate_destroy_fn,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let receiver = handle_ops::of(handle)?;
            receiver.listen(handler::init_of(handler, user_data)?)
        })
    }
}

/// Returns what a supervisor runs on each consumer or reader that it opens: it starts the handler.
///
/// # Safety
/// `handler` is NULL, for none, or begins with its size.
pub(crate) unsafe fn attach<T: Receiver>(
    handler: *const stargate_handler,
    user_data: UserData,
) -> Result<Option<Attach<T>>> {
    if handler.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let init = Arc::new(unsafe { handler::init_of(handler, user_data) }?);
    Ok(Some(Arc::new(move |receiver: &T| {
        let init = init.clone();
        receiver.listen(move |processor| init(processor))
    })))
}

/// # Safety
/// `handle` is NULL or live; `out` and `error` are NULL or may be written.
pub(crate) unsafe fn is_end_of_topic<H, T>(
    handle: *const H,
    timeout_ms: i64,
    out: *mut i32,
    error: *mut *mut stargate_error,
) -> stargate_status
where
    H: Handle<Inner = OfProcess<T>>,
    T: Receiver,
{
    // SAFETY: the caller's promise.
    unsafe {
        enter(error, || {
            let out = Out::new(out, 0, "out")?;
            let receiver = handle_ops::of(handle)?;
            let end = blocking::wait(receiver.is_end_of_topic(), time::timeout(timeout_ms)?)
                .map_err(|error| error.during("ask the end of").on_topic(&receiver.topic().to_string()))?;
            out.set(end.into());
            Ok(())
        })
    }
}
