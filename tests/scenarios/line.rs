//! A line to the broker that can be cut or fall silent: a relay on a port of its own.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use stargate_core::Options;
use stargate_core::blocking::Client;

pub(crate) struct Line {
    pub(crate) url: String,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    gate: Arc<Gate>,
}

/// Holds back what passes while it is shut.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let _open = self.opened.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap();
    }
}

/// Passes bytes on until one side ends, then ends the other.
fn relay(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        gate.wait();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    gate.wait();
    let _ = to.shutdown(Shutdown::Both);
}

impl Line {
    /// A line to a `ws://` URL.
    pub(crate) fn to(url: &str) -> Line {
        let host = url.strip_prefix("ws://").expect("a plain URL").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let gate: Arc<Gate> = Arc::default();
        let (kept, held) = (streams.clone(), gate.clone());
        // Ends with the test program.
        thread::spawn(move || {
            for near in listener.incoming() {
                let mut kept = kept.lock().unwrap();
                // A server that is down closes what it does not take.
                let (near, Ok(far)) = (near.unwrap(), TcpStream::connect(&host)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to, gate) = (from.try_clone().unwrap(), to.try_clone().unwrap(), held.clone());
                    thread::spawn(move || relay(from, to, &gate));
                }
                kept.extend([near, far]);
            }
        });
        Line { url, streams, gate }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, Options::new()).unwrap()
    }

    /// Holds back every byte until `work` is done. Connections stay open, new ones too.
    pub(crate) fn silent_during(&self, work: impl FnOnce()) {
        self.gate.set(true);
        work();
        self.gate.set(false);
    }

    /// Breaks all connections; new ones are let through.
    pub(crate) fn cut(&self) {
        self.cut_during(|| ());
    }

    /// Breaks all connections; new ones wait until `work` is done.
    pub(crate) fn cut_during(&self, work: impl FnOnce()) {
        let mut streams = self.streams.lock().unwrap();
        for stream in streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        work();
    }
}
