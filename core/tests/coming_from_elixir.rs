//! Every key of the README of the Elixir library `stargate`, as `docs/coming-from-elixir.md` promises.
#![cfg(feature = "mock")]

use std::sync::mpsc;
use std::time::Duration;

use stargate_core::mock::{Mock, MockOptions};
use stargate_core::{
    CompressionType, Consumer, ErrorKind, HandlerResult, HashingScheme, Message, Options, Outcome, Reader, RoutingMode,
    SubscriptionType, Supervisor, SupervisorConfig, blocking,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn read(json: &str) -> SupervisorConfig {
    SupervisorConfig::from_json(json).unwrap()
}

fn refused(json: &str) -> String {
    SupervisorConfig::from_json(json).unwrap_err().to_string()
}

/// What a component of this kind has for options with these `query_params`.
fn options_of(component: &str, params: &str) -> Options {
    let subscription = if component == "consumer" { r#""subscription": "s","# } else { "" };
    let json = format!(
        r#"{{"host": "h:1", "{component}": {{{subscription} "tenant": "t", "namespace": "n", "topic": "foo",
             "query_params": {{{params}}}}}}}"#
    );
    let mut config = read(&json);
    let list = match component {
        "producer" => &mut config.producers,
        "consumer" => &mut config.consumers,
        _ => &mut config.readers,
    };
    list.remove(0).options
}

