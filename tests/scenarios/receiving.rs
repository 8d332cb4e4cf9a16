//! Consumers: handlers, receiving, acknowledgements, subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use stargate_core::blocking::{Client, Consumer};
use stargate_core::{
    ErrorKind, HandlerResult, InitialPosition, Level, Message, Options, Ordering, Outcome, OutgoingMessage,
    SubscriptionMode, SubscriptionType, TopicName, Topics,
};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually, unique};

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest)
}

fn shared() -> Options {
    earliest().subscription_type(SubscriptionType::Shared)
}

fn send(client: &Client, topic: &str, count: usize) {
    let producer = client.producer(topic, Options::new()).unwrap();
    let results = producer.send_all((0..count).map(|number| number.to_string())).unwrap();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    producer.close(PATIENCE).unwrap();
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(message.payload()).unwrap().parse().unwrap()
}

fn receive(consumer: &Consumer, count: usize) -> Vec<usize> {
    let messages = consumer.receive_many(count, PATIENCE).unwrap();
    for message in &messages {
        consumer.ack(message).unwrap();
    }
    messages.iter().map(number).collect()
}

pub(crate) fn a_handler_has_its_own_state_on_each_processor(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().processors(4)).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |processor| {
            let sender = sender.clone();
            let mut seen = 0;
            let mut thread = None;
            Ok(move |message: &Message| -> HandlerResult {
                seen += 1;
                let here = std::thread::current().id();
                assert_eq!(*thread.get_or_insert(here), here, "always on the same thread");
                std::thread::sleep(Duration::from_micros(200));
                sender.send((processor, seen, number(message)))?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    send(&client, &topic, 200);
    let mut counts = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for _ in 0..200 {
        let (processor, seen, number) = told.recv_timeout(PATIENCE).unwrap();
        let count = counts.entry(processor).or_insert(0);
        *count += 1;
        assert_eq!(*count, seen, "each processor counts its own");
        assert!(numbers.insert(number));
    }
    assert_eq!(counts.len(), 4, "all of them worked: {counts:?}");
}

pub(crate) fn what_is_continued_is_acknowledged_later_by_its_id(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let (sender, ids) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.id().as_str().to_owned())?;
                Ok(Outcome::Continue)
            })
        })
        .unwrap();
    send(&client, &topic, 10);
    let ids: Vec<String> = (0..10).map(|_| ids.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!((consumer.stats().unacked, broker.backlog(&topic, "s")), (10, 10));
    for id in &ids {
        consumer.ack_id(&id.parse().unwrap()).unwrap();
    }
    eventually("the ids are acknowledged", || broker.backlog(&topic, "s") == 0);
    assert_eq!(consumer.stats().unacked, 0);
}

pub(crate) fn a_negative_acknowledgement_brings_the_message_again(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", shared().negative_ack_delay(Duration::from_millis(200))).unwrap();
    send(&client, &topic, 2);
    let first = consumer.receive(Some(PATIENCE)).unwrap();
    consumer.nack(&first).unwrap();
    let second = consumer.receive(Some(PATIENCE)).unwrap();
    consumer.ack(&second).unwrap();
    let again = consumer.receive(Some(PATIENCE)).unwrap();
    assert_eq!((again.id(), again.redelivery_count()), (first.id(), 1));
    consumer.ack(&again).unwrap();
    let stats = consumer.stats();
    assert_eq!(stats.redelivered, 1);
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
    eventually("it was counted", || consumer.stats().nacked == 1);
}

pub(crate) fn a_handler_that_fails_costs_only_its_message(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let options = shared().negative_ack_delay(Duration::from_millis(100));
    let consumer = client.consumer(&topic, "s", options).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                match (number(message), message.redelivery_count()) {
                    (3, 0) => return Err("an error on purpose".into()),
                    (5, 0) => panic!("a panic on purpose"),
                    _ => sender.send(number(message))?,
                }
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    send(&client, &topic, 10);
    let handled: BTreeSet<usize> = (0..10).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(handled.len(), 10);
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
    assert_eq!(consumer.stats().handler_errors, 2);
}

pub(crate) fn one_key_stays_with_one_processor_in_order(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().processors(4).ordering(Ordering::Key)).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |processor| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send((message.key().unwrap_or_default().to_owned(), processor, number(message)))?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send_all((0..400).map(|number| (format!("key {}", number % 20), number.to_string()))).unwrap();
    let mut of_key: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for _ in 0..400 {
        let (key, processor, number) = told.recv_timeout(PATIENCE).unwrap();
        of_key.entry(key).or_default().push((processor, number));
    }
    assert_eq!(of_key.len(), 20);
    for (key, handled) in of_key {
        assert!(handled.iter().all(|(processor, _)| *processor == handled[0].0), "{key}: {handled:?}");
        assert!(handled.iter().is_sorted_by_key(|(_, number)| *number), "{key}: {handled:?}");
    }
}

