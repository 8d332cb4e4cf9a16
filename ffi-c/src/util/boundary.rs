//! The one way in: every function of the ABI runs its body through [`enter`] or [`enter_or`], so that no panic crosses
//! into C, and reads its arguments with the functions below, which name the parameter that is not acceptable.

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use stargate_core::{Error, ErrorKind, Result};

use crate::error::{self, STARGATE_OK, stargate_error, stargate_status};

/// Runs the body of a function that can fail. Its error, a panic too, goes to `*error` (when `error` is not NULL), and
/// its number is the status.
///
/// # Safety
/// `error` is NULL or points to a pointer that may be written.
pub(crate) unsafe fn enter(error: *mut *mut stargate_error, body: impl FnOnce() -> Result<()>) -> stargate_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    // SAFETY: the caller's promise is the same.
    unsafe { report(error, outcome, false) }
}

/// As [`enter`] for calls that are made in a loop until something comes: nothing within the time is no fault, nor is an
/// interrupt. These have a status but no error object, so that there is nothing to free each time around.
///
/// # Safety
/// As [`enter`].
pub(crate) unsafe fn enter_receive(
    error: *mut *mut stargate_error,
    body: impl FnOnce() -> Result<()>,
) -> stargate_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    // SAFETY: the caller's promise is the same.
    unsafe { report(error, outcome, true) }
}

/// # Safety
/// As [`enter`].
unsafe fn report(error: *mut *mut stargate_error, outcome: Result<()>, quiet: bool) -> stargate_status {
    let (status, object) = match outcome {
        Ok(()) => (STARGATE_OK, ptr::null_mut()),
        Err(failed) if error.is_null() || (quiet && is_quiet(failed.kind())) => (failed.kind().code(), ptr::null_mut()),
        Err(failed) => (failed.kind().code(), error::into_raw(failed)),
    };
    if !error.is_null() {
        // SAFETY: not NULL, so the caller's promise holds.
        unsafe { *error = object };
    }
    status
}

/// Whether a receive that ends so has no error object.
pub(crate) fn is_quiet(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Timeout | ErrorKind::Interrupted)
}

/// Runs the body of a function that cannot fail; a panic gives `otherwise`.
pub(crate) fn enter_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// Returns the error for a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)");
    Error::new(ErrorKind::Internal, format!("a fault of the library: panic: {text}"))
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

fn null(parameter: impl Display) -> Error {
    invalid(format!("{parameter} is NULL"))
}

/// Returns a number without a sign. C passes it with one, so that -1 is refused and not a huge number.
pub(crate) fn count<T: TryFrom<N>, N: Copy + Display>(parameter: &str, value: N) -> Result<T> {
    value.try_into().map_err(|_| invalid(format!("{parameter} is {value}: expected 0 or more")))
}

/// Returns a text from C that may be NULL.
///
/// # Safety
/// `text` is NULL or ends with a NUL, and does not change while `'a` lasts.
pub(crate) unsafe fn optional_text<'a>(text: *const c_char, parameter: impl Display) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so the caller's promise holds.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|error| invalid(format!("{parameter} is not UTF-8: {error}")))
}

/// Returns a text from C.
///
/// # Safety
/// As [`optional_text`].
pub(crate) unsafe fn text<'a>(text: *const c_char, parameter: impl Display) -> Result<&'a str> {
    // SAFETY: the caller's promise is the same.
    unsafe { optional_text(text, &parameter) }?.ok_or_else(|| null(parameter))
}

/// Text from C that has a length, and no 0 at its end.
///
/// # Safety
/// `text` is NULL or has `len` bytes that do not change while `'a` lasts.
pub(crate) unsafe fn text_of<'a>(text: *const c_char, len: usize, parameter: &str) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { items(text.cast::<u8>(), len, parameter) }?;
    std::str::from_utf8(bytes).map_err(|error| invalid(format!("{parameter} is not UTF-8: {error}")))
}

