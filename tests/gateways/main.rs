//! Through a real nginx and a real HAProxy to two WebSocket proxies of a real broker. `gateways.py` starts all of it.

#[path = "../scenarios/waiting.rs"]
mod waiting;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use stargate_core::blocking::{Client, produce};
use stargate_core::{Error, ErrorKind, InitialPosition, Level, Options, Persistence, Result, WebSocketCompression};

use waiting::{PATIENCE, eventually, unique};

fn variable(name: &str) -> String {
    std::env::var(format!("GATEWAY_{name}"))
        .unwrap_or_else(|_| panic!("GATEWAY_{name}: see tests/gateways/gateways.py"))
}

fn with_key() -> Options {
    Options::new().header("X-Api-Key", "k1")
}

/// The URLs of both gateways, plain and with TLS that ends there.
fn urls() -> Vec<(String, Options)> {
    let trusting = || with_key().tls_ca_file(&variable("CA"));
    vec![
        (format!("ws://{}/pulsar", variable("NGINX")), with_key()),
        (format!("wss://{}/pulsar/", variable("NGINX_TLS")), trusting()),
        (format!("ws://{}/pulsar", variable("HAPROXY")), with_key()),
        (format!("wss://{}/pulsar", variable("HAPROXY_TLS")), trusting()),
    ]
}

fn flow(url: &str, options: Options, compressed: bool) -> Result<()> {
    let client = Client::new(url, options.clone())?;
    let topic = unique("gateway");
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "s", earliest)?;
    let producer = client.producer(&topic, Options::new())?;
    for number in 0..20 {
        producer.send(number.to_string(), Some(PATIENCE))?;
    }
    for number in 0..20 {
        let message = consumer.receive(Some(PATIENCE))?;
        assert_eq!(message.payload(), number.to_string().as_bytes());
        consumer.ack(&message)?;
    }
    // The REST API is behind the same prefix, and wants the same key.
    assert!(client.admin().topics("public/default", Persistence::Persistent)?.iter().any(|name| name.contains(&topic)));
    let by_url = format!("{}/ws/v2/producer/persistent/public/default/{topic}", url.trim_end_matches('/'));
    assert!(produce(&by_url, ["x"], options)?.iter().all(Result::is_ok));
    let stats = client.as_async().stats();
    assert_eq!(stats.compressed_connections, if compressed { stats.connections } else { 0 });
    client.close(PATIENCE)
}

#[test]
#[ignore = "needs the gateways"]
fn messages_flow_through_a_prefix_an_api_key_and_tls_that_ends_at_the_gateway() {
    for (url, options) in urls() {
        flow(&url, options.clone(), false).unwrap_or_else(|error| panic!("{url}: {error}"));
        let compressed = options.websocket_compression(WebSocketCompression::On).websocket_compression_min(0);
        flow(&url, compressed, true).unwrap_or_else(|error| panic!("{url}, compressed: {error}"));
    }
}

fn refusal(url: &str, options: Options) -> Error {
    let opened = Client::new(url, options).and_then(|client| client.producer(unique("gateway"), Options::new()));
    opened.map(drop).expect_err(url)
}

#[test]
#[ignore = "needs the gateways"]
fn what_a_gateway_refuses_is_told_in_its_words() {
    let (nginx, haproxy) = (variable("NGINX"), variable("HAPROXY"));
    // The first one passes.
    let limited = format!("ws://{nginx}/limited");
    flow_of_one(&limited);
    for (url, kind, words) in [
        (format!("ws://{nginx}/pulsar"), ErrorKind::Authentication, "refused the connection (401): No API key found"),
        (format!("ws://{haproxy}/pulsar"), ErrorKind::Authorization, "(403): the API key is not known"),
        (format!("ws://{nginx}/down"), ErrorKind::Broker, "refused the connection (502): 502 Bad Gateway"),
        (limited, ErrorKind::Broker, "refused the connection (429): 429 Too Many Requests"),
        (format!("ws://{nginx}/login"), ErrorKind::Protocol, "(302) to https://login.example/in;"),
        (
            format!("ws://{nginx}/page"),
            ErrorKind::Protocol,
            "does the URL lead to Pulsar's WebSocket service? It says: Welcome",
        ),
        (
            format!("ws://{}", variable("NGINX_TLS")),
            ErrorKind::InvalidArgument,
            "plain HTTP request was sent to HTTPS port",
        ),
    ] {
        let error = refusal(&url, Options::new());
        let shown = error.to_string();
        assert!(shown.contains(words) && !shown.contains("secret"), "{url}: {shown}");
        assert_eq!(error.kind(), kind, "{shown}");
        assert!(!shown.contains("nginx") || shown.contains("the server (nginx/"), "{shown}");
    }
}

/// A listener whose backlog is full, so that it answers nothing; all of it has to be kept.
fn black_hole(address: &str) -> Vec<Socket> {
    let address = address.parse::<SocketAddr>().unwrap().into();
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&address).unwrap();
    listener.listen(0).unwrap();
    let mut kept = vec![listener];
    for _ in 0..8 {
        let filler = socket();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
        kept.push(filler);
    }
    std::thread::sleep(Duration::from_millis(200));
    kept
}

