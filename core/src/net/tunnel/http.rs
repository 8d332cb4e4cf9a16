//! CONNECT: a tunnel through an HTTP proxy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::net::USER_AGENT;
use crate::proxy::{Login, Proxy};
use crate::topic::Host;

/// The maximum length of a response's head.
const MAX_HEAD: usize = 64 * 1024;

/// Requests a tunnel to `target` from the proxy at the other end of `stream`. Returns the bytes after the head of the
/// response, which belong to the target.
pub(super) async fn connect<S>(stream: &mut S, proxy: &Proxy, target: &Host) -> Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broke = |error| {
        let text = format!("the proxy {proxy} broke off before the tunnel to {target} was open");
        Error::new(ErrorKind::Connect, text).caused_by(error)
    };
    stream.write_all(request(proxy.login.as_ref(), target).as_bytes()).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut buffer).await.map_err(broke)?;
        match Answer::parse(&buffer) {
            Ok(Some((answer, length))) => {
                return match answer.status {
                    200..=299 => Ok(buffer.split_off(length)),
                    _ => Err(answer.error(proxy, target)),
                };
            }
            Ok(None) if buffer.len() >= MAX_HEAD => {
                let long = format!("the proxy {proxy} answers CONNECT with a head of more than {MAX_HEAD} bytes");
                return Err(Error::new(ErrorKind::Protocol, long));
            }
            Ok(None) if read == 0 => {
                let cut = format!("the proxy {proxy} ended the connection before the tunnel to {target} was open");
                return Err(Error::new(ErrorKind::Connect, cut));
            }
            Ok(None) => {}
            Err(_) => {
                let alien = format!("the proxy {proxy} does not answer in HTTP: is it a SOCKS proxy, or another port?");
                return Err(Error::new(ErrorKind::Protocol, alien));
            }
        }
    }
}

