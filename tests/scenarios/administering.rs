//! The REST API.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use stargate_core::admin::{
    BacklogPolicy, BacklogQuota, BacklogQuotaKind, Position, Retention, Schema, StoredMessage, TenantInfo,
};
use stargate_core::blocking::{Client, Consumer};
use stargate_core::{ErrorKind, InitialPosition, MessageId, Options, OutgoingMessage, Persistence, SubscriptionType};

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
    let message = OutgoingMessage::new("payload").key("key").property("a", "b").event_time_ms(1_700_000_000_123);
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
    let messages =
        (0..3).map(|n| OutgoingMessage::new(n.to_string()).key(format!("k{n}")).property("n", n.to_string()));
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

fn kind<T: std::fmt::Debug>(outcome: Result<T, stargate_core::Error>) -> (ErrorKind, bool) {
    let error = outcome.unwrap_err();
    (error.kind(), error.is_retriable())
}

const THERE_ALREADY: (ErrorKind, bool) = (ErrorKind::Busy, false);
const IN_USE: (ErrorKind, bool) = (ErrorKind::Busy, true);
const MISSING: (ErrorKind, bool) = (ErrorKind::NotFound, false);
const BAD: (ErrorKind, bool) = (ErrorKind::InvalidArgument, false);

pub(crate) fn the_broker_says_who_it_is_and_how_it_is(broker: &Broker) {
    let admin = broker.client().admin();
    assert_eq!(admin.clusters().unwrap(), ["standalone"]);
    let version = std::env::var("PULSAR_VERSION").unwrap_or_else(|_| "4.0.8".into());
    assert_eq!(admin.broker_version().unwrap(), version);
    admin.check_health().unwrap();
}

pub(crate) fn tenants_come_and_go(broker: &Broker) {
    let admin = broker.client().admin();
    let name = unique("tenant");
    let info = TenantInfo { admin_roles: vec!["boss".into()], ..TenantInfo::default() };
    assert_eq!(kind(admin.tenant(&name)), MISSING);
    admin.create_tenant(&name, &info).unwrap();
    assert_eq!(kind(admin.create_tenant(&name, &info)), THERE_ALREADY);
    assert!(!admin.ensure_tenant(&name, &info).unwrap());
    assert!(admin.tenants().unwrap().contains(&name));
    let read = admin.tenant(&name).unwrap();
    assert_eq!((read.admin_roles, read.allowed_clusters), (vec!["boss".to_owned()], vec!["standalone".to_owned()]));
    assert!(read.raw.contains("boss"));
    let changed = TenantInfo {
        admin_roles: vec!["chief".into()],
        allowed_clusters: vec!["standalone".into()],
        ..TenantInfo::default()
    };
    admin.update_tenant(&name, &changed).unwrap();
    assert_eq!(admin.tenant(&name).unwrap().admin_roles, ["chief"]);
    let nowhere = TenantInfo { allowed_clusters: vec!["nowhere".into()], ..TenantInfo::default() };
    assert_eq!(kind(admin.update_tenant(&name, &nowhere)), BAD);
    assert_eq!(kind(admin.create_tenant("a b", &info)), BAD);
    admin.create_namespace(&format!("{name}/n"), None).unwrap();
    assert_eq!(kind(admin.delete_tenant(&name)), THERE_ALREADY);
    admin.delete_namespace(&format!("{name}/n")).unwrap();
    admin.delete_tenant(&name).unwrap();
    assert_eq!(kind(admin.delete_tenant(&name)), MISSING);
}