pub(crate) fn receiving_has_a_timeout_and_takes_many(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let begun = Instant::now();
    let error = consumer.receive(Some(Duration::from_millis(100))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(consumer.receive_many(10, Duration::from_millis(50)).unwrap().is_empty());
    send(&client, &topic, 25);
    assert_eq!(receive(&consumer, 25), (0..25).collect::<Vec<_>>());
}

pub(crate) fn an_interrupt_ends_each_receive_that_calls_back(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let (sender, told) = mpsc::channel();
    for _ in 0..50 {
        let sender = sender.clone();
        let callback = move |received: stargate_core::Result<_>| sender.send(received.unwrap_err().kind()).unwrap();
        consumer.as_async().receive_with(1, None, callback).unwrap();
    }
    consumer.interrupt().unwrap();
    for _ in 0..50 {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ErrorKind::Interrupted);
    }
    send(&client, &topic, 1);
    assert_eq!(receive(&consumer, 1), [0]);
}

pub(crate) fn pull_mode_never_has_more_in_hand_than_its_window(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().pull_mode(true).queue_size(8)).unwrap();
    send(&client, &topic, 100);
    eventually("the window is full", || consumer.stats().queued == 8);
    let mut numbers = Vec::new();
    while numbers.len() < 100 {
        numbers.extend(receive(&consumer, 1));
        assert!(consumer.stats().queued <= 8);
    }
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert_eq!(consumer.stats().received, 100);
    let error = consumer.permit(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

pub(crate) fn poison_goes_to_the_dead_letter_topic(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let dead_letters = format!("{topic}-graves");
    // A topic without a subscription keeps nothing.
    let graves = client.consumer(&dead_letters, "g", earliest()).unwrap();
    let options =
        shared().negative_ack_delay(Duration::from_millis(100)).max_redeliver_count(2).dead_letter_topic(&dead_letters);
    let consumer = client.consumer(&topic, "s", options).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send(OutgoingMessage::new("poison").key("k").property("a", "b"), None).unwrap();
    let mut counts = Vec::new();
    let grave = loop {
        if let Some(message) = consumer.receive_many(1, Duration::from_millis(50)).unwrap().first() {
            counts.push(message.redelivery_count());
            consumer.nack(message).unwrap();
        }
        if let Some(grave) = graves.receive_many(1, Duration::from_millis(50)).unwrap().pop() {
            break grave;
        }
        assert!(counts.len() < 20, "it never came to rest");
    };
    assert_eq!(counts, [0, 1, 2]);
    assert_eq!((grave.payload().as_ref(), grave.key()), (b"poison".as_slice(), Some("k")));
    assert_eq!(grave.properties()["a"], "b");
    assert!(grave.properties().contains_key("REAL_TOPIC"), "{:?}", grave.properties());
}

pub(crate) fn a_count_of_redeliveries_that_has_no_effect_is_warned_of(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    for (kind, word) in [
        (None, Some("exclusive")),
        (Some(SubscriptionType::Failover), Some("failover")),
        (Some(SubscriptionType::Shared), None),
        (Some(SubscriptionType::KeyShared), None),
    ] {
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = warnings.clone();
        let log = move |level: Level, _: &str, text: &str| {
            if level == Level::Warn {
                told.lock().unwrap().push(text.to_owned());
            }
        };
        let options = Options::new().max_redeliver_count(3).log_sink(log);
        let options = kind.map_or(options.clone(), |kind| options.subscription_type(kind));
        client.consumer(&topic, unique("s"), options).unwrap().close(PATIENCE).unwrap();
        let warnings = warnings.lock().unwrap();
        assert_eq!(warnings.len(), usize::from(word.is_some()), "{kind:?}: {warnings:?}");
        for (warning, word) in warnings.iter().zip(word) {
            assert!(warning.contains("max_redeliver_count") && warning.contains(word), "{warning}");
        }
    }
}

pub(crate) fn shared_consumers_split_the_messages(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumers: Vec<Consumer> =
        (0..2).map(|_| client.consumer(&topic, "s", shared().queue_size(10)).unwrap()).collect();
    send(&client, &topic, 100);
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    eventually("both have all", || {
        for (consumer, seen) in consumers.iter().zip(&mut seen) {
            for message in consumer.receive_many(5, Duration::from_millis(10)).unwrap() {
                consumer.ack(&message).unwrap();
                seen.insert(number(&message));
            }
        }
        seen[0].len() + seen[1].len() == 100
    });
    assert!(seen[0].is_disjoint(&seen[1]) && !seen[0].is_empty() && !seen[1].is_empty(), "{seen:?}");
}

pub(crate) fn a_failover_consumer_takes_over(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let failover = || earliest().subscription_type(SubscriptionType::Failover);
    // Among equals the broker chooses by a rule of its own.
    let first = client.consumer(&topic, "s", failover().name("a").priority(0)).unwrap();
    let second = client.consumer(&topic, "s", failover().name("b").priority(1)).unwrap();
    send(&client, &topic, 10);
    assert_eq!(receive(&first, 5), [0, 1, 2, 3, 4]);
    assert!(second.receive_many(1, Duration::from_millis(100)).unwrap().is_empty());
    first.close(PATIENCE).unwrap();
    assert_eq!(receive(&second, 5), [5, 6, 7, 8, 9]);
}

pub(crate) fn an_unsubscribe_deletes_the_subscription(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    assert_eq!(broker.subscriptions(&topic), ["s"]);
    consumer.unsubscribe(PATIENCE).unwrap();
    assert!(broker.subscriptions(&topic).is_empty());
    consumer.close(PATIENCE).unwrap();
}

pub(crate) fn an_unsubscribe_among_others_is_refused(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let first = client.consumer(&topic, "s", shared()).unwrap();
    let _second = client.consumer(&topic, "s", shared()).unwrap();
    let error = first.unsubscribe(PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broker, "{error}");
    assert_eq!(broker.subscriptions(&topic), ["s"]);
    first.wait_connected(Some(PATIENCE)).unwrap();
}

pub(crate) fn a_terminated_topic_ends(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    send(&client, &topic, 3);
    assert!(!consumer.is_end_of_topic(Some(PATIENCE)).unwrap());
    broker.terminate(&topic);
    assert_eq!(receive(&consumer, 3), [0, 1, 2]);
    eventually("the topic ends", || consumer.is_end_of_topic(Some(PATIENCE)).unwrap());
}

pub(crate) fn several_topics_come_on_one_connection(broker: &Broker) {
    let client = broker.client();
    let topics = [broker.topic(), broker.topic()];
    let names: Vec<TopicName> = topics.iter().map(|topic| topic.parse().unwrap()).collect();
    let consumer = client.consumer_of(Topics::Several(names), "s", earliest()).unwrap();
    for topic in &topics {
        send(&client, topic, 5);
    }
    let mut numbers = receive(&consumer, 10);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    for topic in &topics {
        eventually("all is acknowledged", || broker.backlog(topic, "s") == 0);
    }
    assert!(client.consumer_of(Topics::Several(Vec::new()), "s", earliest()).is_err());
}

pub(crate) fn a_pattern_finds_its_topics(broker: &Broker) {
    let client = broker.client();
    let stem = unique("pattern");
    for name in ["a", "b"] {
        send(&client, &format!("{stem}-{name}"), 3);
    }
    send(&client, &format!("other-{stem}"), 3);
    let pattern = format!("persistent://public/default/{stem}-.*");
    let consumer = client.consumer_of(Topics::Pattern(pattern), "s", earliest()).unwrap();
    assert_eq!(receive(&consumer, 6).len(), 6);
    assert!(consumer.receive_many(1, Duration::from_millis(200)).unwrap().is_empty());

    // Flags stand where the name begins: the namespace has to be read without them.
    let pattern = format!("persistent://public/default/(?i){}-.*", stem.to_uppercase());
    let consumer = client.consumer_of(Topics::Pattern(pattern), "flags", earliest()).unwrap();
    assert_eq!(receive(&consumer, 6).len(), 6);
}

pub(crate) fn the_initial_position_is_earliest_or_latest(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, 2);
    let from_start = client.consumer(&topic, "earliest", earliest()).unwrap();
    let from_end = client.consumer(&topic, "latest", Options::new()).unwrap();
    send(&client, &topic, 1);
    assert_eq!(receive(&from_start, 3), [0, 1, 0]);
    assert_eq!(receive(&from_end, 1), [0]);
    assert!(from_end.receive_many(1, Duration::from_millis(100)).unwrap().is_empty());
}

