//! What goes wrong is named, in time, and costs nothing else.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use stargate_core::blocking::{Client, Consumer};
use stargate_core::{Error, ErrorKind, HandlerResult, Message, Options, Outcome, SubscriptionType};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, unique};

fn assert_names(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in: {error}");
    }
}

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn a_wrong_host_is_named(broker: &Broker) {
    let port = closed_port();
    let host = format!("127.0.0.1:{port}");
    let client = Client::new(&format!("ws://{host}"), Options::new()).unwrap();
    let begun = Instant::now();
    let error = client.producer("t", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::Connect, &["open producer", "persistent://public/default/t", &host, "refused"]);
    assert!(error.is_retriable() && begun.elapsed() < Duration::from_secs(5));
    let client = Client::new("ws://no-such-host.invalid:1", Options::new()).unwrap();
    let error = client.reader("t", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::Connect, &["no-such-host.invalid:1"]);
    // A host that is down beside one that is up does no harm.
    let both = format!("ws://{host},{}", broker.url.strip_prefix("ws://").unwrap());
    let client = Client::new(&both, Options::new()).unwrap();
    client.producer(broker.topic(), Options::new()).unwrap().send("x", Some(PATIENCE)).unwrap();
}

pub(crate) fn a_missing_namespace_is_named(broker: &Broker) {
    let client = broker.client();
    let topic = format!("public/{}/t", unique("missing"));
    let error = client.producer(&topic, Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::NotFound, &["open producer", &topic, "404", "Namespace not found"]);
    let error = client.consumer(&topic, "s", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::NotFound, &["open consumer", &topic, "404"]);
    let error = client.reader(&topic, Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::NotFound, &["open reader", &topic, "500"]);
    assert!(!error.is_retriable());
}

pub(crate) fn an_exclusive_subscription_in_use_is_named(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let first = client.consumer(&topic, "s", Options::new()).unwrap();
    let error = client.consumer(&topic, "s", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::Busy, &["open consumer", &topic, "409", "Exclusive consumer is already connected"]);
    assert!(error.is_retriable());
    first.close(PATIENCE).unwrap();
    client.consumer(&topic, "s", Options::new()).unwrap();
}

pub(crate) fn a_place_that_is_free_in_a_moment_is_waited_for(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let first = client.consumer(&topic, "s", Options::new()).unwrap();
    let me = Options::new().name("me");
    let producer = client.producer(&topic, me.clone()).unwrap();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        first.close(PATIENCE).unwrap();
        producer.close(PATIENCE).unwrap();
    });
    client.consumer(&topic, "s", Options::new().subscription_type(SubscriptionType::Shared)).unwrap();
    client.producer(&topic, me).unwrap();
    closing.join().unwrap();
}

pub(crate) fn a_producer_name_in_use_is_named(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let _first = client.producer(&topic, Options::new().name("me")).unwrap();
    let error = client.producer(&topic, Options::new().name("me")).unwrap_err();
    assert_names(&error, ErrorKind::Busy, &["'me' is already connected", "409"]);
}

pub(crate) fn a_message_over_the_limit_is_named_and_harms_nothing(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    let error = producer.send(vec![0u8; 2 << 20], Some(PATIENCE)).unwrap_err();
    assert_names(&error, ErrorKind::TooBig, &["send to", &topic, "2097152", "1048576"]);
    producer.send(vec![0u8; 786_000], Some(PATIENCE)).unwrap();
    assert_eq!(producer.stats().connections, 1, "the connection was never at risk");
    // A server with a smaller limit than the option says closes the connection: that message ends, the others go on.
    let trusting = client.producer(&topic, Options::new().max_message_frame_bytes(4 << 20)).unwrap();
    let results = trusting.send_all([vec![1], vec![0; 2 << 20], vec![3]]).unwrap();
    assert_names(results[1].as_ref().unwrap_err(), ErrorKind::TooBig, &["max_message_frame_bytes"]);
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    // More than one when the server's reason was lost with the connection that was still being written to.
    assert!(trusting.stats().reconnects >= 1);
}

