//! WebSocket messages that are compressed (permessage-deflate).

use std::sync::{Arc, Mutex};

use stargate_core::blocking::Client;
use stargate_core::mock::{Mock, MockOptions};
use stargate_core::{CompressionContext, InitialPosition, Level, Options, Stats, WebSocketCompression};

use crate::broker::Broker;
use crate::waiting::PATIENCE;

/// Payloads of all kinds: empty, short, repetitive, and random ones that deflate can hardly shorten.
fn payloads() -> Vec<Vec<u8>> {
    let mut state = 7u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    };
    let order = |number: usize| format!(r#"{{"order":{number},"pizza":"margherita","table":"by the window"}}"#);
    let mut all = vec![Vec::new(), b"x".to_vec(), vec![b'z'; 300_000], noise(100), noise(70_000), noise(1_000)];
    all.extend((0..200).map(|number| order(number).repeat(4).into_bytes()));
    all
}

fn compressed() -> Options {
    Options::new().websocket_compression(WebSocketCompression::On)
}

/// Sends all payloads, receives and reads them; returns the statistics of the three handles.
fn exchange(broker: &Broker, options: Options) -> [Stats; 3] {
    let client = Client::new(&broker.url, options).unwrap();
    let (topic, payloads) = (broker.topic(), payloads());
    let consumer = client.consumer(&topic, "s", Options::new().initial_position(InitialPosition::Earliest)).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    for result in producer.send_all(payloads.clone()).unwrap() {
        result.unwrap();
    }
    let reader = client.reader(&topic, Options::new().starting_message("earliest")).unwrap();
    for payload in &payloads {
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        assert!(message.payload() == payload, "{} bytes", payload.len());
        consumer.ack(&message).unwrap();
        assert!(reader.receive(Some(PATIENCE)).unwrap().payload() == payload, "{} bytes", payload.len());
    }
    let stats = [producer.stats(), consumer.stats(), reader.stats()];
    client.close(PATIENCE).unwrap();
    stats
}

pub(crate) fn what_is_compressed_arrives_and_takes_fewer_bytes(broker: &Broker) {
    let plain = exchange(broker, Options::new());
    assert!(plain.iter().all(|stats| stats.compressed_connections == 0 && stats.connections > 0));
    for options in [
        compressed(),
        compressed().websocket_compression_level(9).websocket_compression_min(0),
        compressed().websocket_compression_context(CompressionContext::Reset),
    ] {
        for (stats, plain) in exchange(broker, options).iter().zip(&plain) {
            assert_eq!(stats.compressed_connections, stats.connections, "{stats:?}");
            assert_eq!(stats.malformed, 0, "{stats:?}");
            let (most, least) = (plain.wire_sent_bytes, plain.wire_received_bytes);
            assert!(stats.wire_sent_bytes + stats.wire_received_bytes < (most + least) * 2 / 3, "{stats:?} {plain:?}");
        }
    }
}

#[test]
fn a_server_that_declines_compression_is_used_without_it_and_the_log_says_so_once() {
    let mock = Mock::start(MockOptions { websocket_compression: false, ..MockOptions::default() }).unwrap();
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = log.clone();
    let sink = move |_: Level, _: &str, text: &str| lines.lock().unwrap().push(text.to_owned());
    let client = Client::new(&mock.url(), compressed().log_sink(sink)).unwrap();
    let producer = client.producer("t", Options::new()).unwrap();
    for _ in 0..2 {
        producer.send("x".repeat(2_000), None).unwrap();
        mock.drop_connections(None).unwrap();
    }
    producer.send("x", None).unwrap();
    let stats = producer.stats();
    assert_eq!((stats.compressed_connections, stats.reconnects), (0, 2));
    let declined = |line: &&String| line.contains("declines websocket_compression");
    assert_eq!(log.lock().unwrap().iter().filter(declined).count(), 1);
}
