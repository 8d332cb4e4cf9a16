//! How a connection comes about, and what is said when it does not. The servers here answer from a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stargate_core::blocking::Client;
use stargate_core::{Error, ErrorKind, Options};

fn keys(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/keys/tls");
    folder.join(name).to_str().unwrap().to_owned()
}

/// A server that does the same with each connection; its address.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A server that answers `response` to an upgrade, and keeps the connection open.
fn answering(response: impl Into<String>) -> String {
    let response = response.into();
    server(move |mut stream| {
        read_head(&mut stream);
        stream.write_all(response.as_bytes()).unwrap();
        thread::sleep(Duration::from_secs(60));
    })
}

fn silent() -> String {
    server(|_stream| thread::sleep(Duration::from_secs(60)))
}

fn open_at(url: &str, options: Options) -> Result<(), Error> {
    Client::new(url, options)?.producer("t", Options::new()).map(drop)
}

fn refusal(url: &str, options: Options) -> Error {
    open_at(url, options).expect_err(url)
}

fn ask_rest(url: &str, options: Options) -> Error {
    Client::new(url, options).unwrap().admin().clusters().unwrap_err()
}

#[test]
fn responses_are_read_as_http_says_on_a_connection_that_is_kept_open() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let many: String = (0..200).map(|number| format!("X-Header-{number}: {number}\r\n")).collect();
    for (response, kind, words) in [
        (
            format!("HTTP/1.1 401 Unauthorized\r\n{chunked}5\r\nno to\r\n4\r\nken.\r\n0\r\n\r\n"),
            ErrorKind::Authentication,
            "(401): no token.",
        ),
        (format!("HTTP/1.1 403 Forbidden\r\n{chunked}0\r\n\r\n"), ErrorKind::Authorization, "(403): no reason given"),
        ("HTTP/1.1 204 No Content\r\n\r\n".into(), ErrorKind::Protocol, "(204)"),
        ("HTTP/1.1 304 Not Modified\r\n\r\n".into(), ErrorKind::Protocol, "(304)"),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".into(),
            ErrorKind::NotFound,
            "(404)",
        ),
        (format!("HTTP/1.1 403 Forbidden\r\n{many}Content-Length: 2\r\n\r\nno"), ErrorKind::Authorization, "(403): no"),
        (
            "HTTP/1.1 429 Slow\r\nServer: envoy\r\nContent-Length: 22\r\n\r\n{\"message\":\"too many\"}".into(),
            ErrorKind::Broker,
            "the server (envoy) refused the connection (429): too many",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://login.example/?s=1\r\nContent-Length: 0\r\n\r\n".into(),
            ErrorKind::Protocol,
            "(302) to https://login.example/;",
        ),
    ] {
        let begun = Instant::now();
        let error = refusal(&format!("ws://{}", answering(response.as_str())), Options::new());
        assert_eq!(error.kind(), kind, "{response}: {error}");
        assert!(error.to_string().contains(words), "{response}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{response} took {:?}", begun.elapsed());
    }
}

#[test]
fn a_page_without_an_end_is_shown_as_far_as_it_came() {
    let endless = answering("HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nfull house");
    let error = refusal(&format!("ws://{endless}"), Options::new());
    assert!(error.to_string().contains("(503): full house"), "{error}");
}

/// Answers an upgrade with 101 after what `before` says, with that many other headers.
fn upgrading(before: &'static str, headers: usize) -> String {
    server(move |mut stream| {
        let head = read_head(&mut stream);
        let key = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim()));
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.unwrap().as_bytes());
        let many: String = (0..headers).map(|number| format!("X-{number}: {number}\r\n")).collect();
        let response = format!(
            "{before}HTTP/1.1 101 Switching\r\n{many}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        // Something for the WebSocket right behind it: a ping.
        stream.write_all(&[response.as_bytes(), &[0x89, 0]].concat()).unwrap();
        thread::sleep(Duration::from_secs(60));
    })
}

#[test]
fn an_upgrade_may_come_after_a_1xx_and_with_many_headers() {
    for (before, headers) in [("", 0), ("HTTP/1.1 102 Processing\r\n\r\n", 0), ("", 150)] {
        open_at(&format!("ws://{}", upgrading(before, headers)), Options::new()).unwrap();
    }
}

