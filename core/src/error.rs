//! The error type of the library: the operation, its topic, and why it failed.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The kinds of failure, in terms that a caller can act on.
///
/// The numbers are those of `stargate_status` in C, and each kind is one exception class in Python. Positive numbers
/// are outcomes that a correct program meets in normal operation; negative ones are faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum ErrorKind {
    /// The timeout expired. For a send that was already written the message may still be stored.
    Timeout = 1,
    /// The handle was closed, by the caller or by an error reported earlier.
    Closed = 2,
    /// The topic was terminated and everything in it has been read.
    EndOfTopic = 3,
    /// The application interrupted the receive; no message was taken.
    Interrupted = 4,
    /// An argument or an option was invalid; nothing was done.
    InvalidArgument = -1,
    /// No host could be reached, or a connection broke and could not be restored.
    Connect = -2,
    /// The server did not accept the client's identity (HTTP 401, or TLS).
    Authentication = -3,
    /// The server knows the client's identity and refuses the operation (HTTP 403).
    Authorization = -4,
    /// The tenant, the namespace or the topic does not exist (HTTP 404).
    NotFound = -5,
    /// Another client holds the subscription or the producer name, or the object to create exists already (HTTP 409).
    Busy = -6,
    /// As many messages are in flight as `max_pending_msg` or `max_pending_bytes` allow.
    QueueFull = -7,
    /// The message is larger than the server's limit for one frame or one message.
    TooBig = -8,
    /// The broker refused the operation, or failed; its own text is in [`Error::broker_text`].
    Broker = -9,
    /// The peer sent something that is not Pulsar's WebSocket API.
    Protocol = -10,
    /// The connection broke after the message was written and before its receipt: it may be stored or not.
    OutcomeUnknown = -11,
    /// The topic was terminated: nothing can be published to it any more.
    TopicTerminated = -12,
    /// The handle belongs to the process before `fork`; open a new client in the child.
    Forked = -13,
    /// Waiting here could never end: this thread would have to do the work that it waits for.
    WouldDeadlock = -14,
    /// A key of end-to-end encryption could not be fetched or used, or a payload could not be encrypted or decrypted.
    Crypto = -15,
    /// A fault of the library itself, or a panic in a callback.
    Internal = -99,
}

impl ErrorKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [ErrorKind; 20] = [
        ErrorKind::Timeout,
        ErrorKind::Closed,
        ErrorKind::EndOfTopic,
        ErrorKind::Interrupted,
        ErrorKind::InvalidArgument,
        ErrorKind::Connect,
        ErrorKind::Authentication,
        ErrorKind::Authorization,
        ErrorKind::NotFound,
        ErrorKind::Busy,
        ErrorKind::QueueFull,
        ErrorKind::TooBig,
        ErrorKind::Broker,
        ErrorKind::Protocol,
        ErrorKind::OutcomeUnknown,
        ErrorKind::TopicTerminated,
        ErrorKind::Forked,
        ErrorKind::WouldDeadlock,
        ErrorKind::Crypto,
        ErrorKind::Internal,
    ];

    /// Returns the kind with this number.
    pub fn from_code(code: i32) -> Option<ErrorKind> {
        ErrorKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Returns the number of this kind: `stargate_status` in C, `code` in Python.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// Returns the name of this kind in `snake_case`, as logs and statistics print it.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Timeout => "timeout",
            ErrorKind::Closed => "closed",
            ErrorKind::EndOfTopic => "end_of_topic",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::InvalidArgument => "invalid_argument",
            ErrorKind::Connect => "connect",
            ErrorKind::Authentication => "authentication",
            ErrorKind::Authorization => "authorization",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Busy => "busy",
            ErrorKind::QueueFull => "queue_full",
            ErrorKind::TooBig => "too_big",
            ErrorKind::Broker => "broker",
            ErrorKind::Protocol => "protocol",
            ErrorKind::OutcomeUnknown => "outcome_unknown",
            ErrorKind::TopicTerminated => "topic_terminated",
            ErrorKind::Forked => "forked",
            ErrorKind::WouldDeadlock => "would_deadlock",
            ErrorKind::Crypto => "crypto",
            ErrorKind::Internal => "internal",
        }
    }

    /// Returns whether the same call may succeed later, without a change by the caller.
    ///
    /// After [`ErrorKind::Timeout`] and [`ErrorKind::OutcomeUnknown`] a second send can store the message twice.
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            ErrorKind::Timeout
                | ErrorKind::Connect
                | ErrorKind::Busy
                | ErrorKind::QueueFull
                | ErrorKind::Broker
                | ErrorKind::OutcomeUnknown
        )
    }
}