pub(crate) fn a_bad_option_is_named(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let error = Options::new().set("ack_timout", "5000").unwrap_err();
    assert_names(&error, ErrorKind::InvalidArgument, &["ack_timout", "ack_timeout"]);
    let error = client.producer(&topic, Options::new().queue_size(5)).unwrap_err();
    assert_names(&error, ErrorKind::InvalidArgument, &["queue_size", "producer"]);
    let error = client.consumer(&topic, "s", Options::new().dead_letter_topic("d")).unwrap_err();
    assert_names(&error, ErrorKind::InvalidArgument, &["max_redeliver_count"]);
    let error = Client::new(&broker.url, Options::new().ack_timeout(Duration::from_secs(1))).unwrap_err();
    assert_names(&error, ErrorKind::InvalidArgument, &["ack_timeout"]);
}

pub(crate) fn a_port_that_does_not_speak_http_is_named(_broker: &Broker) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"\0\0\0\x2a no HTTP at all\r\n\r\n");
        // Held open: not even the end of the connection tells.
        let _ = stream.read(&mut [0; 1024]);
        listener
    });
    let client = Client::new(&format!("ws://{host}"), Options::new()).unwrap();
    let error = client.producer("t", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::Protocol, &[&host.to_string(), "HTTP"]);
    let _silent = peer.join().unwrap();
    // And one that says nothing at all is given up on in time.
    let options = Options::new().connect_timeout(Duration::from_millis(300));
    let client = Client::new(&format!("ws://{host}"), options).unwrap();
    let error = client.producer("t", Options::new()).unwrap_err();
    assert_names(&error, ErrorKind::Timeout, &[&host.to_string(), "connect_timeout"]);
}

pub(crate) fn a_closed_handle_says_so(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    producer.close(PATIENCE).unwrap();
    producer.close(PATIENCE).unwrap();
    let error = producer.send("x", None).unwrap_err();
    assert_names(&error, ErrorKind::Closed, &["send to", &topic]);
    for ends in [|consumer: &Consumer| consumer.close(PATIENCE), |consumer: &Consumer| consumer.unsubscribe(PATIENCE)] {
        let ended = client.consumer(&topic, "ended", Options::new()).unwrap();
        ends(&ended).unwrap();
        assert_names(&ended.unsubscribe(PATIENCE).unwrap_err(), ErrorKind::Closed, &["unsubscribe from", &topic]);
    }
    client.close(PATIENCE).unwrap();
    assert_eq!(consumer.receive(None).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(client.producer(&topic, Options::new()).unwrap_err().kind(), ErrorKind::Closed);
    client.close(PATIENCE).unwrap();
}

pub(crate) fn a_lazy_handle_opens_at_once_and_connects_later(broker: &Broker) {
    let port = closed_port();
    let options = || Options::new().backoff_max(Duration::from_millis(100));
    let client = Client::new(&format!("ws://127.0.0.1:{port}"), options().lazy(true)).unwrap();
    let producer = client.producer(broker.topic(), Options::new()).unwrap();
    let error = producer.wait_connected(Some(Duration::from_millis(100))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = producer.send("x", Some(Duration::from_millis(100))).unwrap_err();
    assert_names(&error, ErrorKind::Timeout, &["there was no connection"]);
    // What was not sent in its time is not sent later: the proxy that now takes the port sees nothing of it.
    let target = broker.url.strip_prefix("ws://").unwrap().to_owned();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (inbound, outbound) = (stream.unwrap(), std::net::TcpStream::connect(&target).unwrap());
            for (mut from, mut to) in
                [(inbound.try_clone().unwrap(), outbound.try_clone().unwrap()), (outbound, inbound)]
            {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    producer.wait_connected(Some(PATIENCE)).unwrap();
    producer.send("y", Some(PATIENCE)).unwrap();
    assert_eq!(producer.stats().sent, 1);
}

pub(crate) fn a_failing_init_of_a_handler_is_told(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", Options::new().processors(3)).unwrap();
    let error = consumer
        .listen(|processor| match processor {
            2 => Err(Error::new(ErrorKind::NotFound, "no database for processor 2")),
            _ => Ok(|_: &Message| -> HandlerResult { Ok(Outcome::Ack) }),
        })
        .unwrap_err();
    assert_names(&error, ErrorKind::NotFound, &["no database for processor 2"]);
}
