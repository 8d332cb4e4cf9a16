//! Readers: where they begin, and that they go on.

use std::sync::mpsc;
use std::time::Duration;

use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Reader};
use stargate_core::{ErrorKind, HandlerResult, Message, Options, Outcome, RoutingMode};

use crate::broker::Broker;
use crate::line::Line;
use crate::waiting::{PATIENCE, eventually};

fn send(client: &Client, topic: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    let producer = client.producer(topic, Options::new()).unwrap();
    let results = producer.send_all(numbers.map(|number| number.to_string())).unwrap();
    results.into_iter().map(|result| result.unwrap().message_id().as_str().to_owned()).collect()
}

fn read(reader: &Reader, count: usize) -> Vec<usize> {
    let messages = reader.receive_many(count, PATIENCE).unwrap();
    messages.iter().map(|message| std::str::from_utf8(message.payload()).unwrap().parse().unwrap()).collect()
}

fn from(position: &str) -> Options {
    Options::new().starting_message(position)
}

pub(crate) fn a_reader_begins_at_the_earliest(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 0..5);
    let reader = client.reader(&topic, from("earliest")).unwrap();
    assert_eq!(read(&reader, 5), [0, 1, 2, 3, 4]);
    let again = client.reader(&topic, from("earliest")).unwrap();
    assert_eq!(read(&again, 5), [0, 1, 2, 3, 4], "a reader acknowledges nothing");
}

pub(crate) fn a_reader_begins_at_the_latest(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 0..5);
    let reader = client.reader(&topic, Options::new()).unwrap();
    send(&client, &topic, 5..8);
    assert_eq!(read(&reader, 3), [5, 6, 7]);
    let empty = broker.topic();
    let reader = client.reader(&empty, from("latest")).unwrap();
    send(&client, &empty, 0..2);
    assert_eq!(read(&reader, 2), [0, 1]);
}

pub(crate) fn a_reader_of_a_new_topic_skips_nothing_when_its_first_connection_breaks(broker: &Broker) {
    let (line, topic) = (Line::to(&broker.url), broker.topic());
    let client = line.client();
    let reader = client.reader(&topic, from("latest")).unwrap();
    line.cut_during(|| drop(send(&broker.client(), &topic, 0..3)));
    assert_eq!(read(&reader, 3), [0, 1, 2]);
}

pub(crate) fn a_reader_begins_after_an_id(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let ids = send(&client, &topic, 0..5);
    let reader = client.reader(&topic, from(&ids[2])).unwrap();
    assert_eq!(read(&reader, 2), [3, 4]);
}

pub(crate) fn a_reader_goes_on_past_its_window(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 0..500);
    let reader = client.reader(&topic, from("earliest").queue_size(10)).unwrap();
    eventually("the window is full", || reader.stats().queued == 10);
    assert_eq!(read(&reader, 500), (0..500).collect::<Vec<_>>());
}

pub(crate) fn a_reader_of_the_smallest_window_goes_on_after_an_id_and_after_a_disconnect(broker: &Broker) {
    let (line, topic) = (Line::to(&broker.url), broker.topic());
    let client = line.client();
    let ids = send(&client, &topic, 0..6);
    let reader = client.reader(&topic, from(&ids[0]).queue_size(1)).unwrap();
    assert_eq!(read(&reader, 2), [1, 2]);
    line.cut();
    assert_eq!(read(&reader, 3), [3, 4, 5]);
}

pub(crate) fn a_reader_with_a_handler_reads_all(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 0..50);
    let reader = client.reader(&topic, from("earliest").queue_size(5)).unwrap();
    let (sender, seen) = mpsc::channel();
    reader
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.payload().clone())?;
                Ok(Outcome::Continue)
            })
        })
        .unwrap();
    for number in 0..50 {
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), number.to_string().as_bytes());
    }
    reader.close(PATIENCE).unwrap();
}

pub(crate) fn a_partitioned_topic_is_read_whole(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(3));
    let producer = client.producer(&topic, Options::new().routing_mode(RoutingMode::RoundRobin)).unwrap();
    let receipts = producer.send_all((0..30).map(|number| number.to_string())).unwrap();
    let reader = client.reader(&topic, from("earliest")).unwrap();
    let mut numbers = read(&reader, 30);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    let id = receipts[0].as_ref().unwrap().message_id();
    let error = client.reader(&topic, from(id.as_str())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("-partition-0"), "{error}");
    let one = client.reader(format!("{topic}-partition-0"), from("earliest")).unwrap();
    assert_eq!(read(&one, 10).len(), 10);
}

pub(crate) fn partitions_that_a_topic_gets_are_read_too(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(1));
    send(&client, &topic, 0..3);
    let reader = client.reader(&topic, from("earliest")).unwrap();
    assert_eq!(read(&reader, 3), [0, 1, 2]);
    broker.grow(&topic, 3);
    for partition in 1..3 {
        send(&client, &format!("{topic}-partition-{partition}"), 10 * partition..10 * partition + 3);
    }
    assert!(reader.has_message_available().unwrap());
    assert_eq!(reader.last_message_ids().unwrap().len(), 3);
    let mut numbers = stored(&reader);
    numbers.sort_unstable();
    assert_eq!(numbers, [10, 11, 12, 20, 21, 22]);
    broker.grow(&topic, 4);
    send(&client, &format!("{topic}-partition-3"), 30..33);
    reader.seek(&Position::Earliest).unwrap();
    let mut numbers = stored(&reader);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]);
    reader.close(PATIENCE).unwrap();
}

pub(crate) fn a_reader_opens_before_its_partitioned_topic_exists(broker: &Broker) {
    let (client, namespace) = (broker.client(), broker.namespace());
    broker.create_partitioned_on_demand(&namespace, 3);
    let topic = format!("persistent://{namespace}/early");
    let reader = client.reader(&topic, from("earliest")).unwrap();
    assert!(!reader.has_message_available().unwrap());
    assert_eq!(stored(&reader), [0; 0]);
    send(&client, &format!("{topic}-partition-2"), 0..3);
    assert!(reader.has_message_available().unwrap());
    assert_eq!(stored(&reader), [0, 1, 2]);
    reader.seek(&Position::Earliest).unwrap();
    assert_eq!(stored(&reader), [0, 1, 2]);
}

/// The numbers up to the end as it is now.
fn stored(reader: &Reader) -> Vec<usize> {
    let number = |message: Message| std::str::from_utf8(message.payload()).unwrap().parse().unwrap();
    reader.until_caught_up().unwrap().map(|message| number(message.unwrap())).collect()
}

pub(crate) fn a_terminated_topic_ends_for_a_reader(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 0..2);
    let reader = client.reader(&topic, from("earliest")).unwrap();
    assert_eq!(read(&reader, 2), [0, 1]);
    assert!(!reader.is_end_of_topic(Some(PATIENCE)).unwrap());
    broker.terminate(&topic);
    eventually("the topic ends", || reader.is_end_of_topic(Some(Duration::from_secs(5))).unwrap());
    let again = client.reader(&topic, from("earliest")).unwrap();
    eventually("it has arrived", || again.stats().queued == 2);
    assert!(!again.is_end_of_topic(Some(PATIENCE)).unwrap(), "the application has not received it");
    assert_eq!(read(&again, 2), [0, 1]);
    eventually("it has been read", || again.is_end_of_topic(Some(PATIENCE)).unwrap());
}