#[test]
fn name_and_protocol_are_those_of_the_supervisor() {
    let config = read(r#"{"name": "my_producer", "host": "example.com:8080", "protocol": "wss"}"#);
    assert_eq!((config.name.as_str(), config.url.as_str()), ("my_producer", "wss://example.com:8080"));
    let config = read(r#"{"host": "example.com:8080"}"#);
    assert_eq!((config.name.as_str(), config.url.as_str()), ("default", "ws://example.com:8080"));
}

#[test]
fn a_host_may_have_any_shape_of_the_readme() {
    for host in [
        r#""example.com:8080""#,
        r#"["example.com:8080"]"#,
        r#"{"example.com": 8080}"#,
        r#"[{"example.com": 8080}]"#,
        r#"["example.com", 8080]"#,
        r#"[["example.com", 8080]]"#,
    ] {
        assert_eq!(read(&format!(r#"{{"host": {host}}}"#)).url, "ws://example.com:8080", "{host}");
    }
    assert_eq!(read(r#"{"host": [["a", 1], {"b": 2}, "c:3"]}"#).url, "ws://a:1,b:2,c:3");
    for host in [r#"{"example.com": 0}"#, r#"{"example.com": "x"}"#, r#"["example.com", 65536]"#, "[]", "{}", "8080"] {
        let error = refused(&format!(r#"{{"host": {host}}}"#));
        assert!(error.contains("host"), "{host}: {error}");
    }
}

#[test]
fn a_topic_is_named_by_persistence_tenant_namespace_and_topic() {
    let config = read(
        r#"{"host": "h:1",
            "producer": {"persistence": "non-persistent", "tenant": "marketing", "namespace": "public", "topic": "new-stuff"},
            "consumer": {"tenant": "internal", "namespace": "research", "topic": "ready", "subscription": "rss-feed"},
            "reader": {"tenant": "public", "namespace": "default", "topic": "foo"}}"#,
    );
    assert_eq!(config.producers[0].topic.to_string(), "non-persistent://marketing/public/new-stuff");
    assert_eq!(config.consumers[0].topic.to_string(), "persistent://internal/research/ready");
    assert_eq!(config.consumers[0].subscription.as_deref(), Some("rss-feed"));
    assert_eq!(config.readers[0].topic.to_string(), "persistent://public/default/foo");
}

#[test]
fn each_query_parameter_of_a_producer_is_its_option() {
    let ms = Duration::from_millis;
    for (params, expected) in [
        (r#""name": "summer""#, Options::new().name("summer")),
        (r#""producer_name": "myapp-producer""#, Options::new().name("myapp-producer")),
        (r#""name": "summer", "producer_name": "myapp-producer""#, Options::new().name("summer")),
        (r#""send_timeout": 30000"#, Options::new().send_timeout(ms(30_000))),
        (r#""batch_enabled": true"#, Options::new().batch_enabled(true)),
        (r#""batch_max_msg": 1000"#, Options::new().batch_max_msg(1000)),
        (r#""max_pending_msg": 1000"#, Options::new().max_pending_msg(1000)),
        (r#""batch_max_delay": 25"#, Options::new().batch_max_delay(ms(25))),
        (r#""routing_mode": "round_robin""#, Options::new().routing_mode(RoutingMode::RoundRobin)),
        (r#""routing_mode": "single""#, Options::new().routing_mode(RoutingMode::Single)),
        (r#""compression_type": "lz4""#, Options::new().compression_type(CompressionType::Lz4)),
        (r#""compression_type": "zlib""#, Options::new().compression_type(CompressionType::Zlib)),
        (r#""initial_seq_id": 100"#, Options::new().initial_seq_id(100)),
        (r#""hashing_scheme": "murmur3""#, Options::new().hashing_scheme(HashingScheme::Murmur3)),
        (r#""hashing_scheme": "java_string""#, Options::new().hashing_scheme(HashingScheme::JavaString)),
    ] {
        assert_eq!(options_of("producer", params), expected, "{params}");
    }
}

#[test]
fn each_query_parameter_of_a_consumer_is_its_option() {
    for (params, expected) in [
        (r#""subscription_type": "shared""#, Options::new().subscription_type(SubscriptionType::Shared)),
        (r#""ack_timeout": 2000"#, Options::new().ack_timeout(Duration::from_secs(2))),
        (r#""queue_size": 1000"#, Options::new().queue_size(1000)),
        (r#""name": "rick""#, Options::new().name("rick")),
        (r#""priority": 10"#, Options::new().priority(10)),
        (
            r#""max_redeliver_count": 10, "dead_letter_topic": "ricks-dlq""#,
            Options::new().max_redeliver_count(10).dead_letter_topic("ricks-dlq"),
        ),
        (r#""pull_mode": true"#, Options::new().pull_mode(true)),
    ] {
        assert_eq!(options_of("consumer", params), expected, "{params}");
    }
    // The README's 100 ms: Pulsar refuses less than a second, and the error says so before Pulsar does.
    let error = refused(
        r#"{"host": "h:1", "consumer": {"topic": "t", "subscription": "s", "query_params": {"ack_timeout": 100}}}"#,
    );
    assert!(error.contains("ack_timeout") && error.contains("1000"), "{error}");
}

#[test]
fn each_query_parameter_of_a_reader_is_its_option() {
    for (params, expected) in [
        (r#""queue_size": 1000"#, Options::new().queue_size(1000)),
        (r#""name": "morty""#, Options::new().name("morty")),
        (r#""starting_message": "latest""#, Options::new().starting_message("latest")),
        (r#""starting_message": "earliest""#, Options::new().starting_message("earliest")),
        (r#""starting_message": "CAEQAA==""#, Options::new().starting_message("CAEQAA==")),
    ] {
        assert_eq!(options_of("reader", params), expected, "{params}");
    }
}

#[test]
fn processors_are_an_option_beside_the_query_parameters() {
    let config = read(r#"{"host": "h:1", "reader": {"topic": "foo", "processors": 3}}"#);
    assert_eq!(config.readers[0].options, Options::new().processors(3));
}

#[test]
fn ssl_options_are_taken_at_the_top_and_in_a_component() {
    let ssl = r#""ssl_options": {"cacertfile": "/c/cacert.pem", "certfile": "/c/cert.pem", "keyfile": "/c/key.pem"}"#;
    let expected = Options::new().tls_ca_file("/c/cacert.pem").tls_cert_file("/c/cert.pem").tls_key_file("/c/key.pem");
    let config = read(&format!(r#"{{"host": "h:1", "protocol": "wss", {ssl}, "producer": {{"topic": "t", {ssl}}}}}"#));
    assert_eq!(config.options, expected);
    assert_eq!(config.producers[0].options, expected);
}

#[test]
fn ssl_options_verify_or_do_not() {
    for (word, insecure) in [("verify_peer", false), ("verify_none", true)] {
        let config = read(&format!(r#"{{"host": "h:1", "ssl_options": {{"verify": "{word}"}}}}"#));
        assert_eq!(config.options, Options::new().tls_insecure(insecure));
    }
}

#[test]
fn mistakes_in_ssl_options_are_named() {
    for (ssl, part) in [
        ("3", "expected an object with cacertfile"),
        (r#"{"cacerts": "x"}"#, "there is no \"cacerts\""),
        (r#"{"verify": "maybe"}"#, "verify_peer or verify_none"),
        (r#"{"cacertfile": "x"}, "tls_ca_file": "y""#, "are the same"),
    ] {
        let error = refused(&format!(r#"{{"host": "h:1", "ssl_options": {ssl}}}"#));
        assert!(error.contains(part), "{ssl}: {error}");
    }
}

#[test]
fn a_token_is_taken_at_the_top_and_in_a_component() {
    let token = r#""auth_token": "some-jwt-token-string""#;
    let config = read(&format!(r#"{{"host": "h:1", {token}, "producer": {{"topic": "t", {token}}}}}"#));
    assert_eq!(config.options, Options::new().auth_token("some-jwt-token-string"));
    assert_eq!(config.producers[0].options, Options::new().auth_token("some-jwt-token-string"));
}

#[test]
fn a_handler_is_found_by_its_name_and_gets_its_arguments() {
    let mock = Mock::start(MockOptions::default()).unwrap();
    let url = mock.url();
    let (_, host) = url.split_once("://").unwrap();
    let (sender, handled) = mpsc::channel();
    let reader_sender = sender.clone();
    let config = read(&format!(
        r#"{{"name": "from-elixir", "host": "{host}",
             "producer": {{"topic": "orders"}},
             "consumer": {{"topic": "orders", "subscription": "s", "processors": 3,
                           "handler": "MyApp.Consumer.Handler", "handler_init_args": ["a", 1]}},
             "reader": {{"topic": "orders", "handler": "MyApp.Reader.Handler"}}}}"#
    ))
    .consumer_handler("MyApp.Consumer.Handler", move |consumer: &Consumer, args: &str| {
        let (sender, args) = (sender.clone(), args.to_owned());
        consumer.listen(move |_| {
            let (sender, args) = (sender.clone(), args.clone());
            Ok(move |_: &Message| -> HandlerResult {
                sender.send(args.clone())?;
                Ok(Outcome::Ack)
            })
        })
    })
    .reader_handler("MyApp.Reader.Handler", move |reader: &Reader, args: &str| {
        let (sender, args) = (reader_sender.clone(), args.to_owned());
        reader.listen(move |_| {
            let (sender, args) = (sender.clone(), args.clone());
            Ok(move |_: &Message| -> HandlerResult {
                sender.send(args.clone())?;
                Ok(Outcome::Ack)
            })
        })
    });
    let supervisor = blocking::wait(Supervisor::start(config), Some(PATIENCE)).unwrap();
    let key = stargate_core::registry_key("public", "default", "orders").unwrap().name("from-elixir");
    blocking::wait(supervisor.producer(&key).unwrap().send("x"), Some(PATIENCE)).unwrap();
    let mut told = [handled.recv_timeout(PATIENCE).unwrap(), handled.recv_timeout(PATIENCE).unwrap()];
    told.sort();
    assert_eq!(told, [r#"["a",1]"#, "[]"]);
    blocking::wait(supervisor.close(PATIENCE), None).unwrap();
}

#[test]
fn a_handler_that_nobody_named_is_an_error_and_not_silence() {
    let mock = Mock::start(MockOptions::default()).unwrap();
    let url = mock.url();
    let (_, host) = url.split_once("://").unwrap();
    let config = read(&format!(
        r#"{{"name": "no-handler", "host": "{host}",
             "consumer": {{"topic": "orders", "subscription": "s", "handler": "Nobody"}}}}"#
    ));
    let Err(error) = blocking::wait(Supervisor::start(config), Some(PATIENCE)) else { panic!("it started") };
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("there is no handler \"Nobody\""), "{error}");
    let error = refused(r#"{"host": "h:1", "producer": {"topic": "t", "handler": "X"}}"#);
    assert!(error.contains("a producer has no handler"), "{error}");
}
