//! Sending, in all the ways there are.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use stargate_core::blocking::{Client, produce, wait};
use stargate_core::{
    CompressionType, ErrorKind, HandlerResult, HashingScheme, InitialPosition, Message, Options, Outcome,
    OutgoingMessage, RoutingMode, SubscriptionType, WhenFull,
};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually};

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest)
}

fn payloads(client: &Client, topic: &str, count: usize) -> Vec<Vec<u8>> {
    let reader = client.reader(topic, Options::new().starting_message("earliest")).unwrap();
    let read = reader.receive_many(count, PATIENCE).unwrap();
    read.iter().map(|message| message.payload().to_vec()).collect()
}

pub(crate) fn ten_thousand_messages_of_a_kibibyte_arrive_in_order(broker: &Broker) {
    const COUNT: usize = 10_000;
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let (sender, handled) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.payload().clone())?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let payload = |number: usize| format!("{number:>1024}");
    let sent = producer.send_all((0..COUNT).map(payload)).unwrap();
    assert!(sent.iter().all(Result::is_ok));
    for number in 0..COUNT {
        let received = handled.recv_timeout(PATIENCE).expect("none is lost");
        assert_eq!(received, payload(number).as_bytes());
    }
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
    client.close(PATIENCE).unwrap();
    assert_eq!((consumer.stats().acked, consumer.stats().acks_dropped), (COUNT as u64, 0));
}

pub(crate) fn a_receipt_has_the_id_that_the_consumer_sees(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let receipt = producer.send(OutgoingMessage::new("x").context("mine"), None).unwrap();
    assert_eq!(receipt.context(), Some("mine"));
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!(message.id(), receipt.message_id());
    assert!(!receipt.is_duplicate());
}

pub(crate) fn everything_about_a_message_arrives(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let outgoing = OutgoingMessage::new(vec![0, 255, 10])
        .key("schlüssel \"1\"")
        .property("a", "b\n")
        .property("ü", "")
        .event_time_ms(1_704_164_645_678);
    producer.send(outgoing, None).unwrap();
    producer.send(("k", ""), None).unwrap();
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!(message.payload().as_ref(), [0, 255, 10]);
    assert_eq!(message.key(), Some("schlüssel \"1\""));
    let properties: Vec<(&str, &str)> =
        message.properties().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(properties, [("a", "b\n"), ("ü", "")]);
    assert_eq!(message.event_time_ms(), Some(1_704_164_645_678));
    assert_eq!((message.redelivery_count(), message.topic().to_string()), (0, topic));
    let age = SystemTime::now().duration_since(message.publish_time().unwrap()).unwrap_or_default();
    assert!(age < Duration::from_secs(60), "{age:?}");
    let bare = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!((bare.key(), bare.payload().len(), bare.event_time()), (Some("k"), 0, None));
}

