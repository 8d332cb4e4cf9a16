//! A server of Pulsar's WebSocket API with no broker behind it: it answers each message of a producer with a receipt,
//! and pours messages of one size into consumers and readers, as many as their window has room for.
//!
//! As lean as it can be, so that the client is what is measured: a thread for each connection, one read for all that
//! has arrived, one write for all that answers it, payloads encoded beforehand. It parses a message of a
//! producer only as far as its context, near its end.
//!
//! `sink [CERTIFICATE KEY]` prints `ws://127.0.0.1:PORT`, and with PEM files `wss://localhost:PORT` on a second
//! line, and serves until its standard input ends.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use stargate_bench::Payloads;

/// What one write holds at most, about.
const WRITE_BYTES: usize = 256 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plain = listen(|stream| stream);
    println!("ws://127.0.0.1:{plain}");
    if let [certificate, key] = &arguments[..] {
        let config = tls(certificate, key);
        let secure = listen(move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).expect("the configuration is sound");
            rustls::StreamOwned::new(connection, stream)
        });
        println!("wss://localhost:{secure}");
    }
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

fn tls(certificate: &str, key: &str) -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::pem_file_iter(certificate).expect("the certificate can be read");
    let chain = chain.collect::<Result<_, _>>().expect("the certificate is PEM");
    let key = PrivateKeyDer::from_pem_file(key).expect("the key is PEM");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key belongs to the certificate");
    Arc::new(config)
}

/// Serves on a port of its own, which it returns.
fn listen<S: Read + Write>(wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let wrap = Arc::new(wrap);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let wrap = wrap.clone();
            thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                // A client that goes away is the end of its connection, and nothing else.
                let _ = serve(wrap(stream));
            });
        }
    });
    port
}

/// The upgrade, then one of the two roles until the connection ends.
fn serve(mut stream: impl Read + Write) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let Some(key) = key else {
        // No REST API here.
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    };
    let accept = derive_accept_key(key.as_bytes());
    stream.write_all(
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
            .as_bytes(),
    )?;
    stream.flush()?;
    let connection = Connection { stream, input: vec![0; WRITE_BYTES], begin: 0, end: 0, output: Vec::new() };
    match path.starts_with("/ws/v2/producer/") {
        true => take(connection),
        false => pour(connection, &path),
    }
}

/// Answers each message with a receipt.
fn take(mut connection: Connection<impl Read + Write>) -> io::Result<()> {
    let mut entry = 0;
    let mut id = MessageIds::default();
    loop {
        connection.receive()?;
        while let Some(frame) = connection.next_frame()? {
            let mut tail = [0; 128];
            let context = match context(frame.unmask_end(&mut tail)) {
                Some(context) => context.to_vec(),
                None => context(&frame.unmask()).ok_or_else(|| broken("a message without a context"))?.to_vec(),
            };
            let parts = [
                br#"{"result":"ok","messageId":""#.as_slice(),
                id.encode(entry),
                br#"","context":""#,
                &context,
                br#"","errorCode":0,"schemaVersion":0}"#,
            ];
            entry += 1;
            push_text(&mut connection.output, &parts);
        }
        connection.send()?;
    }
}

/// The value of the last `context` of a message.
fn context(json: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = br#""context""#;
    let at = json.windows(NAME.len()).rposition(|window| window == NAME)?;
    let value = &json[at + NAME.len()..];
    let begin = value.iter().position(|byte| *byte == b'"')? + 1;
    let length = value[begin..].iter().position(|byte| *byte == b'"')?;
    Some(&value[begin..begin + length])
}

/// Pours messages, as many as have room.
fn pour(mut connection: Connection<impl Read + Write>, path: &str) -> io::Result<()> {
    let number = |name: &str| {
        let rest = &path[path.find(name)? + name.len()..];
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse::<usize>().ok()
    };
    let size = number("bytes-").unwrap_or(100);
    let pull = path.contains("pullMode=true");
    let mut room = if pull { 0 } else { number("receiverQueueSize=").unwrap_or(1000) };

    let payloads = Payloads::new(size);
    let encoded: Vec<String> =
        (0..16).map(|number| base64_simd::STANDARD.encode_to_string(payloads.get(number))).collect();
    let mut entry = 0;
    let mut id = MessageIds::default();
    loop {
        while room > 0 {
            while room > 0 && connection.output.len() < WRITE_BYTES {
                let parts = [
                    br#"{"messageId":""#.as_slice(),
                    id.encode(entry),
                    br#"","payload":""#,
                    encoded[entry as usize % encoded.len()].as_bytes(),
                    br#"","properties":{},"publishTime":"2026-11-24T08:27:35.453Z","redeliveryCount":0}"#,
                ];
                push_text(&mut connection.output, &parts);
                entry += 1;
                room -= 1;
            }
            connection.send()?;
        }
        connection.receive()?;
        while let Some(frame) = connection.next_frame()? {
            let text = frame.unmask();
            match text.windows(14).position(|window| window == b"permitMessages") {
                Some(at) => {
                    let digits = text[at..].iter().filter(|byte| byte.is_ascii_digit());
                    room += digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
                }
                None if pull => {}
                None => room += 1,
            }
        }
    }
}

