//! Handlers written in C: a table of functions, and the state of each processor.

use std::ffi::c_void;
use std::mem::offset_of;

use stargate_core::{Error, ErrorKind, Handler, HandlerResult, Message, Outcome, Result};

use crate::error::{STARGATE_OK, stargate_status};
use crate::message::{self, stargate_message};
use crate::util::boundary::{self, Sized_, invalid};
use crate::util::user_data::UserData;

/// The message is done: acknowledge it.
pub const STARGATE_ACK: i32 = 0;
/// The application acknowledges the message later, by its id.
pub const STARGATE_CONTINUE: i32 = 1;
/// The message could not be handled: the broker redelivers it after the option negative_ack_delay.
pub const STARGATE_NACK: i32 = 2;
/// The retry letter topic redelivers the message after the delay that was passed to `stargate_message_reconsume_later`.
pub const STARGATE_RECONSUME_LATER: i32 = 3;

/// A handler of messages. The option processors (1 by default) sets how many threads of the library run it, each with a
/// state of its own. `init` makes the state, `handle` receives it with each message, one message at a time, and `drop`
/// ends it.
///
/// Begin with STARGATE_HANDLER_INIT, which sets `struct_size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stargate_handler {
    /// sizeof(stargate_handler).
    pub struct_size: usize,
    /// Makes the state of processor number `processor` in `*state`, on that processor's thread, and returns
    /// STARGATE_OK. With polled callbacks there are no such threads: `init` runs in the listen call, the others in the
    /// poll. The listen call fails with any other status that it returns. If NULL, `user_data` is the state of all
    /// processors.
    pub init: Option<
        unsafe extern "C" fn(user_data: *mut c_void, processor: u32, state: *mut *mut c_void) -> stargate_status,
    >,
    /// Handles a message, which lives for this call, and returns STARGATE_ACK, STARGATE_CONTINUE, STARGATE_NACK or what
    /// `stargate_message_reconsume_later` gives. It may block, and may call any function. A reader acknowledges
    /// nothing, so for a reader every outcome means "continue". Not NULL.
    pub handle: Option<unsafe extern "C" fn(state: *mut c_void, message: *const stargate_message) -> i32>,
    /// Ends the state of a processor, on its thread, after its last message. May be NULL.
    pub drop: Option<unsafe extern "C" fn(state: *mut c_void)>,
}

// SAFETY: a size and three pointers to functions that may be NULL.
unsafe impl Sized_ for stargate_handler {
    const FIRST_SIZE: usize = offset_of!(stargate_handler, drop) + size_of::<*const ()>();
}

/// One processor.
pub(crate) struct Processor {
    handle: unsafe extern "C" fn(*mut c_void, *const stargate_message) -> i32,
    drop: Option<unsafe extern "C" fn(*mut c_void)>,
    state: *mut c_void,
}

// SAFETY: only where callbacks are polled does it move, to whichever thread of the application polls; the header says
// so.
unsafe impl Send for Processor {}

impl Handler for Processor {
    fn handle(&mut self, message: &Message) -> HandlerResult {
        let view = message::Inner::borrowed(message);
        // SAFETY: the application gave this function for this state; the message outlives the call.
        match unsafe { (self.handle)(self.state, view.as_ptr()) } {
            STARGATE_ACK => Ok(Outcome::Ack),
            STARGATE_CONTINUE => Ok(Outcome::Continue),
            STARGATE_NACK => Ok(Outcome::Nack),
            STARGATE_RECONSUME_LATER => Ok(Outcome::ReconsumeLater(view.delay())),
            other => Err(format!(
                "it returned {other}: expected STARGATE_ACK, STARGATE_CONTINUE, STARGATE_NACK or STARGATE_RECONSUME_LATER"
            )
            .into()),
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the application gave this function for this state, and it is dropped once.
            unsafe { drop(self.state) }
        }
    }
}

/// Returns the core's handler for a table of C. `user_data` lives as long as the result.
///
/// # Safety
/// `handler` is NULL or begins with its size.
pub(crate) unsafe fn init_of(
    handler: *const stargate_handler,
    user_data: UserData,
) -> Result<impl Fn(usize) -> Result<Processor> + Send + Sync + 'static> {
    // SAFETY: the caller's promise.
    let table = unsafe { boundary::sized(handler, "handler")? };
    let handle = table.handle.ok_or_else(|| invalid("handler.handle is NULL"))?;
    Ok(move |processor: usize| {
        let mut state = user_data.get();
        if let Some(init) = table.init {
            state = std::ptr::null_mut();
            let number = u32::try_from(processor).unwrap_or(u32::MAX);
            // SAFETY: the application gave this function for this user_data.
            match unsafe { init(user_data.get(), number, &mut state) } {
                STARGATE_OK => {}
                status => {
                    let kind = ErrorKind::from_code(status).unwrap_or(ErrorKind::Internal);
                    let name = kind.name();
                    return Err(Error::new(
                        kind,
                        format!("the handler's init of processor {processor} returned {status} ({name})"),
                    ));
                }
            }
        }
        Ok(Processor { handle, drop: table.drop, state })
    })
}
