//! Going to another place in a topic, and knowing where it ends.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use stargate_core::admin::Position;
use stargate_core::blocking::{Client, Consumer, Reader, wait};
use stargate_core::{
    ErrorKind, HandlerResult, InitialPosition, Level, Message, MessageId, Options, Outcome, SubscriptionMode,
    SubscriptionType, TopicName, Topics,
};

use crate::broker::Broker;
use crate::line::Line;
use crate::waiting::{PATIENCE, eventually};

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest)
}

fn from_start() -> Options {
    Options::new().starting_message("earliest")
}

fn send(client: &Client, topic: &str, options: Options, from: usize, to: usize) {
    let producer = client.producer(topic, options).unwrap();
    let sent = producer.send_all((from..to).map(|number| (format!("key {number}"), number.to_string()))).unwrap();
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    producer.close(PATIENCE).unwrap();
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(message.payload()).unwrap().parse().unwrap()
}

fn take(consumer: &Consumer, count: usize) -> Vec<Message> {
    let messages = consumer.receive_many(count, PATIENCE).unwrap();
    messages.iter().for_each(|message| consumer.ack(message).unwrap());
    messages
}

fn numbers(messages: &[Message]) -> Vec<usize> {
    messages.iter().map(number).collect()
}

fn read(reader: &Reader, count: usize) -> Vec<usize> {
    numbers(&reader.receive_many(count, PATIENCE).unwrap())
}

fn read_to_the_end(reader: &Reader) -> Vec<usize> {
    numbers(&reader.until_caught_up().unwrap().collect::<Result<Vec<_>, _>>().unwrap())
}

pub(crate) fn a_consumer_goes_to_any_place(broker: &Broker) {
    for kind in [SubscriptionType::Exclusive, SubscriptionType::Shared] {
        let (client, topic) = (broker.client(), broker.topic());
        let consumer = client.consumer(&topic, "s", earliest().subscription_type(kind)).unwrap();
        send(&client, &topic, Options::new(), 0, 5);
        std::thread::sleep(Duration::from_millis(20));
        let between = SystemTime::now();
        std::thread::sleep(Duration::from_millis(20));
        send(&client, &topic, Options::new(), 5, 10);
        // Half of them are taken, the others wait in the queue.
        let messages = take(&consumer, 5);
        assert_eq!(numbers(&messages), [0, 1, 2, 3, 4]);
        eventually("the rest is here", || consumer.stats().queued == 5);

        consumer.seek(&Position::At(messages[2].id().clone())).unwrap();
        assert_eq!(numbers(&take(&consumer, 8)), (2..10).collect::<Vec<_>>());
        consumer.seek(&Position::After(messages[2].id().clone())).unwrap();
        assert_eq!(numbers(&take(&consumer, 7)), (3..10).collect::<Vec<_>>());
        consumer.seek(&Position::Time(between)).unwrap();
        assert_eq!(numbers(&take(&consumer, 5)), [5, 6, 7, 8, 9]);
        consumer.seek(&Position::Earliest).unwrap();
        assert_eq!(numbers(&take(&consumer, 10)), (0..10).collect::<Vec<_>>());
        eventually("it is caught up", || consumer.backlog().unwrap() == 0);

        consumer.seek(&Position::Earliest).unwrap();
        assert_eq!(consumer.backlog().unwrap(), 10);
        consumer.seek(&Position::Latest).unwrap();
        assert_eq!(consumer.backlog().unwrap(), 0);
        send(&client, &topic, Options::new(), 10, 12);
        assert_eq!(numbers(&take(&consumer, 2)), [10, 11], "and nothing from before the seek");
        let last = consumer.last_message_ids().unwrap();
        assert_eq!((last.len(), last[0].entry()), (1, 11));
    }
}

pub(crate) fn a_seek_is_no_reason_to_worry(broker: &Broker) {
    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = records.clone();
    let sink = move |level: Level, _: &str, text: &str| kept.lock().unwrap().push((level, text.to_owned()));
    let client = Client::new(&broker.url, Options::new().log_sink(sink)).unwrap();
    let topic = broker.topic();
    let reader = client.reader(&topic, from_start()).unwrap();
    reader.seek(&Position::Earliest).unwrap();
    eventually("it is there", || reader.stats().reconnects == 1);
    let records = records.lock().unwrap();
    assert!(records.iter().any(|(_, text)| text.contains("another place")), "{records:?}");
    assert!(records.iter().all(|(level, _)| *level >= Level::Info), "{records:?}");
}