pub(crate) fn namespaces_have_policies(broker: &Broker) {
    let admin = broker.client().admin();
    let tenant = unique("tenant");
    let namespace = format!("{tenant}/n");
    assert_eq!(kind(admin.create_namespace(&namespace, None)), MISSING);
    assert!(admin.ensure_tenant(&tenant, &TenantInfo::default()).unwrap());
    admin.create_namespace(&namespace, Some(8)).unwrap();
    assert!(!admin.ensure_namespace(&namespace).unwrap());
    assert!(admin.ensure_namespace(&format!("{tenant}/m")).unwrap());
    let mut names = admin.namespaces(&tenant).unwrap();
    names.sort();
    assert_eq!(names, [format!("{tenant}/m"), namespace.clone()]);

    let unset = admin.namespace_policies(&namespace).unwrap();
    assert_eq!((unset.bundles, unset.retention, unset.message_ttl, unset.deduplication), (8, None, None, None));
    assert_eq!(unset.backlog_quotas, []);
    assert_eq!(admin.retention(&namespace).unwrap(), None);
    assert_eq!(admin.message_ttl(&namespace).unwrap(), None);
    assert_eq!(admin.deduplication(&namespace).unwrap(), None);

    let retention = Retention { time_in_minutes: 60, size_in_mb: -1 };
    let ttl = Duration::from_secs(3600);
    let size = BacklogQuota {
        kind: BacklogQuotaKind::DestinationStorage,
        limit: 1_000_000,
        policy: BacklogPolicy::ProducerException,
    };
    let age = BacklogQuota {
        kind: BacklogQuotaKind::MessageAge,
        limit: 7200,
        policy: BacklogPolicy::ConsumerBacklogEviction,
    };
    admin.set_retention(&namespace, &retention).unwrap();
    admin.set_message_ttl(&namespace, ttl).unwrap();
    admin.set_deduplication(&namespace, true).unwrap();
    admin.set_backlog_quota(&namespace, &size).unwrap();
    admin.set_backlog_quota(&namespace, &age).unwrap();
    assert_eq!(admin.retention(&namespace).unwrap(), Some(retention));
    assert_eq!(admin.message_ttl(&namespace).unwrap(), Some(ttl));
    assert_eq!(admin.deduplication(&namespace).unwrap(), Some(true));
    assert_eq!(admin.backlog_quotas(&namespace).unwrap(), [size, age]);
    let set = admin.namespace_policies(&namespace).unwrap();
    assert_eq!((set.retention, set.message_ttl, set.deduplication), (Some(retention), Some(ttl), Some(true)));
    assert_eq!(set.backlog_quotas, [size, age]);

    let odd = Retention { time_in_minutes: 0, size_in_mb: 1 };
    assert_eq!(kind(admin.set_retention(&namespace, &odd)), BAD);
    admin.set_retention(&namespace, &Retention { time_in_minutes: 60, size_in_mb: 1 }).unwrap();
    let too_much = BacklogQuota { limit: 100_000_000, ..size };
    assert_eq!(kind(admin.set_backlog_quota(&namespace, &too_much)), BAD);

    admin.remove_retention(&namespace).unwrap();
    admin.remove_message_ttl(&namespace).unwrap();
    admin.remove_deduplication(&namespace).unwrap();
    admin.remove_backlog_quota(&namespace, BacklogQuotaKind::DestinationStorage).unwrap();
    assert_eq!(admin.retention(&namespace).unwrap(), None);
    assert_eq!(admin.message_ttl(&namespace).unwrap(), None);
    assert_eq!(admin.deduplication(&namespace).unwrap(), None);
    assert_eq!(admin.backlog_quotas(&namespace).unwrap(), [age]);

    admin.create_topic(format!("{namespace}/t")).unwrap();
    assert_eq!(kind(admin.delete_namespace(&namespace)), THERE_ALREADY);
    admin.delete_topic(format!("{namespace}/t"), false).unwrap();
    admin.delete_namespace(&namespace).unwrap();
    assert_eq!(kind(admin.delete_namespace(&namespace)), MISSING);
    assert_eq!(kind(admin.namespace_policies(&namespace)), MISSING);
    for name in ["", "a", "a/", "/b", "a/b/c"] {
        assert_eq!(kind(admin.create_namespace(name, None)), BAD);
    }
}

