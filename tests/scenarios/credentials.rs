//! OAuth2, HTTP Basic and `auth_plugin` on the mock broker, which is an issuer too: who is let in, what a token costs its
//! issuer, and what each refusal says.

mod issuer;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargate_core::blocking::{Client, produce};
use stargate_core::mock::{Mock, MockOAuth2, MockOptions, MockTls, Op};
use stargate_core::{
    Error, ErrorKind, InitialPosition, Level, OAuth2AuthMethod, Options, Result, Supervisor, SupervisorConfig,
};

use issuer::{Scripted, answer, tunnels};
use waiting::{PATIENCE, eventually, unique};

const SECRET: &str = "s3cret & more";
const TOKEN_PATH: &str = "/oauth2/token";

fn with_issuer(token_life: Duration) -> Mock {
    let settings = MockOAuth2 { audience: Some("pulsar".into()), token_life, ..MockOAuth2::new("client 7", SECRET) };
    Mock::start(MockOptions { oauth2: Some(settings), ..MockOptions::default() }).unwrap()
}

fn hour() -> Mock {
    with_issuer(Duration::from_secs(3600))
}

fn oauth2(mock: &Mock) -> Options {
    quick()
        .oauth2_issuer_url(&mock.oauth2_issuer_url())
        .oauth2_client_id("client 7")
        .oauth2_client_secret(SECRET)
        .oauth2_audience("pulsar")
}

fn quick() -> Options {
    Options::new().backoff_min(Duration::from_millis(1)).backoff_max(Duration::from_millis(50))
}

fn fetches(mock: &Mock) -> usize {
    mock.count(Op::Http, Some(TOKEN_PATH)).unwrap()
}

/// A file that is removed at the end.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // One that was renamed is gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl AsRef<Path> for Temporary {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

fn file(content: &str) -> Temporary {
    let path = std::env::temp_dir().join(unique("stargate-credentials"));
    std::fs::write(&path, content).unwrap();
    Temporary(path)
}

fn key_file(secret: &str, issuer: &str) -> Temporary {
    file(
        &serde_json::json!({ "type": "client_credentials", "client_id": "client 7", "client_secret": secret,
        "client_email": "x@y", "issuer_url": issuer })
        .to_string(),
    )
}

fn text(path: &Temporary) -> &str {
    path.0.to_str().unwrap()
}

/// Sends and receives one message, and asks the REST API.
fn exchange(client: &Client) -> Result<()> {
    let topic = unique("topic");
    let earliest = Options::new().initial_position(InitialPosition::Earliest);
    let consumer = client.consumer(&topic, "s", earliest)?;
    client.producer(&topic, Options::new())?.send("x", Some(PATIENCE))?;
    consumer.ack(&consumer.receive(Some(PATIENCE))?)?;
    client.reader(&topic, Options::new().starting_message("earliest"))?.receive(Some(PATIENCE))?;
    client.admin().clusters().map(drop)
}

fn assert_refused(error: &Error, kind: ErrorKind, words: &[&str]) {
    let shown = format!("{error} {error:?} {:?}", error.broker_text());
    assert_eq!(error.kind(), kind, "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in: {shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "a secret is shown: {shown}");
}

fn open(mock: &Mock, options: Options) -> Result<()> {
    let client = Client::new(&mock.url(), options)?;
    let outcome = client.producer(unique("topic"), Options::new()).map(drop);
    client.close(PATIENCE).and(outcome)
}

#[test]
fn one_token_serves_all_handles_and_the_rest_api() {
    let mock = hour();
    let client = Client::new(&mock.url(), oauth2(&mock)).unwrap();
    exchange(&client).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| exchange(&client).unwrap());
        }
    });
    // With the same settings a handle shares the token of its client, with others it has its own.
    client.producer(unique("topic"), oauth2(&mock)).unwrap();
    assert_eq!(fetches(&mock), 1);
    client.producer(unique("topic"), Options::new().oauth2_scope("more")).unwrap();
    client.producer(unique("topic"), Options::new().oauth2_scope("more").lazy(true)).unwrap();
    assert!(fetches(&mock) >= 2);
    client.close(PATIENCE).unwrap();
}

