//! The listener, the connections, and their shared state.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::admin;
use super::credentials;
use super::deflate::{self, Deflater};
use super::faults::{Fault, Op};
use super::http::{self, Request, Response, Unread};
use super::issuer;
use super::outbox::{End, Outbox, detail};
use super::producer::Producer;
use super::receiver::Receiver;
use super::session::{self, Role};
use super::shared::Shared;
use super::socket::{Io, Socket};
use super::topics::Refusal;
use super::upgrade::{self, Wanted};

/// A request to start or stop listening, and where to confirm it.
pub(super) struct SetUp {
    pub(super) up: bool,
    pub(super) done: std::sync::mpsc::Sender<io::Result<()>>,
}

/// Accepts connections until the handle is dropped.
pub(super) async fn listen(
    shared: Arc<Shared>,
    listener: TcpListener,
    port: u16,
    tls: Option<TlsAcceptor>,
    mut orders: mpsc::UnboundedReceiver<SetUp>,
) {
    let mut listener = Some(listener);
    // while down, the port stays bound so that no other process gets it, but the mock does not listen on it
    let mut reserved: Option<TcpSocket> = None;
    loop {
        let order = match &listener {
            Some(open) => tokio::select! {
                biased;
                order = orders.recv() => order,
                accepted = open.accept() => {
                    match accepted {
                        Ok((stream, _)) => accept(&shared, stream, tls.clone()),
                        // out of file descriptors: a spinning loop would not help
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                    continue;
                }
            },
            None => orders.recv().await,
        };
        let Some(SetUp { up, done }) = order else { return };
        let result = match (up, listener.is_some()) {
            (true, false) => match reserved.take().map_or_else(|| bind(port), Ok) {
                Ok(socket) => socket.listen(1024).map(|open| listener = Some(open)),
                Err(error) => Err(error),
            },
            (false, true) => {
                listener = None;
                reserved = bind(port).ok();
                Ok(())
            }
            _ => Ok(()),
        };
        // the requester may have stopped waiting
        let _ = done.send(result);
    }
}

pub(super) fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

fn accept(shared: &Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let kill = Arc::new(Notify::new());
    let number = shared.connect(Arc::clone(&kill));
    let guard = Guard { shared: Arc::clone(shared), number };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = kill.notified() => {}
            () = secure(shared, number, stream, tls) => {}
        }
        drop(guard);
    });
}

/// Removes a connection from the list, however its task ends.
struct Guard {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.forget(self.number);
    }
}

async fn secure(shared: Arc<Shared>, number: u64, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let stream = Socket::new(stream);
    match tls {
        None => serve(shared, number, Box::new(stream), false).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                let certified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
                serve(shared, number, Box::new(stream), certified).await;
            }
        }
    }
}