pub(crate) fn topics_and_partitions_come_and_go(broker: &Broker) {
    let admin = broker.client().admin();
    let namespace = broker.namespace();
    let full = |name: &str| format!("persistent://{namespace}/{name}");
    let (plain, parted) = (full("plain"), full("parted"));
    assert_eq!(kind(admin.create_topic("nobody/nothing/t")), MISSING);
    admin.create_topic(&plain).unwrap();
    assert_eq!(kind(admin.create_topic(&plain)), THERE_ALREADY);
    assert!(!admin.ensure_topic(&plain).unwrap());
    admin.create_partitioned_topic(&parted, 2).unwrap();
    assert_eq!(kind(admin.create_partitioned_topic(&parted, 2)), THERE_ALREADY);
    assert_eq!(kind(admin.create_partitioned_topic(full("none"), 0)), BAD);
    assert!(!admin.ensure_partitioned_topic(&parted, 2).unwrap());
    assert!(admin.ensure_partitioned_topic(&parted, 3).unwrap());
    assert!(!admin.ensure_partitioned_topic(&parted, 1).unwrap());
    assert_eq!(kind(admin.ensure_partitioned_topic(&plain, 1)), BAD);
    assert_eq!(kind(admin.grow_partitions(&parted, 2)), BAD);
    admin.grow_partitions(&parted, 4).unwrap();
    assert_eq!((admin.partitions(&parted).unwrap(), admin.partitions(&plain).unwrap()), (4, 0));
    assert_eq!(kind(admin.partitions(full("none"))), MISSING);
    admin.create_topic(format!("non-persistent://{namespace}/fleeting")).unwrap();

    let mut topics = admin.topics(&namespace, Persistence::Persistent).unwrap();
    topics.sort();
    let mut expected: Vec<String> = (0..4).map(|index| format!("{parted}-partition-{index}")).collect();
    expected.push(plain.clone());
    assert_eq!(topics, expected);
    assert_eq!(admin.partitioned_topics(&namespace, Persistence::Persistent).unwrap(), [parted.as_str()]);
    let fleeting = admin.topics(&namespace, Persistence::NonPersistent).unwrap();
    assert_eq!(fleeting, [format!("non-persistent://{namespace}/fleeting")]);

    let client = broker.client();
    let producers = [&plain, &parted].map(|topic| client.producer(topic, Options::new()).unwrap());
    for topic in [&plain, &parted] {
        assert_eq!(kind(admin.delete_topic(topic, false)), IN_USE);
    }
    for producer in producers {
        producer.close(PATIENCE).unwrap();
    }
    eventually("the producers are gone", || broker.attached(&plain) == 0);
    admin.delete_topic(&plain, false).unwrap();
    eventually("the topic can be deleted", || admin.delete_topic(&parted, false).is_ok());
    assert_eq!(admin.topics(&namespace, Persistence::Persistent).unwrap(), Vec::<String>::new());
    assert_eq!(kind(admin.delete_topic(&plain, false)), MISSING);
    assert_eq!(kind(admin.delete_topic("a/b/c/d", false)), BAD);

    admin.ensure_topic(&plain).unwrap();
    let consumer = subscribe(&client, &plain);
    admin.delete_topic(&plain, true).unwrap();
    consumer.close(PATIENCE).unwrap();
}

pub(crate) fn all_topics_of_a_tenant_are_walked_over(broker: &Broker) {
    let admin = broker.client().admin();
    let tenant = unique("tenant");
    admin.ensure_tenant(&tenant, &TenantInfo::default()).unwrap();
    let mut made = Vec::new();
    for namespace in ["a", "b", "empty"] {
        admin.create_namespace(&format!("{tenant}/{namespace}"), None).unwrap();
    }
    for name in ["a/t1", "a/t2", "b/t"] {
        let topic = format!("persistent://{tenant}/{name}");
        admin.create_topic(&topic).unwrap();
        made.push(topic);
    }
    let mut walked = admin.walk_topics(Some(&tenant)).collect::<Result<Vec<_>, _>>().unwrap();
    walked.sort();
    assert_eq!(walked, made);
    let all = admin.walk_topics(None).collect::<Result<Vec<_>, _>>().unwrap();
    assert!(made.iter().all(|topic| all.contains(topic)));
    assert_eq!(admin.walk_topics(Some(&unique("nobody"))).count(), 0);
}

pub(crate) fn a_topic_is_terminated_through_the_api(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let ids = send(&client, &topic, 2);
    for _ in 0..2 {
        assert_eq!(client.admin().terminate_topic(&topic).unwrap(), [ids.last().cloned()]);
    }
    let refused = client.producer(&topic, Options::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TopicTerminated, "{refused}");
    let parted = broker.partitioned_topic(2);
    let ids = send(&client, &parted, 1);
    let last = client.admin().terminate_topic(&parted).unwrap();
    assert_eq!(last.len(), 2);
    assert_eq!(last.into_iter().flatten().collect::<Vec<_>>(), ids);
    assert_eq!(kind(client.admin().terminate_topic(broker.topic())), MISSING);
}

