//! What every file of this crate uses: the boundary itself, values that C and Rust exchange, and handles.

pub(crate) mod boundary;
pub mod completion;
pub(crate) mod handle;
pub(crate) mod handle_ops;
pub mod handler;
pub(crate) mod receiving;
pub(crate) mod seek;
pub(crate) mod time;
pub(crate) mod user_data;
pub mod values;
