#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stargate_core::fuzzing::websockets(data));