#[test]
#[ignore = "needs the gateways"]
fn a_name_whose_first_address_is_a_black_hole_connects_by_the_second() {
    let Ok(name) = std::env::var("GATEWAY_TWO_WAYS") else { return };
    let nginx = variable("NGINX");
    let port = nginx.rsplit_once(':').unwrap().1;
    let _hole = black_hole(&format!("127.0.0.2:{port}"));
    let begun = Instant::now();
    flow(&format!("ws://{name}:{port}/pulsar"), with_key(), false).unwrap();
    assert!(begun.elapsed() < PATIENCE, "each of several connections has waited for the hole");
    // Where nothing listens, both addresses are named.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refusal(&format!("ws://{name}:{closed}"), Options::new()).to_string();
    assert!(error.contains(&format!("127.0.0.2:{closed}: Connection refused")), "{error}");
    assert!(error.contains(&format!("127.0.0.1:{closed}: Connection refused")), "{error}");
}

fn flow_of_one(url: &str) {
    let client = Client::new(url, Options::new()).unwrap();
    let producer = client.producer(unique("gateway"), Options::new()).unwrap();
    producer.send("x", Some(PATIENCE)).unwrap();
    client.close(PATIENCE).unwrap();
}

#[test]
#[ignore = "needs the gateways"]
fn a_body_that_is_too_large_for_the_gateway_is_told_on_rest() {
    let client = Client::new(&format!("ws://{}/pulsar", variable("NGINX")), with_key()).unwrap();
    let body = format!("{{\"long\":\"{}\"}}", "x".repeat(2_000));
    let path = format!("persistent/public/default/{}/properties", unique("gateway"));
    let error = client.admin().request("PUT", &path, Some(&body)).unwrap_err();
    assert_eq!(error.http_status(), Some(413), "{error}");
    assert!(error.to_string().contains("413 Request Entity Too Large"), "{error}");
}

/// How many connections each proxy has had, as HAProxy counts them.
fn served() -> Vec<u64> {
    let mut stream = TcpStream::connect(variable("HAPROXY_STATS")).unwrap();
    stream.write_all(b"GET /stats;csv HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("websockets,proxy-"));
    rows.map(|row| row.split(',').nth(7).unwrap().parse().unwrap()).collect()
}

#[test]
#[ignore = "needs the gateways"]
fn a_cookie_keeps_a_client_at_one_proxy() {
    let url = format!("ws://{}/pulsar", variable("HAPROXY"));
    for cookies in [true, false] {
        let client = Client::new(&url, with_key().cookies(cookies)).unwrap();
        // The first answer brings the cookie.
        client.producer(unique("gateway"), Options::new()).unwrap();
        let before = served();
        for _ in 0..4 {
            client.producer(unique("gateway"), Options::new()).unwrap();
        }
        let proxies = served().iter().zip(&before).filter(|(after, before)| after > before).count();
        assert_eq!(proxies, if cookies { 1 } else { 2 }, "cookies={cookies}");
        client.close(PATIENCE).unwrap();
    }
}

#[test]
#[ignore = "needs the gateways"]
fn a_gateway_that_closes_idle_connections_is_named_in_the_log_and_pings_keep_them() {
    for gateway in [format!("ws://{}/idle", variable("NGINX")), format!("ws://{}", variable("HAPROXY_IDLE"))] {
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let lines = log.clone();
        let sink = move |_: Level, _: &str, text: &str| lines.lock().unwrap().push(text.to_owned());
        let options = Options::new().log_sink(sink).backoff_max(Duration::from_millis(200));
        let client = Client::new(&gateway, options.clone()).unwrap();
        // A proxy that has just started may take longer for its first answer than this gateway waits.
        eventually("a consumer opens", || {
            client.consumer(unique("gateway"), "s", Options::new()).map(std::mem::forget).is_ok()
        });
        let told = |log: &Mutex<Vec<String>>| {
            log.lock()
                .unwrap()
                .iter()
                .any(|line| line.contains("close idle connections? ping_interval (30s) has to be"))
        };
        let deadline = Instant::now() + PATIENCE;
        while !told(&log) {
            assert!(Instant::now() < deadline, "{gateway}: {:?}", log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(100));
        }
        client.close(PATIENCE).unwrap();

        log.lock().unwrap().clear();
        let client = Client::new(&gateway, options.ping_interval(Duration::from_millis(200))).unwrap();
        let consumer = client.consumer(unique("gateway"), "s", Options::new()).unwrap();
        std::thread::sleep(Duration::from_secs(4));
        let lines = log.lock().unwrap().clone();
        assert!(!lines.iter().any(|line| line.contains("without a close frame")), "{lines:?}");
        drop(consumer);
        client.close(PATIENCE).unwrap();
    }
}
