//! What a failure of input or output means, above all when TLS is behind it.

use std::io;

use crate::error::{Error, ErrorKind};

/// TLS hides its errors in those of input and output; one about certificates is a question of identity.
pub(super) fn io_error(what: &str, error: io::Error) -> Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Error::new(
            ErrorKind::Authentication,
            format!("the server's certificate is not accepted: {why:?} (option tls_ca_file names the CA to trust)"),
        ),
        Some(rustls::Error::AlertReceived(alert)) => Error::new(
            ErrorKind::Authentication,
            format!("the server ended the TLS handshake with {alert:?}: does it accept the client's certificate?"),
        ),
        Some(rustls::Error::InvalidMessage(_)) => {
            Error::new(ErrorKind::Connect, format!("{what}: is it the port for wss://?")).caused_by(error)
        }
        _ => Error::new(ErrorKind::Connect, what).caused_by(error),
    }
}
