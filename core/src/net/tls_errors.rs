//! Explains I/O errors that TLS causes: each with its own text and remedy.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription as Alert, CertificateError};

use crate::error::{Error, ErrorKind};
use crate::topic::Host;

/// Returns the error of a connection that failed with `error` at `what`.
pub(crate) fn io_error(what: &str, error: io::Error) -> Error {
    if is_cut(&error) {
        return Error::new(ErrorKind::Connect, format!("{what}: the server ended it"));
    }
    tls_error(what, &error).unwrap_or_else(|| Error::new(ErrorKind::Connect, what).caused_by(error))
}

/// Returns the error of a TLS handshake with a server that failed with `error`.
pub(super) fn handshake_error(host: &Host, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let cut = format!("{host} ended the connection in the TLS handshake: is it the port for wss://?");
            Error::new(ErrorKind::Connect, cut)
        }
        _ => io_error(&format!("no TLS with {host}"), error),
    }
}

/// Returns the error of a TLS handshake with an `https://` proxy. The remedies differ from those for a server.
pub(super) fn proxy_handshake_error(host: &Host, error: io::Error) -> Error {
    use CertificateError as Why;
    let what = format!("no TLS with the proxy {host}");
    let refused = |why: &str| {
        Error::new(ErrorKind::Authentication, format!("{what}: the proxy's certificate is not accepted: {why}"))
    };
    match cause(&error) {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            Why::UnknownIssuer => {
                refused("no authority that is trusted here has issued it: name its CA with proxy_ca_file")
            }
            Why::BadSignature => refused("its signature is wrong: is proxy_ca_file an older CA of the same name?"),
            Why::NotValidForNameContext { presented, .. } => {
                refused(&format!("it is for {}: use one of them in the proxy's URL", names(presented)))
            }
            other => refused(&certificate(other)),
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            let plain = format!("{what}: the answer is not TLS: a proxy without TLS has a URL with http://");
            Error::new(ErrorKind::Connect, plain)
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            let cut = format!("{what}: it ended the connection in the handshake: a proxy without TLS has http://");
            Error::new(ErrorKind::Connect, cut)
        }
        _ => io_error(&what, error),
    }
}

/// Returns the TLS error at the root of `error`, if it is one.
pub(crate) fn tls_error(what: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    Some(match cause(error)? {
        rustls::Error::InvalidCertificate(why) => {
            let why = certificate(why);
            Error::new(ErrorKind::Authentication, format!("{what}: the server's certificate is not accepted: {why}"))
        }
        rustls::Error::AlertReceived(alert) => {
            let (kind, why) = self::alert(*alert);
            Error::new(kind, format!("{what}: the server ended TLS with the alert {alert:?}: {why}"))
        }
        rustls::Error::InvalidMessage(_) => Error::new(
            ErrorKind::Connect,
            format!("{what}: the answer is not TLS: is it the port for wss://? (one without TLS wants ws://)"),
        ),
        other => Error::new(ErrorKind::Connect, what).caused_by(other.clone()),
    })
}

/// Returns whether the connection ended without the closing message of TLS.
pub(super) fn is_cut(error: &(dyn StdError + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof) || error.source().is_some_and(is_cut)
}

/// Returns the underlying TLS error. TLS wraps its errors in I/O errors, and hyper wraps those.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an io::Error is the source of its inner error, which skips the inner error itself.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as Why;
    let why = match error {
        Why::Expired | Why::ExpiredContext { .. } => "it has expired: the server needs a new one, or a clock is wrong",
        Why::NotValidYet | Why::NotValidYetContext { .. } => "it is not valid yet: is this machine's clock right?",
        Why::NotValidForName => "it is for another name: use a name of the certificate",
        Why::NotValidForNameContext { expected, presented } => {
            return format!(
                "it is not for {:?} but for {}: connect to one of them, or name it with tls_server_name",
                expected.to_str(),
                names(presented)
            );
        }
        Why::UnknownIssuer => {
            "no authority that is trusted here has issued it: name its CA with tls_ca_file, and see that the server \
             sends its intermediate certificates"
        }
        Why::Revoked => "it was revoked: the server needs a new one",
        Why::BadSignature => "its signature is wrong: is tls_ca_file an older CA of the same name?",
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            "it is not for servers: it needs the extended key usage serverAuth"
        }
        Why::BadEncoding => "it is malformed",
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is a CA's own, used as a server's: the server needs one that the CA has issued (basicConstraints CA:FALSE)"
        }
        other => return format!("{other:?}"),
    };
    why.to_owned()
}

/// Returns the names of a certificate as a readable list.
fn names(presented: &[String]) -> String {
    let names: Vec<&str> = presented.iter().map(|name| strip_debug(name)).collect();
    if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
}

/// Strips rustls's debug format: `DnsName("a")` is the name `a`.
fn strip_debug(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.map_or(name, |inside| inside.trim_matches('"'))
}

fn alert(alert: Alert) -> (ErrorKind, &'static str) {
    let kind = ErrorKind::Authentication;
    match alert {
        Alert::CertificateRequired | Alert::NoCertificate => {
            (kind, "it wants a certificate of the client (options tls_cert_file and tls_key_file)")
        }
        Alert::UnknownCA => (kind, "it does not trust the CA of the client's certificate"),
        Alert::CertificateExpired => (kind, "the client's certificate has expired"),
        Alert::CertificateRevoked => (kind, "the client's certificate was revoked"),
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            (kind, "it does not accept the client's certificate, or wants one (options tls_cert_file and tls_key_file)")
        }
        Alert::AccessDenied => (kind, "the client's certificate has no access"),
        Alert::DecryptError => {
            (kind, "it could not check a signature: do the client's certificate and key belong together?")
        }
        Alert::ProtocolVersion => (ErrorKind::Connect, "it speaks neither TLS 1.2 nor TLS 1.3"),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => (
            ErrorKind::Connect,
            "it has no cipher or key exchange in common with this client, or wants a certificate of the client",
        ),
        Alert::UnrecognisedName => (
            ErrorKind::Connect,
            "it has no certificate for the name that it was asked for: use its own name, or tls_server_name",
        ),
        Alert::NoApplicationProtocol => (ErrorKind::Connect, "it does not speak HTTP/1.1 on this port"),
        Alert::InternalError => (ErrorKind::Connect, "something failed on its side: its log says what"),
        _ => (ErrorKind::Connect, "its log may say why"),
    }
}
