//! Retry letter topics and dead letters: messages that an application wants again later.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use stargate_core::blocking::Client;
use stargate_core::{
    ErrorKind, HandlerResult, InitialPosition, Message, Options, Outcome, OutgoingMessage, SubscriptionType, TopicName,
    Topics,
};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually};

/// A broker rounds a delay to its tick of one second.
const LATER: Duration = Duration::from_millis(1500);
const SOON: Duration = Duration::from_millis(200);

fn shared() -> Options {
    Options::new().subscription_type(SubscriptionType::Shared).initial_position(InitialPosition::Earliest)
}

fn with_retry() -> Options {
    shared().enable_retry(true)
}

fn send(client: &Client, topic: &str, message: impl Into<OutgoingMessage>) {
    let producer = client.producer(topic, Options::new()).unwrap();
    producer.send(message, None).unwrap();
    producer.close(PATIENCE).unwrap();
}

pub(crate) fn a_message_wanted_later_comes_back_and_goes_to_the_dead_letters_in_the_end(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    // A topic without a subscription keeps nothing.
    let graves = client.consumer(format!("{topic}-s-DLQ"), "g", shared()).unwrap();
    let consumer = client.consumer(&topic, "s", with_retry().max_redeliver_count(2)).unwrap();
    let event = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    send(&client, &topic, OutgoingMessage::new("poison").key("k").property("a", "b").event_time(event));
    let first = consumer.receive(Some(PATIENCE)).unwrap();
    let origin = format!("{}:{}:-1", first.id().ledger(), first.id().entry());
    let mut message = first;
    for times in 0..3 {
        assert_eq!(message.reconsume_times(), times);
        let begun = Instant::now();
        consumer.reconsume_later(&message, LATER).unwrap();
        eventually("it is acknowledged", || consumer.stats().acked == u64::from(times) + 1);
        if times < 2 {
            message = consumer.receive(Some(PATIENCE)).unwrap();
            assert!(begun.elapsed() >= LATER / 3, "it came back after {:?}", begun.elapsed());
            assert_eq!(message.topic().to_string(), format!("{topic}-s-RETRY"));
        }
    }
    let grave = graves.receive(Some(PATIENCE)).unwrap();
    for copy in [&message, &grave] {
        assert_eq!((copy.payload().as_ref(), copy.key()), (b"poison".as_slice(), Some("k")));
        assert_eq!(copy.event_time(), Some(event));
        let property = |name: &str| copy.properties()[name].clone();
        assert_eq!(
            (property("a"), property("REAL_TOPIC"), property("REAL_SUBSCRIPTION")),
            ("b".into(), topic.clone(), "s".into())
        );
        assert_eq!((property("ORIGIN_MESSAGE_ID"), property("DELAY_TIME")), (origin.clone(), "1500".into()));
    }
    assert_eq!((message.reconsume_times(), grave.reconsume_times()), (2, 3));
    let retry = format!("{topic}-s-RETRY");
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0 && broker.backlog(&retry, "s") == 0);
    assert_eq!((consumer.stats().retry_letters, consumer.stats().dead_letters), (2, 1));
    consumer.unsubscribe(PATIENCE).unwrap();
    assert!(broker.subscriptions(&topic).is_empty() && broker.subscriptions(&retry).is_empty());
}

pub(crate) fn a_handler_may_want_a_message_later(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(2));
    let names = with_retry().retry_letter_topic(&format!("{topic}-later")).connections(2);
    let consumer = client.consumer(&topic, "s", names).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                if message.reconsume_times() == 0 {
                    return Ok(Outcome::ReconsumeLater(Duration::ZERO));
                }
                sender.send((message.payload().clone(), message.properties()["REAL_TOPIC"].clone()))?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    let producer = client.producer(&topic, Options::new()).unwrap();
    producer.send_all((0..20).map(|number| (number.to_string(), number.to_string()))).unwrap();
    let told: Vec<_> = (0..20).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(told.iter().map(|(payload, _)| payload).collect::<BTreeSet<_>>().len(), 20);
    assert!(told.iter().all(|(_, origin)| *origin == topic), "{told:?}");
    for part in ["-partition-0", "-partition-1", "-later"] {
        eventually("all is acknowledged", || broker.backlog(&format!("{topic}{part}"), "s") == 0);
    }
}

