//! The methods that consumers and readers share, word for word.

/// Writes them into the `impl` of a handle whose `inner.receiver` is a [`Receiver`](super::Receiver).
macro_rules! receiver_methods {
    () => {
        /// Waits for the next message. Dropping the future loses nothing.
        pub async fn receive(&self) -> Result<Message> {
            loop {
                let received = self.receive_many(1).await?;
                if let Some(message) = received.into_iter().next() {
                    return Ok(message);
                }
            }
        }

        /// Waits for the next message, and takes up to `max` that are here. Dropping the future loses nothing.
        pub async fn receive_many(&self, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.receive(max).await
        }

        /// Takes up to `max` messages that are here, without waiting; none is no error.
        pub fn try_receive_many(&self, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.try_receive(max)
        }

        /// Puts back messages that were received and could not be given to the application. Made for bindings whose
        /// waits can be cancelled after the message was taken.
        pub fn put_back(&self, messages: Vec<Message>) {
            if self.is_ours() {
                self.inner.receiver.inbox.put_back(0, messages);
            }
        }

        /// As `listen` for a client with [`Options::poll_callbacks`]: the handlers are made here, and run in
        /// [`Client::poll_callbacks`](crate::Client::poll_callbacks).
        pub fn listen_polled<H: Handler + Send>(
            &self,
            init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
        ) -> Result<()> {
            self.inner.receiver.listen_polled(init)
        }

        /// Whether the client's callbacks are polled, so that `listen_polled` is the way to listen.
        pub fn is_polled(&self) -> bool {
            self.inner.receiver.client.callbacks.is_polled()
        }

        /// Hands the messages to handlers that run on threads of the caller, instead of `listen`: made for bindings to
        /// languages whose code must run on threads of their own. Gives the number of processors and the number of
        /// lanes; processor `n` takes from lane `n % lanes` with `take_work`, tells how each message ended with
        /// `settle`, and ends when `take_work` fails.
        pub fn begin_work(&self) -> Result<(usize, usize)> {
            self.inner.receiver.claim()?;
            Ok((self.inner.receiver.processor_count, self.inner.receiver.inbox.lanes()))
        }

        /// Waits for one to `max` messages of a lane; dropping the future loses nothing. The connection is notified of each
        /// when it is settled, so what is taken counts as unfinished until then.
        pub async fn take_work(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.take_work(lane, max).await
        }

        /// How a message ended that `take_work` gave.
        pub fn settle(&self, message: &Message, outcome: Outcome) {
            if self.is_ours() {
                self.inner.receiver.settle(message, outcome);
            }
        }

        /// Counts a handler that failed, in [`Stats::handler_errors`].
        pub fn count_handler_error(&self) {
            self.inner.receiver.inbox.count_handler_error();
        }

        /// Delivers no more: a caller in `take_work` or a receive gets the error that the handle is closed. The
        /// connection stays, for the outcomes of what was taken, until the handle is closed.
        pub fn stop_work(&self) {
            if self.is_ours() {
                self.inner.receiver.inbox.close();
            }
        }

        /// Waits until it is connected; the error that ended it if it cannot be.
        pub async fn wait_connected(&self) -> Result<()> {
            self.inner.receiver.wait_connected().await
        }

        /// Whether it is connected now, with all of its connections.
        pub fn is_connected(&self) -> bool {
            self.is_ours() && status::are_connected(&self.inner.receiver.status())
        }

        /// Whether this process opened it. In a child after a fork its locks may be held by threads of the parent.
        fn is_ours(&self) -> bool {
            self.inner.receiver.client.runtime.check_fork().is_ok()
        }

        /// Waits until it has ended; the error when it failed, nothing when it was closed.
        pub(crate) async fn failed(&self) -> Option<Error> {
            let receiver = &self.inner.receiver;
            match status::failed(&receiver.status()).await {
                // It may have been a session that was added meanwhile, which closed the others.
                None => status::failed(&receiver.status()).await,
                failed => failed,
            }
        }

        /// The counters.
        pub fn stats(&self) -> Stats {
            self.inner.receiver.counters.snapshot()
        }
    };
}

pub(crate) use receiver_methods;