pub(crate) fn a_value_goes_as_json_and_what_does_not_fit_is_named(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let value = (7, vec!["two".to_owned(), "texts".to_owned()]);
    producer.send(OutgoingMessage::json(&value).unwrap().key("k"), None).unwrap();
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!((message.payload().as_ref(), message.key()), (br#"[7,["two","texts"]]"#.as_slice(), Some("k")));
    assert_eq!(message.json::<(i32, Vec<String>)>().unwrap(), value);
    let error = message.json::<(i32, i32)>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains(&message.id().to_string()) && error.to_string().contains("sequence"), "{error}");
    let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert_eq!(OutgoingMessage::json(&no_json).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

pub(crate) fn a_callback_is_told_result_and_context_once(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    let (sender, told) = mpsc::channel();
    for number in 0..100 {
        let sender = sender.clone();
        let message = OutgoingMessage::new("x").context(number.to_string());
        producer.send_with(message, move |sent| sender.send(sent).unwrap()).unwrap();
    }
    drop(sender);
    let told: Vec<_> = told.iter().collect();
    assert_eq!(told.len(), 100);
    for (number, sent) in told.iter().enumerate() {
        assert_eq!(sent.context, Some(number.to_string()));
        assert_eq!(sent.result.as_ref().unwrap().context(), sent.context.as_deref());
    }
}

pub(crate) fn a_list_gives_one_result_for_each_message_in_order(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    let messages = [vec![1], vec![0; 2 << 20], vec![3]];
    let results = producer.send_all(messages).unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::TooBig);
    assert_eq!(payloads(&client, &topic, 2), [[1], [3]]);
}

pub(crate) fn batches_keep_ids_and_order(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let options = Options::new().batch_enabled(true).batch_max_msg(10).batch_max_delay(Duration::from_millis(5));
    let producer = client.producer(&topic, options).unwrap();
    let sent = producer.send_all((0..100).map(|number: u8| vec![number])).unwrap();
    for (number, receipt) in (0u8..).zip(sent) {
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        assert_eq!(message.payload().as_ref(), [number]);
        assert_eq!(message.id(), receipt.unwrap().message_id());
        consumer.ack(&message).unwrap();
    }
    consumer.close(PATIENCE).unwrap();
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
}

pub(crate) fn every_compression_and_hashing_is_accepted(broker: &Broker) {
    use CompressionType::{Lz4, None, Snappy, Zlib, Zstd};
    let (client, topic) = (broker.client(), broker.topic());
    for compression in [None, Lz4, Zlib, Zstd, Snappy] {
        for hashing in [HashingScheme::JavaString, HashingScheme::Murmur3] {
            let options = Options::new().compression_type(compression).hashing_scheme(hashing);
            let producer = client.producer(&topic, options).unwrap();
            producer.send(("key", vec![7u8; 1000]), Option::None).unwrap();
        }
    }
    assert!(payloads(&client, &topic, 10).iter().all(|payload| *payload == vec![7; 1000]));
}

pub(crate) fn delayed_messages_wait_on_a_shared_subscription(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().subscription_type(SubscriptionType::Shared)).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    let begun = Instant::now();
    producer.send(OutgoingMessage::new("late").deliver_after(Duration::from_secs(2)), None).unwrap();
    let at = SystemTime::now() + Duration::from_secs(2);
    producer.send(OutgoingMessage::new("late too").deliver_at(at), None).unwrap();
    producer.send("now", None).unwrap();
    assert_eq!(consumer.receive(Some(PATIENCE)).unwrap().payload().as_ref(), b"now");
    assert!(begun.elapsed() < Duration::from_secs(2));
    for _ in 0..2 {
        assert!(consumer.receive(Some(PATIENCE)).unwrap().payload().starts_with(b"late"));
    }
    // The broker looks at its delayed messages once a second.
    assert!(begun.elapsed() > Duration::from_millis(1900), "{:?}", begun.elapsed());
}

pub(crate) fn a_full_queue_fails_or_waits_as_wanted(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let failing = client.producer(&topic, Options::new().max_pending_msg(10).when_full(WhenFull::Fail)).unwrap();
    let results = failing.send_all((0..2000).map(|_| vec![0u8; 1000])).unwrap();
    let full = results.iter().filter(|result| result.as_ref().is_err_and(|e| e.kind() == ErrorKind::QueueFull)).count();
    assert!(full > 0 && results.iter().filter(|result| result.is_ok()).count() == 2000 - full, "{full}");
    let waiting = client.producer(&topic, Options::new().max_pending_bytes(4096)).unwrap();
    let results = waiting.send_all((0..500).map(|_| vec![0u8; 3000])).unwrap();
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(waiting.stats().in_flight, 0);
}

pub(crate) fn a_send_in_a_callback_does_not_wait_for_callbacks(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new().max_pending_msg(1)).unwrap();
    let (sender, told) = mpsc::channel();
    let inside = producer.clone();
    let in_callback = move |_| {
        let core = inside.as_async();
        inside.send_with("b", |_| {}).unwrap();
        let refused = [
            inside.send_with("c", |_| {}).unwrap_err(),
            inside.send("c", None).unwrap_err(),
            wait(core.send_many_with(vec!["c".into()], None, |_| {}), None).unwrap_err(),
            wait(core.wait_room(1), None).unwrap_err(),
            wait(core.send_if_room("c", Some(Duration::ZERO), |_| {}), None).unwrap_err(),
        ];
        sender.send(refused).unwrap();
    };
    producer.send_with("a", in_callback).unwrap();
    let [others @ .., at_once] = told.recv_timeout(PATIENCE).unwrap();
    for error in others {
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock, "{error}");
        assert!(error.to_string().contains(&topic), "{error}");
    }
    assert_eq!(at_once.kind(), ErrorKind::QueueFull, "{at_once}");
    // Elsewhere it waits, and in a callback too if no callback holds the room.
    producer.send("c", Some(PATIENCE)).unwrap();
    let (sender, told) = mpsc::channel();
    let inside = producer.clone();
    let in_callback = move |_| {
        let before = wait(inside.as_async().enqueue("d"), None).unwrap();
        sender.send((inside.send("e", None), wait(before, None))).unwrap();
    };
    producer.as_async().complete_with(async { Ok(()) }, None, in_callback).unwrap();
    let (waited, before) = told.recv_timeout(PATIENCE).unwrap();
    assert!(waited.is_ok() && before.is_ok(), "{waited:?} {before:?}");
    assert_eq!(payloads(&client, &topic, 5), [*b"a", *b"b", *b"c", *b"d", *b"e"]);
}