/// A failed operation. Cheap to clone: one connection that breaks can fail a thousand sends.
///
/// [`fmt::Display`] writes everything on one line, causes included:
/// `send to persistent://public/default/orders: proxy closed the connection (1009): Text message size [...]`.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    operation: Option<String>,
    topic: Option<String>,
    message: String,
    broker_text: Option<String>,
    http_status: Option<u16>,
    /// The option whose documentation helps.
    option: Option<String>,
    /// The code of the close frame that ended the connection.
    close_code: Option<u16>,
    /// Its kind may be retriable, but this failure is permanent.
    lasting: bool,
    of_proxy: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The result of an operation of this library.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error of the application, such as why a handler could not be created. Bindings report invalid
    /// arguments with it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Arc::new(Inner {
            kind,
            operation: None,
            topic: None,
            message: message.into(),
            broker_text: None,
            http_status: None,
            option: None,
            close_code: None,
            lasting: false,
            of_proxy: false,
            source: None,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    /// Creates an error about the value of an option.
    pub(crate) fn option(key: &str, why: impl fmt::Display) -> Error {
        Error::invalid(format!("option {key:?}: {why}")).see_option(key)
    }

    pub(crate) fn closed() -> Error {
        Error::new(ErrorKind::Closed, "the handle is closed")
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Sets the operation; the first one set wins, since it is nearest to the fault.
    pub fn during(self, operation: &str) -> Error {
        self.edit(|inner| {
            inner.operation.get_or_insert_with(|| operation.to_owned());
        })
    }

    /// Sets the topic; the first one set wins.
    pub fn on_topic(self, topic: &str) -> Error {
        self.edit(|inner| {
            inner.topic.get_or_insert_with(|| topic.to_owned());
        })
    }

    /// Ends the text with where this option is documented. The first option named is kept.
    pub(crate) fn see_option(self, key: &str) -> Error {
        self.edit(|inner| {
            inner.option.get_or_insert_with(|| key.to_owned());
        })
    }

    /// Appends `text` to the message.
    pub(crate) fn adding(self, text: &str) -> Error {
        self.edit(|inner| inner.message.push_str(text))
    }

    /// Replaces the message by one that names its causes.
    pub(crate) fn with_message(self, message: impl Into<String>) -> Error {
        self.edit(|inner| {
            inner.message = message.into();
            inner.source = None;
        })
    }

    pub(crate) fn with_broker_text(self, text: impl Into<String>) -> Error {
        self.edit(|inner| inner.broker_text = Some(text.into()))
    }

    pub(crate) fn with_http_status(self, status: u16) -> Error {
        self.edit(|inner| inner.http_status = Some(status))
    }

    pub(crate) fn with_close_code(self, code: u16) -> Error {
        self.edit(|inner| inner.close_code = Some(code))
    }

    pub(crate) fn not_retriable(self) -> Error {
        self.edit(|inner| inner.lasting = true)
    }

    pub(crate) fn said_by_proxy(self) -> Error {
        self.edit(|inner| inner.of_proxy = true)
    }

    /// Returns whether another attempt would fail in the same way, even if its kind is retriable.
    pub(crate) fn is_final(&self) -> bool {
        self.0.lasting
    }

    pub(crate) fn close_code(&self) -> Option<u16> {
        self.0.close_code
    }

    pub(crate) fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Returns the kind of failure, to act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operation that failed, such as `send` or `open producer`.
    pub fn operation(&self) -> Option<&str> {
        self.0.operation.as_deref()
    }

    /// Returns the full name of the topic, if there is one.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// Returns the message without operation and topic.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the server's own text: `errorMsg` of a receipt, the reason of a close frame, the message of an HTTP
    /// error page.
    pub fn broker_text(&self) -> Option<&str> {
        self.0.broker_text.as_deref()
    }

    /// Returns the HTTP status with which the server refused the connection, or a request to its REST API.
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// Returns whether a proxy on the way failed or refused. The server then received nothing.
    pub fn is_of_proxy(&self) -> bool {
        self.0.of_proxy
    }

    /// Returns whether the same call may succeed later; as [`ErrorKind::is_retriable`], but it considers what the
    /// server said.
    pub fn is_retriable(&self) -> bool {
        self.0.kind.is_retriable() && !self.0.lasting
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let topic = inner.topic.as_ref().filter(|topic| !topic.is_empty());
        match (&inner.operation, topic) {
            (Some(operation), Some(topic)) => write!(f, "{operation} {topic}: ")?,
            (Some(operation), None) => write!(f, "{operation}: ")?,
            (None, Some(topic)) => write!(f, "{topic}: ")?,
            (None, None) => {}
        }
        f.write_str(&inner.message)?;
        let mut cause = inner.source.as_deref().map(|source| source as &dyn StdError);
        let mut last = inner.message.clone();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some wrappers only repeat their cause; its text is not printed twice.
            if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            cause = error.source();
        }
        match &inner.option {
            Some(key) => write!(f, " (see docs/configuration.md#{key})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.0.kind).field("text", &self.to_string());
        if let Some(status) = self.0.http_status {
            debug.field("http_status", &status);
        }
        debug.finish()
    }
}

/// Has no `source`: the causes are in the text, and printers of chains would repeat them.
impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_operation_topic_and_cause() {
        let error = Error::new(ErrorKind::Connect, "no host could be reached")
            .during("open producer")
            .on_topic("persistent://public/default/orders")
            .caused_by(std::io::Error::other("refused"));
        assert_eq!(
            error.to_string(),
            "open producer persistent://public/default/orders: no host could be reached: refused"
        );
        assert_eq!(error.topic(), Some("persistent://public/default/orders"));
    }

    #[test]
    fn an_error_about_an_option_ends_with_where_to_read() {
        let error = Error::option("tls_ca_file", "unusable").caused_by(std::io::Error::other("refused"));
        assert_eq!(
            error.see_option("proxy").during("open client").to_string(),
            "open client: option \"tls_ca_file\": unusable: refused (see docs/configuration.md#tls_ca_file)"
        );
    }

    #[test]
    fn the_operation_nearest_to_the_fault_is_kept() {
        let error = Error::closed().during("send to").during("flush");
        assert_eq!(error.operation(), Some("send to"));
    }

    #[test]
    fn every_kind_has_its_own_code_and_name() {
        let codes: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        let names: std::collections::BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!((codes.len(), names.len()), (ErrorKind::ALL.len(), ErrorKind::ALL.len()));
        assert!(ErrorKind::ALL.into_iter().all(|kind| ErrorKind::from_code(kind.code()) == Some(kind)));
        assert_eq!(ErrorKind::from_code(0), None);
    }
}