pub(crate) fn a_topic_is_compacted_unloaded_and_truncated(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    let consumer = subscribe(&client, &topic);
    send(&client, &topic, 3);
    assert_eq!(receive(&consumer, 1), ["0"]);
    assert_eq!(admin.compaction_status(&topic).unwrap().status, "NOT_RUN");
    admin.compact_topic(&topic).unwrap();
    eventually("it is compacted", || admin.compaction_status(&topic).unwrap().status == "SUCCESS");
    receive(&consumer, 2);
    eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);

    admin.unload_topic(&topic).unwrap();
    send(&client, &topic, 1);
    assert_eq!(receive(&consumer, 1), ["0"], "it goes on after the topic was loaded again");
    consumer.close(PATIENCE).unwrap();

    send(&client, &topic, 3);
    admin.truncate_topic(&topic).unwrap();
    assert_eq!(broker.backlog(&topic, "s"), 0);
    send(&client, &topic, 1);
    assert_eq!(texts(&admin.peek(&topic, "s", 10).unwrap()), ["0"]);

    let parted = broker.partitioned_topic(2);
    admin.compact_topic(&parted).unwrap();
    admin.unload_topic(&parted).unwrap();
    admin.truncate_topic(&parted).unwrap();
    let missing = broker.topic();
    for outcome in [admin.compact_topic(&missing), admin.unload_topic(&missing), admin.truncate_topic(&missing)] {
        assert_eq!(kind(outcome), MISSING);
    }
}

pub(crate) fn statistics_of_partitions_are_those_of_all_and_of_each(broker: &Broker) {
    let client = broker.client();
    let topic = broker.partitioned_topic(2);
    subscribe(&client, &topic).close(PATIENCE).unwrap();
    let round = Options::new().routing_mode(stargate_core::RoutingMode::RoundRobin);
    let producer = client.producer(&topic, round).unwrap();
    for number in 0..4 {
        producer.send(number.to_string(), Some(PATIENCE)).unwrap();
    }
    let stats = client.admin().topic_stats(&topic).unwrap();
    assert_eq!((stats.msg_in_counter, stats.subscriptions["s"].msg_backlog), (4, 4));
    let one = &stats.partitions[&format!("{topic}-partition-1")];
    assert_eq!((one.msg_in_counter, one.subscriptions["s"].msg_backlog), (2, 2));
    let internal = client.admin().internal_stats(&topic).unwrap();
    assert_eq!(internal.partitions[&format!("{topic}-partition-1")].number_of_entries, 2);
    let one = client.admin().internal_stats(format!("{topic}-partition-1")).unwrap();
    assert_eq!((one.number_of_entries, one.state.as_str(), one.ledgers.len()), (2, "LedgerOpened", 1));
    let ledger = one.ledgers[0].ledger_id;
    assert_eq!(one.last_confirmed_entry, format!("{ledger}:1"));
    assert_eq!(one.cursors["s"].mark_delete_position, format!("{ledger}:-1"));
    assert!(one.raw.contains("\"cursors\""));
    let missing = broker.topic();
    assert_eq!(kind(client.admin().topic_stats(&missing)), MISSING);
    assert_eq!(kind(client.admin().internal_stats(&missing)), MISSING);
}

pub(crate) fn stored_messages_are_read_by_id_by_place_and_by_time(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    admin.create_topic(&topic).unwrap();
    assert!(admin.examine_message(&topic, InitialPosition::Earliest, 1).unwrap().is_none());
    let ids = send(&client, &topic, 3);
    assert_eq!(texts(&admin.read_entry(&topic, &ids[1]).unwrap()), ["1"]);
    let nth = |from, position| texts(&admin.examine_message(&topic, from, position).unwrap().unwrap());
    assert_eq!(nth(InitialPosition::Earliest, 1), ["0"]);
    assert_eq!(nth(InitialPosition::Earliest, 2), ["1"]);
    assert_eq!(nth(InitialPosition::Earliest, 9), ["2"]);
    assert_eq!(nth(InitialPosition::Latest, 1), ["2"]);
    assert_eq!(nth(InitialPosition::Latest, 3), ["0"]);
    assert_eq!(nth(InitialPosition::Latest, 4), ["0"]);
    assert_eq!(nth(InitialPosition::Latest, 100), ["0"]);
    assert_eq!(admin.message_id_at(&topic, SystemTime::UNIX_EPOCH).unwrap().as_ref(), ids.first());
    let later = SystemTime::now() + Duration::from_secs(3600);
    assert!(admin.message_id_at(&topic, later).unwrap() > ids.last().cloned());
    assert_eq!(kind(admin.message_id_at(broker.partitioned_topic(1), later)), BAD);
    let elsewhere: MessageId = "CICAgIAQEAA=".parse().unwrap();
    assert_eq!(kind(admin.read_entry(&topic, &elsewhere)), MISSING);
}

