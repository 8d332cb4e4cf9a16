//! A line to the broker that can be cut: a relay on a port of its own.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use stargate_core::Options;
use stargate_core::blocking::Client;

use crate::broker::Broker;

pub(crate) struct Line {
    url: String,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    pub(crate) fn to(broker: &Broker) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let host = broker.url.strip_prefix("ws://").unwrap().to_owned();
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = streams.clone();
        // Ends with the test program.
        thread::spawn(move || {
            for near in listener.incoming() {
                let mut kept = kept.lock().unwrap();
                let (near, far) = (near.unwrap(), TcpStream::connect(&host).unwrap());
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                kept.extend([near, far]);
            }
        });
        Line { url, streams }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url, Options::new()).unwrap()
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
