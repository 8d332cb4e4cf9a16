//! What every file of this crate uses: the boundary itself, values that C and Rust exchange, and handles.

pub(crate) mod boundary;
pub(crate) mod handle;
pub mod handler;
pub(crate) mod opened;
pub(crate) mod place;
pub(crate) mod receiving;
pub(crate) mod time;
pub(crate) mod user_data;
pub mod values;
