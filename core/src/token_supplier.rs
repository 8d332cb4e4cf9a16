//! What an application implements to give tokens.

/// Gives the JSON web token for a connection; asked at each connect, so that tokens may expire and be renewed.
///
/// It runs on a thread of the library that may block, and the connection waits for it, within `connect_timeout`.
/// Closures of the shape `Fn() -> Result<String, E>` implement it.
pub trait TokenSupplier: Send + Sync {
    /// The token, without `Bearer`.
    fn token(&self) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F, E> TokenSupplier for F
where
    F: Fn() -> std::result::Result<String, E> + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn token(&self) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
        self().map_err(Into::into)
    }
}
