//! How a connection comes about, and what is said when it does not. The servers here answer from a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stargate_core::blocking::{Client, produce, wait};
use stargate_core::{
    AuthTokenIn, CompressionContext, Error, ErrorKind, Level, Options, Supervisor, SupervisorConfig,
    WebSocketCompression,
};

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

/// Answers an upgrade with 101 after what `before` says, with these headers too.
fn upgrading(before: &'static str, headers: String) -> String {
    server(move |mut stream| {
        let head = read_head(&mut stream);
        let key = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim()));
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.unwrap().as_bytes());
        let response = format!(
            "{before}HTTP/1.1 101 Switching\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        // Something for the WebSocket right behind it: a ping.
        stream.write_all(&[response.as_bytes(), &[0x89, 0]].concat()).unwrap();
        thread::sleep(Duration::from_secs(60));
    })
}

#[test]
fn an_upgrade_may_come_after_a_1xx_and_with_many_headers() {
    for (before, headers) in [("", 0), ("HTTP/1.1 102 Processing\r\n\r\n", 0), ("", 150)] {
        let many = (0..headers).map(|number| format!("X-{number}: {number}\r\n")).collect();
        open_at(&format!("ws://{}", upgrading(before, many)), Options::new()).unwrap();
    }
}

/// The reason comes later than any reasonable `connect_timeout`, so it is guessed.
#[test]
fn a_producer_that_is_kept_waiting_is_told_what_it_may_wait_for() {
    let client = Client::new(&format!("ws://{}", silent()), Options::new()).unwrap();
    let soon = || Options::new().connect_timeout(Duration::from_millis(300));
    let error = client.producer("t", soon()).unwrap_err();
    assert!(error.kind() == ErrorKind::Timeout && error.to_string().contains("over its backlog quota"), "{error}");
    let error = client.consumer("t", "s", soon()).unwrap_err();
    assert!(error.kind() == ErrorKind::Timeout && !error.to_string().contains("quota"), "{error}");
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

/// A server that records the heads of requests and answers 403; a response for each.
fn recording(response: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = heads.clone();
    let address = server(move |mut stream| {
        loop {
            let head = read_head(&mut stream);
            if head.is_empty() {
                return;
            }
            record.lock().unwrap().push(head.to_ascii_lowercase());
            stream.write_all(response.as_bytes()).unwrap();
        }
    });
    (address, heads)
}

const REFUSING: &str = "HTTP/1.1 403 Forbidden\r\nSet-Cookie: route=b2; Path=/\r\nContent-Length: 0\r\n\r\n";

/// The heads of an upgrade and of a request to the REST API.
fn heads_with(url: impl Fn(&str) -> String, options: Options) -> [String; 2] {
    let (address, heads) = recording(REFUSING);
    let client = Client::new(&url(&address), options).unwrap();
    client.producer("t", Options::new()).unwrap_err();
    client.admin().clusters().unwrap_err();
    let heads = heads.lock().unwrap();
    [heads[0].clone(), heads[1].clone()]
}

fn assert_sent(head: &str, lines: &[&str]) {
    for line in lines {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} is not in {head}");
    }
}

#[test]
fn headers_go_with_the_upgrade_and_with_rest() {
    let given =
        || Ok::<_, Error>(vec![("X-Fresh".to_owned(), "1".to_owned()), ("X-Both".to_owned(), "new".to_owned())]);
    let options = Options::new()
        .header("X-Api-Key", "k 1")
        .header("X-Both", "old")
        .header("User-Agent", "mine/1")
        .headers_supplier(given)
        .auth_token("token")
        .auth_method_name("token2");
    for head in heads_with(|address| format!("ws://{address}"), options) {
        assert_sent(&head, &["x-api-key: k 1", "user-agent: mine/1", "x-fresh: 1", "x-both: new"]);
        assert_sent(&head, &["authorization: bearer token", "x-pulsar-auth-method-name: token2"]);
        assert!(!head.contains("old") && !head.contains("stargate/"), "{head}");
    }
}

#[test]
fn an_authorization_of_the_application_is_sent_as_it_is() {
    let options = Options::new().header("Authorization", "Basic dTpw");
    for head in heads_with(|address| format!("ws://{address}"), options) {
        assert_sent(&head, &["authorization: basic dtpw"]);
    }
}

