//! `libstargate`: the C ABI of stargate. One file a handle, and no logic of its own: each function checks what it was
//! given, calls `stargate_core`, and hands back a status and an error object.
//!
//! The rules of the ABI (ownership, errors, callbacks, threads, time, fork) are for C readers, so they are in
//! `header_rules.h`, which is the top of the generated `include/stargate.h`. [`util::boundary`] keeps them.

// Names are those of C, and the promises of the caller are the rules at the top of the header.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

pub mod client;
pub mod consumer;
pub mod error;
pub mod message;
// It has a header of its own, which has to be left out of the other one:
/// cbindgen:ignore
#[cfg(feature = "mock")]
pub mod mock;
pub mod options;
pub mod producer;
pub mod reader;
pub mod supervisor;
pub mod util;
pub mod version;
