//! All topics of a tenant, or of all of them, a namespace at a time.

use std::ffi::{c_char, c_void};

use super::call;
use crate::client::stargate_client;
use crate::error::{stargate_error, stargate_status};
use crate::util::boundary::{self, invalid};
use crate::util::values::{Text, stargate_str};

/// Receives the full name of a topic, which is valid for this call. Returns 0 to continue, anything else to end the
/// walk. It runs in the call that it is passed to.
pub type stargate_topic_fn = Option<unsafe extern "C" fn(user_data: *mut c_void, topic: stargate_str) -> i32>;

/// Calls `visit` for all topics of a tenant, or with NULL `tenant` of all, each partition by itself, on this thread and
/// before it returns. It fetches the topics of one namespace at a time, and leaves out what is deleted meanwhile.
/// `timeout_ms` bounds the whole walk. Ending it through `visit` is not an error.
///
/// Thread-safe; blocks. `visit` may call anything. Errors: STARGATE_TIMEOUT, and those of the REST API.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stargate_admin_walk_topics(
    client: *mut stargate_client,
    tenant: *const c_char,
    timeout_ms: i64,
    visit: stargate_topic_fn,
    user_data: *mut c_void,
    error: *mut *mut stargate_error,
) -> stargate_status {
    // SAFETY: pointers are NULL or as the rules of the header want them; `visit` gets a view that outlives its call.
    unsafe {
        call::done(client, timeout_ms, error, async |admin| {
            let visit = visit.ok_or_else(|| invalid("visit is NULL"))?;
            let mut walk = admin.walk_topics(boundary::optional_text(tenant, "tenant")?);
            while let Some(topic) = walk.next().await.transpose()?.map(Text::new) {
                if visit(user_data, topic.view()) != 0 {
                    break;
                }
            }
            Ok(())
        })
    }
}