pub(crate) fn a_send_does_not_block_the_thread_that_polls_callbacks(broker: &Broker) {
    let client = Client::new(&broker.url, Options::new().poll_callbacks()).unwrap();
    let topic = broker.topic();
    let producer = client.producer(&topic, Options::new().max_pending_msg(2)).unwrap();
    let poll = || client.as_async().poll_callbacks(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(poll(), 0);
    producer.send_with("a", |_| {}).unwrap();
    producer.send_with("b", |_| {}).unwrap();
    let refused = [producer.send_with("c", |_| {}).unwrap_err(), producer.send("c", None).unwrap_err()];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::WouldDeadlock, "{error}");
    }
    // A task that waits does not keep the thread from polling, nor does another thread.
    let mut in_task = Box::pin(producer.as_async().send_with("c", |_| {}));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(in_task.as_mut().poll(&mut cx).is_pending());
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| producer.send("d", Some(PATIENCE)));
        eventually("the task has sent", || {
            poll();
            in_task.as_mut().poll(&mut cx).is_ready()
        });
        eventually("the thread has sent", || {
            poll();
            elsewhere.is_finished()
        });
        elsewhere.join().unwrap().unwrap();
    });
    // Which of the two was accepted first is open.
    let mut stored = payloads(&client, &topic, 4);
    stored.sort();
    assert_eq!(stored, [*b"a", *b"b", *b"c", *b"d"]);
}

pub(crate) fn messages_sent_together_keep_their_room_until_they_are_called_back(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new().max_pending_msg(2)).unwrap();
    let core = producer.as_async();
    let ((release, blocked), (sender, told), (begins, begun)) = (mpsc::channel(), mpsc::channel(), mpsc::channel());
    let blocks = move |_| {
        begins.send(()).unwrap();
        let _: Result<(), _> = blocked.recv();
    };
    client.as_async().complete_with(async { Ok(()) }, None, blocks).unwrap();
    begun.recv_timeout(PATIENCE).unwrap();
    let callback =
        move |results: Vec<stargate_core::Result<_>>| sender.send(results.iter().all(Result::is_ok)).unwrap();
    let lot = |count: usize| -> Vec<OutgoingMessage> { vec!["x".into(); count] };
    assert_eq!(wait(core.send_many_with(lot(2), None, callback), None).unwrap(), 2);
    producer.flush(Some(PATIENCE)).unwrap();
    let full = wait(core.send_if_room("y", Some(Duration::ZERO), |_| {}), None).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::QueueFull, "{full}");
    release.send(()).unwrap();
    assert!(told.recv_timeout(PATIENCE).unwrap());
    producer.send("y", Some(PATIENCE)).unwrap();
    // More than there is room for: the first make room for the last.
    assert_eq!(wait(core.send_many_with(lot(5), None, |_| {}), None).unwrap(), 5);
    producer.flush(Some(PATIENCE)).unwrap();
    assert_eq!(producer.stats().receipts, 8);
}