pub(crate) fn what_is_in_hand_at_a_seek_changes_nothing_after_it(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    send(&client, &topic, Options::new(), 0, 5);
    let messages = consumer.receive_many(5, PATIENCE).unwrap();
    consumer.ack_cumulative(&messages[1]).unwrap();
    consumer.seek(&Position::Earliest).unwrap();
    // Acknowledged late: the seek redelivers them all the same.
    messages.iter().for_each(|message| consumer.ack(message).unwrap());
    let again = consumer.receive_many(5, PATIENCE).unwrap();
    assert_eq!(numbers(&again), [0, 1, 2, 3, 4]);
    assert_eq!(broker.backlog(&topic, "s"), 5);
    again.iter().for_each(|message| consumer.ack(message).unwrap());
    eventually("now they are acknowledged", || broker.backlog(&topic, "s") == 0);
}

pub(crate) fn a_reader_is_where_a_seek_was_given_up(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let reader = client.reader(&topic, from_start()).unwrap();
    send(&client, &topic, Options::new(), 0, 5);
    assert_eq!(read(&reader, 5), [0, 1, 2, 3, 4]);
    assert!(!reader.has_message_available().unwrap());
    // It is given up before the connection hears of it, because both threads of the library are held meanwhile.
    let (begun, held) = mpsc::channel();
    let releases: Vec<_> = (0..2)
        .map(|_| {
            let ((release, released), begun) = (mpsc::channel::<()>(), begun.clone());
            let hold = async move {
                begun.send(()).unwrap();
                let _ = released.recv();
            };
            client.as_async().spawn(hold).unwrap();
            release
        })
        .collect();
    (0..2).for_each(|_| held.recv_timeout(PATIENCE).unwrap());
    let given_up = wait(reader.as_async().seek(&Position::Earliest), Some(Duration::ZERO));
    drop(releases);
    assert_eq!(given_up.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(read(&reader, 1), [0]);
    assert!(reader.has_message_available().unwrap());
    assert_eq!(read_to_the_end(&reader), [1, 2, 3, 4]);
}

pub(crate) fn a_handler_starts_over_after_a_seek(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(number(message))?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    send(&client, &topic, Options::new(), 0, 20);
    let next = || told.recv_timeout(PATIENCE).unwrap();
    assert!((0..20).all(|number| next() == number));
    consumer.seek(&Position::Earliest).unwrap();
    assert!((0..20).all(|number| next() == number));
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
}

pub(crate) fn a_seek_that_cannot_be_is_refused(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let refused = |consumer: &Consumer, to: &Position, words: &str| {
        let error = consumer.seek(to).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(words), "{error}");
    };
    let passing = Options::new().subscription_mode(SubscriptionMode::NonDurable);
    refused(&client.consumer(&topic, "p", passing).unwrap(), &Position::Earliest, "not durable");
    let pattern = client.consumer_of(Topics::Pattern(format!("{topic}.*")), "s", Options::new()).unwrap();
    refused(&pattern, &Position::Earliest, "one by one");
    assert!(pattern.backlog().is_err() && pattern.last_message_ids().is_err());
    send(&client, &topic, Options::new(), 0, 1);
    let topics: Vec<TopicName> = vec![topic.parse().unwrap(), broker.topic().parse().unwrap()];
    let several = client.consumer_of(Topics::Several(topics), "t", earliest()).unwrap();
    let message = take(&several, 1).remove(0);
    refused(&several, &Position::At(message.id().clone()), "which of several");
    several.seek(&Position::Earliest).unwrap();
    assert_eq!(take(&several, 1).remove(0).id(), message.id());
}

pub(crate) fn an_id_of_another_partition_is_refused_by_name(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(2));
    let [first, second] = [0, 1].map(|index| format!("{topic}-partition-{index}"));
    let producer = client.producer(&first, Options::new()).unwrap();
    producer.send("x", Some(PATIENCE)).unwrap();
    // The receipt of a producer of one partition does not name it; a delivery does.
    let id = client.reader(&first, from_start()).unwrap().receive(Some(PATIENCE)).unwrap().id().clone();
    let refused = |result: stargate_core::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        let text = error.to_string();
        assert!(text.contains("of partition 0") && text.contains("-partition-1 is partition 1"), "{text}");
    };
    assert_eq!(id.partition(), Some(0), "{id:?}");
    let consumer = client.consumer(&second, "s", earliest()).unwrap();
    let reader = client.reader(&second, from_start()).unwrap();
    for to in [Position::At(id.clone()), Position::After(id.clone())] {
        refused(consumer.seek(&to));
        refused(reader.seek(&to));
        refused(client.admin().seek(&second, "s", &to));
        refused(client.admin().create_subscription(&second, "new", &to));
    }
    refused(client.reader(&second, Options::new().starting_message(id.as_str())).map(drop));
    refused(consumer.ack_id(&id));
    refused(consumer.nack_id(&id));
    refused(consumer.ack_cumulative_id(&id));
    refused(client.admin().read_entry(&second, &id).map(drop));
    refused(client.admin().expire_messages_until(&second, "s", &id).map(drop));

    let whole = client.reader(&topic, from_start()).unwrap();
    for (index, words) in [(7, "of partition 7"), (-1, "of no partition")] {
        let other = MessageId::from_bytes(&other_partition(&id, index)).unwrap();
        let error = whole.seek(&Position::At(other)).unwrap_err();
        assert!(error.to_string().contains(words) && error.to_string().contains("2 partitions"), "{error}");
    }
}