pub(crate) fn subscriptions_begin_where_they_are_told(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    let ids = send(&client, &topic, 4);
    let begun = SystemTime::now() - Duration::from_secs(60);
    for (name, position, expected) in [
        ("earliest", Position::Earliest, 4),
        ("latest", Position::Latest, 0),
        ("at", Position::At(ids[2].clone()), 2),
        ("after", Position::After(ids[2].clone()), 1),
        ("time", Position::Time(begun), 4),
        ("later", Position::Time(begun + Duration::from_secs(3600)), 0),
    ] {
        admin.create_subscription(&topic, name, &position).unwrap();
        assert_eq!(broker.backlog(&topic, name), expected, "{name}");
        assert_eq!(kind(admin.create_subscription(&topic, name, &position)), THERE_ALREADY);
        assert!(!admin.ensure_subscription(&topic, name, &Position::Earliest).unwrap());
        assert_eq!(broker.backlog(&topic, name), expected, "{name}");
    }
    let consumer = client.consumer(&topic, "at", Options::new()).unwrap();
    assert_eq!(receive(&consumer, 2), ["2", "3"]);
    assert_eq!(kind(admin.delete_subscription(&topic, "at", false)), IN_USE);
    consumer.close(PATIENCE).unwrap();
    eventually("it can be deleted", || admin.delete_subscription(&topic, "at", false).is_ok());
    assert_eq!(kind(admin.delete_subscription(&topic, "at", false)), MISSING);
    let _consumer = client.consumer(&topic, "latest", Options::new()).unwrap();
    admin.delete_subscription(&topic, "latest", true).unwrap();
    let made = broker.topic();
    assert!(admin.ensure_subscription(&made, "s", &Position::Earliest).unwrap());
    assert_eq!(admin.subscriptions(&made).unwrap(), ["s"]);
    assert_eq!(kind(admin.subscriptions(broker.topic())), MISSING);
    assert_eq!(kind(admin.delete_subscription(&topic, "", false)), BAD);
}

pub(crate) fn names_of_all_characters_are_administered(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = format!("{} b+c%d?é", broker.topic());
    send(&client, &topic, 4);
    for name in ["a/b c+d%e?f#é", "100%", "a%2Fb"] {
        admin.create_subscription(&topic, name, &Position::Earliest).unwrap();
        assert!(admin.subscriptions(&topic).unwrap().contains(&name.to_owned()));
        admin.skip(&topic, name, 1).unwrap();
        assert_eq!(texts(&admin.peek(&topic, name, 1).unwrap()), ["1"]);
        admin.seek(&topic, name, &Position::Latest).unwrap();
        assert_eq!(admin.topic_stats(&topic).unwrap().subscriptions[name].msg_backlog, 0);
        // The WebSocket API means the same subscription.
        let consumer = client.consumer(&topic, name, Options::new()).unwrap();
        assert_eq!(kind(admin.delete_subscription(&topic, name, false)), IN_USE);
        consumer.close(PATIENCE).unwrap();
    }
    admin.delete_topic(&topic, true).unwrap();
}

