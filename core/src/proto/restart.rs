//! A new beginning at another place in the topic, which only a new connection gives.

#[derive(Debug)]
pub(crate) struct Restart<T> {
    /// The callers to notify that nothing from before arrives any more.
    tickets: Vec<T>,
    /// The connection is still an earlier one, or the attempt under way may be.
    wanted: bool,
    /// The last connection before, 0 for none.
    pub(crate) last: u64,
}

impl<T> Restart<T> {
    pub(crate) fn new() -> Restart<T> {
        Restart { tickets: Vec::new(), wanted: false, last: 0 }
    }

    /// Begins during or after `connection`; when there is none now, returns at once the caller and the last connection
    /// before.
    pub(crate) fn begin(&mut self, ticket: T, connection: u64, connected: bool) -> Option<(T, u64)> {
        self.wanted = true;
        self.last = connection;
        if connected {
            self.tickets.push(ticket);
            return None;
        }
        // The attempt to connect that may be under way was begun for the place of before; it is let go when it succeeds.
        self.last += 1;
        Some((ticket, self.last))
    }

    pub(crate) fn wanted(&self) -> Option<&'static str> {
        self.wanted.then_some("to begin at another place")
    }

    /// The connection is gone; returns all callers, each with the last connection before.
    pub(crate) fn disconnected(&mut self) -> impl Iterator<Item = (T, u64)> {
        self.wanted = false;
        let last = self.last;
        self.tickets.drain(..).map(move |ticket| (ticket, last))
    }
}
