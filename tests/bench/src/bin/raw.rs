//! The raw peer: a loop on a WebSocket crate with nothing of a library around it. What it does, it does in the fastest
//! way known: JSON read without copies, vectorised base64, one flush for all that is ready. It reconnects never, checks
//! nothing, and loses what is in flight; no client can be expected to be faster on the same WebSocket crate.
//!
//! `--api` says when acknowledgements go out: `batch` (default) after all that was ready, `hundred` when a hundred wait
//! or nothing has come for a millisecond, `gather` after all that was ready, and then it sleeps for a millisecond. The
//! crate is tokio-tungstenite, with `--api tokio-websockets` that one, and acknowledgements go as with `batch`.

use std::cell::RefCell;
use std::fmt::Debug;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use stargate_bench::{Meter, Payloads, Workload};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;

trait Transport: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// What the loops ask of the messages of a WebSocket crate; its sockets are streams and sinks of them.
trait Message {
    fn new(text: String) -> Self;
    /// None for what is neither a text nor a close.
    fn text(&self) -> Option<&str>;
}

impl Message for tungstenite::Message {
    fn new(text: String) -> Self {
        tungstenite::Message::text(text)
    }

    fn text(&self) -> Option<&str> {
        match self {
            tungstenite::Message::Text(text) => Some(text),
            tungstenite::Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => None,
        }
    }
}

impl Message for tokio_websockets::Message {
    fn new(text: String) -> Self {
        tokio_websockets::Message::text(text)
    }

    fn text(&self) -> Option<&str> {
        assert!(!self.is_close(), "closed: {:?}", self.as_close());
        self.as_text()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let workload = Workload::from_args();
    let meter = RefCell::new(Meter::new(&workload));
    let connections = (0..workload.connections).map(|_| async {
        let (url, transport) = connect(&workload).await;
        if workload.api == "tokio-websockets" {
            let builder = tokio_websockets::ClientBuilder::new().uri(&url).expect("a URL");
            // As much as the other crate gathers before it writes. This crate has no setting for how much it reads at
            // once.
            let builder = builder.config(tokio_websockets::Config::default().flush_threshold(128 * 1024));
            run(builder.connect_on(transport).await.expect("the server upgrades").0, &workload, &meter).await;
        } else {
            let upgraded = tokio_tungstenite::client_async(url, transport).await;
            run(upgraded.expect("the server upgrades").0, &workload, &meter).await;
        }
    });
    // The first connection that has seen the end ends all.
    futures_util::future::select_all(connections.map(Box::pin)).await;
    meter.into_inner().report();
}

async fn run<M: Message, E: Debug>(
    socket: impl Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    workload: &Workload,
    meter: &RefCell<Meter>,
) {
    match workload.role.as_str() {
        "send" => send(socket, workload, meter).await,
        _ => receive(socket, workload, meter).await,
    }
}

/// Where to upgrade, and what on.
async fn connect(workload: &Workload) -> (String, Box<dyn Transport>) {
    let (scheme, host) = workload.url.split_once("://").expect("a URL");
    let tcp = TcpStream::connect(host).await.expect("the server listens");
    tcp.set_nodelay(true).expect("a socket takes options");
    let transport: Box<dyn Transport> = match scheme {
        "wss" => {
            let name = host.split(':').next().expect("split gives one").to_owned();
            let name = ServerName::try_from(name).expect("a host name");
            Box::new(tls(workload).connect(name, tcp).await.expect("the certificate is good"))
        }
        _ => Box::new(tcp),
    };
    let topic = format!("persistent/public/default/{}", workload.topic);
    let path = match workload.role.as_str() {
        "send" => format!("producer/{topic}"),
        "read" => format!("reader/{topic}"),
        _ => format!("consumer/{topic}/{}", workload.subscription),
    };
    (format!("ws://{host}/ws/v2/{path}?{}", workload.query()), transport)
}

fn tls(workload: &Workload) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    let file = workload.ca.as_deref().expect("--ca with wss");
    for certificate in CertificateDer::pem_file_iter(file).expect("the file can be read") {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config).into()
}

