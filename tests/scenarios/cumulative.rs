//! Cumulative acknowledgements: everything up to a message at once.

use std::time::Duration;

use stargate_core::blocking::{Client, Consumer};
use stargate_core::{ErrorKind, InitialPosition, Message, Options, SubscriptionType, TopicName, Topics};

use crate::broker::Broker;
use crate::line::Line;
use crate::waiting::{PATIENCE, eventually};

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest)
}

fn send(client: &Client, topic: &str, options: Options, count: usize) {
    let producer = client.producer(topic, options).unwrap();
    let sent =
        producer.send_all((0..count).map(|number| (format!("key {}", number % 10), number.to_string()))).unwrap();
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    producer.close(PATIENCE).unwrap();
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(message.payload()).unwrap().parse().unwrap()
}

fn receive(consumer: &Consumer, count: usize) -> Vec<Message> {
    let messages = consumer.receive_many(count, PATIENCE).unwrap();
    assert_eq!(messages.len(), count);
    messages
}

pub(crate) fn a_cumulative_acknowledgement_ends_all_up_to_its_message(broker: &Broker) {
    for kind in [SubscriptionType::Exclusive, SubscriptionType::Failover] {
        let (client, topic) = (broker.client(), broker.topic());
        let consumer = client.consumer(&topic, "s", earliest().subscription_type(kind)).unwrap();
        send(&client, &topic, Options::new(), 100);
        let messages = receive(&consumer, 100);
        consumer.ack_cumulative(&messages[39]).unwrap();
        eventually("forty are acknowledged", || broker.backlog(&topic, "s") == 60);
        consumer.ack_cumulative_id(messages[79].id()).unwrap();
        eventually("and forty more", || broker.backlog(&topic, "s") == 20);
        assert_eq!((consumer.stats().acked, consumer.stats().unacked), (80, 20));
        // The rest is redelivered, from where the acknowledgement ended.
        consumer.close(PATIENCE).unwrap();
        let next = client.consumer(&topic, "s", earliest().subscription_type(kind)).unwrap();
        assert_eq!(receive(&next, 20).iter().map(number).collect::<Vec<_>>(), (80..100).collect::<Vec<_>>());
    }
}

pub(crate) fn a_cumulative_acknowledgement_may_end_within_a_batch(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    // Two batches of ten.
    let batches = Options::new().batch_enabled(true).batch_max_msg(10).batch_max_delay(Duration::from_millis(500));
    send(&client, &topic, batches, 20);
    let messages = receive(&consumer, 20);
    assert!(messages.iter().all(|message| message.id().batch_index().is_some()));
    let entries: std::collections::BTreeSet<_> = messages.iter().map(|message| message.id().entry()).collect();
    assert_eq!(entries.len(), 2);
    // The broker frees a batch when all of it is acknowledged.
    consumer.ack_cumulative(&messages[14]).unwrap();
    eventually("the first batch is acknowledged", || broker.backlog(&topic, "s") == 1);
    consumer.ack_cumulative(&messages[19]).unwrap();
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
}

pub(crate) fn a_cumulative_acknowledgement_is_of_one_partition(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(2));
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    send(&client, &topic, Options::new(), 60);
    let messages = receive(&consumer, 60);
    let of = |partition| messages.iter().filter(move |message| message.id().partition() == Some(partition));
    let last = of(0).max_by_key(|message| message.id().clone()).unwrap();
    consumer.ack_cumulative(last).unwrap();
    let backlog = |partition: u32| broker.backlog(&format!("{topic}-partition-{partition}"), "s");
    eventually("its partition is acknowledged", || backlog(0) == 0);
    assert_eq!(backlog(1), of(1).count() as u64, "and the other is not");
}

pub(crate) fn a_cumulative_acknowledgement_by_an_id_holds_for_what_comes(broker: &Broker) {
    let (line, topic) = (Line::to(&broker.url), broker.topic());
    let client = line.client();
    let first = client.consumer(&topic, "s", earliest()).unwrap();
    send(&client, &topic, Options::new(), 10);
    let id = receive(&first, 10)[6].id().clone();
    first.close(PATIENCE).unwrap();
    // An application that keeps its own position tells it before it begins.
    let mut opened = None;
    line.cut_during(|| {
        let consumer = opened.insert(client.consumer(&topic, "s", earliest().lazy(true)).unwrap());
        consumer.ack_cumulative_id(&id).unwrap();
    });
    let consumer = opened.unwrap();
    assert_eq!(receive(&consumer, 3).iter().map(number).collect::<Vec<_>>(), [7, 8, 9]);
    eventually("seven are acknowledged", || broker.backlog(&topic, "s") == 3);
    assert_eq!(consumer.stats().covered, 7);
}

pub(crate) fn a_cumulative_acknowledgement_outlives_its_connection(broker: &Broker) {
    let (line, topic) = (Line::to(&broker.url), broker.topic());
    let client = line.client();
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    send(&client, &topic, Options::new(), 10);
    let messages = receive(&consumer, 10);
    line.cut_during(|| {
        eventually("the connection is lost", || consumer.stats().unacked == 0);
        consumer.ack_cumulative(&messages[5]).unwrap();
    });
    // All ten are redelivered over the next connection; those that are done are not delivered to the application.
    assert_eq!(receive(&consumer, 4).iter().map(number).collect::<Vec<_>>(), [6, 7, 8, 9]);
    eventually("six are acknowledged", || broker.backlog(&topic, "s") == 4);
    assert_eq!((consumer.stats().covered, consumer.stats().reconnects), (6, 1));
}

pub(crate) fn a_cumulative_acknowledgement_that_cannot_be_is_refused(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let refused = |consumer: &Consumer, words: &str| {
        send(&client, &consumer.topic().to_string(), Options::new(), 1);
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        let error = consumer.ack_cumulative(&message).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(consumer.stats().acked, 0);
    };
    for kind in [SubscriptionType::Shared, SubscriptionType::KeyShared] {
        let options = earliest().subscription_type(kind);
        refused(&client.consumer(&topic, kind.as_str(), options).unwrap(), "exclusive and failover");
    }
    let topics: Vec<TopicName> = vec![topic.parse().unwrap(), broker.topic().parse().unwrap()];
    refused(&client.consumer_of(Topics::Several(topics), "several", earliest()).unwrap(), "the topic of a message");
    let passing = broker.topic().replace("persistent://", "non-persistent://");
    refused(&client.consumer(&passing, "s", earliest()).unwrap(), "the same id");
    // What the other clients take for the end of a topic would be everything that ever comes.
    let consumer = client.consumer(&topic, "exclusive", earliest()).unwrap();
    let latest = "CP//////////fxD//////////38=".parse().unwrap();
    assert_eq!(consumer.ack_cumulative_id(&latest).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
