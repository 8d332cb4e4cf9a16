//! Tests TLS and tokens against a real broker that requires both. Correct clients are accepted; every other one gets an
//! error that says what is wrong. `tests/pulsar/pulsar.py run --secure` starts that broker beside the plain one.

mod waiting;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use stargate_core::blocking::{Client, produce};
use stargate_core::{Error, ErrorKind, InitialPosition, Level, Options, Result};

use waiting::{PATIENCE, unique};

fn variable(name: &str) -> String {
    let name = format!("PULSAR_SECURE_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name}: see tests/pulsar/pulsar.py, run --secure"))
}

fn trusting() -> Options {
    Options::new().tls_ca_file(&variable("CA_FILE"))
}

/// Sends and receives one message, if the broker lets it.
fn try_with(options: Options) -> Result<()> {
    let client = Client::new(&variable("WSS_URL"), options)?;
    let topic = unique("secure");
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "s", earliest)?;
    let producer = client.producer(&topic, Options::new())?;
    producer.send("x", Some(PATIENCE))?;
    let message = consumer.receive(Some(PATIENCE))?;
    consumer.ack(&message)?;
    let reader = client.reader(&topic, Options::new().starting_message("earliest"))?;
    reader.receive(Some(PATIENCE))?;
    client.close(PATIENCE)
}

fn assert_refused(outcome: Result<()>, kind: ErrorKind, words: &[&str]) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
    let shown = format!("{error} {error:?} {:?}", error.broker_text());
    for secret in ["TOKEN", "TOKEN_OTHER", "TOKEN_EXPIRED", "TOKEN_WRONG"] {
        assert!(!shown.contains(&variable(secret)), "the error shows a token: {shown}");
    }
}

#[test]
#[ignore = "needs the secure broker"]
fn a_right_token_is_let_in_from_wherever_it_comes() {
    let token = variable("TOKEN");
    try_with(trusting().auth_token(&token)).unwrap();
    let file = std::env::temp_dir().join(unique("token"));
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let path = file.to_str().unwrap().to_owned();
    try_with(trusting().auth_token_file(&path)).unwrap();
    try_with(trusting().token_supplier(move || std::fs::read_to_string(&file))).unwrap();
}

#[test]
#[ignore = "needs the secure broker"]
fn a_wrong_token_is_told_so() {
    assert_refused(try_with(trusting()), ErrorKind::Authentication, &["401"]);
    for wrong in ["TOKEN_EXPIRED", "TOKEN_WRONG"] {
        assert_refused(try_with(trusting().auth_token(&variable(wrong))), ErrorKind::Authentication, &["401"]);
    }
    let other = try_with(trusting().auth_token(&variable("TOKEN_OTHER")));
    assert_refused(other, ErrorKind::Authorization, &["403"]);
    let missing = try_with(trusting().auth_token_file("/nowhere/token"));
    assert_refused(missing, ErrorKind::Authentication, &["/nowhere/token"]);
    let failing = try_with(trusting().token_supplier(|| Err::<String, _>("the vault is shut")));
    assert_refused(failing, ErrorKind::Authentication, &["the vault is shut"]);
    let panicking =
        try_with(trusting().token_supplier(|| -> std::result::Result<String, Error> { panic!("on purpose") }));
    assert_refused(panicking, ErrorKind::Authentication, &["panicked"]);
}

#[test]
#[ignore = "needs the secure broker"]
fn the_rest_api_is_asked_with_the_same_tls_and_token() {
    let clusters = |options: Options| -> Result<()> {
        let admin = Client::new(&variable("WSS_URL"), options)?.admin();
        admin.ensure_topic(unique("secure"))?;
        admin.clusters().map(|names| assert_eq!(names, ["standalone"]))
    };
    clusters(trusting().auth_token(&variable("TOKEN"))).unwrap();
    let elsewhere = trusting().auth_token(&variable("TOKEN")).admin_url(&variable("HTTPS_URL"));
    clusters(elsewhere).unwrap();
    assert_refused(clusters(trusting()), ErrorKind::Authentication, &["401"]);
    assert_refused(clusters(trusting().auth_token(&variable("TOKEN_OTHER"))), ErrorKind::Authorization, &["403"]);
    let not_trusted = clusters(Options::new().auth_token(&variable("TOKEN")));
    assert_refused(not_trusted, ErrorKind::Authentication, &["certificate is not accepted", "tls_ca_file"]);
}

