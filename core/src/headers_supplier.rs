//! What an application implements to give headers.

/// Gives headers for a request, names with values; asked at each connect and each request to the REST API.
///
/// It runs on a thread of the library and may block; the connection waits for it within `connect_timeout`. The rules of
/// the option `headers` apply to its result. Closures of the shape `Fn() -> Result<Vec<(String, String)>, E>` implement
/// it.
pub trait HeadersSupplier: Send + Sync {
    /// The headers; of those in the option `headers`, they replace the ones with the same names.
    fn headers(&self) -> std::result::Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F, E> HeadersSupplier for F
where
    F: Fn() -> std::result::Result<Vec<(String, String)>, E> + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn headers(&self) -> std::result::Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
        self().map_err(Into::into)
    }
}
