//! A WebSocket client that does nothing by itself, and a shorthand for what the tests say most.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use stargate_core::mock::{Mock, MockOptions};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

pub(crate) const LONG: Duration = Duration::from_secs(10);

pub(crate) fn mock() -> Mock {
    Mock::start(MockOptions::default()).unwrap()
}

/// What comes next from the broker.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    /// The end of the connection without a close frame.
    Eof,
}

pub(crate) struct Client {
    pub(crate) socket: WebSocket<TcpStream>,
}

impl Client {
    /// `Err`: the status and the page of a refusal.
    pub(crate) fn try_connect(mock: &Mock, path: &str) -> Result<Client, (u16, String)> {
        let stream = TcpStream::connect(("127.0.0.1", mock.port())).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match client::client_with_config(format!("{}{path}", mock.url()), stream, Some(config)) {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let body = response.body().clone().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
            }
            Err(other) => Err((0, other.to_string())),
        }
    }

    pub(crate) fn connect(mock: &Mock, path: &str) -> Client {
        Client::try_connect(mock, path).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"))
    }

    pub(crate) fn producer(mock: &Mock, topic: &str) -> Client {
        Client::connect(mock, &format!("/ws/v2/producer/persistent/public/default/{topic}"))
    }

    pub(crate) fn consumer(mock: &Mock, topic_and_subscription: &str) -> Client {
        Client::connect(mock, &format!("/ws/v2/consumer/persistent/public/default/{topic_and_subscription}"))
    }

    pub(crate) fn reader(mock: &Mock, topic: &str) -> Client {
        Client::connect(mock, &format!("/ws/v2/reader/persistent/public/default/{topic}"))
    }

    pub(crate) fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).unwrap();
    }

    /// Writes without waiting for anything; the broker may be gone.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.get_mut().write_all(bytes);
    }

    pub(crate) fn produce(&mut self, payload: &str, context: &str) {
        self.send(json!({ "payload": base64(payload), "context": context }).to_string());
    }

    /// Produces and waits for the receipt; gives the message id.
    pub(crate) fn store(&mut self, payload: &str) -> String {
        self.produce(payload, "c");
        let receipt = self.json();
        assert_eq!(receipt["result"], "ok", "{receipt}");
        receipt["messageId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn next(&mut self) -> Next {
        loop {
            return match self.socket.read() {
                Ok(Message::Text(text)) => Next::Text(text.as_str().to_owned()),
                Ok(Message::Binary(bytes)) => Next::Binary(bytes.to_vec()),
                Ok(Message::Pong(bytes)) => Next::Pong(bytes.to_vec()),
                Ok(Message::Close(Some(frame))) => Next::Close(frame.code.into(), frame.reason.as_str().to_owned()),
                Ok(Message::Close(None)) => Next::Close(0, String::new()),
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing came for {LONG:?}")
                }
                Err(_) => Next::Eof,
            };
        }
    }

    pub(crate) fn json(&mut self) -> Value {
        match self.next() {
            Next::Text(text) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")),
            other => panic!("expected a text frame, got {other:?}"),
        }
    }

    /// The payload of the next message; acknowledges it if asked.
    pub(crate) fn payload(&mut self) -> String {
        text_of(&self.json())
    }

    pub(crate) fn payloads(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.payload()).collect()
    }

    pub(crate) fn ack(&mut self, id: &Value) {
        self.send(json!({ "messageId": id }).to_string());
    }

    pub(crate) fn nack(&mut self, id: &Value) {
        self.send(json!({ "type": "negativeAcknowledge", "messageId": id }).to_string());
    }

    pub(crate) fn permit(&mut self, permits: i64) {
        self.send(json!({ "type": "permit", "permitMessages": permits }).to_string());
    }

    pub(crate) fn end_of_topic(&mut self) -> bool {
        self.send(r#"{"type":"isEndOfTopic"}"#);
        self.json()["endOfTopic"].as_bool().unwrap()
    }

    /// Two pings and their pongs, with nothing else before or between: the broker has nothing to send.
    pub(crate) fn assert_quiet(&mut self) {
        for payload in ["one", "two"] {
            self.socket.send(Message::Ping(payload.as_bytes().to_vec().into())).unwrap();
            assert_eq!(self.next(), Next::Pong(payload.as_bytes().to_vec()));
        }
    }

    pub(crate) fn close(mut self) {
        self.socket.close(None).unwrap();
        while !matches!(self.next(), Next::Eof) {}
    }
}

pub(crate) fn text_of(message: &Value) -> String {
    let payload = message["payload"].as_str().unwrap_or_else(|| panic!("no payload in {message}"));
    String::from_utf8(unbase64(payload)).unwrap()
}

pub(crate) fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub(crate) fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// One HTTP exchange; gives the status and the whole response.
pub(crate) fn http(mock: &Mock, method: &str, path: &str, body: &str) -> (u16, String) {
    http_with(mock, method, path, "", body)
}

pub(crate) fn http_with(mock: &Mock, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    exchange(
        mock,
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}

/// Sends bytes and reads to the end.
pub(crate) fn exchange(mock: &Mock, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", mock.port())).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

/// The JSON body of an exchange that must succeed.
pub(crate) fn get(mock: &Mock, path: &str) -> Value {
    let (status, text) = http(mock, "GET", path, "");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}