pub(crate) fn a_flush_waits_for_what_was_sent_before(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.flush(Some(PATIENCE)).unwrap();
    for _ in 0..500 {
        producer.send_with("x", |_| {}).unwrap();
    }
    producer.flush(Some(PATIENCE)).unwrap();
    let stats = producer.stats();
    assert_eq!((stats.receipts, stats.in_flight), (500, 0));
}

pub(crate) fn a_terminated_topic_says_so(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send("x", None).unwrap();
    broker.terminate(&topic);
    let error = producer.send("y", Some(PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicTerminated, "{error}");
    assert!(error.to_string().contains(&topic) && error.broker_text().is_some(), "{error}");
    let error = client.producer(&topic, Options::new()).unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::TopicTerminated, Some(503)), "{error}");
}

pub(crate) fn ad_hoc_producing_takes_a_url_and_cleans_up(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let url = format!("{}/ws/v2/producer/{}?batchingEnabled=true", broker.url, topic.replace("://", "/"));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let results = produce(&url, ["one", "two"], Options::new()).unwrap();
                assert!(results.iter().all(Result::is_ok) && results.len() == 2);
            });
        }
    });
    assert_eq!(payloads(&client, &topic, 16).len(), 16);
    for (bad, word) in [
        (url.replace("producer", "consumer"), "/ws/v2/producer/"),
        (format!("{url}&compressionType=BAD"), "compression_type"),
        (format!("{url}&nonsense=1"), "nonsense"),
        (url.replace("public", "missing-tenant"), "not found"),
    ] {
        let error = produce(&bad, ["x"], Options::new()).unwrap_err();
        assert!(error.to_string().contains(word), "{bad}: {error}");
    }
    eventually("no producer is left", || broker.attached(&topic) == 0);
}

pub(crate) fn deduplication_drops_what_is_sent_twice(broker: &Broker) {
    let namespace = broker.namespace();
    broker.deduplicate(&namespace);
    let (client, topic) = (broker.client(), format!("persistent://{namespace}/t"));
    let options = || Options::new().name("p").effectively_once(true).initial_seq_id(-1);
    for attempt in 0..2 {
        let producer = client.producer(&topic, options()).unwrap();
        let results = producer.send_all((0..5u8).map(|number| vec![number])).unwrap();
        for result in results {
            // The second run sends what the first has sent already, under the same ids.
            assert_eq!(result.unwrap().is_duplicate(), attempt == 1);
        }
        producer.close(PATIENCE).unwrap();
    }
    assert_eq!(payloads(&client, &topic, 5), [[0], [1], [2], [3], [4]]);
    let stale = client.producer(&topic, Options::new().name("p").effectively_once(true)).unwrap();
    assert!(!stale.send("new", None).unwrap().is_duplicate(), "a new run begins above the ids of the last");
}

pub(crate) fn a_round_robin_producer_fills_all_partitions(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(3));
    let producer = client.producer(&topic, Options::new().routing_mode(RoutingMode::RoundRobin)).unwrap();
    let receipts = producer.send_all((0..30u8).map(|number| vec![number])).unwrap();
    let partitions: BTreeSet<_> =
        receipts.into_iter().map(|receipt| receipt.unwrap().message_id().partition()).collect();
    assert_eq!(partitions.into_iter().collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
}

/// The proxy looks for them once a minute, for both.
pub(crate) fn producers_and_consumers_take_up_the_partitions_that_their_topic_gets(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(1));
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    let producer = client.producer(&topic, Options::new().routing_mode(RoutingMode::RoundRobin)).unwrap();
    broker.grow(&topic, 3);
    let (mut sent, mut used) = (BTreeSet::new(), BTreeSet::new());
    let until = Instant::now() + Duration::from_secs(100);
    while used.len() < 3 {
        assert!(Instant::now() < until, "only {used:?} are used");
        let number = sent.len().to_string();
        used.insert(producer.send(number.clone(), None).unwrap().message_id().partition());
        sent.insert(number);
        std::thread::sleep(Duration::from_millis(100));
    }
    while !sent.is_empty() {
        let message = consumer.receive(Some(until - Instant::now())).unwrap();
        sent.remove(std::str::from_utf8(message.payload()).unwrap());
        consumer.ack(&message).unwrap();
    }
}
