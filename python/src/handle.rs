//! What producers, consumers and readers have in common.

/// Defines a class over a handle of the core. pyo3 allows one block of methods a class, hence those of its own as an
/// argument.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "stargate._native")]
        pub(crate) struct $name {
            inner: ForkSafe<core::$name>,
            client: ForkSafe<core::Client>,
        }

        impl $name {
            pub(crate) fn new(client: &core::Client, inner: core::$name) -> $name {
                $name { inner: ForkSafe::new(inner), client: ForkSafe::new(client.clone()) }
            }
        }

        #[pymethods]
        impl $name {
            /// Returns the topic's full name.
            fn topic(&self) -> String {
                self.inner.topic().to_string()
            }

            /// Waits until it is connected.
            fn wait_connected(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
                wait_seconds(py, self.inner.wait_connected(), timeout, "connect to", &self.topic())
            }

            /// As `wait_connected`, for an event loop.
            fn wait_connected_async(&self, py: Python<'_>, waiter: Waiter) -> PyResult<Operation> {
                let handle = self.inner.clone();
                waiter.nothing(py, &self.client, async move { handle.wait_connected().await })
            }

            /// Returns whether all of its connections are up now.
            fn is_connected(&self) -> bool {
                self.inner.is_connected()
            }

            /// Returns the counters as JSON.
            fn stats(&self) -> String {
                self.inner.stats().to_json()
            }

            /// Sends what is in flight or gathered and closes the connections.
            fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
                let timeout = close_limit(py, timeout)?;
                wait(py, self.inner.close(timeout))
            }

            /// As `close`, for an event loop.
            fn close_async(&self, py: Python<'_>, timeout: f64, waiter: Waiter) -> PyResult<Operation> {
                let (handle, timeout) = (self.inner.clone(), close_limit(py, timeout)?);
                waiter.nothing(py, &self.client, async move { handle.close(timeout).await })
            }

            $($own)*
        }
    };
}

pub(crate) use handle;
