//! Progress on standard error, where that is a terminal.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The one that is shown; other lines on standard error have to step aside for it.
static SHOWN: OnceLock<ProgressBar> = OnceLock::new();

/// How far some long work is. It counts whether or not it is shown.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Starts a count of messages, of `total` if that is known. Standard output on the same terminal leaves no place
    /// for it.
    pub(crate) fn start(total: Option<u64>, quiet: bool) -> Progress {
        let prints_there = io::stdout().is_terminal();
        if quiet || prints_there && total.is_none() || !io::stderr().is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{wide_bar} {human_pos}/{human_len} messages, {per_sec}, {eta}"),
            None => (ProgressBar::new_spinner(), "{spinner} {human_pos} messages, {per_sec}, {elapsed}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(SHOWN.get_or_init(|| bar).clone())
    }

    /// Adds finished messages.
    pub(crate) fn add(&self, messages: u64) {
        self.0.inc(messages);
    }

    /// Removes it from the terminal.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Runs `write` while no progress is on the terminal.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match SHOWN.get() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
