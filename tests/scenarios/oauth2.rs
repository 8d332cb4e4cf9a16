//! OAuth2 and Basic against a real broker and a real issuer, as `tests/pulsar/pulsar.py run --basic --oauth2` starts them.
//! `STARGATE_ISSUER_AWAY_SECONDS` makes the absence of the issuer longer.

mod waiting;

use std::process::Command;
use std::time::{Duration, Instant};

use stargate_core::blocking::{Client, produce};
use stargate_core::{Error, ErrorKind, InitialPosition, Options, Result};

use waiting::{PATIENCE, unique};

fn variable(name: &str) -> String {
    let name = format!("PULSAR_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name}: see tests/pulsar/pulsar.py, run --basic --oauth2"))
}

fn oauth2(issuer: &str, client: &str, secret: &str) -> Options {
    Options::new()
        .oauth2_issuer_url(&variable(issuer))
        .oauth2_client_id(client)
        .oauth2_client_secret(&variable(secret))
        .oauth2_audience("pulsar")
        .backoff_min(Duration::from_millis(50))
        .backoff_max(Duration::from_millis(500))
}

fn admin() -> Options {
    oauth2("ISSUER", "admin", "CLIENT_SECRET")
}

/// Sends and receives one message, and asks the REST API, if the broker lets it.
fn try_with(options: Options) -> Result<()> {
    let client = Client::new(&variable("URL"), options)?;
    let topic = unique("oauth2");
    let consumer = client.consumer(&topic, "s", Options::new().initial_position(InitialPosition::Earliest))?;
    client.producer(&topic, Options::new())?.send("x", Some(PATIENCE))?;
    consumer.ack(&consumer.receive(Some(PATIENCE))?)?;
    client.reader(&topic, Options::new().starting_message("earliest"))?.receive(Some(PATIENCE))?;
    client.admin().clusters().map(|names| assert_eq!(names, ["standalone"]))?;
    client.close(PATIENCE)
}

fn assert_refused(outcome: Result<()>, kind: ErrorKind, words: &[&str]) {
    let error: Error = outcome.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", error.broker_text());
    assert_eq!(error.kind(), kind, "{shown}");
    for word in words {
        assert!(shown.contains(word), "{word:?} is not in: {shown}");
    }
    for secret in ["CLIENT_SECRET", "PASSWORD"] {
        assert!(!shown.contains(&variable(secret)), "a secret is shown: {shown}");
    }
}

#[test]
#[ignore = "needs the broker with --basic --oauth2"]
fn a_client_of_the_issuer_is_let_in_and_others_are_told_why_not() {
    try_with(admin()).unwrap();
    let params = serde_json::json!({ "issuer_url": variable("ISSUER"), "client_id": "admin",
        "client_secret": variable("CLIENT_SECRET"), "audience": "pulsar" });
    let class = "org.apache.pulsar.client.impl.auth.oauth2.AuthenticationOAuth2";
    try_with(Options::new().auth_plugin(class).auth_params(&params.to_string())).unwrap();
    let url = format!("{}/ws/v2/producer/persistent/public/default/{}", variable("URL"), unique("oauth2"));
    assert!(produce(&url, ["x"], admin()).unwrap()[0].is_ok());

    let issuer = variable("ISSUER");
    assert_refused(try_with(Options::new()), ErrorKind::Authentication, &["401", "no token was given"]);
    let words = ["401", issuer.as_str(), "oauth2_audience"];
    assert_refused(try_with(admin().oauth2_audience("elsewhere")), ErrorKind::Authentication, &words);
    let wrong = admin().oauth2_client_secret("wrong");
    assert_refused(try_with(wrong), ErrorKind::Authentication, &["401", &issuer]);
    let other = oauth2("ISSUER", "other", "CLIENT_SECRET_OTHER");
    assert_refused(try_with(other), ErrorKind::Authorization, &["403"]);
    let unknown = admin().oauth2_issuer_url(&format!("{issuer}/nowhere"));
    assert_refused(try_with(unknown), ErrorKind::Authentication, &["401", "/nowhere"]);
}

#[test]
#[ignore = "needs the broker with --basic --oauth2"]
fn users_with_passwords_are_let_in_and_others_are_told_why_not() {
    let user = |name: &str, password: &str| Options::new().basic_user(name).basic_password(password);
    try_with(user("admin", &variable("PASSWORD"))).unwrap();
    let params = serde_json::json!({ "userId": "admin", "password": variable("PASSWORD") }).to_string();
    try_with(Options::new().auth_plugin("basic").auth_params(&params)).unwrap();
    let wrong = try_with(user("admin", "wrong"));
    assert_refused(wrong, ErrorKind::Authentication, &["401", "\"admin\"", "basic_user"]);
    let other = try_with(user("other", &variable("PASSWORD_OTHER")));
    assert_refused(other, ErrorKind::Authorization, &["403"]);
}

#[test]
#[ignore = "needs the broker with --basic --oauth2"]
fn a_token_that_expires_and_an_issuer_that_is_away_lose_no_message() {
    let client = Client::new(&variable("URL"), oauth2("ISSUER_BRIEF", "admin", "CLIENT_SECRET")).unwrap();
    let topic = unique("oauth2");
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let mut numbers = 0..;
    let mut exchange = || {
        let payload = format!("{}", numbers.next().unwrap());
        producer.send(payload.as_str(), Some(PATIENCE)).unwrap();
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        assert_eq!(message.payload(), payload.as_bytes());
        consumer.ack(&message).unwrap();
    };
    exchange();
    // The first token has expired; what is open goes on, and what is new gets a renewed one.
    std::thread::sleep(Duration::from_secs(5));
    exchange();
    client.admin().clusters().unwrap();
    client.reader(&topic, Options::new()).unwrap();

    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &variable("ISSUER_PID")]).status().unwrap().success());
    };
    signal("-STOP");
    let away = std::env::var("STARGATE_ISSUER_AWAY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let back = Instant::now() + Duration::from_secs(away.unwrap_or(6));
    while Instant::now() < back {
        exchange();
        std::thread::sleep(Duration::from_millis(500));
    }
    let impatient = Options::new().oauth2_timeout(Duration::from_secs(1));
    let error = client.reader(&topic, impatient).unwrap_err();
    let waiting = client.reader(&topic, Options::new().lazy(true));
    signal("-CONT");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains(&variable("ISSUER_BRIEF")), "{error}");
    exchange();
    client.admin().clusters().unwrap();
    waiting.unwrap().close(PATIENCE).unwrap();
    client.close(PATIENCE).unwrap();
}
