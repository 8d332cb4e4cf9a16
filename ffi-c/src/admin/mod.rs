//! Pulsar's REST API: one function for each operation, on the client, in files as those of the core.

pub mod brokers;
mod call;
pub mod messages;
pub mod namespaces;
pub mod schemas;
pub mod stats;
pub mod strings;
pub mod subscriptions;
pub mod tenants;
pub mod topic_walk;
pub mod topics;

use std::ffi::c_char;

use stargate_core::{Error, ErrorKind, blocking};

use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, Out, enter};
use crate::util::handle;
use crate::util::time;
use crate::util::values::owned_string;

/// Sends a request that has no function here, such as ("GET", "/admin/v2/bookies/all", NULL). `body` is JSON, and may
/// be NULL. A path that does not begin with / is one below /admin/v2/. `*out_status` is the HTTP status, and
/// `*out_body` the answer, for `stargate_string_free`. Every status but 2xx is an error.
///
/// Thread-safe; blocks. Errors: those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_request(
    client: *mut stargate_client,
    method: *const c_char,
    path: *const c_char,
    body: *const c_char,
    timeout_ms: i64,
    out_status: *mut i32,
    out_body: *mut *mut c_char,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them.
    unsafe {
        enter(error, || {
            let out_status = Out::new(out_status, 0, "out_status")?;
            let out_body = Out::pointer(out_body, "out_body")?;
            let admin = handle::inner(client, "client")?.get()?.admin();
            let method = boundary::text(method, "method")?;
            let path = boundary::text(path, "path")?;
            let body = boundary::optional_text(body, "body")?;
            let found = blocking::wait(admin.request(method, path, body), time::timeout(timeout_ms)?)?;
            let body = String::from_utf8(found.body.into())
                .map_err(|_| Error::new(ErrorKind::Protocol, "the answer is not text"))?;
            out_body.set(owned_string(&body)?);
            out_status.set(i32::from(found.status));
            Ok(())
        })
    }
}
