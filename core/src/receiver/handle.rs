//! The methods that consumers and readers share.

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

        /// Waits for the next message, and returns up to `max` that are queued. Dropping the future loses nothing.
        pub async fn receive_many(&self, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.receive(max).await
        }

        /// As `receive_many`, but calls `callback` with the result, exactly once, on the client's callback thread. While
        /// several of these wait, the order of their messages is not defined.
        ///
        /// Returns an error if the handle is already closed; the callback is then not called.
        pub fn receive_with(
            &self,
            max: usize,
            timeout: Option<Duration>,
            callback: impl FnOnce(Result<Vec<Message>>) + Send + 'static,
        ) -> Result<()> {
            let receiver = &self.inner.receiver;
            receiver.client.runtime.check_fork()?;
            let promise = receiver.client.callbacks.promise()?;
            // It waits from here on, though a task goes on with it.
            let mut waiting = crate::receiver::inbox::Waiting::default();
            match receiver.try_receive_up_to(max, |_| false, &mut waiting) {
                Ok(messages) if messages.is_empty() => {
                    let inner = self.inner.clone();
                    let receive = async move { inner.receiver.receive_up_to(max, |_| false, &mut waiting).await };
                    let started = self.complete_with(receive, timeout, callback);
                    // Not before: polling must not end while a callback is still to come.
                    drop(promise);
                    started
                }
                Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
                outcome => {
                    promise.keep(move || callback(outcome));
                    Ok(())
                }
            }
        }

        /// Runs `operation`, such as a future of this library, on the library's threads. Then calls `callback` with its
        /// result, exactly once, on the client's callback thread. The operation ends with
        /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the handle is closed, and with
        /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after `timeout`, if one is given.
        ///
        /// If this returns an error, the callback is not called.
        pub fn complete_with<T: Send + 'static>(
            &self,
            operation: impl Future<Output = Result<T>> + Send + 'static,
            timeout: Option<Duration>,
            callback: impl FnOnce(Result<T>) + Send + 'static,
        ) -> Result<()> {
            let client = &self.inner.receiver.client;
            self.inner.receiver.operations.start(&client.runtime, &client.callbacks, operation, timeout, callback)
        }

        /// As `close`, but calls `callback` with the result, after all its other callbacks.
        pub fn close_with(&self, timeout: Duration, callback: impl FnOnce(Result<()>) + Send + 'static) -> Result<()> {
            let client = &self.inner.receiver.client;
            let closing = self.clone();
            let close = async move { closing.close(timeout).await };
            client.operations.start_to_end(&client.runtime, &client.callbacks, close, callback)
        }

        /// Returns up to `max` queued messages, without waiting; none is not an error.
        pub fn try_receive_many(&self, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.try_receive(max)
        }

        /// Ends every receive that waits now with [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted). If none
        /// waits, the next receive ends with it. An interrupted receive takes no message. Handlers are not interrupted.
        pub fn interrupt(&self) -> Result<()> {
            self.inner.receiver.client.runtime.check_fork()?;
            self.inner.receiver.inbox.interrupt();
            Ok(())
        }

        /// Puts back messages that were received and could not be given to the application. Made for bindings whose
        /// waits can be cancelled after a message was taken.
        pub fn put_back(&self, messages: Vec<Message>) {
            if self.is_ours() {
                self.inner.receiver.inbox.put_back(0, messages);
            }
        }

        /// As `listen`, but for a client with [`Options::poll_callbacks`]. The handlers are created here, and run in
        /// [`Client::poll_callbacks`](crate::Client::poll_callbacks).
        pub fn listen_polled<H: Handler + Send>(
            &self,
            init: impl Fn(usize) -> Result<H> + Send + Sync + 'static,
        ) -> Result<()> {
            self.inner.receiver.listen_polled(init)
        }

        /// Returns whether the client's callbacks are polled, so that `listen_polled` takes the place of `listen`.
        pub fn is_polled(&self) -> bool {
            self.inner.receiver.client.callbacks.is_polled()
        }

        /// Hands the messages to handlers on threads of the caller, instead of `listen`. Made for bindings to languages
        /// whose code must run on threads of their own. Returns the number of processors and the number of lanes.
        /// Processor `n` takes from lane `n % lanes` with `take_work` and reports each outcome with `settle`. It ends
        /// when `take_work` fails.
        pub fn begin_work(&self) -> Result<(usize, usize)> {
            self.inner.receiver.claim()?;
            Ok((self.inner.receiver.processor_count, self.inner.receiver.inbox.lanes()))
        }

        /// Waits for one to `max` messages of a lane; dropping the future loses nothing. A message counts as unfinished
        /// until `settle` notifies the connection.
        pub async fn take_work(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
            self.inner.receiver.take_work(lane, max).await
        }

        /// Reports the outcome of a message that `take_work` returned.
        pub fn settle(&self, message: &Message, outcome: Outcome) {
            if self.is_ours() {
                self.inner.receiver.settle(message, outcome);
            }
        }

        /// Counts a handler that failed, in [`Stats::handler_errors`].
        pub fn count_handler_error(&self) {
            self.inner.receiver.inbox.count_handler_error();
        }

        /// Stops delivery: a caller in `take_work` or a receive gets the error that the handle is closed. The
        /// connection stays open for the outcomes of messages that were taken, until the handle is closed.
        pub fn stop_work(&self) {
            if self.is_ours() {
                self.inner.receiver.inbox.close();
            }
        }

        /// Waits until it is connected; returns the error that ended it if it cannot connect.
        pub async fn wait_connected(&self) -> Result<()> {
            self.inner.receiver.wait_connected().await
        }

        /// Returns whether it is connected now, with all of its connections.
        pub fn is_connected(&self) -> bool {
            self.is_ours() && status::are_connected(&self.inner.receiver.status())
        }

        /// Returns whether this process opened it. In a child after a fork, threads of the parent may hold its locks.
        fn is_ours(&self) -> bool {
            self.inner.receiver.client.runtime.check_fork().is_ok()
        }

        /// Waits until it has ended; returns the error if it failed, `None` if it was closed.
        pub(crate) async fn failed(&self) -> Option<Error> {
            let receiver = &self.inner.receiver;
            match status::failed(&receiver.status()).await {
                // A session that was added meanwhile failed, and closed the others.
                None => status::failed(&receiver.status()).await,
                failed => failed,
            }
        }

        /// Returns the counters.
        pub fn stats(&self) -> Stats {
            self.inner.receiver.counters.snapshot()
        }
    };
}

pub(crate) use receiver_methods;
