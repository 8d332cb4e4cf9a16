use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use stargate_core::mock::{Mock, MockMessage, MockOptions, MockTls};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_tungstenite::tungstenite;

use crate::client::{Client, LONG, exchange, get, http, http_with, mock};

const PATH: &str = "/admin/v2/persistent/public/default";

#[test]
fn tokens_are_taken_from_the_header_before_the_query() {
    let options =
        MockOptions { tokens: vec!["good".into()], forbidden_tokens: vec!["weak".into()], ..MockOptions::default() };
    assert!(!format!("{options:?}").contains("good"), "a token in a Debug");
    let mock = Mock::start(options).unwrap();
    let path = "/admin/v2/clusters";
    let cases = [
        ("Authorization: Bearer good\r\n", "", 200),
        ("", "?token=good", 200),
        ("Authorization: Bearer bad\r\n", "?token=good", 401),
        ("Authorization: bearer good\r\n", "", 401),
        ("Authorization: Bearer weak\r\n", "", 403),
        ("", "", 401),
    ];
    for (header, query, status) in cases {
        assert_eq!(http_with(&mock, "GET", &format!("{path}{query}"), header, "").0, status, "{header}{query}");
    }
    for role in ["producer/persistent/public/default/t", "consumer/persistent/public/default/t/s"] {
        for (query, status) in [("", 401), ("?token=weak", 403)] {
            let (found, page) = Client::try_connect(&mock, &format!("/ws/v2/{role}{query}")).err().unwrap();
            assert_eq!(found, status);
            let says = if status == 401 { "Authentication required" } else { "Not authorized" };
            assert!(page.contains(says), "{page}");
        }
        Client::connect(&mock, &format!("/ws/v2/{role}?token=good"));
    }
    assert!(!format!("{mock:?}").contains("good"), "a token in a Debug");
}

#[test]
fn what_is_not_an_upgrade_is_refused() {
    let mock = mock();
    let (status, text) = http(&mock, "GET", "/ws/v2/producer/persistent/public/default/t", "");
    assert_eq!(status, 405, "{text}");
    assert_eq!(http(&mock, "GET", "/", "").0, 404);
    assert_eq!(http(&mock, "GET", "/admin/v2/nonsense", "").0, 404);
}

#[test]
fn garbage_is_answered_or_dropped_and_never_kills_the_mock() {
    let mock = mock();
    let junk: [&[u8]; 7] = [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /admin/v2/%zz HTTP/1.1\r\n\r\n",
    ];
    for bytes in junk {
        let (status, text) = exchange(&mock, bytes);
        assert!((400..500).contains(&status), "{bytes:?}: {text}");
    }
    let head = vec![b'x'; 100_000];
    assert!(matches!(exchange(&mock, &head).0, 400 | 431 | 0));
    assert_eq!(http(&mock, "GET", "/admin/v2/brokers/health", "").0, 200);
}

#[test]
fn random_bytes_never_kill_the_mock() {
    let mock = mock();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..200 {
        let mut client = match round % 3 {
            0 => Client::producer(&mock, "t"),
            1 => Client::consumer(&mock, &format!("t/s{round}?subscriptionType=Shared")),
            _ => Client::reader(&mock, "t"),
        };
        let length = random() % 120;
        let mut bytes = vec![0x80 | (random() % 12) as u8, 0x80 | (length as u8), 0, 0, 0, 0];
        let letters = br#"{}[]":,0123456789-ackpermitmessageIdtypepayload\u"#;
        bytes.extend((0..length).map(|_| letters[(random() % letters.len() as u64) as usize]));
        client.raw(&bytes);
    }
    Client::producer(&mock, "t").store("alive");
}

#[test]
fn one_connection_serves_many_requests_and_then_a_websocket() {
    let mock = mock();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", mock.port())).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let request = b"GET /admin/v2/clusters HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(&[&request[..], &request[..]].concat()).unwrap();
    let mut text = Vec::new();
    while String::from_utf8_lossy(&text).matches("standalone").count() < 2 {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "closed");
        text.extend_from_slice(&chunk[..count]);
    }
}