pub(crate) fn a_non_durable_subscription_goes_with_its_consumer(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let options = earliest().subscription_mode(SubscriptionMode::NonDurable);
    let consumer = client.consumer(&topic, "s", options).unwrap();
    send(&client, &topic, 2);
    assert_eq!(receive(&consumer, 2), [0, 1]);
    consumer.close(PATIENCE).unwrap();
    eventually("it is gone", || broker.subscriptions(&topic).is_empty());
}

pub(crate) fn non_persistent_topics_work(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic().replace("persistent://", "non-persistent://");
    let consumer = client.consumer(&topic, "s", Options::new()).unwrap();
    send(&client, &topic, 5);
    assert_eq!(receive(&consumer, 5), [0, 1, 2, 3, 4]);
    eventually("all ids are the same, and each is acknowledged", || consumer.stats().unacked == 0);
}

pub(crate) fn names_of_all_characters_work(broker: &Broker) {
    let client = broker.client();
    let topic = unique("a+b %c?d=e&f#g;h 你好 \"");
    let subscription = "s/1+2 %3?ü";
    let consumer = client.consumer(&topic, subscription, earliest()).unwrap();
    assert_eq!(consumer.topic().local_name(), topic);
    send(&client, &topic, 1);
    assert_eq!(receive(&consumer, 1), [0]);
    let error = client.producer("public/default/a/b", Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = client.consumer(&topic, "", Options::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

pub(crate) fn a_close_leaves_nothing_unacknowledged(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = handled.clone();
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    consumer
        .listen(move |_| {
            let counted = counted.clone();
            Ok(move |_: &Message| -> HandlerResult {
                std::thread::sleep(Duration::from_millis(1));
                counted.fetch_add(1, Atomic::SeqCst);
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    send(&client, &topic, 200);
    eventually("some are handled", || handled.load(Atomic::SeqCst) > 50);
    consumer.close(PATIENCE).unwrap();
    let at_close = handled.load(Atomic::SeqCst);
    assert!(at_close < 200, "the close came in the middle");
    // Nothing more is handled after the close, and what was handled is not redelivered.
    let next = client.consumer(&topic, "s", earliest()).unwrap();
    assert_eq!(receive(&next, 200 - at_close), (at_close..200).collect::<Vec<_>>());
    assert_eq!(handled.load(Atomic::SeqCst), at_close);
}

pub(crate) fn a_handler_may_close_its_own_consumer(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let own = Arc::new(Mutex::new(Some(consumer.clone())));
    let (sender, closed) = mpsc::channel();
    consumer
        .listen(move |_| {
            let (own, sender) = (own.clone(), sender.clone());
            Ok(move |_: &Message| -> HandlerResult {
                if let Some(consumer) = own.lock().unwrap().take() {
                    sender.send(consumer.close(PATIENCE))?;
                }
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    send(&client, &topic, 1);
    closed.recv_timeout(PATIENCE).unwrap().unwrap();
    consumer.close(PATIENCE).unwrap();
    eventually("what it decided after the close counts", || broker.backlog(&topic, "s") == 0);
    let id = "CAUQATAA".parse().unwrap();
    assert_eq!(consumer.ack_id(&id).unwrap_err().kind(), ErrorKind::Closed);
}

pub(crate) fn a_handler_and_receiving_exclude_each_other(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let handler = |_| Ok(|_: &Message| -> HandlerResult { Ok(Outcome::Ack) });
    let listening = client.consumer(&topic, "a", Options::new()).unwrap();
    listening.listen(handler).unwrap();
    assert_eq!(listening.receive(Some(PATIENCE)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(listening.listen(handler).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let receiving = client.consumer(&topic, "b", Options::new()).unwrap();
    assert!(receiving.receive_many(1, Duration::ZERO).unwrap().is_empty());
    assert_eq!(receiving.listen(handler).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

pub(crate) fn receiving_with_ordering_by_key_is_refused_at_once(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let by_key = Options::new().processors(2).ordering(Ordering::Key);
    let consumer = client.consumer(&topic, "s", by_key.clone()).unwrap();
    let reader = client.reader(&topic, by_key).unwrap();
    let never = |_: stargate_core::Result<Vec<Message>>| panic!("it was refused");
    for error in [
        consumer.receive(Some(PATIENCE)).unwrap_err(),
        consumer.receive_many(1, PATIENCE).unwrap_err(),
        consumer.as_async().try_receive_many(1).unwrap_err(),
        consumer.as_async().receive_with(1, None, never).unwrap_err(),
        reader.receive(Some(PATIENCE)).unwrap_err(),
        reader.as_async().receive_with(1, None, never).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("ordering=key is for a handler"), "{error}");
    }
}

pub(crate) fn unacknowledged_messages_stop_a_push_and_are_reported(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().queue_size(5)).unwrap();
    send(&client, &topic, 10);
    let held = consumer.receive_many(5, PATIENCE).unwrap();
    assert!(consumer.receive_many(1, Duration::from_millis(200)).unwrap().is_empty(), "the window is full");
    eventually("the stall is reported", || consumer.stats().stalls == 1);
    for message in &held {
        consumer.ack(message).unwrap();
    }
    assert_eq!(receive(&consumer, 5), [5, 6, 7, 8, 9]);
}

pub(crate) fn several_connections_share_one_subscription(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", shared().connections(3).queue_size(20)).unwrap();
    assert_eq!(broker.attached(&topic), 3);
    send(&client, &topic, 200);
    // No more than the three windows are delivered before something is acknowledged.
    let mut numbers: Vec<usize> = (0..20).flat_map(|_| receive(&consumer, 10)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
    consumer.unsubscribe(PATIENCE).unwrap();
    assert!(broker.subscriptions(&topic).is_empty());
}

pub(crate) fn a_partitioned_topic_is_one_consumer(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(3));
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send_all((0..60).map(|number| (format!("key {}", number % 10), number.to_string()))).unwrap();
    let messages = consumer.receive_many(60, PATIENCE).unwrap();
    let mut of_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for message in &messages {
        assert!(message.id().partition().is_some_and(|partition| partition < 3));
        of_key.entry(message.key().unwrap()).or_default().push(number(message));
        consumer.ack(message).unwrap();
    }
    assert_eq!(messages.len(), 60);
    assert!(of_key.values().all(|numbers| numbers.len() == 6 && numbers.is_sorted()), "{of_key:?}");
    for partition in 0..3 {
        let part = format!("{topic}-partition-{partition}");
        eventually("all is acknowledged", || broker.backlog(&part, "s") == 0);
    }
}

pub(crate) fn a_message_that_is_never_acknowledged_does_not_stop_the_others(broker: &Broker) {
    let client = broker.client();
    let timeout = |options: Options| options.ack_timeout(Duration::from_secs(1)).queue_size(2);
    let nack = |options: Options| options.negative_ack_delay(Duration::from_millis(50)).queue_size(2);
    let cases = [
        (broker.topic(), timeout(shared()), false),
        (broker.topic(), timeout(earliest()), false),
        (broker.partitioned_topic(2), timeout(shared()), false),
        (broker.topic(), nack(shared()), true),
        (broker.topic(), nack(earliest()), true),
    ];
    let run = |(topic, options, refuse): (String, Options, bool)| {
        let consumer = client.consumer(&topic, "s", options.clone()).unwrap();
        send(&client, &topic, 1);
        let mut deliveries: BTreeMap<usize, usize> = BTreeMap::new();
        let mut take = |count: usize| {
            for message in consumer.receive_many(count, PATIENCE).unwrap() {
                *deliveries.entry(number(&message)).or_default() += 1;
                match number(&message) {
                    0 if refuse => consumer.nack(&message).unwrap(),
                    0 => {}
                    _ => consumer.ack(&message).unwrap(),
                }
            }
            deliveries.len()
        };
        // More often than the window has places.
        for _ in 0..4 {
            take(1);
        }
        let producer = client.producer(&topic, Options::new()).unwrap();
        producer.send_all((1..70).map(|number| number.to_string())).unwrap();
        let until = Instant::now() + PATIENCE;
        while take(1) < 70 {
            assert!(Instant::now() < until, "{options:?}: {deliveries:?}");
        }
        consumer.close(PATIENCE).unwrap();
    };
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| run(case));
        }
    });
}

pub(crate) fn what_is_in_hand_while_another_is_refused_again_and_again_keeps_the_window_open(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    // On an exclusive subscription each refusal brings all that is unacknowledged again.
    let options = earliest().negative_ack_delay(Duration::from_millis(20)).queue_size(5);
    let consumer = client.consumer(&topic, "s", options).unwrap();
    send(&client, &topic, 2);
    let mut refused = 0;
    while refused < 12 {
        let message = consumer.receive(Some(PATIENCE)).unwrap();
        if number(&message) == 1 {
            consumer.nack(&message).unwrap();
            refused += 1;
        }
    }
    assert!(consumer.stats().unacked <= 2, "{:?}", consumer.stats());
}