#[test]
fn the_step_that_is_late_is_named() {
    let soon = || Options::new().connect_timeout(Duration::from_millis(300)).admin_timeout(Duration::from_millis(300));
    let slow = || {
        thread::sleep(Duration::from_secs(2));
        Ok::<_, Error>("token".to_owned())
    };
    let (quiet, rest) = (silent(), silent());
    for (url, options, step) in [
        (format!("ws://{quiet}"), soon(), format!("{quiet} did not answer the WebSocket upgrade within 300ms")),
        (
            format!("wss://{quiet}"),
            soon().tls_insecure(true),
            format!("{quiet} did not finish the TLS handshake within"),
        ),
        (format!("ws://{quiet}"), soon().token_supplier(slow), "the token supplier gave no token within 300ms".into()),
    ] {
        let error = refusal(&url, options);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains(&step), "{error}");
        assert!(error.to_string().contains("(option connect_timeout)"), "{error}");
    }
    for (options, step) in [
        (soon(), format!("{rest} did not answer the request within 300ms")),
        (soon().token_supplier(slow), "the token supplier gave no token within 300ms".into()),
    ] {
        let error = ask_rest(&format!("ws://{rest}"), options);
        assert!(error.to_string().contains(&step), "{error}");
        assert!(error.to_string().contains("(option admin_timeout)"), "{error}");
    }
}

#[test]
fn an_unknown_name_is_told_as_such() {
    let error = refusal("ws://no-such-name.invalid:1", Options::new());
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("no-such-name.invalid:1 could not be looked up"), "{error}");
}

/// A server that does no more than the TLS handshake.
fn tls_server(certificate: &str, client_ca: Option<&str>) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(keys(ca)).unwrap()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_file(keys(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(keys("server.key.pem")).unwrap();
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
    server(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
        while tls.complete_io(&mut stream).is_ok() && tls.is_handshaking() {}
        let _ = tls.complete_io(&mut stream);
        thread::sleep(Duration::from_secs(1));
    })
}

#[test]
fn each_fault_of_a_certificate_has_its_own_words() {
    for (certificate, ca, words) in [
        ("expired.pem", "ca.pem", "it has expired"),
        ("not-yet-valid.pem", "ca.pem", "it is not valid yet"),
        ("other-name.pem", "ca.pem", "it is not for \"127.0.0.1\" but for broker.example, *.pulsar.example"),
        ("self-signed-ca.pem", "self-signed-ca.pem", "it is a CA's own, used as a server's"),
        ("server.pem", "self-signed-ca.pem", "no authority that is trusted here has issued it"),
    ] {
        let url = format!("wss://{}", tls_server(certificate, None));
        for error in [
            refusal(&url, Options::new().tls_ca_file(&keys(ca))),
            ask_rest(&url, Options::new().tls_ca_file(&keys(ca))),
        ] {
            assert_eq!(error.kind(), ErrorKind::Authentication, "{certificate}: {error}");
            assert!(error.to_string().contains("certificate is not accepted"), "{error}");
            assert!(error.to_string().contains(words), "{certificate}: {error}");
        }
    }
}

#[test]
fn a_certificate_that_the_server_wants_or_refuses_is_asked_for() {
    let trusting = || Options::new().tls_ca_file(&keys("ca.pem"));
    let wants = format!("wss://{}", tls_server("server.pem", Some("ca.pem")));
    for error in [refusal(&wants, trusting()), ask_rest(&wants, trusting())] {
        assert!(
            error.to_string().contains("it wants a certificate of the client (options tls_cert_file and"),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }
    let other = format!("wss://{}", tls_server("server.pem", Some("self-signed-ca.pem")));
    let shown = trusting().tls_cert_file(&keys("client.pem")).tls_key_file(&keys("client.key.pem"));
    let error = refusal(&other, shown).to_string();
    assert!(error.contains("it does not trust the CA of the client's certificate"), "{error}");
}

#[test]
fn ports_with_and_without_tls_name_each_other() {
    let plain = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let error = refusal(&format!("wss://{plain}"), Options::new().tls_insecure(true)).to_string();
    assert!(error.contains("one without TLS wants ws://"), "{error}");
    let closing = server(|mut stream| drop(stream.read(&mut [0; 1024])));
    let error = refusal(&format!("wss://{closing}"), Options::new().tls_insecure(true)).to_string();
    assert!(error.contains("is it the port for wss://?"), "{error}");
    let secure = tls_server("server.pem", None);
    for error in
        [refusal(&format!("ws://{secure}"), Options::new()), ask_rest(&format!("ws://{secure}"), Options::new())]
    {
        assert!(error.to_string().contains("one with TLS wants wss://"), "{error}");
    }
}

#[test]
fn a_gateways_words_are_shown_on_rest_too() {
    let gateway = answering(
        "HTTP/1.1 403 Forbidden\r\nServer: nginx\r\nContent-Length: 59\r\n\r\n{\"error\":{\"code\":403,\"message\":\"the API key is not known\"}}\n",
    );
    let error = ask_rest(&format!("ws://{gateway}"), Options::new()).to_string();
    assert!(error.contains("the server (nginx) refused (403): the API key is not known"), "{error}");
}

#[test]
fn an_encrypted_key_is_told_as_such() {
    let options = Options::new().tls_cert_file(&keys("client.pem")).tls_key_file(&keys("encrypted.key.pem"));
    let error = Client::new("wss://h", options).unwrap_err().to_string();
    assert!(error.contains("the key is encrypted") && error.contains("openssl pkey -in"), "{error}");
}