#[test]
#[ignore = "needs the secure broker"]
fn a_token_is_asked_for_at_each_connect_and_may_have_been_renewed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let supplier = move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Error>(variable("TOKEN"))
    };
    let client = Client::new(&variable("WSS_URL"), trusting().token_supplier(supplier)).unwrap();
    for count in 1..=3 {
        client.producer(unique("secure"), Options::new()).unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), count);
    }
    // Its own token replaces that of the client.
    let error = client.producer(unique("secure"), Options::new().auth_token(&variable("TOKEN_OTHER"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authorization);
}

#[test]
#[ignore = "needs the secure broker"]
fn a_server_that_is_not_trusted_is_not_talked_to() {
    let token = variable("TOKEN");
    // The system's roots do not know the broker's authority.
    let outcome = try_with(Options::new().auth_token(&token));
    assert_refused(outcome, ErrorKind::Authentication, &["certificate is not accepted", "tls_ca_file"]);
    try_with(Options::new().auth_token(&token).tls_insecure(true)).unwrap();
    let error = Client::new("wss://h", Options::new().tls_ca_file("/nowhere/ca.pem")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    let key = variable("CLIENT_KEY");
    let error = Client::new("wss://h", Options::new().tls_ca_file(&key)).unwrap_err();
    assert!(error.to_string().contains("no PEM certificate"), "{error}");
}

#[test]
#[ignore = "needs the secure broker"]
fn a_client_certificate_is_an_identity() {
    let with = |suffix: &str| {
        let (certificate, key) = (variable(&format!("CLIENT_CERT{suffix}")), variable(&format!("CLIENT_KEY{suffix}")));
        trusting().tls_cert_file(&certificate).tls_key_file(&key)
    };
    try_with(with("")).unwrap();
    assert_refused(try_with(with("_OTHER")), ErrorKind::Authorization, &["403"]);
    for refused in ["_FOREIGN", "_EXPIRED"] {
        assert_refused(try_with(with(refused)), ErrorKind::Authentication, &["TLS", "certificate"]);
    }
    let mixed = trusting().tls_cert_file(&variable("CLIENT_CERT")).tls_key_file(&variable("CLIENT_KEY_OTHER"));
    let error = Client::new("wss://h", mixed).unwrap_err();
    assert!(error.to_string().contains("tls_key_file"), "{error}");
}

#[test]
#[ignore = "needs the secure broker"]
fn ad_hoc_producing_takes_authentication_and_tls() {
    let url = format!("{}/ws/v2/producer/persistent/public/default/{}", variable("WSS_URL"), unique("secure"));
    let results = produce(&url, ["x"], trusting().auth_token(&variable("TOKEN"))).unwrap();
    assert!(results[0].is_ok());
    let with_token = format!("{url}?token={}", variable("TOKEN"));
    assert!(produce(&with_token, ["x"], trusting()).unwrap()[0].is_ok());
    let error = produce(&url, ["x"], trusting()).unwrap_err();
    assert_eq!(error.http_status(), Some(401), "{error}");
}

#[test]
#[ignore = "needs the secure broker"]
fn nothing_secret_is_logged() {
    let token = variable("TOKEN");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let options = trusting()
        .auth_token(&token)
        .log_sink(move |_: Level, target: &str, text: &str| sink.lock().unwrap().push(format!("{target}: {text}")));
    let shown = format!("{options:?}");
    let client = Client::new(&variable("WSS_URL"), options).unwrap();
    let producer = client.producer(unique("secure"), Options::new()).unwrap();
    producer.send("x", Some(PATIENCE)).unwrap();
    let _ = client.producer(unique("secure"), Options::new().auth_token(&variable("TOKEN_WRONG"))).unwrap_err();
    client.close(PATIENCE).unwrap();
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("connected to")), "{lines:?}");
    let all = format!("{lines:?} {shown} {client:?} {producer:?} {}", producer.stats().to_json());
    for secret in [token, variable("TOKEN_WRONG")] {
        assert!(!all.contains(&secret), "{all}");
    }
}
