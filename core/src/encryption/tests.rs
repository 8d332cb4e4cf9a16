//! Encrypted batches, which only native producers send, through a consumer on the mock broker.

use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::PemKeyReader;
use super::compression::Codec;
use super::data_key::DataKey;
use super::data_key::tests::{PRIVATE, PUBLIC};
use crate::blocking::{Client, Consumer};
use crate::message::batch::tests::pack;
use crate::mock::{Mock, MockMessage, MockOptions, Op};
use crate::{HandlerResult, InitialPosition, Message, Options, Outcome, SubscriptionType};

const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(200);

/// Returns a batch of `one`, `two` and `three` as a native client sends it.
fn batch() -> MockMessage {
    let batch = pack(&[("a", "1", b"one"), ("b", "2", b"two"), ("a", "3", b"three")]);
    let (key, wrapped) = DataKey::generate(PUBLIC.as_bytes()).unwrap();
    let mut payload = Codec::Lz4.compress(&batch).unwrap_or_else(|| batch.clone());
    let compression = if payload == batch { "NONE" } else { "LZ4" };
    let nonce = key.encrypt(&mut payload).unwrap();
    let context = json!({
        "keys": { "another": { "keyValue": "AAAA", "metadata": {} }, "k": { "keyValue": STANDARD.encode(wrapped) } },
        "param": STANDARD.encode(nonce),
        "compressionType": compression,
        "uncompressedMessageSize": batch.len(),
        "batchSize": 3,
    });
    MockMessage { encryption_context: Some(context), ..MockMessage::new(payload) }
}

fn options() -> Options {
    Options::new()
        .crypto_key_reader(PemKeyReader::new().with_private_key("k", PRIVATE))
        .initial_position(InitialPosition::Earliest)
        .negative_ack_delay(Duration::from_millis(50))
}

fn stage(batches: usize, options: Options) -> (Mock, Client, Consumer) {
    let mock = Mock::start(MockOptions::default()).unwrap();
    let client = Client::new(&mock.url(), Options::new()).unwrap();
    let consumer = client.consumer("t", "s", options).unwrap();
    for _ in 0..batches {
        mock.publish("t", batch()).unwrap();
    }
    (mock, client, consumer)
}

fn receive(consumer: &Consumer, count: usize) -> Vec<Message> {
    let messages: Vec<_> = (0..count).map(|_| consumer.receive(Some(PATIENCE)).unwrap()).collect();
    let texts: Vec<_> = messages.iter().map(Message::payload).collect();
    for (text, expected) in texts.iter().zip(["one", "two", "three"].iter().cycle()) {
        assert_eq!(text, expected);
    }
    messages
}

#[test]
fn an_encrypted_batch_is_taken_apart_and_acknowledged_when_all_of_it_is() {
    let (mock, _client, consumer) = stage(1, options());
    let messages = receive(&consumer, 3);
    let told = |message: &Message| (message.key().map(str::to_owned), message.properties()["p"].clone());
    let told: Vec<_> = messages.iter().map(told).collect();
    assert_eq!(told, [("a", "1"), ("b", "2"), ("a", "3")].map(|(key, value)| (Some(key.to_owned()), value.to_owned())));
    let indexes: Vec<_> = messages.iter().map(|message| message.id().batch_index()).collect();
    assert_eq!(indexes, [Some(0), Some(1), Some(2)]);
    consumer.ack(&messages[2]).unwrap();
    consumer.ack_id(messages[0].id()).unwrap();
    consumer.ack(&messages[0]).unwrap();
    assert!(!mock.wait("ack", Some("t"), 1, SOON).unwrap());
    consumer.ack(&messages[1]).unwrap();
    assert!(mock.wait("ack", Some("t"), 1, PATIENCE).unwrap());
    assert_eq!(mock.backlog("t", "s"), Ok(0));
    assert_eq!((consumer.stats().received, consumer.stats().unacked), (3, 0));
}

#[test]
fn one_message_that_is_refused_brings_its_batch_again_once() {
    let (mock, _client, consumer) = stage(1, options());
    let messages = receive(&consumer, 3);
    consumer.nack(&messages[1]).unwrap();
    consumer.nack_id(messages[2].id()).unwrap();
    consumer.ack(&messages[0]).unwrap();
    receive(&consumer, 3).iter().for_each(|message| consumer.ack(message).unwrap());
    assert!(mock.wait("ack", Some("t"), 1, PATIENCE).unwrap());
    assert_eq!((mock.count(Op::Nack, Some("t")).unwrap(), mock.backlog("t", "s")), (1, Ok(0)));
}

#[test]
fn what_is_left_of_a_batch_at_a_disconnect_comes_again_whole() {
    let (mock, _client, consumer) = stage(2, options());
    let first = receive(&consumer, 1).remove(0);
    mock.drop_connections(Some("t")).unwrap();
    assert!(mock.wait("connect", Some("t"), 2, PATIENCE).unwrap());
    // The queue held the remaining messages of both batches, and has discarded them.
    let again = receive(&consumer, 6);
    consumer.ack(&first).unwrap();
    again.iter().for_each(|message| consumer.ack(message).unwrap());
    assert!(mock.wait("ack", Some("t"), 2, PATIENCE).unwrap());
    assert_eq!((mock.count(Op::Ack, Some("t")).unwrap(), mock.backlog("t", "s")), (2, Ok(0)));
}

#[test]
fn a_cumulative_acknowledgement_within_an_encrypted_batch_leaves_it_whole() {
    let (mock, _client, consumer) = stage(3, options());
    let messages = receive(&consumer, 9);
    consumer.ack_cumulative(&messages[4]).unwrap();
    assert!(mock.wait("ack", Some("t"), 1, PATIENCE).unwrap());
    assert!(!mock.wait("ack", Some("t"), 2, SOON).unwrap());
    assert_eq!(mock.backlog("t", "s"), Ok(2));
    consumer.ack(&messages[5]).unwrap();
    assert!(mock.wait("ack", Some("t"), 2, PATIENCE).unwrap());
    consumer.ack_cumulative(&messages[8]).unwrap();
    assert!(mock.wait("ack", Some("t"), 3, PATIENCE).unwrap());
    assert_eq!(mock.backlog("t", "s"), Ok(0));
}

#[test]
fn handlers_and_pull_mode_count_a_batch_as_the_frame_that_it_is() {
    let pulling = options().pull_mode(true).queue_size(1).subscription_type(SubscriptionType::Shared).processors(2);
    let (mock, _client, consumer) = stage(20, pulling);
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.payload().clone())?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    for _ in 0..60 {
        told.recv_timeout(PATIENCE).unwrap();
    }
    assert!(mock.wait("ack", Some("t"), 20, PATIENCE).unwrap());
    assert_eq!((mock.backlog("t", "s"), consumer.stats().permits), (Ok(0), 1));
}

#[test]
fn a_batch_that_cannot_be_read_is_not_delivered_in_part() {
    let (mock, _client, consumer) = stage(0, options());
    let mut short = batch();
    short.encryption_context.as_mut().unwrap()["batchSize"] = json!(2);
    mock.publish("t", short).unwrap();
    assert!(mock.wait("nack", Some("t"), 1, PATIENCE).unwrap());
    assert!(consumer.receive_many(1, SOON).unwrap().is_empty());
    assert!(consumer.stats().undecryptable > 0);
}