/// The bytes of an id with another partition in it, or with none.
fn other_partition(id: &MessageId, index: i32) -> Vec<u8> {
    let mut bytes = vec![8];
    for (field, value) in [(None, id.ledger()), (Some(16), id.entry())] {
        bytes.extend(field);
        let mut rest = value;
        while rest > 127 {
            bytes.push(rest as u8 | 128);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
    if index >= 0 {
        bytes.extend([24, index as u8]);
    }
    bytes
}

pub(crate) fn a_reader_goes_to_any_place(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let reader = client.reader(&topic, from_start()).unwrap();
    send(&client, &topic, Options::new(), 0, 5);
    std::thread::sleep(Duration::from_millis(20));
    let between = SystemTime::now();
    std::thread::sleep(Duration::from_millis(20));
    send(&client, &topic, Options::new(), 5, 10);
    let messages = reader.receive_many(5, PATIENCE).unwrap();
    eventually("the rest is here", || reader.stats().queued == 5);
    for (to, first) in [
        (Position::At(messages[2].id().clone()), 2),
        (Position::After(messages[2].id().clone()), 3),
        (Position::At(messages[0].id().clone()), 0),
        (Position::Time(between), 5),
        (Position::Earliest, 0),
    ] {
        reader.seek(&to).unwrap();
        assert_eq!(read(&reader, 10 - first), (first..10).collect::<Vec<_>>(), "{to:?}");
        assert!(!reader.has_message_available().unwrap());
    }
    reader.seek(&Position::Earliest).unwrap();
    reader.seek(&Position::Latest).unwrap();
    assert!(!reader.has_message_available().unwrap());
    send(&client, &topic, Options::new(), 10, 11);
    assert_eq!(read(&reader, 1), [10], "and nothing from before the seek");
}

pub(crate) fn a_reader_reads_until_it_is_caught_up(broker: &Broker) {
    let (line, topic) = (Line::to(&broker.url), broker.topic());
    let client = line.client();
    let reader = client.reader(&topic, from_start()).unwrap();
    assert!(!reader.has_message_available().unwrap(), "the topic is empty");
    assert!(read_to_the_end(&reader).is_empty());
    let batches = Options::new().batch_enabled(true).batch_max_msg(10).batch_max_delay(Duration::from_millis(200));
    send(&client, &topic, batches, 0, 25);
    assert!(reader.has_message_available().unwrap());
    assert_eq!(read(&reader, 3), [0, 1, 2]);
    // What comes after the call is not read.
    let stored = reader.until_caught_up().unwrap();
    send(&client, &topic, Options::new(), 25, 30);
    line.cut();
    assert_eq!(numbers(&stored.collect::<Result<Vec<_>, _>>().unwrap()), (3..25).collect::<Vec<_>>());
    assert!(reader.is_caught_up() && reader.has_message_available().unwrap());
    assert_eq!(read_to_the_end(&reader), (25..30).collect::<Vec<_>>());
    assert!(!reader.has_message_available().unwrap());
    let late = client.reader(&topic, Options::new()).unwrap();
    assert!(!late.has_message_available().unwrap(), "it begins at the end");
    assert!(read_to_the_end(&late).is_empty());
}

/// Several messages at a time, of which none is behind the last mark.
pub(crate) fn many_messages_before_the_end_are_read_at_once(broker: &Broker) {
    let client = broker.client();
    let batches = || Options::new().batch_enabled(true).batch_max_msg(10).batch_max_delay(Duration::from_millis(200));
    for partitions in [0, 3] {
        let topic = broker.topic();
        if partitions > 0 {
            client.admin().create_partitioned_topic(&topic, partitions).unwrap();
        }
        send(&client, &topic, batches(), 0, 25);
        let reader = client.reader(&topic, from_start()).unwrap();
        reader.mark_end().unwrap();
        send(&client, &topic, batches(), 25, 30);
        eventually("all are here", || reader.stats().queued == 30);
        let take = |max| wait(reader.as_async().receive_many_before_end(max), Some(PATIENCE)).unwrap().len();
        assert_eq!(take(2), 2);
        let mut before = 2;
        while !reader.is_caught_up() {
            before += take(100);
        }
        assert_eq!(before as u64, 30 - reader.stats().queued);
        match partitions {
            0 => assert_eq!(before, 25),
            // Newer messages of one partition may be in front of older ones of another.
            _ => assert!((25..=30).contains(&before), "{before}"),
        }
        assert_eq!(take(100), 0);
        assert_eq!(reader.stats().queued, 30 - before as u64, "nothing more was taken");
    }
}

pub(crate) fn who_reads_to_the_end_is_told_when_another_takes_the_last_message(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, Options::new(), 0, 1);
    let reader = client.reader(&topic, from_start().queue_size(1)).unwrap();
    reader.mark_end().unwrap();
    let taken = reader.receive(Some(PATIENCE)).unwrap();
    // Put back is not taken, and what was marked is handed out once more.
    reader.as_async().put_back(vec![taken.clone()]);
    assert!(!reader.is_caught_up());
    let again = reader.receive_before_end(Some(PATIENCE)).unwrap().unwrap();
    assert_eq!(again.id(), taken.id());
    assert!(reader.receive_before_end(Some(PATIENCE)).unwrap().is_none());
    // What is behind the mark is not, when it was put back either.
    send(&client, &topic, Options::new(), 1, 2);
    let behind = reader.receive(Some(PATIENCE)).unwrap();
    reader.as_async().put_back(vec![behind]);
    assert!(reader.receive_before_end(Some(PATIENCE)).unwrap().is_none());
    assert_eq!(read(&reader, 1), [1]);

    reader.mark_end().unwrap();
    reader.seek(&Position::After(again.id().clone())).unwrap();
    let (sender, told) = mpsc::channel();
    std::thread::scope(|scope| {
        // Together they take one message; for the others the end has been reached.
        for _ in 0..3 {
            let (reader, sender) = (&reader, sender.clone());
            scope.spawn(move || sender.send(reader.receive_before_end(Some(PATIENCE)).unwrap().is_some()).unwrap());
        }
    });
    drop(sender);
    let mut outcomes: Vec<bool> = told.iter().collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [false, false, true]);
}