/// The texts of message ids: ledger 5, counted entries.
#[derive(Default)]
struct MessageIds {
    text: String,
}

impl MessageIds {
    fn encode(&mut self, entry: u64) -> &[u8] {
        let (mut bytes, mut length, mut rest) = ([0x08, 0x05, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 3, entry);
        while rest >= 0x80 {
            bytes[length] = rest as u8 | 0x80;
            rest >>= 7;
            length += 1;
        }
        bytes[length] = rest as u8;
        bytes[length + 1] = 0x30; // partition 0
        bytes[length + 2] = 0;
        self.text.clear();
        base64_simd::STANDARD.encode_append(&bytes[..length + 3], &mut self.text);
        self.text.as_bytes()
    }
}

/// A socket with what has arrived and is not handled, and what is to be written.
struct Connection<S> {
    stream: S,
    input: Vec<u8>,
    begin: usize,
    end: usize,
    output: Vec<u8>,
}

/// A text frame from a client.
struct Frame<'a> {
    mask: [u8; 4],
    masked: &'a [u8],
}

impl Frame<'_> {
    fn unmask(&self) -> Vec<u8> {
        self.masked.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
    }

    /// As much of the end as fits into `room`.
    fn unmask_end<'b>(&self, room: &'b mut [u8]) -> &'b [u8] {
        let length = room.len().min(self.masked.len());
        let begin = self.masked.len() - length;
        for (index, byte) in self.masked[begin..].iter().enumerate() {
            room[index] = byte ^ self.mask[(begin + index) & 3];
        }
        &room[..length]
    }
}

impl<S: Read + Write> Connection<S> {
    /// Waits for bytes, and takes what has arrived.
    fn receive(&mut self) -> io::Result<()> {
        self.input.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.end == self.input.len() {
            self.input.resize(self.end * 2, 0);
        }
        match self.stream.read(&mut self.input[self.end..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }

    /// The next text frame that has arrived whole; pings are answered on the way.
    fn next_frame(&mut self) -> io::Result<Option<Frame<'_>>> {
        loop {
            let bytes = &self.input[self.begin..self.end];
            let (length, header) = match bytes {
                [_, short, ..] if short & 0x7f < 126 => (usize::from(short & 0x7f), 2),
                [_, long, a, b, ..] if long & 0x7f == 126 => (usize::from(u16::from_be_bytes([*a, *b])), 4),
                [_, _, length @ .., _] if length.len() >= 8 => {
                    (u64::from_be_bytes(length[..8].try_into().expect("eight bytes")) as usize, 10)
                }
                _ => return Ok(None),
            };
            if bytes.len() < header + 4 + length {
                return Ok(None);
            }
            let opcode = bytes[0];
            let begin = self.begin + header + 4;
            let mask = self.input[begin - 4..begin].try_into().expect("four bytes");
            self.begin = begin + length;
            let frame = Frame { mask, masked: &self.input[begin..begin + length] };
            match opcode {
                0x81 => return Ok(Some(Frame { mask, masked: &self.input[begin..begin + length] })),
                0x88 => return Err(io::ErrorKind::ConnectionAborted.into()),
                0x89 => {
                    self.output.extend([0x8a, length as u8]);
                    let payload = frame.unmask();
                    self.output.extend(payload);
                    self.send()?;
                }
                0x8a => {}
                _ => return Err(broken("a frame that is neither whole nor text")),
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.stream.flush()?;
        self.output.clear();
        Ok(())
    }
}

fn push_text(output: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    output.push(0x81);
    match length {
        0..126 => output.push(length as u8),
        126..0x1_0000 => {
            output.push(126);
            output.extend((length as u16).to_be_bytes());
        }
        _ => {
            output.push(127);
            output.extend((length as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| output.extend_from_slice(part));
}

fn broken(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
