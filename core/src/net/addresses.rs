//! Connects to a name by TCP: all its addresses, alternating between families, with staggered attempts (RFC 8305).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};

use super::steps::Steps;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::Host;

/// How long an attempt runs alone before the next address is tried in parallel.
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to one of the addresses of `host`, which is resolved each time.
pub(crate) async fn connect(host: &Host, steps: &Steps) -> Result<TcpStream> {
    let addresses = look_up(host, steps).await?;
    let shown = match addresses[..] {
        [address] if address.ip().to_string() == host.name => String::new(),
        _ => format!(" ({})", list(&addresses)),
    };
    steps.enter(format!("{host} accepted no TCP connection{shown}"));
    let failures = match race(&addresses, STAGGER).await {
        Ok(stream) => return Ok(stream),
        Err(failures) => failures,
    };
    let unreachable = Error::new(ErrorKind::Connect, format!("{host} could not be reached"));
    Err(match <[_; 1]>::try_from(failures) {
        Ok([(_, error)]) => unreachable.caused_by(error),
        Err(failures) => {
            let each: Vec<String> = failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            unreachable.caused_by(io::Error::other(each.join("; ")))
        }
    })
}

/// Returns the addresses of `host`, in the order in which to try them.
pub(super) async fn look_up(host: &Host, steps: &Steps) -> Result<Vec<SocketAddr>> {
    steps.enter(format!("the look-up of the name {} did not end", host.name));
    let unknown = |error| Error::new(ErrorKind::Connect, format!("{host} could not be looked up")).caused_by(error);
    let found = lookup_host((host.name.as_str(), host.port)).await.map_err(unknown)?;
    let addresses = interleaved(found.collect());
    match addresses.is_empty() {
        true => Err(unknown(io::Error::other("the name has no address"))),
        false => Ok(addresses),
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the addresses in look-up order, alternating between the two families.
fn interleaved(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = std::collections::HashSet::new();
    let preferred = found.first().is_some_and(SocketAddr::is_ipv6);
    let of = |first: bool| found.iter().copied().filter(move |address| (address.is_ipv6() == preferred) == first);
    let (mut first, mut second) = (of(true), of(false));
    let mut order = Vec::with_capacity(found.len());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            order.retain(|address| seen.insert(*address));
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

type Failures = Vec<(SocketAddr, io::Error)>;

/// Returns the first connection that succeeds. The next attempt begins after `stagger`, or when one has failed.
async fn race(addresses: &[SocketAddr], stagger: Duration) -> std::result::Result<TcpStream, Failures> {
    let mut untried = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = untried.next() {
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        }
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((address, Err(error))) => failures.push((address, error)),
                None => return Err(failures),
            },
            () = tokio::time::sleep(stagger), if untried.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Returns a listener that answers nothing, because its backlog is full. The caller must keep all returned sockets.
    fn black_hole() -> (Socket, SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&address("127.0.0.1:0").into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fill = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address.into());
            socket
        };
        let fillers = (0..8).map(|_| fill()).collect();
        std::thread::sleep(Duration::from_millis(100));
        (listener, address, fillers)
    }

    fn refusing() -> SocketAddr {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn both_families_take_turns_and_each_address_comes_once() {
        let found = ["[::1]:1", "[::2]:1", "[::1]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"].map(address);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"].map(address);
        assert_eq!(interleaved(found.to_vec()), expected);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[tokio::test]
    async fn a_black_hole_delays_the_next_address_and_does_not_keep_it_out() {
        let (_listener, hole, _fillers) = black_hole();
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let begun = Instant::now();
        let stream = race(&[hole, hole, good.local_addr().unwrap()], Duration::from_millis(50)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
        assert!(begun.elapsed() >= Duration::from_millis(100), "each attempt has its time");
    }

    #[tokio::test]
    async fn a_refusal_is_followed_by_the_next_address_at_once_and_all_are_named() {
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hour = Duration::from_secs(3600);
        assert!(race(&[refusing(), refusing(), good.local_addr().unwrap()], hour).await.is_ok());
        let bad = [refusing(), refusing()];
        let failures = race(&bad, hour).await.unwrap_err();
        assert_eq!(failures.iter().map(|(address, _)| *address).collect::<Vec<_>>(), bad);
    }
}
