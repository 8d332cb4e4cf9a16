//! `libstargate`: the C ABI of stargate. One file a handle, and no logic of its own: each function checks what it was
//! given, calls `stargate_core`, and hands back a status and an error object.
//!
//! The rules of the ABI (ownership, errors, callbacks, threads, time, fork) are for C readers, so they are in
//! `header_rules.h`, which is the top of the generated `include/stargate.h`. [`util::boundary`] keeps them.

// Names are those of C, and the promises of the caller are the rules at the top of the header.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

pub mod admin;
pub mod client;
pub mod consumer;
pub mod encryption;
pub mod error;
pub mod message;
#[cfg(feature = "mock")]
pub mod mock;
pub mod options;
#[cfg(all(test, feature = "mock"))]
mod panics;
pub mod producer;
pub mod reader;
pub mod supervisor;
pub mod util;
pub mod version;

// The sizes of the public structs on 64-bit machines; tests/c/test_values.c has the same numbers for the C side.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<util::values::stargate_str>() == 16);
    assert!(size_of::<util::values::stargate_bytes>() == 16);
    assert!(size_of::<util::values::stargate_property>() == 16);
    assert!(size_of::<producer::stargate_outgoing>() == 96);
    assert!(size_of::<producer::stargate_send_result>() == 24);
    assert!(size_of::<producer::stargate_sent>() == 56);
    assert!(size_of::<options::stargate_state_change>() == 64);
    assert!(size_of::<util::handler::stargate_handler>() == 32);
};
#[cfg(all(target_pointer_width = "64", feature = "mock"))]
const _: () = {
    assert!(size_of::<mock::stargate_mock_options>() == 72);
    assert!(size_of::<mock::stargate_mock_message>() == 136);
};