pub(crate) fn a_batch_comes_whole_to_a_subscription_that_is_moved_into_it(broker: &Broker) {
    let client = broker.client();
    let topic = broker.topic();
    let consumer = subscribe(&client, &topic);
    let batched = Options::new().batch_enabled(true).batch_max_msg(3).batch_max_delay(Duration::from_secs(5));
    let producer = client.producer(&topic, batched).unwrap();
    producer.send_all((0..6).map(|n| n.to_string())).unwrap();
    let received = consumer.receive_many(6, PATIENCE).unwrap();
    received.iter().for_each(|message| consumer.ack(message).unwrap());
    let ids: Vec<MessageId> = received.iter().map(|message| message.id().clone()).collect();
    assert_eq!((ids[1].batch_index(), ids[2].batch_index()), (Some(1), Some(2)));
    for (position, expected) in [
        (Position::At(ids[1].clone()), vec!["0", "1", "2", "3", "4", "5"]),
        (Position::After(ids[1].clone()), vec!["0", "1", "2", "3", "4", "5"]),
        (Position::After(ids[2].clone()), vec!["3", "4", "5"]),
    ] {
        eventually("all is acknowledged", || broker.backlog(&topic, "s") == 0);
        client.admin().seek(&topic, "s", &position).unwrap();
        assert_eq!(receive(&consumer, expected.len()), expected, "{position:?}");
    }
}

pub(crate) fn old_messages_are_expired(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    for name in ["a", "b", "c"] {
        admin.create_subscription(&topic, name, &Position::Earliest).unwrap();
    }
    let ids = send(&client, &topic, 4);
    assert!(
        !admin.expire_messages(&topic, "a", Duration::from_secs(3600)).unwrap_or(false) || {
            // A real broker may begin, and find nothing that is old enough.
            broker.backlog(&topic, "a") == 4
        }
    );
    assert!(admin.expire_messages_until(&topic, "a", &ids[1]).unwrap());
    eventually("two of them are expired", || broker.backlog(&topic, "a") == 2);
    eventually("all of them are expired", || {
        // They must be older than a second.
        let _ = admin.expire_messages(&topic, "b", Duration::from_secs(1)).unwrap();
        broker.backlog(&topic, "b") <= 1
    });
    admin.expire_all_messages(&topic, Duration::from_secs(1)).unwrap();
    eventually("all of them are expired", || broker.backlog(&topic, "c") <= 1);
    assert_eq!(kind(admin.expire_messages(&topic, "nobody", Duration::ZERO)), MISSING);
}

pub(crate) fn a_subscription_has_properties_and_a_backlog_to_analyze(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    admin.create_subscription(&topic, "s", &Position::Earliest).unwrap();
    assert!(admin.subscription_properties(&topic, "s").unwrap().is_empty());
    let properties = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    admin.set_subscription_properties(&topic, "s", &properties).unwrap();
    assert_eq!(admin.subscription_properties(&topic, "s").unwrap(), properties);
    assert_eq!(kind(admin.subscription_properties(&topic, "nobody")), MISSING);
    send(&client, &topic, 3);
    let found = admin.analyze_backlog(&topic, "s").unwrap();
    assert_eq!((found.entries, found.messages, found.aborted), (3, 3, false));
}

