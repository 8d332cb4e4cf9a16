//! `libstargate`: the C ABI of stargate. One file a handle, and no logic of its own: each function checks what it was
//! given, calls `stargate_core`, and hands back a status and an error object.
//!
//! The rules of the ABI (ownership, errors, callbacks, threads, time, fork) are for C readers, so they are in
//! `header_rules.h`, which is the top of the generated `include/stargate.h`. [`util::boundary`] keeps them.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
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
mod panic_tests;
pub mod producer;
pub mod reader;
pub mod supervisor;
pub mod util;
pub mod version;

/// The size of a public struct, and where its fields are.
#[cfg(target_pointer_width = "64")]
macro_rules! layout {
    ($type:path, $size:literal, $($field:ident $offset:literal),*) => {
        assert!(size_of::<$type>() == $size);
        $(assert!(std::mem::offset_of!($type, $field) == $offset);)*
    };
}

// On 64-bit machines. tests/c/generate.py makes the test of the C side from these lines.
#[cfg(target_pointer_width = "64")]
const _: () = {
    layout!(util::values::stargate_str, 16, ptr 0, len 8);
    layout!(util::values::stargate_bytes, 16, ptr 0, len 8);
    layout!(util::values::stargate_property, 16, key 0, value 8);
    layout!(producer::stargate_outgoing, 96,
        struct_size 0, payload 8, key 24, properties 32, property_count 40, context 48, event_time_ms 56,
        deliver_at_ms 64, deliver_after_ms 72, replication_clusters 80, replication_cluster_count 88);
    layout!(producer::stargate_send_result, 24, status 0, message_id 8, error 16);
    layout!(producer::stargate_delivery_report, 56, struct_size 0, error 8, message_id 16, context 32, duplicate 48);
    layout!(options::stargate_state_change, 80,
        struct_size 0, state 8, session 12, topic 16, host 32, error 48, retry_in_ms 56, proxy 64);
    layout!(message::stargate_property_fields, 32, key 0, key_len 8, value 16, value_len 24);
    layout!(message::stargate_message_fields, 128,
        payload 0, payload_len 8, id 16, id_len 24, topic 32, topic_len 40, key 48, key_len 56, properties 64,
        property_count 72, encryption_context 80, encryption_context_len 88, publish_time_ms 96, event_time_ms 104,
        redelivery_count 112, reconsume_times 116, is_encrypted 120);
    layout!(error::stargate_error_fields, 64,
        message 0, message_len 8, topic 16, topic_len 24, broker_text 32, broker_text_len 40, status 48,
        http_status 52, is_retriable 56);
    layout!(util::handler::stargate_handler, 32, struct_size 0, init 8, handle 16, drop 24);
};
#[cfg(all(target_pointer_width = "64", feature = "mock"))]
const _: () = {
    layout!(mock::stargate_mock_options, 136,
        struct_size 0, port 8, no_auto_create_topics 12, token 16, forbidden_token 24, tls_cert_file 32,
        tls_key_file 40, max_text_size 48, idle_timeout_ms 56, tls_client_ca_file 64, basic_user 72, basic_password 80, oauth2_client_id 88,
        oauth2_client_secret 96, oauth2_audience 104, oauth2_token_life_ms 112, pulsar_version 120,
        no_websocket_compression 128);
    layout!(mock::stargate_mock_message, 136,
        struct_size 0, topic 8, message_id 24, payload 40, key 56, properties 72, property_count 80,
        event_time_ms 88, publish_time_ms 96, deliver_at_ms 104, producer_name 112, sequence_id 128);
};
