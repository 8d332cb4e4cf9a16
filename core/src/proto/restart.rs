//! A restart at another position in the topic, which needs a new connection.

#[derive(Debug)]
pub(crate) struct Restart<T> {
    /// The callers to notify that no earlier messages arrive any more.
    tickets: Vec<T>,
    /// Whether the connection, or the current attempt, may still be an earlier one.
    wanted: bool,
    /// The last connection before the restart, 0 for none.
    pub(crate) last: u64,
}

impl<T> Restart<T> {
    pub(crate) fn new() -> Restart<T> {
        Restart { tickets: Vec::new(), wanted: false, last: 0 }
    }

    /// Begins a restart during or after `connection`. When disconnected, immediately returns the caller and the last
    /// connection before the restart.
    pub(crate) fn begin(&mut self, ticket: T, connection: u64, connected: bool) -> Option<(T, u64)> {
        self.wanted = true;
        self.last = connection;
        if connected {
            self.tickets.push(ticket);
            return None;
        }
        // An attempt to connect may have started for the earlier position; its connection is closed once it succeeds.
        self.last += 1;
        Some((ticket, self.last))
    }

    pub(crate) fn wanted(&self) -> Option<&'static str> {
        self.wanted.then_some("to begin at another place")
    }

    /// Handles a lost connection. Returns all callers, each with the last connection before the restart.
    pub(crate) fn disconnected(&mut self) -> impl Iterator<Item = (T, u64)> {
        self.wanted = false;
        let last = self.last;
        self.tickets.drain(..).map(move |ticket| (ticket, last))
    }
}
