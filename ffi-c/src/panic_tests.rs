//! A panic inside of the library becomes STARGATE_INTERNAL, keeps every promise of the header, and leaves all usable.
//!
//! There is no way to make the library panic from outside, so `handle::inner`, which stands between the arguments and
//! the core, does it in these tests.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_void};
use std::ptr::{null, null_mut};

use crate::client::*;
use crate::consumer::*;
use crate::error::*;
use crate::message::*;
use crate::mock::*;
use crate::producer::*;
use crate::reader::*;
use crate::supervisor::*;
use crate::util::handler::stargate_handler;
use crate::util::values::*;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// Panics, once, when a test wants it.
pub(crate) fn here() {
    if ARMED.take() {
        panic!("on purpose");
    }
}

/// Makes a call with the panic inside of it.
fn panicking<T>(call: impl FnOnce() -> T) -> T {
    ARMED.set(true);
    let answer = call();
    assert!(!ARMED.take(), "it did not panic");
    answer
}

/// Makes a call that can fail with the panic inside of it, and looks at its error.
fn fails(call: impl FnOnce(*mut *mut stargate_error) -> stargate_status) {
    let mut error = null_mut();
    assert_eq!(panicking(|| call(&raw mut error)), STARGATE_INTERNAL);
    // SAFETY: the error of a call that failed, freed once.
    unsafe {
        let text = CStr::from_ptr(stargate_error_message(error).ptr).to_string_lossy().into_owned();
        assert!(text.contains("panic: on purpose"), "{text}");
        assert_eq!(stargate_error_status(error), STARGATE_INTERNAL);
        stargate_error_free(error);
    }
}

fn succeeds(call: impl FnOnce(*mut *mut stargate_error) -> stargate_status) {
    let mut error = null_mut();
    let status = call(&raw mut error);
    // SAFETY: NULL or live.
    assert_eq!(status, STARGATE_OK, "{:?}", unsafe { CStr::from_ptr(stargate_error_message(error).ptr) });
    assert!(error.is_null());
}

unsafe extern "C" fn count(times: *mut c_void) {
    // SAFETY: the tests pass a u32 that lives on.
    unsafe { *times.cast::<u32>() += 1 }
}

unsafe extern "C" fn on_sent(_: *mut c_void, _: *const stargate_delivery_report) {
    unreachable!("a send that was refused is not called back");
}

unsafe extern "C" fn on_message(_: *mut c_void, _: *const stargate_message) -> i32 {
    unreachable!("a listen that failed has no handler");
}

#[test]
fn a_panic_is_an_error_and_everything_goes_on() {
    let (mut mock, mut client) = (null_mut(), null_mut());
    let (mut producer, mut consumer, mut reader, mut supervisor) = (null_mut(), null_mut(), null_mut(), null_mut());
    let text = c"orders".as_ptr();
    let message = stargate_outgoing {
        struct_size: size_of::<stargate_outgoing>(),
        payload: stargate_bytes { ptr: c"one pizza".as_ptr().cast(), len: 9 },
        key: null(),
        properties: null(),
        property_count: 0,
        context: null(),
        event_time_ms: 0,
        deliver_at_ms: 0,
        deliver_after_ms: 0,
        replication_clusters: null(),
        replication_cluster_count: 0,
    };
    let handler = stargate_handler {
        struct_size: size_of::<stargate_handler>(),
        init: None,
        handle: Some(on_message),
        drop: None,
    };
    // SAFETY: the arguments are what the header wants, and everything is freed once, at the end.
    unsafe {
        succeeds(|error| stargate_mock_start(null(), &raw mut mock, error));
        succeeds(|error| stargate_client_new(stargate_mock_url(mock).ptr, null(), &raw mut client, error));
        let url = CStr::from_ptr(stargate_mock_url(mock).ptr).to_string_lossy();
        let json = CString::new(format!("{{\"host\": \"{}\"}}", &url["ws://".len()..])).expect("it has no 0");
        succeeds(|error| stargate_supervisor_start(json.as_ptr(), null(), -1, &raw mut supervisor, error));

        // Opening: no handle is given.
        fails(|error| stargate_consumer_open(client, text, c"s".as_ptr(), null(), 5000, &raw mut consumer, error));
        fails(|error| stargate_reader_open(client, text, null(), 5000, &raw mut reader, error));
        fails(|error| stargate_producer_open(client, text, null(), 5000, &raw mut producer, error));
        assert!(consumer.is_null() && reader.is_null() && producer.is_null());
        succeeds(|error| stargate_consumer_open(client, text, c"s".as_ptr(), null(), 5000, &raw mut consumer, error));
        succeeds(|error| stargate_reader_open(client, text, null(), 5000, &raw mut reader, error));
        succeeds(|error| stargate_producer_open(client, text, null(), 5000, &raw mut producer, error));

        // Results are nothing, and user_data ends once.
        let mut ended = 0_u32;
        let data = (&raw mut ended).cast::<c_void>();
        let (mut out, mut received, mut number) =
            (text.cast_mut(), std::ptr::dangling_mut::<stargate_message>(), 7_usize);
        fails(|error| stargate_producer_send(producer, &raw const message, -1, &raw mut out, error));
        assert!(out.is_null());
        fails(|error| {
            stargate_producer_send_async(producer, &raw const message, -1, Some(on_sent), data, Some(count), error)
        });
        fails(|error| stargate_consumer_listen(consumer, &raw const handler, data, Some(count), error));
        fails(|error| stargate_reader_listen(reader, &raw const handler, data, Some(count), error));
        fails(|error| {
            let json = c"{\"topic\": \"orders\", \"subscription\": \"t\"}".as_ptr();
            stargate_supervisor_add_consumer(supervisor, json, &raw const handler, data, Some(count), 5000, error)
        });
        assert_eq!(ended, 4);
        fails(|error| stargate_consumer_receive(consumer, 0, &raw mut received, error));
        assert!(received.is_null());
        fails(|error| stargate_reader_receive_many(reader, 1, 0, &raw mut received, &raw mut number, error));
        assert_eq!(number, 0);
        fails(|error| stargate_client_stats_json(client, &raw mut out, error));
        fails(|error| stargate_client_proxy(client, &raw mut out, error));
        fails(|error| stargate_mock_backlog(mock, text, c"s".as_ptr(), &raw mut number, error));
        assert_eq!(
            panicking(|| stargate_consumer_ack_id(consumer, c"CAUQATAA".as_ptr(), null_mut())),
            STARGATE_INTERNAL
        );
        assert_eq!(panicking(|| stargate_producer_is_connected(producer)), 0);

        // And now all of it works.
        succeeds(|error| stargate_producer_send(producer, &raw const message, 5000, null_mut(), error));
        for wait in [
            |consumer, _, out, error| stargate_consumer_receive(consumer, 5000, out, error),
            |_, reader, out, error| stargate_reader_receive(reader, 5000, out, error),
        ] {
            succeeds(|error| wait(consumer, reader, &raw mut received, error));
            assert_eq!(stargate_message_payload(received).len, 9);
            stargate_message_free(received);
        }
        // A close that panicked closed nothing, and can be repeated.
        fails(|error| stargate_client_close(client, 5000, error));
        assert_eq!(stargate_producer_is_connected(producer), 1);
        succeeds(|error| stargate_client_close(client, 5000, error));
        stargate_supervisor_free(supervisor);
        stargate_reader_free(reader);
        stargate_consumer_free(consumer);
        stargate_producer_free(producer);
        stargate_client_free(client);
        stargate_mock_free(mock);
    }
}