pub(crate) fn a_message_whose_copy_cannot_be_stored_is_not_lost(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let options = with_retry().negative_ack_delay(Duration::from_millis(100));
    let consumer = client.consumer(&topic, "s", options).unwrap();
    broker.terminate(&format!("{topic}-s-RETRY"));
    send(&client, &topic, "precious");
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    let error = consumer.reconsume_later(&message, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TopicTerminated, "{error}");
    assert_eq!((broker.backlog(&topic, "s"), consumer.stats().unacked), (1, 1));
    consumer.close(PATIENCE).unwrap();

    // A handler's message is redelivered as after a negative acknowledgement.
    let consumer = client.consumer(&topic, "s", with_retry().negative_ack_delay(Duration::from_millis(100))).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(message.redelivery_count())?;
                Ok(if message.redelivery_count() < 3 { Outcome::ReconsumeLater(SOON) } else { Outcome::Ack })
            })
        })
        .unwrap();
    while told.recv_timeout(PATIENCE).unwrap() < 3 {}
    eventually("it is acknowledged", || broker.backlog(&topic, "s") == 0);
    assert_eq!(consumer.stats().retry_letters, 0);
}

pub(crate) fn a_close_waits_for_the_copies_on_their_way(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", with_retry()).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |_: &Message| -> HandlerResult {
                sender.send(())?;
                Ok(Outcome::ReconsumeLater(Duration::from_secs(3600)))
            })
        })
        .unwrap();
    send(&client, &topic, "later");
    told.recv_timeout(PATIENCE).unwrap();
    consumer.close(PATIENCE).unwrap();
    assert_eq!((consumer.stats().retry_letters, consumer.stats().acked), (1, 1));
    eventually("it is acknowledged", || broker.backlog(&topic, "s") == 0);
    assert_eq!(broker.backlog(&format!("{topic}-s-RETRY"), "s"), 1);
}

pub(crate) fn without_a_retry_letter_topic_there_is_no_later(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", shared()).unwrap();
    send(&client, &topic, "x");
    let message = consumer.receive(Some(PATIENCE)).unwrap();
    let error = consumer.reconsume_later(&message, SOON).unwrap_err();
    assert!(error.to_string().contains("enable_retry"), "{error}");
    assert_eq!(
        client.consumer(&topic, "t", shared().retry_letter_topic("r")).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    assert!(client.consumer(&topic, "t", Options::new().enable_retry(true)).is_err(), "an exclusive one");
    let topics: Vec<TopicName> = vec![topic.parse().unwrap(), broker.topic().parse().unwrap()];
    let error = client.consumer_of(Topics::Several(topics), "t", with_retry()).unwrap_err();
    assert!(error.to_string().contains("one topic"), "{error}");
}

pub(crate) fn dead_letters_have_a_topic_of_the_official_name(broker: &Broker) {
    let client = broker.client();
    for (topic, dead_letters) in [broker.topic(), broker.partitioned_topic(1)].into_iter().map(|topic| {
        let dead_letters = format!("{topic}-s-DLQ");
        (topic, dead_letters)
    }) {
        let graves = client.consumer(&dead_letters, "g", shared()).unwrap();
        let options = shared().negative_ack_delay(Duration::from_millis(100)).max_redeliver_count(1);
        let consumer = client.consumer(&topic, "s", options).unwrap();
        send(&client, &topic, "poison");
        for _ in 0..2 {
            consumer.nack(&consumer.receive(Some(PATIENCE)).unwrap()).unwrap();
        }
        assert_eq!(graves.receive(Some(PATIENCE)).unwrap().payload(), "poison");
    }
}