/// Answers requests until one becomes a WebSocket, or the connection ends.
async fn serve(shared: Arc<Shared>, number: u64, mut stream: Box<dyn Io>, certified: bool) {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let read = tokio::time::timeout(shared.options.idle_timeout, http::read_request(&mut stream, &mut buffer));
        let request = match read.await {
            Ok(Ok(request)) => request,
            Ok(Err(Unread::Bad(status))) => {
                return send_last(stream, &Response::bad_message(status).encode(false)).await;
            }
            Ok(Err(Unread::Gone)) | Err(_) => return,
        };
        if request.path.starts_with("/ws/") || request.path == "/ws" {
            match upgrade(&shared, number, &request, certified, &mut stream).await {
                Upgraded::Session(session) => {
                    let (role, outbox, wake) = *session;
                    return session::run(shared, number, stream, buffer, role, outbox, wake).await;
                }
                Upgraded::Refused(response) => {
                    let bytes = response.encode(request.keep_alive);
                    if !request.keep_alive {
                        return send_last(stream, &bytes).await;
                    }
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Upgraded::Sabotaged(fault) => return sabotage(stream, &fault, b"HTTP/1.1 101 Switching Pro").await,
            }
            continue;
        }
        let path: Arc<str> = Arc::from(request.path.as_str());
        let fault = shared.faults.take(Op::Http, &path);
        let told = format!("{} {}", request.method, request.path);
        let response = match &fault {
            Some(Fault::Http(status, reason)) => {
                let reason = reason.as_deref().unwrap_or("scripted fault");
                Response::new(*status, "application/json", wire_reason(reason))
            }
            Some(Fault::Drop | Fault::Reset | Fault::Stall) => Response::new(500, "text/plain", ""),
            _ => rest(&shared, &request, certified),
        };
        let told = format!("{told} -> {}", response.status);
        shared.log(Op::Http, &path, "admin", number, detail(&told, fault.as_ref()));
        let bytes = response.encode(request.keep_alive);
        match fault {
            Some(Fault::Delay(by)) => tokio::time::sleep(by).await,
            None | Some(Fault::Http(..)) => {}
            Some(fault) => return sabotage(stream, &fault, &bytes[..bytes.len() / 2]).await,
        }
        if !request.keep_alive {
            return send_last(stream, &bytes).await;
        }
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Answers a request that is not an upgrade: to the issuer, or to the REST API.
fn rest(shared: &Shared, request: &Request, certified: bool) -> Response {
    let now = shared.clock.now_ms();
    let settings = shared.options.oauth2.as_ref();
    if let Some(response) =
        settings.and_then(|settings| issuer::answer(settings, &shared.http_url(), now, request, certified))
    {
        return response;
    }
    match credentials::check(&shared.options, now, request, certified) {
        Some(refusal) => Response::page(refusal.status, &refusal.reason, &request.path),
        None => admin::answer(shared, request),
    }
}

fn wire_reason(reason: &str) -> String {
    super::wire::json(&serde_json::json!({ "reason": reason }))
}

/// Sends the last bytes, and lets the client read them before the connection closes.
async fn send_last(mut stream: Box<dyn Io>, bytes: &[u8]) {
    let farewell = async {
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let mut sink = [0; 4096];
        while tokio::io::AsyncReadExt::read(&mut stream, &mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    // whatever the peer does, this connection ends
    let _ = tokio::time::timeout(Duration::from_secs(2), farewell).await;
}

/// Ends an exchange as a fault requires.
async fn sabotage(stream: Box<dyn Io>, fault: &Fault, half: &[u8]) {
    match fault {
        Fault::Reset => stream.reset(),
        Fault::HalfFrame => send_last(stream, half).await,
        Fault::Garbage => send_last(stream, b"\x00\xff this is not HTTP\r\n\r\n").await,
        // until the mock ends it
        Fault::Stall => std::future::pending().await,
        _ => send_last(stream, b"").await,
    }
}

enum Upgraded {
    Session(Box<(Role, Outbox, Arc<Notify>)>),
    Refused(Response),
    Sabotaged(Fault),
}

async fn upgrade(
    shared: &Shared,
    number: u64,
    request: &Request,
    certified: bool,
    stream: &mut Box<dyn Io>,
) -> Upgraded {
    let (role, label) = upgrade::label(&request.path);
    let label: Arc<str> = Arc::from(label);
    let fault = shared.faults.take(Op::Connect, &label);
    let log = |told: String| shared.log(Op::Connect, &label, role, number, detail(&told, fault.as_ref()));
    let refuse = |status: u16, reason: &str| {
        log(format!("{status} {reason}"));
        Upgraded::Refused(Response::page(status, reason, &request.path))
    };
    match &fault {
        Some(Fault::Http(status, reason)) => {
            let mut refused = refuse(*status, reason.as_deref().unwrap_or(http::status_text(*status)));
            if let (Upgraded::Refused(response), 300..400) = (&mut refused, *status) {
                response.headers.push(("Location", reason.clone().unwrap_or_else(|| "/".to_owned())));
            }
            return refused;
        }
        Some(fault @ (Fault::Drop | Fault::Reset | Fault::Stall | Fault::Garbage | Fault::HalfFrame)) => {
            log(String::new());
            return Upgraded::Sabotaged(fault.clone());
        }
        Some(Fault::Delay(by)) => tokio::time::sleep(*by).await,
        _ => {}
    }
    if let "/ws/v3/consumer" | "/ws/v2/producer" | "/ws/v2/consumer" | "/ws/v2/reader" = request.path.as_str() {
        log("302".to_owned());
        let mut response = Response::new(302, "text/html", "");
        response.headers.push(("Location", format!("{}/", request.path)));
        return Upgraded::Refused(response);
    }
    if let Some(refusal) = credentials::check(&shared.options, shared.clock.now_ms(), request, certified) {
        return refuse(refusal.status, &refusal.reason);
    }
    let Some(wanted) = upgrade::parse(request, shared.options.is_old()) else { return refuse(404, "Not Found") };
    let is_upgrade = request.header_has("Connection", "upgrade") && request.header_has("Upgrade", "websocket");
    if request.method != "GET" || !is_upgrade {
        return refuse(405, "HTTP method GET is not supported by this URL");
    }
    let Some(key) = request.header("Sec-WebSocket-Key") else {
        return refuse(400, "Missing request header 'Sec-WebSocket-Key'");
    };
    if request.header("Sec-WebSocket-Version") != Some("13") {
        return refuse(400, "Unsupported websocket version specification");
    }
    let wake = Arc::new(Notify::new());
    let connected = wanted.and_then(|wanted| match wanted {
        Wanted::Producer(wanted) => Producer::connect(shared, number, wanted).map(Role::Producer),
        Wanted::Consumer(wanted) => Receiver::consumer(shared, number, wanted, Arc::clone(&wake)).map(Role::Receiver),
        Wanted::Reader(wanted) => Receiver::reader(shared, number, wanted, Arc::clone(&wake)).map(Role::Receiver),
    });
    let role = match connected {
        Ok(role) => role,
        Err(Refusal { status, reason }) => return refuse(status, &reason),
    };
    let mut outbox = Outbox::default();
    match &fault {
        Some(Fault::Close(code, reason)) => outbox.end(End::FlushAndClose(Some(*code), reason.clone())),
        Some(Fault::CloseEmpty) => outbox.end(End::FlushAndClose(None, String::new())),
        Some(Fault::DropAfter) => outbox.end(End::FlushAndDrop),
        Some(Fault::NoPong) => outbox.no_pong = true,
        _ => {}
    }
    let offers = request.header("Sec-WebSocket-Extensions").filter(|_| shared.options.websocket_compression);
    let extension = offers.and_then(deflate::answer);
    outbox.deflater = extension.as_deref().map(Deflater::new);
    let extended =
        extension.as_ref().map_or_else(String::new, |agreed| format!("Sec-WebSocket-Extensions: {agreed}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{extended}\
         Server: Jetty(9.4.58.v20250814)\r\nUpgrade: WebSocket\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    shared.label(number, Arc::clone(role.label()));
    log(extension.map_or_else(|| "101".to_owned(), |agreed| format!("101 {agreed}")));
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        outbox.end(End::Drop);
    }
    Upgraded::Session(Box::new((role, outbox, wake)))
}