/// A record in Avro, of optional fields.
fn record(fields: &[&str]) -> String {
    let field = |name: &&str| format!(r#"{{"name":"{name}","type":["null","string"],"default":null}}"#);
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!(r#"{{"type":"record","name":"Order","fields":[{}]}}"#, fields.join(","))
}

pub(crate) fn a_topic_has_a_schema_with_versions(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    assert_eq!(kind(admin.schema(&topic, None)), MISSING);
    assert_eq!(admin.schemas(&topic).unwrap(), []);
    let one = Schema::new("JSON", &record(&["id"]));
    let two =
        Schema { properties: [("owner".into(), "anna".into())].into(), ..Schema::new("JSON", &record(&["id", "n"])) };
    assert_eq!(admin.upload_schema(&topic, &one).unwrap(), 0);
    assert_eq!(admin.upload_schema(&topic, &two).unwrap(), 1);
    assert_eq!(admin.upload_schema(&topic, &one).unwrap(), 0, "it is there already");
    let listed = admin.schemas(&topic).unwrap();
    let definitions: Vec<(u64, &str)> = listed.iter().map(|schema| (schema.version, &*schema.definition)).collect();
    assert_eq!(definitions, [(0, &*one.definition), (1, &*two.definition)]);
    let newest = admin.schema(&topic, None).unwrap();
    assert_eq!((&newest, newest.schema_type.as_str(), &newest.properties), (&listed[1], "JSON", &two.properties));
    assert!(newest.raw.contains("\"timestamp\"") && newest.timestamp > 0);
    assert_eq!(admin.schema(&topic, Some(0)).unwrap().definition, one.definition);
    assert_eq!(kind(admin.schema(&topic, Some(7))), MISSING);
    // Each partition, and a topic of this name that is not stored, has the same schema.
    for other in [format!("{topic}-partition-3"), topic.replace("persistent://", "non-persistent://")] {
        assert_eq!(admin.schema(&other, None).unwrap().version, 1, "{other}");
    }
    admin.delete_schema(&topic).unwrap();
    for version in [None, Some(0), Some(2)] {
        assert_eq!(kind(admin.schema(&topic, version)), MISSING, "{version:?}");
    }
    assert_eq!(admin.schemas(&topic).unwrap(), []);
    assert_eq!(admin.upload_schema(&topic, &one).unwrap(), 3, "the deletion is a version too");
    // The schema goes with its topic.
    let used = broker.topic();
    send(&client, &used, 1);
    admin.upload_schema(&used, &Schema::new("STRING", "")).unwrap();
    admin.delete_topic(&used, true).unwrap();
    assert_eq!(admin.schemas(&used).unwrap(), []);
}

pub(crate) fn a_topic_without_a_schema_has_a_strategy(broker: &Broker) {
    let asked = broker.client().admin().test_schema_compatibility(broker.topic(), &Schema::new("STRING", "")).unwrap();
    assert_eq!((asked.compatible, asked.strategy.as_str(), asked.reason.as_str()), (true, "FULL", ""));
}

pub(crate) fn a_schema_that_does_not_fit_is_refused(broker: &Broker) {
    let client = broker.client();
    let admin = client.admin();
    let topic = broker.topic();
    let fits = Schema::new("AVRO", &record(&["id", "text"]));
    let text = record(&["id"]).replace(r#"["null","string"],"default":null"#, r#""string""#);
    let (less, other) = (Schema::new("AVRO", &text), Schema::new("STRING", ""));
    let asked = admin.test_schema_compatibility(&topic, &less).unwrap();
    assert_eq!((asked.compatible, asked.reason.as_str()), (true, ""));
    admin.upload_schema(&topic, &Schema::new("AVRO", &record(&["id"]))).unwrap();
    assert!(admin.test_schema_compatibility(&topic, &fits).unwrap().compatible);
    for (schema, says) in
        [(&less, "Unable to read schema"), (&other, "exists schema type AVRO, new schema type STRING")]
    {
        let asked = admin.test_schema_compatibility(&topic, schema).unwrap();
        assert!(!asked.compatible && asked.reason.contains(says), "{asked:?}");
        let refused = admin.upload_schema(&topic, schema).unwrap_err();
        assert_eq!((refused.kind(), refused.http_status()), (ErrorKind::InvalidArgument, Some(409)), "{refused}");
        assert!(refused.to_string().contains(says) && !refused.is_retriable(), "{refused}");
    }
    for (schema_type, definition, says) in [
        ("AVRO", "{", "Invalid schema definition data for AVRO schema"),
        ("JSON", "{", "Invalid schema definition data for JSON schema"),
        ("INT32", "x", "length of schema data should be zero"),
        ("AUTO_CONSUME", "", "client-side schema type"),
    ] {
        let refused = admin.upload_schema(broker.topic(), &Schema::new(schema_type, definition)).unwrap_err();
        assert_eq!((refused.kind(), refused.http_status()), (ErrorKind::InvalidArgument, Some(422)), "{refused}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
    let json_schema = Schema::new("JSON", r#"{"type":"object"}"#);
    assert_eq!(admin.upload_schema(broker.topic(), &json_schema).unwrap(), 0);
    let unknown = admin.upload_schema(&topic, &Schema::new("XML", "")).unwrap_err();
    assert!(unknown.to_string().contains("SchemaType.XML"), "{unknown}");
}

pub(crate) fn a_schema_in_a_namespace_that_is_missing_is_not_found(broker: &Broker) {
    let uploaded = broker.client().admin().upload_schema("nobody/here/t", &Schema::new("STRING", ""));
    assert_eq!(kind(uploaded), MISSING);
}