/// Returns an array from C; NULL is allowed when it is empty.
///
/// # Safety
/// `items` is NULL or has `count` valid items that do not change while `'a` lasts.
pub(crate) unsafe fn items<'a, T>(items: *const T, count: usize, parameter: impl Display) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(null(parameter));
    }
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(invalid(format!("{parameter}: {count} is more than memory can hold")));
    }
    // SAFETY: not NULL, of a size that a slice can have, and otherwise the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(items, count) })
}

/// Returns the object that a pointer from C points to.
///
/// # Safety
/// `pointer` is NULL or valid while `'a` lasts.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T, parameter: impl Display) -> Result<&'a T> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(parameter))
}

/// Where a result goes. It is set to nothing at once, so that it is defined whatever happens afterwards.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<*mut T> {
    /// # Safety
    /// `out` is NULL or may be written, while this lives.
    pub(crate) unsafe fn pointer(out: *mut *mut T, parameter: &str) -> Result<Out<*mut T>> {
        // SAFETY: the caller's promise.
        unsafe { Out::new(out, ptr::null_mut(), parameter) }
    }
}

impl<T> Out<T> {
    /// # Safety
    /// `out` is NULL or may be written, while this lives.
    pub(crate) unsafe fn new(out: *mut T, nothing: T, parameter: &str) -> Result<Out<T>> {
        if out.is_null() {
            return Err(null(parameter));
        }
        // SAFETY: the caller's promise is the same.
        Ok(unsafe { Out::optional(out, nothing) })
    }

    /// For a result that nobody has to want.
    ///
    /// # Safety
    /// As [`Out::new`].
    pub(crate) unsafe fn optional(out: *mut T, nothing: T) -> Out<T> {
        let out = Out(out);
        out.set(nothing);
        out
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_null()
    }

    pub(crate) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: it was promised that it may be written; C's values have nothing to drop.
            unsafe { self.0.write(value) }
        }
    }
}

/// Writes a struct of flat fields for C, whose header gives it `size` bytes: no more than these, and zeros for fields that
/// this version does not know.
///
/// # Safety
/// `to` has `size` bytes.
pub(crate) unsafe fn write_fields<T: Copy>(to: *mut u8, size: usize, fields: &T) {
    let known = size.min(size_of::<T>());
    // SAFETY: the caller's promise, and T has the `known` bytes.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(fields).cast::<u8>(), to, known);
        ptr::write_bytes(to.add(known), 0, size - known);
    }
}

/// A struct of C whose first field is its size, and which may grow at its end in later versions.
///
/// # Safety
/// All bit patterns are values, and all zeros mean "not given".
pub(crate) unsafe trait Sized_: Copy {
    /// The size up to the fields that the first version had.
    const FIRST_SIZE: usize;
}

/// Copies such a struct: fields that the caller's header did not have yet are not given, and fields that this version
/// does not know must not be given.
///
/// # Safety
/// `from` is NULL or begins with a size of which it is.
pub(crate) unsafe fn sized<T: Sized_>(from: *const T, parameter: &str) -> Result<T> {
    if from.is_null() {
        return Err(null(parameter));
    }
    // SAFETY: not NULL, and it begins with its size.
    let size = unsafe { from.cast::<usize>().read() };
    if size < T::FIRST_SIZE {
        let expected = T::FIRST_SIZE;
        return Err(invalid(format!("{parameter}: struct_size is {size} and must be {expected} at least")));
    }
    let known = size_of::<T>();
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the caller's struct has `size` bytes, of which no more are read; zeros are a value of T by its promise.
    let (copy, rest) = unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), copy.as_mut_ptr().cast(), size.min(known));
        let rest = std::slice::from_raw_parts(from.cast::<u8>().add(size.min(known)), size.saturating_sub(known));
        (copy.assume_init(), rest)
    };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(invalid(format!(
            "{parameter}: struct_size is {size}, this library knows {known} bytes, and what is beyond is not zero"
        )));
    }
    Ok(copy)
}
