//! The version, at run time; the header has that of compile time.

use std::ffi::c_char;

/// The version of the library that runs, such as "0.1.0". Compare with `STARGATE_VERSION`.
///
/// Thread-safe. The text is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn stargate_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Checks whether a program compiled with a header of version `header_version` (pass `STARGATE_VERSION_NUMBER`) can run
/// with this library: 1 if so, 0 if not. Before 1.0 a new minor version breaks, from 1.0 on a new major one.
///
/// Thread-safe. It never ends the process.
#[unsafe(no_mangle)]
pub extern "C" fn stargate_version_compatible(header_version: u32) -> i32 {
    let parts = |number: u32| (number >> 24, number >> 16 & 0xff, number >> 8 & 0xff);
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    let major = number(env!("CARGO_PKG_VERSION_MAJOR"));
    let minor = number(env!("CARGO_PKG_VERSION_MINOR"));
    let (header_major, header_minor, _) = parts(header_version);
    let same_line = header_major == major && (major > 0 || header_minor == minor);
    i32::from(same_line && header_minor <= minor)
}
