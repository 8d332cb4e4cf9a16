//! The functions that C gives to asynchronous calls, and what they are called with.

use std::ffi::c_void;
use std::ptr::{self, null_mut};

use stargate_core::{Error, Message, Result};

use crate::error::{self, STARGATE_OK, stargate_error, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{invalid, is_quiet};
use crate::util::handle::{self, Handle};
use crate::util::user_data::UserData;

/// Receives the end of an asynchronous open, close, flush or wait, once, on the client's callback thread. `handle` is
/// the producer, consumer or reader that an open gave; cast it, and free it later. It is NULL for other calls, and
/// unless `status` is STARGATE_OK. `error` is NULL with STARGATE_OK; it lives for the call.
pub type stargate_done_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: stargate_status,
        handle: *mut c_void,
        error: *const stargate_error,
    ),
>;

/// Receives the messages of an asynchronous receive, once, on the client's callback thread. The array `messages` lives
/// for the call; free its `count` messages, there or later. `count` is 0 unless `status` is STARGATE_OK. `error` lives
/// for the call; it is NULL with STARGATE_OK, STARGATE_TIMEOUT and STARGATE_INTERRUPTED.
pub type stargate_received_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        status: stargate_status,
        messages: *mut *mut stargate_message,
        count: usize,
        error: *const stargate_error,
    ),
>;

/// A `stargate_done_fn` with its `user_data`, which ends after the call.
pub(crate) struct Done {
    function: unsafe extern "C" fn(*mut c_void, stargate_status, *mut c_void, *const stargate_error),
    user_data: UserData,
}

impl Done {
    pub(crate) fn new(function: stargate_done_fn, user_data: UserData) -> Result<Done> {
        let function = function.ok_or_else(|| invalid("on_done is NULL"))?;
        Ok(Done { function, user_data })
    }

    /// The end of a call that gives nothing.
    pub(crate) fn ended(self, outcome: Result<()>) {
        self.call(outcome.map(|()| null_mut()));
    }

    /// The end of an open.
    pub(crate) fn opened<H: Handle>(self, outcome: Result<H::Inner>) {
        self.call(outcome.map(|inner| handle::into_raw::<H>(inner).cast()));
    }

    fn call(self, outcome: Result<*mut c_void>) {
        let handle = *outcome.as_ref().unwrap_or(&null_mut());
        let failed = outcome.err();
        show(failed, false, |status, error| {
            // SAFETY: the application gave this function for this user_data; the error lives for the call.
            unsafe { (self.function)(self.user_data.get(), status, handle, error) }
        });
    }
}

/// A `stargate_received_fn` with its `user_data`, which ends after the call.
pub(crate) struct Received {
    function:
        unsafe extern "C" fn(*mut c_void, stargate_status, *mut *mut stargate_message, usize, *const stargate_error),
    user_data: UserData,
}

impl Received {
    pub(crate) fn new(function: stargate_received_fn, user_data: UserData) -> Result<Received> {
        let function = function.ok_or_else(|| invalid("on_received is NULL"))?;
        Ok(Received { function, user_data })
    }

    pub(crate) fn ended(self, outcome: Result<Vec<Message>>) {
        let (messages, failed) = match outcome {
            Ok(messages) => (messages, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut messages: Vec<*mut stargate_message> = messages.into_iter().map(message::into_raw).collect();
        show(failed, true, |status, error| {
            // SAFETY: the application gave this function for this user_data; array and error live for the call.
            unsafe { (self.function)(self.user_data.get(), status, messages.as_mut_ptr(), messages.len(), error) }
        });
    }
}

/// Shows the outcome of a call to C: its status, and an error that lives for the call. In a receive, what ends it in
/// normal running has no error.
pub(crate) fn show(failed: Option<Error>, of_receive: bool, call: impl FnOnce(stargate_status, *const stargate_error)) {
    let status = failed.as_ref().map_or(STARGATE_OK, |error| error.kind().code());
    let error = failed.filter(|error| !(of_receive && is_quiet(error.kind()))).map(error::Inner::new);
    call(status, error.as_ref().map_or(ptr::null(), error::Inner::as_ptr));
}