pub(crate) fn an_end_that_is_no_more_is_not_waited_for(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    send(&client, &topic, Options::new(), 0, 10);
    let looks_often = from_start().queue_size(1).tombstone_check_interval(Duration::from_millis(200));
    let reader = client.reader(&topic, looks_often).unwrap();
    eventually("the first are here", || reader.stats().queued > 0);
    reader.mark_end().unwrap();
    client.admin().delete_topic(&topic, true).unwrap();
    // A new one of the same name, which readers may make as well.
    client.admin().ensure_topic(&topic).unwrap();
    let mut got = 0;
    while reader.receive_before_end(Some(PATIENCE)).unwrap().is_some() {
        got += 1;
    }
    assert!((1..10).contains(&got), "{got} were on their way");
}

pub(crate) fn a_place_behind_a_batch_is_behind_all_of_it(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let batches = Options::new().batch_enabled(true).batch_max_msg(4).batch_max_delay(Duration::from_millis(500));
    send(&client, &topic, batches, 0, 4);
    let reader = client.reader(&topic, from_start()).unwrap();
    assert_eq!(read(&reader, 4), [0, 1, 2, 3]);
    let later = SystemTime::now() + Duration::from_secs(3600);
    reader.seek(&Position::Time(later)).unwrap();
    assert!(!reader.has_message_available().unwrap());
    assert!(read_to_the_end(&reader).is_empty());
    send(&client, &topic, Options::new(), 4, 5);
    assert_eq!(read_to_the_end(&reader), [4]);
    reader.seek(&Position::At(reader.last_message_ids().unwrap().remove(0))).unwrap();
    assert_eq!(read_to_the_end(&reader), [4], "and nothing of the batch before it");
}

pub(crate) fn a_partitioned_topic_is_read_until_it_is_caught_up(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(3));
    send(&client, &topic, Options::new(), 0, 30);
    let reader = client.reader(&topic, from_start()).unwrap();
    let mut all = read_to_the_end(&reader);
    all.sort_unstable();
    assert_eq!(all, (0..30).collect::<Vec<_>>());
    let ends = reader.last_message_ids().unwrap();
    assert_eq!(ends.len(), 3);
    // One partition goes back by one message.
    reader.seek(&Position::At(ends[1].clone())).unwrap();
    assert_eq!(
        reader.until_caught_up().unwrap().map(|message| message.unwrap().id().clone()).collect::<Vec<_>>(),
        [ends[1].clone()]
    );
    let consumer = client.consumer(&topic, "s", earliest()).unwrap();
    assert_eq!(take(&consumer, 30).len(), 30);
    consumer.seek(&Position::Earliest).unwrap();
    let mut again = numbers(&take(&consumer, 30));
    again.sort_unstable();
    assert_eq!(again, (0..30).collect::<Vec<_>>());
    eventually("it is caught up", || consumer.backlog().unwrap() == 0);
    consumer.seek(&Position::At(ends[2].clone())).unwrap();
    assert_eq!(take(&consumer, 1).remove(0).id(), &ends[2]);
}
