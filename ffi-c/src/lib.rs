//! The C ABI of stargate.