#[test]
fn many_handles_at_once_wait_for_one_fetch() {
    let mock = hour();
    mock.fault("http", Some(TOKEN_PATH), "delay:300", 1).unwrap();
    let client = Client::new(&mock.url(), oauth2(&mock)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| client.producer(unique("topic"), Options::new()).map(drop).unwrap());
        }
    });
    assert_eq!(fetches(&mock), 1);
}

#[test]
fn every_way_to_give_the_client_is_taken() {
    let mock = hour();
    let issuer = mock.oauth2_issuer_url();
    let path = key_file(SECRET, &issuer);
    let keyed = |file: &str| quick().oauth2_key_file(file).oauth2_audience("pulsar");
    let json = std::fs::read(&path).unwrap();
    let data = format!(
        "data:application/json;base64,{}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, json)
    );
    let params = |extra: &str| {
        format!(r#"{{"issuerUrl": "{issuer}", "privateKey": "file://{}", "audience": "pulsar"{extra}}}"#, text(&path))
    };
    let plugin = |name: &str, params: &str| quick().auth_plugin(name).auth_params(params);
    let direct = oauth2(&mock).oauth2_token_endpoint(&format!("{issuer}/token"));
    for options in [
        keyed(text(&path)),
        keyed(&format!("file://{}", text(&path))),
        keyed(&data),
        oauth2(&mock).oauth2_auth_method(OAuth2AuthMethod::ClientSecretBasic),
        direct,
        plugin("oauth2", &params("")),
        plugin(
            "org.apache.pulsar.client.impl.auth.oauth2.AuthenticationOAuth2",
            &params(r#", "type": "client_credentials""#),
        ),
    ] {
        let shown = format!("{options:?}");
        assert!(!shown.contains("s3cret") && !shown.contains(&data), "{shown}");
        let client = Client::new(&mock.url(), options).unwrap();
        exchange(&client).unwrap_or_else(|error| panic!("{shown}: {error}"));
        client.close(PATIENCE).unwrap();
    }
}

#[test]
fn supervisors_and_ad_hoc_producing_take_oauth2() {
    let mock = hour();
    let url = format!("{}/ws/v2/producer/persistent/public/default/{}", mock.url(), unique("topic"));
    assert!(produce(&url, ["x"], oauth2(&mock)).unwrap()[0].is_ok());
    let config = serde_json::json!({
        "name": unique("supervisor"), "host": mock.url().trim_start_matches("ws://"),
        "oauth2_issuer_url": mock.oauth2_issuer_url(), "oauth2_client_id": "client 7", "oauth2_client_secret": SECRET,
        "oauth2_audience": "pulsar", "oauth2_refresh": 0.5, "oauth2_timeout": 5000,
        "producer": {"topic": "orders"},
    });
    let config = SupervisorConfig::from_json(&config.to_string()).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    let supervisor = stargate_core::blocking::wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    stargate_core::blocking::wait(supervisor.close(PATIENCE), Some(PATIENCE)).unwrap();
}

#[test]
fn a_token_that_expires_is_renewed_in_the_background_and_costs_no_message() {
    let mock = with_issuer(Duration::from_millis(1500));
    let client = Client::new(&mock.url(), oauth2(&mock).oauth2_refresh(0.5)).unwrap();
    let producer = client.producer("expiring", Options::new()).unwrap();
    // Idle, the client has renewed the token by the time that a connection needs one.
    eventually("the token is renewed", || fetches(&mock) >= 3);
    for number in 0..30 {
        if number % 10 == 0 {
            mock.drop_connections(None).unwrap();
        }
        producer.send(format!("{number}"), Some(PATIENCE)).unwrap();
    }
    assert!(mock.messages("expiring").unwrap().len() >= 30);
    client.close(PATIENCE).unwrap();
    // Nothing is renewed after the close.
    let after = fetches(&mock);
    std::thread::sleep(Duration::from_millis(1700));
    assert_eq!(fetches(&mock), after);
}

#[test]
fn an_issuer_that_is_away_harms_nobody_while_the_token_is_good_and_is_waited_for_after() {
    let mock = with_issuer(Duration::from_millis(1500));
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = lines.clone();
    let log = move |_: Level, _: &str, text: &str| sink.lock().unwrap().push(text.to_owned());
    let client = Client::new(&mock.url(), oauth2(&mock).oauth2_refresh(0.2).log_sink(log)).unwrap();
    let producer = client.producer("away", Options::new()).unwrap();
    mock.fault("http", Some(TOKEN_PATH), "http:503", usize::MAX).unwrap();
    eventually("renewing fails", || lines.lock().unwrap().iter().any(|line| line.contains("could not be renewed")));
    producer.send("while the token is good", Some(PATIENCE)).unwrap();
    std::thread::sleep(Duration::from_millis(1600));
    mock.drop_connections(None).unwrap();
    let sent = producer.as_async().send("while the issuer is away");
    let refused = fetches(&mock);
    eventually("further fetches of the token fail", || fetches(&mock) > refused + 2);
    mock.clear_faults();
    stargate_core::blocking::wait(sent, Some(PATIENCE)).unwrap();
    let lines = lines.lock().unwrap();
    let line = lines.iter().find(|line| line.contains("is not available (HTTP 503)")).unwrap();
    assert!(line.contains(TOKEN_PATH) && lines.iter().all(|line| !line.contains("s3cret")), "{lines:?}");
}

#[test]
fn a_401_of_the_server_is_believed_after_one_more_token() {
    let mock = hour();
    mock.fault("connect", None, "http:401", 1).unwrap();
    let client = Client::new(&mock.url(), oauth2(&mock)).unwrap();
    client.producer(unique("topic"), Options::new()).unwrap();
    assert_eq!(fetches(&mock), 2, "the token was replaced once");
    let error = open(&mock, oauth2(&mock).oauth2_audience("elsewhere")).unwrap_err();
    assert_refused(&error, ErrorKind::Authentication, &["401", &mock.oauth2_issuer_url(), "oauth2_audience"]);
    assert_eq!(fetches(&mock), 4);

    // A client whose token is refused wherever it comes does not ask its issuer each time.
    let mock = hour();
    let client = Client::new(&mock.url(), oauth2(&mock).oauth2_audience("elsewhere")).unwrap();
    for _ in 0..5 {
        let error = client.admin().clusters().unwrap_err();
        assert_refused(&error, ErrorKind::Authentication, &["401", "oauth2_audience"]);
    }
    assert_eq!(fetches(&mock), 2);
}

#[test]
fn a_401_of_the_rest_api_is_believed_after_one_more_token() {
    let mock = hour();
    let client = Client::new(&mock.url(), oauth2(&mock)).unwrap();
    client.admin().clusters().unwrap();
    mock.fault("http", Some("/admin/v2/tenants/t"), "http:401", 1).unwrap();
    client.admin().create_tenant("t", &Default::default()).unwrap();
    assert_eq!(fetches(&mock), 2);
}

#[test]
fn what_the_issuer_refuses_is_told_with_the_remedy() {
    use ErrorKind::{Authentication, Connect, Protocol};
    let long = "x".repeat(2_000_000);
    let mock = hour();
    for (status, body, kind, words) in [
        (
            401,
            r#"{"error": "invalid_client", "error_description": "bad s3cret & more"}"#,
            Authentication,
            vec!["(401)", "invalid_client: bad (secret)", "oauth2_client_secret", "client 7"],
        ),
        (400, r#"{"error": "invalid_scope"}"#, Authentication, vec!["invalid_scope", "check oauth2_scope"]),
        (400, r#"{"error": "invalid_target"}"#, Authentication, vec!["oauth2_audience"]),
        (
            403,
            r#"{"error": "access_denied", "error_description": "no"}"#,
            Authentication,
            vec!["access_denied: no", "oauth2_audience"],
        ),
        (401, "<html>", Authentication, vec!["it gives no reason"]),
        (404, "", Protocol, vec!["404", "token endpoint"]),
        (302, "", Protocol, vec!["302"]),
        (429, "", Connect, vec!["asked too often (HTTP 429)"]),
        (500, "", Connect, vec!["not available (HTTP 500)"]),
        (200, "<html>", Protocol, vec!["not JSON"]),
        (200, r#"{"token": "t0ken"}"#, Protocol, vec!["without an access_token"]),
        (200, r#"{"access_token": ""}"#, Protocol, vec!["cannot be sent"]),
        (200, r#"{"access_token": "t0ken\r\nX: y"}"#, Protocol, vec!["cannot be sent"]),
        (200, &long, Protocol, vec!["more than 1048576 bytes"]),
    ] {
        let issuer = Scripted::new(vec![answer(status, "", body)]);
        let endpoint = format!("{}/token", issuer.url);
        let error = open(&mock, oauth2(&mock).oauth2_token_endpoint(&endpoint)).unwrap_err();
        assert_refused(&error, kind, &[&words[..], &["OAuth2 issuer", &endpoint, "open producer"]].concat());
    }
}

#[test]
fn what_the_metadata_say_wrong_is_told_with_the_remedy() {
    use ErrorKind::{Connect, Protocol};
    let mock = hour();
    let elsewhere = Scripted::new(vec![answer(200, "", r#"{"token_endpoint": "http://127.0.0.1/"}"#)]);
    let redirect = format!("Location: {}/x\r\n", elsewhere.url);
    for (status, headers, body, kind, words) in [
        (200, "", "<html>", Protocol, vec!["no token_endpoint", "oauth2_token_endpoint"]),
        (200, "", r#"{"token_endpoint": 5}"#, Protocol, vec!["no token_endpoint"]),
        (
            200,
            "",
            r#"{"token_endpoint": "http://idp.example/token"}"#,
            Protocol,
            vec!["token_endpoint in the metadata", "oauth2_allow_http"],
        ),
        (404, "", "", Protocol, vec!["HTTP 404", "oauth2_issuer_url"]),
        (503, "", "", Connect, vec!["HTTP 503"]),
        (302, "", "", Protocol, vec!["redirect"]),
        (302, &redirect, "", Protocol, vec!["another host"]),
        (302, "Location: /.well-known/openid-configuration\r\n", "", Protocol, vec!["more than 5 times"]),
    ] {
        let issuer = Scripted::new(vec![answer(status, headers, body)]);
        let error = open(&mock, oauth2(&mock).oauth2_issuer_url(&issuer.url)).unwrap_err();
        assert_refused(&error, kind, &[&words[..], &["OAuth2 issuer", &issuer.url]].concat());
    }
    assert!(elsewhere.requests().is_empty(), "a redirect left its origin");

    let metadata = format!(r#"{{"token_endpoint": "{}/token"}}"#, mock.oauth2_issuer_url());
    let issuer = Scripted::new(vec![answer(307, "Location: /moved\r\n", ""), answer(200, "", &metadata)]);
    open(&mock, oauth2(&mock).oauth2_issuer_url(&format!("{}/realm", issuer.url))).unwrap();
    let asked: Vec<String> = issuer.requests().iter().map(|text| text.lines().next().unwrap().to_owned()).collect();
    assert_eq!(asked, ["GET /realm/.well-known/openid-configuration HTTP/1.1", "GET /moved HTTP/1.1"]);
    let secretless = issuer.requests().iter().all(|text| !text.contains("s3cret"));
    assert!(secretless, "discovery needs no secret");
}

#[test]
fn an_issuer_that_does_not_answer_is_named_and_not_the_server() {
    let mock = hour();
    let silent = Scripted::new(vec![String::new()]);
    let options = oauth2(&mock).oauth2_issuer_url(&silent.url).oauth2_timeout(Duration::from_millis(300));
    let error = open(&mock, options).unwrap_err();
    assert_refused(&error, ErrorKind::Timeout, &["OAuth2 issuer", &silent.url, "oauth2_timeout"]);
    let nobody = "http://127.0.0.1:1/realm";
    let error = open(&mock, oauth2(&mock).oauth2_issuer_url(nobody)).unwrap_err();
    assert_refused(&error, ErrorKind::Connect, &["OAuth2 issuer", nobody, "refused"]);
    let error = open(&mock, oauth2(&mock).oauth2_issuer_url(&mock.http_url().replace("http", "https"))).unwrap_err();
    assert_refused(&error, ErrorKind::Connect, &["OAuth2 issuer https://"]);
}

#[test]
fn an_issuer_over_tls_is_verified_by_its_own_authorities() {
    let key = |name: &str| format!("{}/../tests/keys/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let tls = MockTls {
        certificates: key("server.pem").into(),
        key: key("server.key.pem").into(),
        client_ca: Some(key("ca.pem").into()),
    };
    let settings = Some(MockOAuth2 { audience: Some("pulsar".into()), ..MockOAuth2::new("client 7", SECRET) });
    let mock = Mock::start(MockOptions { tls: Some(tls), oauth2: settings, ..MockOptions::default() }).unwrap();
    let right = || oauth2(&mock).tls_ca_file(&key("ca.pem")).oauth2_ca_file(&key("ca.pem"));
    exchange(&Client::new(&mock.url(), right()).unwrap()).unwrap();
    for options in [oauth2(&mock).tls_ca_file(&key("ca.pem")), oauth2(&mock).tls_insecure(true)] {
        let error = open(&mock, options).unwrap_err();
        let words = ["OAuth2 issuer https://", "certificate is not accepted", "oauth2_ca_file"];
        assert_refused(&error, ErrorKind::Authentication, &words);
        assert!(!error.to_string().contains("tls_ca_file"), "{error}");
    }
    // The option that names another certificate of the server is not for the issuer.
    let tls =
        MockTls { certificates: key("other-name.pem").into(), key: key("server.key.pem").into(), client_ca: None };
    let elsewhere = Mock::start(MockOptions { tls: Some(tls), ..MockOptions::default() }).unwrap();
    let error = open(&mock, right().oauth2_issuer_url(&elsewhere.http_url())).unwrap_err();
    assert_refused(
        &error,
        ErrorKind::Authentication,
        &["OAuth2 issuer https://", "use one of them in the issuer's URL"],
    );
    assert!(!error.to_string().contains("tls_server_name"), "{error}");
    // With a certificate no secret is sent.
    let certified = quick()
        .oauth2_issuer_url(&mock.oauth2_issuer_url())
        .oauth2_client_id("client 7")
        .oauth2_audience("pulsar")
        .oauth2_auth_method(OAuth2AuthMethod::TlsClientAuth)
        .oauth2_ca_file(&key("ca.pem"))
        .tls_ca_file(&key("ca.pem"))
        .tls_cert_file(&key("client.pem"))
        .tls_key_file(&key("client.key.pem"));
    exchange(&Client::new(&mock.url(), certified).unwrap()).unwrap();
}

#[test]
fn a_token_is_fetched_through_the_proxy_of_the_client() {
    let (mock, idp) = (hour(), hour());
    let (proxy, heads) = tunnels();
    let client = Client::new(&mock.url(), oauth2(&idp).proxy(&proxy)).unwrap();
    exchange(&client).unwrap();
    let stats = client.as_async().stats();
    assert_eq!(stats.proxied_connections, stats.connections);
    let heads = heads.lock().unwrap().clone();
    for port in [mock.port(), idp.port()] {
        assert!(
            heads.iter().any(|head| head.starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n"))),
            "{heads:?}"
        );
    }
    assert!(heads.iter().all(|head| !head.contains("s3cret") && !head.contains("Authorization")), "{heads:?}");

    let refusing = Scripted::new(vec![answer(407, "Proxy-Authenticate: Basic realm=x\r\n", "")]);
    let error = open(&mock, oauth2(&idp).proxy(&refusing.url)).unwrap_err();
    let address = refusing.url.trim_start_matches("http://");
    let words = ["OAuth2 issuer", &idp.oauth2_issuer_url(), "proxy", address, "407"];
    assert_refused(&error, ErrorKind::Authentication, &words);
}

#[test]
fn a_request_for_a_token_is_as_the_standard_has_it() {
    let mock = Mock::start(MockOptions { tokens: vec!["t0ken".into()], ..MockOptions::default() }).unwrap();
    let granted = answer(200, "", r#"{"access_token": "t0ken", "token_type": "Bearer"}"#);
    let asked = |options: Options| {
        let issuer = Scripted::new(vec![granted.clone()]);
        let endpoint = format!("{}/token?tenant=x", issuer.url);
        let client = Client::new(&mock.url(), options.oauth2_token_endpoint(&endpoint)).unwrap();
        // Without expires_in it is used for 30 s.
        client.producer(unique("topic"), Options::new()).unwrap();
        client.producer(unique("topic"), Options::new()).unwrap();
        client.close(PATIENCE).unwrap();
        let requests = issuer.requests();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    };
    let client = || quick().oauth2_client_id("client 7").oauth2_client_secret(SECRET);
    let post = asked(client().oauth2_audience("a&b").oauth2_scope("one two"));
    assert!(post.starts_with("POST /token?tenant=x HTTP/1.1\r\n"), "{post}");
    let lower = post.to_ascii_lowercase();
    assert!(lower.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{post}");
    assert!(!lower.contains("authorization:"), "{post}");
    let form = "grant_type=client_credentials&client_id=client%207&client_secret=s3cret%20%26%20more&audience=a%26b&scope=one%20two";
    assert!(post.ends_with(&format!("\r\n\r\n{form}")), "{post}");
    let basic = asked(client().oauth2_auth_method(OAuth2AuthMethod::ClientSecretBasic));
    assert!(basic.ends_with("\r\n\r\ngrant_type=client_credentials"), "{basic}");
    // client%207:s3cret%20%26%20more
    assert!(basic.contains("Basic Y2xpZW50JTIwNzpzM2NyZXQlMjAlMjYlMjBtb3Jl\r\n"), "{basic}");
}

#[test]
fn a_key_file_is_read_at_each_fetch() {
    let mock = hour();
    let path = key_file("old", &mock.oauth2_issuer_url());
    let keyed = || quick().oauth2_key_file(text(&path)).oauth2_audience("pulsar");
    let error = open(&mock, keyed()).unwrap_err();
    assert_refused(&error, ErrorKind::Authentication, &["(401)", "invalid_client", text(&path)]);
    let client = Client::new(&mock.url(), keyed().keep_trying(true).lazy(true)).unwrap();
    let producer = client.producer(unique("topic"), Options::new()).unwrap();
    eventually("the old secret is refused", || fetches(&mock) > 2);
    std::fs::rename(key_file(SECRET, &mock.oauth2_issuer_url()), &path).unwrap();
    producer.send("x", Some(PATIENCE)).unwrap();

    for (content, words) in [
        ("s3cret", vec!["not JSON"]),
        (r#"{"client_secret": "s3cret"}"#, vec!["client_id"]),
        (r#"{"client_id": "i", "client_secret": "s3cret"}"#, vec!["issuer_url", "oauth2_issuer_url"]),
        (r#"{"client_id": "i", "issuer_url": "https://u:s3cret@h"}"#, vec!["issuer_url in the OAuth2 key file"]),
    ] {
        let path = file(content);
        let error = open(&mock, quick().oauth2_key_file(text(&path))).unwrap_err();
        assert_refused(&error, ErrorKind::Authentication, &words);
    }
    let error = open(&mock, quick().oauth2_key_file("/nowhere/key.json")).unwrap_err();
    assert_refused(&error, ErrorKind::Authentication, &["/nowhere/key.json", "No such file"]);
}

#[test]
fn options_that_cannot_work_are_refused_when_the_client_is_made() {
    let mock = hour();
    for (options, words) in [
        (oauth2(&mock).oauth2_issuer_url("http://idp.example"), vec!["oauth2_issuer_url", "oauth2_allow_http"]),
        (oauth2(&mock).oauth2_issuer_url("https://u:s3cret@h"), vec!["oauth2_issuer_url", "a user or a password"]),
        (oauth2(&mock).oauth2_issuer_url("https://h/?x"), vec!["no query"]),
        (oauth2(&mock).oauth2_well_known_path("x"), vec!["oauth2_well_known_path", "begins with /"]),
        (oauth2(&mock).oauth2_ca_file("/nowhere/ca.pem"), vec!["oauth2_ca_file", "/nowhere/ca.pem"]),
        (oauth2(&mock).oauth2_refresh(1.5), vec!["oauth2_refresh", "from 0.1 to 1"]),
        (oauth2(&mock).auth_token("t0ken"), vec!["auth_token and oauth2_issuer_url exclude each other"]),
        (quick().oauth2_key_file("data:s3cret"), vec!["oauth2_key_file", "data:application/json;base64"]),
        (quick().auth_plugin("sasl").auth_params("s3cret"), vec!["auth_plugin", "\"sasl\" is not supported"]),
    ] {
        let error = Client::new(&mock.url(), options).unwrap_err();
        assert_refused(&error, ErrorKind::InvalidArgument, &[&words[..], &["new client"]].concat());
    }
    let client = Client::new(&mock.url(), oauth2(&mock)).unwrap();
    let both = Options::new().auth_token("t0ken").basic_user("u").basic_password("s3cret");
    let error = client.producer("t", both).unwrap_err();
    assert_refused(&error, ErrorKind::InvalidArgument, &["auth_token and basic_user exclude each other"]);
}

#[test]
fn basic_is_sent_wherever_the_client_goes() {
    let users = vec![("mario".to_owned(), "p\u{ef}zza: s3cret".to_owned())];
    let mock = Mock::start(MockOptions { users, ..MockOptions::default() }).unwrap();
    let right = || quick().basic_user("mario").basic_password("p\u{ef}zza: s3cret");
    let password = file("p\u{ef}zza: s3cret\n");
    let plugin = r#"{"userId": "mario", "password": "pïzza: s3cret"}"#;
    for options in [
        right(),
        quick().basic_user("mario").basic_password_file(text(&password)),
        quick().auth_plugin("org.apache.pulsar.client.impl.auth.AuthenticationBasic").auth_params(plugin),
    ] {
        assert!(!format!("{options:?}").contains("s3cret"));
        exchange(&Client::new(&mock.url(), options).unwrap()).unwrap();
    }
    let url = format!("{}/ws/v2/producer/persistent/public/default/t", mock.url());
    assert!(produce(&url, ["x"], right()).unwrap()[0].is_ok());

    let error = open(&mock, quick().basic_user("mario").basic_password("s3cret")).unwrap_err();
    assert_refused(&error, ErrorKind::Authentication, &["401", "\"mario\"", "basic_user"]);
    assert_refused(&open(&mock, quick()).unwrap_err(), ErrorKind::Authentication, &["401", "no token was given"]);
    let missing = open(&mock, quick().basic_user("mario").basic_password_file("/nowhere/password")).unwrap_err();
    assert_refused(&missing, ErrorKind::Authentication, &["/nowhere/password", "No such file"]);
    let empty = file("\n");
    let error = open(&mock, quick().basic_user("mario").basic_password_file(text(&empty))).unwrap_err();
    assert_refused(&error, ErrorKind::Authentication, &["is empty", text(&empty)]);

    // A file is read at each connect.
    let client =
        Client::new(&mock.url(), quick().basic_user("mario").basic_password_file(text(&empty)).lazy(true)).unwrap();
    let producer = client.producer("rotating", Options::new()).unwrap();
    std::fs::rename(&password, &empty).unwrap();
    producer.send("x", Some(PATIENCE)).unwrap();
}

#[test]
fn tokens_and_certificates_of_a_client_conf_are_taken() {
    let mock = Mock::start(MockOptions { tokens: vec!["t0ken".into()], ..MockOptions::default() }).unwrap();
    let token = file("t0ken\n");
    for params in ["token:t0ken".to_owned(), format!("file://{}", text(&token))] {
        let options = quick().auth_plugin("token").auth_params(&params);
        exchange(&Client::new(&mock.url(), options).unwrap()).unwrap();
    }
    let options = quick().auth_plugin("tls").auth_params("tlsCertFile:/nowhere/c.pem,tlsKeyFile:/nowhere/k.pem");
    let error = Client::new("wss://h", options).unwrap_err();
    assert_refused(&error, ErrorKind::InvalidArgument, &["/nowhere/"]);
}