#[test]
fn tenants_and_namespaces_come_and_go() {
    let mock = mock();
    assert_eq!(get(&mock, "/admin/v2/clusters"), json!(["standalone"]));
    assert!(http(&mock, "GET", "/admin/v2/brokers/version", "").1.ends_with("4.0.8"));
    let tenant = r#"{"allowedClusters":["standalone"],"adminRoles":[]}"#;
    let steps = [
        ("PUT", "/admin/v2/tenants/acme", tenant, 204),
        ("PUT", "/admin/v2/tenants/acme", tenant, 409),
        ("PUT", "/admin/v2/tenants/other", "", 412),
        ("PUT", "/admin/v2/tenants/a%20b", tenant, 412),
        ("PUT", "/admin/v2/tenants/other", "{", 400),
        ("GET", "/admin/v2/tenants/acme", "", 200),
        ("GET", "/admin/v2/tenants/nope", "", 404),
        ("PUT", "/admin/v2/namespaces/nope/ns", "", 404),
        ("PUT", "/admin/v2/namespaces/acme/ns", "", 204),
        ("PUT", "/admin/v2/namespaces/acme/ns", "", 409),
        ("POST", "/admin/v2/namespaces/acme/ns/deduplication", "true", 204),
        ("POST", "/admin/v2/namespaces/acme/ns/messageTTL", "3600", 204),
        ("DELETE", "/admin/v2/tenants/acme", "", 409),
        ("PUT", "/admin/v2/persistent/acme/ns/t", "", 204),
        ("DELETE", "/admin/v2/namespaces/acme/ns", "", 409),
        ("DELETE", "/admin/v2/namespaces/acme/ns?force=true", "", 405),
        ("DELETE", "/admin/v2/persistent/acme/ns/t", "", 204),
        ("DELETE", "/admin/v2/namespaces/acme/ns", "", 204),
        ("DELETE", "/admin/v2/namespaces/acme/ns", "", 404),
        ("DELETE", "/admin/v2/tenants/acme", "", 204),
        ("DELETE", "/admin/v2/tenants/acme", "", 404),
    ];
    for (method, path, body, status) in steps {
        let (found, text) = http(&mock, method, path, body);
        assert_eq!(found, status, "{method} {path}: {text}");
    }
}

#[test]
fn topics_and_partitions_come_and_go() {
    let mock = mock();
    let steps = [
        ("PUT", "/t", "", 204),
        ("PUT", "/t", "", 409),
        ("PUT", "/a%2Fb", "", 412),
        ("PUT", "/p/partitions", "3", 204),
        ("PUT", "/p/partitions", "3", 409),
        ("PUT", "/q/partitions", "0", 406),
        ("PUT", "/q/partitions", "\"x\"", 400),
        ("POST", "/t/partitions", "2", 409),
        ("DELETE", "/t/partitions", "", 409),
        ("POST", "/p/partitions", "2", 422),
        ("POST", "/p/partitions", "5", 204),
        ("GET", "/nope/partitions", "", 404),
        ("GET", "/nope/stats", "", 404),
        ("GET", "/p/stats", "", 404),
        ("GET", "/p/lastMessageId", "", 404),
        ("POST", "/p/terminate", "", 405),
        ("DELETE", "/p", "", 409),
    ];
    for (method, path, body, status) in steps {
        let (found, text) = http(&mock, method, &format!("{PATH}{path}"), body);
        assert_eq!(found, status, "{method} {path}: {text}");
    }
    assert_eq!(get(&mock, &format!("{PATH}/p/partitions")), json!({ "partitions": 5, "deleted": false }));
    assert_eq!(get(&mock, &format!("{PATH}/t/partitions"))["partitions"], 0);
    assert_eq!(get(&mock, PATH).as_array().unwrap().len(), 6);
    assert_eq!(get(&mock, &format!("{PATH}/partitioned")), json!(["persistent://public/default/p"]));
    assert_eq!(http(&mock, "DELETE", &format!("{PATH}/p/partitions"), "").0, 204);
    assert_eq!(get(&mock, PATH).as_array().unwrap().len(), 1);
}

