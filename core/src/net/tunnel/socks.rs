//! SOCKS5 (RFC 1928, with the user and password of RFC 1929): a tunnel through a SOCKS proxy.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::refused;
use crate::error::{Error, ErrorKind, Result};
use crate::proxy::{Login, Proxy};
use crate::topic::Host;

const VERSION: u8 = 5;
/// The version of the exchange of user and password, which has its own number.
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const BY_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;

/// Requests a tunnel to `target` from the proxy at the other end of `stream`. It leads to `address`, or without one to
/// the name, which the proxy resolves.
pub(super) async fn connect<S>(stream: &mut S, proxy: &Proxy, target: &Host, address: Option<SocketAddr>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = request(target, address)?;
    let mut handshake = Handshake { stream, proxy, target };
    handshake.greet().await?;
    handshake.send(&request).await?;
    handshake.opened().await
}

/// Returns the request for a tunnel.
fn request(target: &Host, address: Option<SocketAddr>) -> Result<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    let address = address.map(|address| address.ip()).or_else(|| target.name_without_zone().parse().ok());
    match address {
        Some(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Some(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        None => {
            let length = u8::try_from(target.name.len()).map_err(|_| {
                Error::invalid(format!("{target}: the name is longer than the 255 bytes that SOCKS can carry"))
            })?;
            request.extend([3, length]);
            request.extend(target.name.bytes());
        }
    }
    request.extend(target.port.to_be_bytes());
    Ok(request)
}

struct Handshake<'a, S> {
    stream: &'a mut S,
    proxy: &'a Proxy,
    target: &'a Host,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<'_, S> {
    /// Negotiates a method of authentication, and authenticates.
    async fn greet(&mut self) -> Result<()> {
        let login = self.proxy.login.as_ref();
        let methods: &[u8] =
            if login.is_some() { &[VERSION, 2, NO_LOGIN, BY_PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
        self.send(methods).await?;
        let [version, method] = self.receive().await?;
        self.check(version)?;
        match (method, login) {
            (NO_LOGIN, _) => Ok(()),
            (BY_PASSWORD, Some(login)) => self.log_in(login).await,
            (0xff, None) => {
                Err(self.wants_login("give a user and password in", "as socks5h://user:password@host:port"))
            }
            (0xff, Some(_)) => Err(self.wants_login("it takes neither the user and password in", "nor none")),
            (other, _) => {
                let (proxy, target) = (self.proxy, self.target);
                let text =
                    format!("the proxy {proxy} wants the SOCKS method {other} for {target}, which was not offered");
                Err(Error::new(ErrorKind::Protocol, text))
            }
        }
    }

    async fn log_in(&mut self, login: &Login) -> Result<()> {
        let mut message = vec![LOGIN_VERSION];
        for part in [&login.user, &login.password] {
            // The setting has checked that it fits.
            message.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            message.extend(part.bytes().take(usize::from(u8::MAX)));
        }
        self.send(&message).await?;
        let [_, status] = self.receive().await?;
        match status {
            0 => Ok(()),
            _ => Err(self.wants_login("it does not accept the user and password in", "")),
        }
    }

    fn wants_login(&self, remedy: &str, form: &str) -> Error {
        let (proxy, target, source) = (self.proxy, self.target, &self.proxy.source);
        let text = format!("the proxy {proxy} wants authentication for {target}; {remedy} {source} {form}");
        refused(ErrorKind::Authentication, text.trim_end().to_owned())
    }

    /// Reads the answer to the request, and nothing beyond it.
    async fn opened(&mut self) -> Result<()> {
        let [version, reply, _, kind] = self.receive().await?;
        self.check(version)?;
        if reply != 0 {
            return Err(self.unopened(reply));
        }
        // The address from which the proxy connects, which is not needed here.
        match kind {
            1 => drop(self.receive::<6>().await?),
            4 => drop(self.receive::<18>().await?),
            3 => {
                let [length] = self.receive().await?;
                let mut rest = vec![0; usize::from(length) + 2];
                self.fill(&mut rest).await?;
            }
            _ => return Err(self.alien()),
        }
        Ok(())
    }

    fn unopened(&self, reply: u8) -> Error {
        let (proxy, target) = (self.proxy, self.target);
        let failed = |why: &str| {
            let text = format!("the proxy {proxy} could not open a tunnel to {target}: {why}");
            Error::new(ErrorKind::Connect, text)
        };
        match reply {
            2 => {
                let text = format!("the proxy {proxy} refuses a tunnel to {target}: its rules do not allow it");
                refused(ErrorKind::Authorization, text)
            }
            3 => failed("the network cannot be reached"),
            4 => failed("the host cannot be reached"),
            5 => failed("the connection was refused"),
            6 => failed("it took too long"),
            1 => failed("general failure"),
            7 | 8 => {
                let text = format!("the proxy {proxy} does not know how to open a tunnel to {target} (reply {reply})");
                Error::new(ErrorKind::Protocol, text)
            }
            other => failed(&format!("reply {other}")),
        }
    }

    fn check(&self, version: u8) -> Result<()> {
        if version == VERSION { Ok(()) } else { Err(self.alien()) }
    }

    fn alien(&self) -> Error {
        let text = format!("the proxy {} does not speak SOCKS5: is it an HTTP proxy, or another port?", self.proxy);
        Error::new(ErrorKind::Protocol, text)
    }

    fn broke(&self, error: std::io::Error) -> Error {
        let text = format!("the proxy {} broke off before the tunnel to {} was open", self.proxy, self.target);
        Error::new(ErrorKind::Connect, text).caused_by(error)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| self.broke(error))?;
        self.stream.flush().await.map_err(|error| self.broke(error))
    }

    async fn receive<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.fill(&mut bytes).await?;
        Ok(bytes)
    }

    async fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.stream.read_exact(bytes).await.map(drop).map_err(|error| self.broke(error))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::duplex;

    use super::*;

    /// Returns the outcome of a tunnel to `name`:8443, and what the proxy receives. The proxy sends one of `answers`
    /// after each message.
    async fn answered(proxy: &str, name: &str, address: Option<&str>, answers: &[&[u8]]) -> (Result<()>, Vec<Vec<u8>>) {
        let (mut ours, mut theirs) = duplex(64 * 1024);
        let proxy = Proxy::parse(proxy, "option proxy").unwrap();
        let server = async {
            let mut heard = Vec::new();
            for answer in answers {
                let mut message = vec![0; 1024];
                let read = theirs.read(&mut message).await.unwrap_or(0);
                message.truncate(read);
                heard.push(message);
                let _ = theirs.write_all(answer).await;
            }
            drop(theirs);
            heard
        };
        let target = Host { name: name.to_owned(), port: 8443 };
        let address = address.map(|address| SocketAddr::new(address.parse().unwrap(), 8443));
        tokio::join!(connect(&mut ours, &proxy, &target, address), server)
    }

    const OPEN: &[u8] = &[5, 0, 0, 1, 1, 2, 3, 4, 0, 80];

    #[tokio::test]
    async fn tunnels_are_opened_by_name_and_by_address() {
        let port = 8443_u16.to_be_bytes();
        for (name, address, expected) in [
            ("broker", None, [&[5, 1, 0, 3, 6][..], b"broker", &port].concat()),
            ("broker", Some("10.0.0.7"), [&[5, 1, 0, 1, 10, 0, 0, 7][..], &port].concat()),
            ("10.0.0.7", None, [&[5, 1, 0, 1, 10, 0, 0, 7][..], &port].concat()),
            ("::1", None, [&[5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &port].concat()),
        ] {
            let (outcome, heard) = answered("socks5h://s", name, address, &[&[5, 0], OPEN]).await;
            outcome.unwrap();
            assert_eq!(heard, [vec![5, 1, 0], expected]);
        }
        // The address in the answer may be of any type.
        for answer in [&[5, 0, 0, 3, 2, b'a', b'b', 0, 80][..], &[[5, 0, 0, 4].as_slice(), &[0; 18]].concat()] {
            answered("socks5h://s", "broker", None, &[&[5, 0], answer]).await.0.unwrap();
        }
        let (outcome, _) = answered("socks5h://s", &"x".repeat(256), None, &[]).await;
        assert!(outcome.unwrap_err().to_string().contains("255 bytes"));
    }

    #[tokio::test]
    async fn a_user_logs_in_where_the_proxy_wants_it() {
        let (outcome, heard) = answered("socks5://me:p%40ss@s", "broker", None, &[&[5, 2], &[1, 0], OPEN]).await;
        outcome.unwrap();
        assert_eq!(heard[..2], [vec![5, 2, 0, 2], b"\x01\x02me\x04p@ss".to_vec()]);
        answered("socks5://me:p%40ss@s", "broker", None, &[&[5, 0], OPEN]).await.0.unwrap();
    }

    #[tokio::test]
    async fn each_refusal_names_proxy_target_and_remedy_and_no_secret() {
        let (none, user) = ("socks5h://s", "socks5h://me:s3cret@s");
        let replied = |reply: u8| vec![vec![5, 0], vec![5, reply, 0, 1, 0, 0, 0, 0, 0, 0]];
        for (proxy, answers, kind, lasting, expected) in [
            (
                none,
                vec![vec![5, 0xff]],
                ErrorKind::Authentication,
                true,
                "for broker:8443; give a user and password in option proxy",
            ),
            (
                user,
                vec![vec![5, 0xff]],
                ErrorKind::Authentication,
                true,
                "takes neither the user and password in option proxy nor none",
            ),
            (
                user,
                vec![vec![5, 2], vec![1, 1]],
                ErrorKind::Authentication,
                true,
                "does not accept the user and password in option proxy",
            ),
            (none, replied(1), ErrorKind::Connect, false, "to broker:8443: general failure"),
            (none, replied(2), ErrorKind::Authorization, true, "refuses a tunnel to broker:8443: its rules"),
            (none, replied(3), ErrorKind::Connect, false, "the network cannot be reached"),
            (none, replied(4), ErrorKind::Connect, false, "the host cannot be reached"),
            (user, replied(5), ErrorKind::Connect, false, "the connection was refused"),
            (none, replied(6), ErrorKind::Connect, false, "it took too long"),
            (none, replied(7), ErrorKind::Protocol, false, "does not know how"),
            (none, replied(8), ErrorKind::Protocol, false, "does not know how"),
            (none, replied(99), ErrorKind::Connect, false, "reply 99"),
            (none, vec![vec![5, 2]], ErrorKind::Protocol, false, "the SOCKS method 2"),
            (
                none,
                vec![b"HTTP/1.1 400".to_vec()],
                ErrorKind::Protocol,
                false,
                "does not speak SOCKS5: is it an HTTP proxy",
            ),
            (none, vec![vec![0, 91]], ErrorKind::Protocol, false, "does not speak SOCKS5"),
            (none, vec![vec![5, 0], vec![5, 0, 0, 9]], ErrorKind::Protocol, false, "does not speak SOCKS5"),
            (none, vec![vec![5]], ErrorKind::Connect, false, "broke off before the tunnel to broker:8443 was open"),
            (user, vec![vec![5, 2], vec![1]], ErrorKind::Connect, false, "broke off"),
            (none, vec![vec![5, 0], vec![5, 0, 0, 3, 200]], ErrorKind::Connect, false, "broke off"),
        ] {
            let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
            let error = answered(proxy, "broker", None, &answers).await.0.unwrap_err();
            let text = error.to_string();
            assert_eq!((error.kind(), error.is_final()), (kind, lasting), "{text}");
            assert!(text.contains(expected) && text.contains("the proxy socks5h://s:1080 "), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_answer_is_an_outcome(answer in proptest::collection::vec(any::<u8>(), 0..100)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for start in [&b""[..], &[5, 0], &[5, 0, 5, 0, 0], &[5, 2, 1, 0]] {
                let answer = [start, &answer].concat();
                let _ = runtime.block_on(answered("socks5h://u:p@s", "broker", None, &[&answer]));
            }
        }
    }
}
