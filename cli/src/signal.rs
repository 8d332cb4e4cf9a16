//! Ctrl-C: the first ends the intake, the second the process.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// The ends of a pipe that becomes readable at the first Ctrl-C.
static READ_END: AtomicI32 = AtomicI32::new(-1);
static WRITE_END: AtomicI32 = AtomicI32::new(-1);

extern "C" fn on_signal(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
    // SAFETY: write is safe in a signal handler, and the byte lives as long as the call.
    unsafe { libc::write(WRITE_END.load(Ordering::SeqCst), (&raw const INTERRUPTED).cast(), 1) };
}

/// Catches the first SIGINT or SIGTERM.
pub(crate) fn watch() -> io::Result<()> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptors are new and belong to nobody else.
    let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }.into_raw_fd());
    READ_END.store(read, Ordering::SeqCst);
    WRITE_END.store(write, Ordering::SeqCst);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: a zeroed sigaction is a valid one, and the handler only stores and writes.
        let outcome = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        if outcome != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Returns whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits for Ctrl-C.
pub(crate) fn wait() -> io::Result<()> {
    wait_readable(READ_END.load(Ordering::SeqCst)).map(|_| ())
}

/// Sleeps for this long, or until Ctrl-C.
pub(crate) fn sleep(time: Duration) {
    let mut watched = libc::pollfd { fd: READ_END.load(Ordering::SeqCst), events: libc::POLLIN, revents: 0 };
    let until = Instant::now() + time;
    // A poll that a signal ended is repeated only if it was another signal.
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !interrupted()) {
        if left < Duration::from_millis(1) {
            return std::thread::sleep(left);
        }
        let millis = libc::c_int::try_from(left.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the pointer is to one descriptor, and lives as long as the call.
        unsafe { libc::poll(&raw mut watched, 1, millis) };
    }
}

/// A file or a pipe that ends at Ctrl-C.
pub(crate) struct UntilInterrupted(pub(crate) File);

impl Read for UntilInterrupted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !wait_readable(self.0.as_raw_fd())? {
            return Ok(0);
        }
        self.0.read(buffer)
    }
}

/// Waits until there is something to read; `false` is Ctrl-C.
fn wait_readable(descriptor: RawFd) -> io::Result<bool> {
    let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut watched = [watch(descriptor), watch(READ_END.load(Ordering::SeqCst))];
    loop {
        // SAFETY: the pointer and the length are those of the array.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, -1) };
        if interrupted() {
            return Ok(false);
        }
        if ready >= 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