#[test]
fn statistics_ids_and_peeks_tell_what_is_there() {
    let mock = mock();
    let empty = json!({ "ledgerId": 1, "entryId": -1, "partitionIndex": -1, "batchIndex": -1, "batchSize": 0 });
    assert_eq!(http(&mock, "PUT", &format!("{PATH}/t/subscription/s"), "\"earliest\"").0, 204);
    assert_eq!(http(&mock, "PUT", &format!("{PATH}/t/subscription/s"), "").0, 409);
    assert_eq!(get(&mock, &format!("{PATH}/t/lastMessageId")), empty);
    let mut consumer = Client::consumer(&mock, "t/s?subscriptionType=Shared&consumerName=me");
    let mut producer = Client::producer(&mock, "t?producerName=pn");
    producer.send(r#"{"payload":"aGk=","key":"k","properties":{"i":"0"}}"#);
    consumer.json();
    let stats = get(&mock, &format!("{PATH}/t/stats?getPreciseBacklog=true"));
    let held = &stats["subscriptions"]["s"];
    assert_eq!((&held["msgBacklog"], &held["type"]), (&json!(1), &json!("Shared")));
    assert_eq!(
        (&held["consumers"][0]["consumerName"], &held["consumers"][0]["unackedMessages"]),
        (&json!("me"), &json!(1))
    );
    assert_eq!(stats["publishers"][0]["producerName"], "pn");
    let (status, text) = http(&mock, "GET", &format!("{PATH}/t/subscription/s/position/1"), "");
    assert_eq!(status, 200);
    for line in
        ["X-Pulsar-Message-ID: 1:0", "X-Pulsar-PROPERTY: {\"i\":\"0\"}", "X-Pulsar-producer-name: pn", "\r\n\r\nhi"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(http(&mock, "GET", &format!("{PATH}/t/subscription/s/position/2"), "").0, 404);
    assert_eq!(http(&mock, "DELETE", &format!("{PATH}/t/subscription/s"), "").0, 412);
    assert_eq!(http(&mock, "POST", &format!("{PATH}/t/subscription/s/skip_all"), "").0, 204);
    assert_eq!(mock.backlog("t", "s"), Ok(0));
    let (status, text) = http(&mock, "POST", &format!("{PATH}/t/terminate"), "");
    assert_eq!((status, text.contains(r#""entryId":0"#)), (200, true));
    assert_eq!(http(&mock, "DELETE", &format!("{PATH}/t/subscription/s?force=true"), "").0, 204);
    assert_eq!(http(&mock, "DELETE", &format!("{PATH}/t/subscription/s"), "").0, 404);
}

#[test]
fn a_bad_call_of_the_handle_is_an_error_that_names_it() {
    let mock = mock();
    assert!(mock.publish("a/b", MockMessage::new("x")).unwrap_err().to_string().contains("a/b"));
    let missing = mock.publish("nope/nope/t", MockMessage::new("x")).unwrap_err().to_string();
    assert!(missing.contains("no namespace \"nope/nope\""), "{missing}");
    assert!(mock.backlog("t", "s").unwrap_err().to_string().contains("persistent://public/default/t"));
    assert!(mock.fault("sned", None, "drop", 1).unwrap_err().to_string().contains("send"));
    assert!(mock.wait("sned", None, 1, LONG).is_err());
    mock.create_namespace("acme/ns").unwrap();
    mock.publish("acme/ns/t", MockMessage::new("x")).unwrap();
    assert!(mock.create_partitioned("acme/ns/t", 2).is_err());
    assert!(mock.create_partitioned("acme/ns/p", 0).is_err());
    assert!(Mock::start(MockOptions { port: mock.port(), ..MockOptions::default() }).is_err());
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mock_suite").join(name)
}

fn tls(client_ca: Option<PathBuf>) -> Option<MockTls> {
    Some(MockTls { certificates: file("cert.pem"), key: file("key.pem"), client_ca })
}

type Secure = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

/// A TLS connection that trusts the mock's certificate, and shows the same one as its own if asked.
fn secure(mock: &Mock, certified: bool) -> Secure {
    let certificate = CertificateDer::from_pem_file(file("cert.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = if certified {
        let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
        builder.with_client_auth_cert(vec![certificate], key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let session = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let stream = std::net::TcpStream::connect(("127.0.0.1", mock.port())).unwrap();
    rustls::StreamOwned::new(session, stream)
}

#[test]
fn tls_is_served_with_the_certificate_given() {
    let mock = Mock::start(MockOptions { tls: tls(None), ..MockOptions::default() }).unwrap();
    assert!(mock.url().starts_with("wss://") && mock.http_url().starts_with("https://"));
    let url = format!("{}/ws/v2/producer/persistent/public/default/t", mock.url());
    let (mut socket, _) = tungstenite::client::client(url, secure(&mock, false)).unwrap();
    socket.send(tungstenite::Message::text(r#"{"payload":"YQ=="}"#)).unwrap();
    assert!(socket.read().unwrap().to_text().unwrap().contains("\"ok\""));
    // plain HTTP on a TLS port gets no answer that is one
    assert_eq!(http(&mock, "GET", "/", "").0, 0);
}

#[test]
fn a_client_certificate_does_for_a_token() {
    let options =
        MockOptions { tls: tls(Some(file("cert.pem"))), tokens: vec!["good".into()], ..MockOptions::default() };
    let mock = Mock::start(options).unwrap();
    let url = format!("{}/ws/v2/producer/persistent/public/default/t", mock.url());
    assert!(tungstenite::client::client(url.as_str(), secure(&mock, true)).is_ok());
    match tungstenite::client::client(url.as_str(), secure(&mock, false)).unwrap_err() {
        tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response)) => {
            assert_eq!(response.status().as_u16(), 401);
        }
        other => panic!("{other}"),
    }
    assert!(tungstenite::client::client(format!("{url}?token=good"), secure(&mock, false)).is_ok());
}

#[test]
fn files_that_are_not_certificates_are_refused_by_name() {
    let tls = MockTls { certificates: "/no/such.pem".into(), key: "/no/such.key".into(), client_ca: None };
    let error = Mock::start(MockOptions { tls: Some(tls), ..MockOptions::default() }).unwrap_err();
    assert!(error.to_string().contains("/no/such.pem"), "{error}");
}