#[test]
fn a_refused_authorization_of_the_application_is_named() {
    let url = format!("ws://{}", answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"));
    for error in [Options::new(), Options::new().header("Authorization", "Basic dTpw")].map(|options| {
        let named = options != Options::new();
        (named, [refusal(&url, options.clone()), ask_rest(&url, options)])
    }) {
        for text in error.1.map(|error| error.to_string()) {
            assert_eq!(text.contains("the Authorization among the headers"), error.0, "{text}");
            assert_eq!(text.contains("no token was given"), !error.0, "{text}");
        }
    }
}

#[test]
fn a_token_in_the_query_is_in_no_header_of_the_upgrade() {
    let options = Options::new().auth_token("a+b").auth_token_in(AuthTokenIn::Query);
    let [upgrade, rest] = heads_with(|address| format!("ws://{address}"), options);
    assert!(upgrade.lines().next().unwrap().contains("token=a%2bb"), "{upgrade}");
    assert!(!upgrade.contains("authorization"), "{upgrade}");
    assert_sent(&rest, &["authorization: bearer a+b"]);
}

#[test]
fn a_prefix_goes_before_every_path_and_the_rest_api_may_have_its_own() {
    let prefixed = |address: &str| format!("ws://{address}/eu/pulsar/");
    let [upgrade, rest] = heads_with(prefixed, Options::new());
    assert!(upgrade.starts_with("get /eu/pulsar/ws/v2/producer/persistent/"), "{upgrade}");
    assert!(rest.starts_with("get /eu/pulsar/admin/v2/clusters "), "{rest}");
    let (address, heads) = recording(REFUSING);
    let options = Options::new().admin_url(&format!("http://{address}/api"));
    ask_rest("ws://localhost:1/pulsar", options);
    assert!(heads.lock().unwrap()[0].starts_with("get /api/admin/v2/clusters "));
    let url = format!("ws://{address}/eu/ws/v2/producer/persistent/public/default/t");
    stargate_core::blocking::produce(&url, ["x"], Options::new().header("X-Key", "k")).unwrap_err();
    let head = heads.lock().unwrap()[1].clone();
    assert!(head.starts_with("get /eu/ws/v2/producer/persistent/public/default/t"), "{head}");
    assert_sent(&head, &["x-key: k"]);
}

/// Returns the options with a log, and what it gets: the level and the text of each record.
fn logged(options: Options) -> (Options, Arc<Mutex<Vec<String>>>) {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let written = log.clone();
    let sink = move |level: Level, _: &str, text: &str| written.lock().unwrap().push(format!("{level:?} {text}"));
    (options.log_sink(sink), log)
}

#[test]
fn a_lazy_reader_waits_once_for_a_rest_api_that_does_not_answer() {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let asked = heads.clone();
    let address = server(move |mut stream| {
        let head = read_head(&mut stream);
        asked.lock().unwrap().push(head);
        thread::sleep(Duration::from_secs(60));
    });
    let (options, log) = logged(Options::new().lazy(true).admin_url(&format!("http://{address}")));
    let client = Client::new("ws://127.0.0.1:1", options.admin_timeout(Duration::from_millis(500))).unwrap();
    client.reader("t", Options::new().starting_message("latest")).unwrap();
    let heads = heads.lock().unwrap();
    assert!(heads.len() <= 1, "{heads:?}");
    let log = log.lock().unwrap();
    let warning = log.iter().find(|text| text.contains("the REST API does not answer"));
    assert!(warning.is_some_and(|text| text.starts_with("Warn") && text.contains("admin_timeout")), "{log:?}");
}

#[test]
fn a_reader_at_latest_says_when_the_rest_api_refuses_to_tell_where_that_is() {
    let (address, _) = recording("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno route!");
    let (options, log) = logged(Options::new().lazy(true).admin_url(&format!("http://{address}")));
    let client = Client::new("ws://127.0.0.1:1", options).unwrap();
    client.reader("t", Options::new().starting_message("latest")).unwrap();
    client.reader("non-persistent://public/default/t", Options::new()).unwrap();
    let log = log.lock().unwrap();
    let warnings = log.iter().filter(|text| text.starts_with("Warn") && text.contains("those published meanwhile"));
    assert_eq!(warnings.count(), 1, "{log:?}");
}

#[test]
fn cookies_are_sent_back_when_they_are_wanted_and_dropped_after_two_failures() {
    for wanted in [true, false] {
        let (address, heads) = recording(REFUSING);
        let client = Client::new(&format!("ws://{address}"), Options::new().cookies(wanted)).unwrap();
        let opened = || client.producer("t", Options::new()).unwrap_err();
        opened();
        client.admin().clusters().unwrap_err();
        opened();
        let sent = |head: &String| head.contains("cookie: route=b2");
        assert_eq!(heads.lock().unwrap().iter().map(sent).collect::<Vec<_>>(), [false, wanted, wanted]);
        // Two attempts have failed, so what they were given is gone.
        opened();
        assert!(!sent(&heads.lock().unwrap()[3]));
    }
}

#[test]
fn a_headers_function_that_fails_or_hangs_is_named() {
    let (address, _) = recording(REFUSING);
    let url = format!("ws://{address}");
    let failing = || Err::<Vec<(String, String)>, _>("the vault is shut");
    let wrong = || Ok::<_, Error>(vec![("Host".to_owned(), "secret".to_owned())]);
    let slow = || {
        thread::sleep(Duration::from_secs(2));
        Ok::<_, Error>(Vec::new())
    };
    let soon = Options::new().connect_timeout(Duration::from_millis(300));
    for (options, words) in [
        (Options::new().headers_supplier(failing), "the headers function failed: the vault is shut"),
        (Options::new().headers_supplier(wrong), "header \"host\" belongs to the connection"),
        (soon.headers_supplier(slow), "the headers function gave no headers within 300ms"),
    ] {
        let error = refusal(&url, options).to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn redirects_of_the_upgrade_follow_the_rule_of_rest() {
    let target = upgrading("", String::new());
    let redirect = |to: String| answering(format!("HTTP/1.1 307 There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"));
    let from = redirect(format!("http://{target}/ws/v2/x"));
    open_at(&format!("ws://{from}"), Options::new().admin_trusted_hosts(&target)).unwrap();
    let error = refusal(&format!("ws://{from}"), Options::new());
    assert!(error.to_string().contains("does not trust with a token (option admin_trusted_hosts)"), "{error}");
    let round = redirect("/ws/again".to_owned());
    let error = refusal(&format!("ws://{round}"), Options::new());
    assert!(error.to_string().contains("redirected 5 times"), "{error}");
}

#[test]
fn what_an_application_adds_does_not_follow_a_redirect_to_another_host() {
    let (target, heads) = recording(REFUSING);
    let from = answering(format!("HTTP/1.1 307 There\r\nLocation: http://{target}/x\r\nContent-Length: 0\r\n\r\n"));
    let options = Options::new().header("X-Api-Key", "k").auth_token("token").admin_trusted_hosts(&target);
    ask_rest(&format!("ws://{from}"), options.clone());
    refusal(&format!("ws://{from}"), options);
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 2);
    for head in heads.iter() {
        assert!(head.contains("authorization: bearer token") && !head.contains("x-api-key"), "{head}");
    }
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(keys(name)).unwrap()
}

#[test]
fn certificates_and_keys_may_be_texts_and_another_name_may_be_verified() {
    let url = format!("wss://{}", tls_server("server.pem", Some("ca.pem")));
    let shown = Options::new().tls_ca(&pem("ca.pem")).tls_cert(&pem("client.pem")).tls_key(&pem("client.key.pem"));
    let error = refusal(&url, shown.clone()).to_string();
    assert!(error.contains("ended the connection without an answer"), "TLS came about: {error}");
    let error = refusal(&url, shown.tls_server_name("broker.example")).to_string();
    assert!(error.contains("it is not for \"broker.example\" but for localhost, 127.0.0.1"), "{error}");
    let other = format!("wss://{}", tls_server("other-name.pem", None));
    let error = refusal(&other, Options::new().tls_ca(&pem("ca.pem")).tls_server_name("eu.pulsar.example")).to_string();
    assert!(error.contains("ended the connection without an answer"), "TLS came about: {error}");
}

#[test]
fn options_that_cannot_be_are_refused_with_their_names_and_without_their_secrets() {
    let certificate = pem("client.pem");
    for (options, words) in [
        (Options::new().headers("X-Api-Key"), "header \"x-api-key\" has no value"),
        (Options::new().header("Host", "secret"), "header \"host\" belongs to the connection"),
        (Options::new().header("X-Key", "secret\nX: y"), "header \"x-key\": a value is of printable"),
        (Options::new().header("Authorization", "secret").auth_token("t"), "headers has Authorization"),
        (Options::new().header("Cookie", "secret").cookies(true), "headers has Cookie"),
        (Options::new().tls_ca("secret"), "option \"tls_ca\": expected a text in PEM"),
        (Options::new().tls_cert(&certificate), "need each other"),
        (Options::new().tls_cert(&certificate).tls_key(&certificate), "option \"tls_key\" cannot be used"),
        (Options::new().tls_ca(&certificate).tls_ca_file("x"), "tls_ca and tls_ca_file exclude each other"),
        (Options::new().tls_ca(&certificate).tls_insecure(true), "tls_insecure trusts every certificate"),
        (Options::new().tls_server_name("not a name"), "option \"tls_server_name\""),
        (Options::new().auth_method_name("a\nsecret"), "option \"auth_method_name\""),
    ] {
        let error = Client::new("wss://h", options).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("secret"), "{words}: {error}");
    }
    let shown = format!("{:?}", Options::new().header("X-Key", "mine").tls_key("-----BEGIN mine-----END "));
    assert!(shown.contains("X-Key") && !shown.contains("\"secret") && !shown.contains("mine"), "{shown}");
}

fn compressed() -> Options {
    Options::new().websocket_compression(WebSocketCompression::On)
}

#[test]
fn compression_is_offered_only_where_it_is_wanted_and_never_on_rest() {
    let reset = compressed().websocket_compression_context(CompressionContext::Reset);
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (options, offer) in [(Options::new(), None), (compressed(), Some("permessage-deflate")), (reset, Some(both))] {
        let [upgrade, rest] = heads_with(|address| format!("ws://{address}"), options);
        match offer {
            Some(offer) => assert_sent(&upgrade, &[&format!("sec-websocket-extensions: {offer}")]),
            None => assert!(!upgrade.contains("sec-websocket-extensions"), "{upgrade}"),
        }
        assert!(!rest.contains("sec-websocket-extensions"), "{rest}");
    }
}

#[test]
fn extensions_that_were_not_offered_are_refused_with_the_host_that_named_them() {
    for (options, extensions, words) in [
        (Options::new(), "permessage-deflate", "which the client did not offer"),
        (compressed(), "permessage-deflate; client_max_window_bits=9", "whose parameter \"client_max_window_bits=9\""),
    ] {
        let address = upgrading("", format!("Sec-WebSocket-Extensions: {extensions}\r\n"));
        let error = refusal(&format!("ws://{address}"), options);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        let named = error.to_string().contains(&format!("{address} answered the WebSocket upgrade with the extension"));
        assert!(named && error.to_string().contains(words), "{error}");
    }
}

/// Wrong values of the options for proxies, gateways, credentials and compression, and a part of the error.
const WRONG: &[(&str, &str, &str)] = &[
    ("proxy", "ftp://squid", "option proxy: its scheme"),
    ("no_proxy", "10.0.0.0/99", "no_proxy"),
    ("headers", "Host: x", "belongs to the connection"),
    ("cookies", "maybe", "\"cookies\""),
    ("auth_token_in", "body", "header"),
    ("auth_method_name", "two\nlines", "auth_method_name"),
    ("tls_ca", "x", "expected a text in PEM"),
    ("tls_server_name", "not a name", "tls_server_name"),
    ("oauth2_auth_method", "magic", "client_secret_post"),
    ("oauth2_scope", "s", "needs oauth2_key_file"),
    ("oauth2_refresh", "2", "from 0.1 to 1"),
    ("basic_user", "u", "needs basic_password"),
    ("auth_plugin", "athenz", "need each other"),
    ("websocket_compression", "maybe", "websocket_compression"),
    ("websocket_compression_level", "10", "from 1 to 9"),
    ("websocket_compression_min", "-1", "websocket_compression_min"),
    ("websocket_compression_context", "forget", "keep"),
];

#[test]
fn clients_supervisors_and_ad_hoc_producing_refuse_the_same_values() {
    let url = "ws://127.0.0.1:1/ws/v2/producer/persistent/public/default/t";
    for (key, value, words) in WRONG {
        let given = || {
            let mut options = Options::new();
            options.set(key, value).map(|()| options)
        };
        let client = given().and_then(|options| Client::new("ws://127.0.0.1:1", options)).map(drop);
        let ad_hoc = given().and_then(|options| produce(url, ["x"], options)).map(drop);
        let json = serde_json::json!({ "host": "127.0.0.1:1", "producer": { "topic": "t" }, *key: value });
        let supervisor = SupervisorConfig::from_json(&json.to_string())
            .and_then(|config| wait(Supervisor::start(config), None))
            .map(drop);
        for (face, outcome) in [("client", client), ("ad hoc", ad_hoc), ("supervisor", supervisor)] {
            let error = outcome.expect_err(key);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key}, {face}: {error}");
            assert!(error.to_string().contains(words), "{key}, {face}: {error}");
        }
    }
}