/// The next text, and after it all that has arrived.
async fn ready<M: Message, E: Debug>(
    socket: &mut (impl Stream<Item = Result<M, E>> + Unpin),
    mut each: impl FnMut(&str, &mut Vec<M>),
    answers: &mut Vec<M>,
) -> u64 {
    let mut count = 0;
    let mut next = socket.next().await;
    loop {
        let message = next.expect("the connection lasts").expect("the connection lasts");
        if let Some(text) = message.text() {
            each(text, answers);
            count += 1;
        }
        match socket.next().now_or_never() {
            Some(more) => next = more,
            None => return count,
        }
    }
}

#[derive(Deserialize)]
struct Receipt<'a> {
    result: &'a str,
    #[serde(rename = "messageId")]
    message_id: &'a str,
    context: &'a str,
}

async fn send<M: Message, E: Debug>(
    mut socket: impl Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    workload: &Workload,
    meter: &RefCell<Meter>,
) {
    let payloads = Payloads::new(workload.size);
    let window = u64::from(workload.window);
    // Every message is timed with one in flight, and one in sixteen with many.
    let timed = if window == 1 { 1 } else { 16 };
    let mut sent_at = vec![Instant::now(); workload.window as usize];
    let (mut sent, mut confirmed) = (0, 0);
    loop {
        while sent - confirmed < window {
            let payload = payloads.get(sent);
            let mut frame = String::with_capacity(payload.len().div_ceil(3) * 4 + 48);
            frame.push_str(r#"{"payload":""#);
            base64_simd::STANDARD.encode_append(&payload, &mut frame);
            frame.push_str(r#"","context":""#);
            frame.push_str(&sent.to_string());
            frame.push_str(r#""}"#);
            if sent.is_multiple_of(timed) {
                sent_at[(sent % window) as usize] = Instant::now();
            }
            socket.feed(M::new(frame)).await.expect("the connection lasts");
            sent += 1;
        }
        socket.flush().await.expect("the connection lasts");
        let each = |text: &str, _: &mut Vec<M>| {
            let receipt: Receipt = serde_json::from_str(text).expect("a receipt");
            assert_eq!(receipt.result, "ok", "{text}");
            black_box(receipt.message_id);
            let context: u64 = receipt.context.parse().expect("our context");
            if context.is_multiple_of(timed) {
                meter.borrow_mut().latency(sent_at[(context % window) as usize].elapsed());
            }
        };
        let count = ready(&mut socket, each, &mut Vec::new()).await;
        confirmed += count;
        if !meter.borrow_mut().done(count) {
            return;
        }
    }
}

#[derive(Deserialize)]
struct Delivery<'a> {
    #[serde(rename = "messageId")]
    message_id: &'a str,
    payload: &'a str,
}

async fn receive<M: Message, E: Debug>(
    mut socket: impl Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    workload: &Workload,
    meter: &RefCell<Meter>,
) {
    let mut acks = Vec::new();
    let mut waiting = 0; // fed, and not flushed
    let mut permits = 0;
    if workload.pull {
        socket.send(permit(workload.window)).await.expect("the connection lasts");
    }
    loop {
        let each = |text: &str, acks: &mut Vec<M>| {
            let delivery: Delivery = serde_json::from_str(text).expect("a message");
            black_box(base64_simd::STANDARD.decode_to_vec(delivery.payload).expect("base64"));
            acks.push(M::new(format!(r#"{{"messageId":"{}"}}"#, delivery.message_id)));
        };
        let count = if waiting == 0 {
            ready(&mut socket, each, &mut acks).await
        } else {
            let timed = tokio::time::timeout(Duration::from_millis(1), ready(&mut socket, each, &mut acks)).await;
            timed.unwrap_or(0)
        };
        permits += count as u32;
        for ack in acks.drain(..) {
            socket.feed(ack).await.expect("the connection lasts");
            waiting += 1;
        }
        if workload.pull && permits >= workload.window.div_ceil(2) {
            socket.feed(permit(permits)).await.expect("the connection lasts");
            permits = 0;
        }
        if workload.api != "hundred" || waiting >= 100 || count == 0 {
            socket.flush().await.expect("the connection lasts");
            waiting = 0;
        }
        if !meter.borrow_mut().done(count) {
            return;
        }
        if workload.api == "gather" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn permit<M: Message>(messages: u32) -> M {
    M::new(format!(r#"{{"type":"permit","permitMessages":{messages}}}"#))
}
