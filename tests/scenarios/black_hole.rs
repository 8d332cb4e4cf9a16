//! A relay whose connections can vanish: from then on they carry nothing and stay open, as behind a firewall that drops
//! every packet. Connections made later pass.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub(crate) struct BlackHole {
    /// The address of the relay as a `ws://` URL.
    pub(crate) url: String,
    /// How many times connections have vanished.
    swallowed: Arc<AtomicUsize>,
}

impl BlackHole {
    /// Starts a relay to the server at `url`. It ends with the test program.
    pub(crate) fn before(url: &str) -> BlackHole {
        let server = url.strip_prefix("ws://").expect("a plain URL").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}", listener.local_addr().expect("an address"));
        let swallowed = Arc::new(AtomicUsize::new(0));
        let count = swallowed.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // A server that is away closes the connection.
                let Ok(far) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let count = count.clone();
                    thread::spawn(move || relay(from, to, &count));
                }
            }
        });
        BlackHole { url, swallowed }
    }

    /// Has all connections of this moment vanish.
    pub(crate) fn swallow(&self) {
        self.swallowed.fetch_add(1, Ordering::SeqCst);
    }
}

/// Passes bytes on until one side ends, or until the connection vanishes: then it reads on, and keeps all to itself.
fn relay(mut from: TcpStream, mut to: TcpStream, swallowed: &AtomicUsize) {
    let before = swallowed.load(Ordering::SeqCst);
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let vanished = swallowed.load(Ordering::SeqCst) != before;
        if !vanished && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    if swallowed.load(Ordering::SeqCst) == before {
        let _ = to.shutdown(Shutdown::Both);
    }
}