fn request(login: Option<&Login>, target: &Host) -> String {
    let target = target.with_port();
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n");
    if let Some(Login { user, password }) = login {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        request.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// The relevant parts of a response's head.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// The reason, and what squid adds to it.
    reason: String,
    /// The schemes of authentication that the proxy offers.
    schemes: Vec<String>,
}

impl Answer {
    /// Returns the answer and its length; `None` if it is incomplete.
    fn parse(bytes: &[u8]) -> std::result::Result<Option<(Answer, usize)>, httparse::Error> {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = response.parse(bytes)? else { return Ok(None) };
        let values = |name: &'static str| {
            let named = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
            named.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let status = response.code.unwrap_or(0);
        let reason = std::iter::once(response.reason.unwrap_or_default()).chain(values("x-squid-error"));
        let schemes = values("proxy-authenticate").filter_map(|value| value.split_whitespace().next());
        let answer = Answer {
            status,
            reason: reason.filter(|part| !part.is_empty()).map(shortened).collect::<Vec<_>>().join(", "),
            schemes: schemes.map(shortened).collect(),
        };
        Ok(Some((answer, length)))
    }

    fn error(&self, proxy: &Proxy, target: &Host) -> Error {
        let status = self.status;
        let said = if self.reason.is_empty() { status.to_string() } else { format!("{status} {}", self.reason) };
        match status {
            407 => self.wants_login(proxy, target).with_http_status(status),
            403 | 405 => {
                let text = format!(
                    "the proxy {proxy} refuses CONNECT to {target} ({said}); many proxies allow port 443 only, others want the \
                     host in a list"
                );
                refused(ErrorKind::Authorization, text).with_http_status(status)
            }
            429 | 500..=599 => {
                let text = format!("the proxy {proxy} could not open a tunnel to {target} ({said})");
                Error::new(ErrorKind::Connect, text).with_http_status(status)
            }
            _ => {
                let text = format!("the proxy {proxy} answers CONNECT to {target} with {said}: is it a proxy?");
                Error::new(ErrorKind::Protocol, text)
            }
        }
    }

    fn wants_login(&self, proxy: &Proxy, target: &Host) -> Error {
        let offered = if self.schemes.is_empty() { "no scheme".into() } else { self.schemes.join(", ") };
        let basic = self.schemes.is_empty() || self.schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
        let source = &proxy.source;
        let remedy = match &proxy.login {
            _ if !basic => {
                "only Basic is spoken here: for Negotiate or NTLM use a local helper such as cntlm or px".into()
            }
            None => format!("give a user and password in {source}, as http://user:password@host:port"),
            Some(_) => format!("the user or password in {source} is not accepted"),
        };
        let text = format!("the proxy {proxy} wants authentication (407) for {target} and offers {offered}; {remedy}");
        refused(ErrorKind::Authentication, text)
    }
}

/// Shortens what a proxy says to a line of an error.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::duplex;

    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    /// Returns the outcome of a CONNECT to broker:8443 with this answer, received in pieces of `piece` bytes. Also
    /// returns what the proxy received.
    async fn answered(proxy: &str, answer: &[u8], piece: usize) -> (Result<Vec<u8>>, String) {
        let (mut ours, mut theirs) = duplex(256 * 1024);
        let proxy = Proxy::parse(proxy, "option proxy").unwrap();
        let server = async {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && theirs.read_buf(&mut request).await.unwrap() > 0 {}
            for part in answer.chunks(piece.max(1)) {
                let _ = theirs.write_all(part).await;
                tokio::task::yield_now().await;
            }
            drop(theirs);
            String::from_utf8(request).unwrap()
        };
        let target = host("broker", 8443);
        tokio::join!(connect(&mut ours, &proxy, &target), server)
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_with_the_credentials_of_the_proxy_alone() {
        let answer = b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\nfirst words";
        for piece in [1, 7, 4096] {
            let (early, request) = answered("http://me:p%40ss@squid", answer, piece).await;
            // All bytes read after the head belong to the tunnel, despite a Content-Length.
            assert!("first words".as_bytes().starts_with(&early.unwrap()));
            let expected = format!(
                "CONNECT broker:8443 HTTP/1.1\r\nHost: broker:8443\r\nUser-Agent: {USER_AGENT}\r\n\
                 Proxy-Authorization: Basic {}\r\n\r\n",
                STANDARD.encode("me:p@ss")
            );
            assert_eq!(request, expected);
        }
        let (early, request) = answered("http://squid", b"HTTP/1.0 204 x\r\n\r\n", 4096).await;
        assert!(early.unwrap().is_empty() && !request.contains("Proxy-"));
    }

    #[test]
    fn ipv6_targets_are_in_brackets() {
        assert!(request(None, &host("::1", 1)).starts_with("CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\n"));
    }

    #[tokio::test]
    async fn each_refusal_names_proxy_target_and_remedy_and_no_secret() {
        let (none, user) = ("http://squid:3128", "http://me:s3cret@squid:3128");
        let long = format!("HTTP/1.1 200 x\r\nX: {}", "y".repeat(MAX_HEAD));
        for (proxy, answer, kind, status, lasting, expected) in [
            (
                none,
                "407 x\r\nProxy-Authenticate: Basic realm=\"a\"",
                ErrorKind::Authentication,
                Some(407),
                true,
                "offers Basic; give a user and password in option proxy",
            ),
            (
                user,
                "407 x\r\nProxy-Authenticate: Basic realm=\"a\"",
                ErrorKind::Authentication,
                Some(407),
                true,
                "the user or password in option proxy is not accepted",
            ),
            (
                user,
                "407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM abc",
                ErrorKind::Authentication,
                Some(407),
                true,
                "offers Negotiate, NTLM; only Basic is spoken here: for Negotiate or NTLM use a local helper such as cntlm or px",
            ),
            (none, "407 x", ErrorKind::Authentication, Some(407), true, "offers no scheme; give a user"),
            (
                user,
                "403 Forbidden",
                ErrorKind::Authorization,
                Some(403),
                true,
                "refuses CONNECT to broker:8443 (403 Forbidden); many proxies allow port 443 only",
            ),
            (
                none,
                "405 Method Not Allowed",
                ErrorKind::Authorization,
                Some(405),
                true,
                "refuses CONNECT to broker:8443 (405",
            ),
            (
                none,
                "500 Unable to connect",
                ErrorKind::Connect,
                Some(500),
                false,
                "could not open a tunnel to broker:8443 (500 Unable to connect)",
            ),
            (none, "502 Bad Gateway", ErrorKind::Connect, Some(502), false, "(502 Bad Gateway)"),
            (
                user,
                "503 Service Unavailable\r\nX-Squid-Error: ERR_DNS_FAIL 0",
                ErrorKind::Connect,
                Some(503),
                false,
                "(503 Service Unavailable, ERR_DNS_FAIL 0)",
            ),
            (none, "504 Gateway Timeout", ErrorKind::Connect, Some(504), false, "(504"),
            (none, "429 Too Many Requests", ErrorKind::Connect, Some(429), false, "(429"),
            (none, "400 Bad Request", ErrorKind::Protocol, None, false, "with 400 Bad Request: is it a proxy?"),
            (
                none,
                "302 Found\r\nLocation: http://login",
                ErrorKind::Protocol,
                None,
                false,
                "with 302 Found: is it a proxy?",
            ),
            (none, "", ErrorKind::Protocol, None, false, "does not answer in HTTP: is it a SOCKS proxy"),
        ] {
            let (outcome, _) = answered(proxy, format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes(), 4096).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (kind, status), "{error}");
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains("the proxy http://squid:3128 "), "{text}");
            assert_eq!(error.is_final(), lasting, "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
        for (answer, kind, expected) in [
            (
                &b"HTTP/1.1 200"[..],
                ErrorKind::Connect,
                "ended the connection before the tunnel to broker:8443 was open",
            ),
            (b"", ErrorKind::Connect, "ended the connection"),
            (b"\x05\xff", ErrorKind::Protocol, "does not answer in HTTP"),
            (b"SSH-2.0-x\r\n", ErrorKind::Protocol, "does not answer in HTTP"),
            (long.as_bytes(), ErrorKind::Protocol, "a head of more than 65536 bytes"),
        ] {
            let error = answered(none, answer, 4096).await.0.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_answer_is_an_outcome(answer in proptest::collection::vec(any::<u8>(), 0..200), piece in 1..50_usize) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for start in [&b""[..], b"HTTP/1.1 ", b"HTTP/1.1 200 x\r\n"] {
                let _ = runtime.block_on(answered("http://squid", &[start, &answer].concat(), piece));
            }
        }
    }
}
