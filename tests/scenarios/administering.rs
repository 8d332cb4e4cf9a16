//! The REST API.

use std::time::{Duration, SystemTime};

use stargate_core::admin::{Position, StoredMessage};
use stargate_core::blocking::{Client, Consumer};
use stargate_core::{ErrorKind, InitialPosition, MessageId, Options, Outgoing, SubscriptionType};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually, unique};

/// Sends numbers from 0, and gives their ids.
fn send(client: &Client, topic: &str, count: usize) -> Vec<MessageId> {
    let producer = client.producer(topic, Options::new()).unwrap();
    let receipts = producer.send_all((0..count).map(|number| number.to_string())).unwrap();
    producer.close(PATIENCE).unwrap();
    receipts.into_iter().map(|receipt| receipt.unwrap().message_id().clone()).collect()
}

fn subscribe(client: &Client, topic: &str) -> Consumer {
    client.consumer(topic, "s", Options::new().initial_position(InitialPosition::Earliest)).unwrap()
}

fn receive(consumer: &Consumer, count: usize) -> Vec<String> {
    let messages = consumer.receive_many(count, PATIENCE).unwrap();
    messages.iter().for_each(|message| consumer.ack(message).unwrap());
    messages.iter().map(|message| text(message.payload())).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn texts(messages: &[StoredMessage]) -> Vec<String> {
    messages.iter().map(|stored| text(stored.message().payload())).collect()
}

pub(crate) fn the_last_message_of_a_topic_has_an_id(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let missing = client.admin().last_message_id(&topic).unwrap_err();
    assert_eq!((missing.kind(), missing.http_status()), (ErrorKind::NotFound, Some(404)), "{missing}");
    assert_eq!(missing.topic(), Some(topic.as_str()));
    let _consumer = subscribe(&client, &topic);
    assert_eq!(client.admin().last_message_id(&topic).unwrap(), None);
    let ids = send(&client, &topic, 3);
    assert_eq!(client.admin().last_message_id(&topic).unwrap().as_ref(), ids.last());
}

pub(crate) fn a_subscription_is_moved_to_any_position(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let consumer = subscribe(&client, &topic);
    let before = SystemTime::now() - Duration::from_secs(60);
    let ids = send(&client, &topic, 5);
    receive(&consumer, 5);
    for (position, expected) in [
        (Position::At(ids[3].clone()), vec!["3", "4"]),
        (Position::After(ids[3].clone()), vec!["4"]),
        (Position::Earliest, vec!["0", "1", "2", "3", "4"]),
        (Position::Time(before), vec!["0", "1", "2", "3", "4"]),
    ] {
        eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
        client.admin().seek(&topic, "s", &position).unwrap();
        assert_eq!(receive(&consumer, expected.len()), expected, "{position:?}");
    }
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
    consumer.close(PATIENCE).unwrap();
    client.admin().seek(&topic, "s", &Position::Earliest).unwrap();
    assert_eq!(broker.backlog(&topic, "s"), 5);
    client.admin().seek(&topic, "s", &Position::Latest).unwrap();
    assert_eq!(broker.backlog(&topic, "s"), 0);
    let missing = client.admin().seek(&topic, "nobody", &Position::Earliest).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
}

pub(crate) fn a_subscription_of_partitions_is_moved_whole_and_by_id_in_part(broker: &Broker) {
    let client = broker.client();
    let topic = broker.partitioned_topic(2);
    assert_eq!(client.admin().partitions(&topic).unwrap(), 2);
    let consumer = subscribe(&client, &topic);
    let round = Options::new().routing_mode(stargate_core::RoutingMode::RoundRobin);
    let producer = client.producer(&topic, round).unwrap();
    let ids: Vec<MessageId> =
        (0..6).map(|n| producer.send(n.to_string(), Some(PATIENCE)).unwrap().message_id().clone()).collect();
    receive(&consumer, 6);
    let backlog = || -> u64 { (0..2).map(|n| broker.backlog(&format!("{topic}-partition-{n}"), "s")).sum() };
    eventually("all is acknowledged", || backlog() == 0);
    consumer.close(PATIENCE).unwrap();
    client.admin().seek(&topic, "s", &Position::Earliest).unwrap();
    assert_eq!(backlog(), 6);
    client.admin().seek(&topic, "s", &Position::Latest).unwrap();
    assert_eq!(backlog(), 0);
    // Three messages went to each partition; the last one came to the partition that the second one came to.
    client.admin().seek(&topic, "s", &Position::After(ids[1].clone())).unwrap();
    assert_eq!(backlog(), 2);
}

pub(crate) fn messages_are_skipped(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    subscribe(&client, &topic).close(PATIENCE).unwrap();
    send(&client, &topic, 5);
    client.admin().skip(&topic, "s", 2).unwrap();
    assert_eq!(texts(&client.admin().peek(&topic, "s", 10).unwrap()), ["2", "3", "4"]);
    client.admin().skip_all(&topic, "s").unwrap();
    assert_eq!(client.admin().peek_entry(&topic, "s", 1).unwrap().map(|entry| entry.len()), None);
    assert_eq!(client.admin().topic_stats(&topic).unwrap().subscriptions["s"].msg_backlog, 0);
}

pub(crate) fn what_is_peeked_at_is_whole_and_stays(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let consumer = subscribe(&client, &topic);
    let producer = client.producer(&topic, Options::new().name(&unique("maker"))).unwrap();
    let message = Outgoing::new("payload").key("key").property("a", "b").event_time_ms(1_700_000_000_123);
    let id = producer.send(message, Some(PATIENCE)).unwrap().message_id().clone();
    let peeked = client.admin().peek(&topic, "s", 10).unwrap();
    let [stored] = &peeked[..] else { panic!("{peeked:?}") };
    let received = consumer.receive(Some(PATIENCE)).unwrap();
    for message in [stored.message(), &received] {
        assert_eq!((message.id(), text(message.payload())), (&id, "payload".to_owned()));
        assert_eq!((message.key(), message.event_time_ms()), (Some("key"), Some(1_700_000_000_123)));
        assert_eq!(message.properties().get("a").map(String::as_str), Some("b"));
        assert_eq!(message.publish_time_ms(), received.publish_time_ms());
    }
    assert!(stored.producer_name().starts_with("maker"));
    assert_eq!((stored.sequence_id(), stored.is_null(), stored.is_encrypted()), (0, false, false));
}

pub(crate) fn a_batch_is_peeked_at_message_by_message(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let consumer = subscribe(&client, &topic);
    let batched = Options::new().batch_enabled(true).batch_max_msg(3).batch_max_delay(Duration::from_secs(5));
    let producer = client.producer(&topic, batched).unwrap();
    let messages = (0..3).map(|n| Outgoing::new(n.to_string()).key(format!("k{n}")).property("n", n.to_string()));
    producer.send_all(messages).unwrap();
    let peeked = client.admin().peek(&topic, "s", 10).unwrap();
    let received = consumer.receive_many(3, PATIENCE).unwrap();
    assert_eq!(texts(&peeked), ["0", "1", "2"]);
    for (index, (stored, received)) in peeked.iter().zip(&received).enumerate() {
        let message = stored.message();
        assert_eq!((message.id(), message.key()), (received.id(), received.key()));
        assert_eq!(message.properties(), received.properties());
        assert_eq!(message.publish_time_ms(), received.publish_time_ms());
        assert_eq!(stored.sequence_id(), index as i64);
    }
    assert_eq!(client.admin().peek(&topic, "s", 2).unwrap().len(), 2);
}

pub(crate) fn statistics_tell_who_is_there_and_what_waits(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let shared = Options::new().initial_position(InitialPosition::Earliest).subscription_type(SubscriptionType::Shared);
    let consumer = client.consumer(&topic, "s", shared.name("me")).unwrap();
    let producer = client.producer(&topic, Options::new().name(&unique("maker"))).unwrap();
    for number in 0..3 {
        producer.send(number.to_string(), Some(PATIENCE)).unwrap();
    }
    consumer.receive_many(3, PATIENCE).unwrap();
    let stats = client.admin().topic_stats(&topic).unwrap();
    assert!(stats.publishers[0].producer_name.starts_with("maker"), "{stats:?}");
    let subscription = &stats.subscriptions["s"];
    assert_eq!((subscription.kind.as_str(), subscription.is_durable), ("Shared", true));
    assert_eq!((subscription.msg_backlog, subscription.unacked_messages), (3, 3));
    assert_eq!(subscription.consumers[0].consumer_name, "me");
    assert!(stats.storage_size > 0 && stats.raw.contains("\"msgBacklog\""), "{stats:?}");
    assert_eq!(client.admin().subscriptions(&topic).unwrap(), ["s"]);
}

pub(crate) fn a_request_of_ones_own_is_sent_as_it_is(broker: &Broker) {
    let admin = broker.client().admin();
    let answer = admin.request("GET", "brokers/health", None).unwrap();
    assert_eq!((answer.status, text(&answer.body)), (200, "ok".to_owned()));
    let namespace = broker.namespace();
    let path = format!("/admin/v2/namespaces/{namespace}/deduplication");
    assert_eq!(admin.request("POST", &path, Some("true")).unwrap().status, 204);
    assert_eq!(text(&admin.request("GET", &path, None).unwrap().body), "true");
    let error = admin.request("GET", "persistent/public/default/nothing/stats", None).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::NotFound, Some(404)));
    assert!(error.to_string().contains("not found"), "{error}");
    for (method, path) in [("SPY ON", "clusters"), ("GET", "a b"), ("GET", "/\r\nX: y")] {
        assert_eq!(admin.request(method, path, None).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
