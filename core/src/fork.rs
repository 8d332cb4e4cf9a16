//! Protects against a fork. The child has the memory of its parent, but none of the other threads, so a lock that one
//! of them held stays locked. Nothing here ever waits.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use once_cell::race::OnceBox;

use crate::error::{Error, ErrorKind, Result};

/// Counts the forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Returns the number of forks that led to this process, counted from the first process that used the library.
pub(crate) fn forks() -> u32 {
    watch();
    FORKS.load(Ordering::Relaxed)
}

/// Fails in every process except the one that a handle belongs to.
pub(crate) fn check(made_after: u32) -> Result<()> {
    if made_after == forks() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forked,
        "this handle belongs to the process before the fork; open a new client in the child",
    ))
}

/// Starts to count forks.
fn watch() {
    // Not a `Once`: a child would wait for a thread of its parent that was in it. Two threads that both register count
    // each fork twice, which distinguishes processes equally well.
    static WATCHED: AtomicBool = AtomicBool::new(false);
    extern "C" fn in_the_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    if !WATCHED.load(Ordering::Acquire) {
        #[cfg(unix)]
        // SAFETY: the handler only adds to an atomic, which is all that a child of a process with threads may do.
        // Comparing getpid() instead would cost a system call for each message.
        unsafe {
            libc::pthread_atfork(None, None, Some(in_the_child));
        }
        WATCHED.store(true, Ordering::Release);
    }
}

/// A value owned by the process that created it. A child after `fork` can neither use it nor drop it. The value's
/// threads and sockets do not exist there, and its locks may be held by threads that do not exist.
pub struct ForkSafe<T> {
    value: ManuallyDrop<T>,
    made_after: u32,
}

impl<T> ForkSafe<T> {
    /// Wraps a value of this process.
    pub fn new(value: T) -> ForkSafe<T> {
        ForkSafe { value: ManuallyDrop::new(value), made_after: forks() }
    }

    /// Returns the value, or [`ErrorKind::Forked`] in any process other than the one that created it.
    pub fn get(&self) -> Result<&T> {
        check(self.made_after).map(|()| &*self.value)
    }

    /// Returns whether this process created it.
    pub fn is_ours(&self) -> bool {
        check(self.made_after).is_ok()
    }
}

/// Returns the value in any process, for uses that take no lock or check the process themselves.
impl<T> Deref for ForkSafe<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for ForkSafe<T> {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: the value is dropped once, here, and not used again.
            unsafe { ManuallyDrop::drop(&mut self.value) }
        }
    }
}

/// A static with a separate value for each process, created at the first access. It contains the locks of a process:
/// those of the parent stay with the parent.
pub(crate) struct PerProcess<T>(OnceBox<Link<T>>);

/// The value of one process, and a link to those of its descendants.
struct Link<T> {
    made_after: u32,
    value: T,
    next: PerProcess<T>,
}

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess(OnceBox::new())
    }

    pub(crate) fn get(&self) -> &T {
        let made_after = forks();
        let mut place = self;
        loop {
            let make = || Box::new(Link { made_after, value: T::default(), next: PerProcess::new() });
            let link = place.0.get_or_init(make);
            if link.made_after == made_after {
                return &link.value;
            }
            place = &link.next;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use super::*;

    /// Runs `body` in a child. Returns whether it succeeded within the time limit.
    pub(crate) fn in_child(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child takes no lock of another thread, and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(!body());
            // SAFETY: the child must not clean up anything of the parent.
            unsafe { libc::_exit(code) }
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut status = 0;
        // SAFETY: `child` is a child of this process, and `status` may be written.
        while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
            if Instant::now() > deadline {
                // SAFETY: as above.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }

    #[test]
    fn a_lock_that_the_parent_holds_is_free_in_the_child() {
        static LOCK: PerProcess<Mutex<u32>> = PerProcess::new();
        let mut held = LOCK.get().lock().unwrap();
        *held = 3;
        assert!(in_child(|| {
            let grandchild = || *LOCK.get().lock().unwrap() == 0;
            let mut own = LOCK.get().lock().unwrap();
            *own += 1;
            *own == 1 && in_child(grandchild)
        }));
        assert_eq!(*held, 3);
    }

    #[test]
    fn what_the_parent_made_is_neither_used_nor_dropped_in_the_child() {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                std::process::abort();
            }
        }
        let handle = ForkSafe::new(Loud);
        let kind = |handle: &ForkSafe<Loud>| handle.get().err().map(|error| error.kind());
        assert_eq!(kind(&handle), None);
        let forgotten = ManuallyDrop::new(handle);
        assert!(in_child(|| {
            let told = kind(&forgotten);
            drop(ManuallyDrop::into_inner(forgotten));
            told == Some(ErrorKind::Forked)
        }));
    }
}
