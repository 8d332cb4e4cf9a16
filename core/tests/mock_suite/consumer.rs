use serde_json::json;
use stargate_core::mock::{Mock, MockMessage};

use crate::client::{Client, LONG, Next, mock, text_of};

pub(crate) fn fill(mock: &Mock, topic: &str, count: usize) {
    for number in 0..count {
        mock.publish(topic, MockMessage::new(number.to_string())).unwrap();
    }
}

#[test]
fn a_message_is_delivered_as_the_server_writes_it() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    let mut message = MockMessage::new("hello").key("k1").property("a", "b");
    message.event_time = 1_704_161_045_670;
    mock.publish("t", message).unwrap();
    let Next::Text(text) = consumer.next() else { panic!() };
    let (before, after) = text.split_once(r#""publishTime":""#).unwrap();
    assert_eq!(before, r#"{"messageId":"CAEQADAA","payload":"aGVsbG8=","properties":{"a":"b"},"#);
    let (time, after) = after.split_once('"').unwrap();
    assert!(time.ends_with('Z') && time.starts_with("20"), "{time}");
    assert_eq!(after, r#","redeliveryCount":0,"eventTime":"2024-01-02T02:04:05.67Z","key":"k1"}"#);
    mock.publish("t", MockMessage::new("")).unwrap();
    let plain = consumer.json();
    assert_eq!((plain.get("key"), plain.get("eventTime"), &plain["payload"]), (None, None, &json!("")));
}

#[test]
fn a_new_subscription_starts_where_it_was_told_to_and_an_old_one_where_it_was() {
    let mock = mock();
    fill(&mock, "t", 2);
    let mut latest = Client::consumer(&mock, "t/l");
    latest.assert_quiet();
    let mut earliest = Client::consumer(&mock, "t/e?subscriptionInitialPosition=Earliest");
    let first = earliest.json();
    earliest.ack(&first["messageId"]);
    assert!(mock.wait("ack", Some("t"), 1, LONG).unwrap());
    assert_eq!(mock.backlog("t", "e"), Ok(1));
    earliest.close();
    let mut again = Client::consumer(&mock, "t/e?subscriptionInitialPosition=Earliest");
    assert_eq!(again.payload(), "1");
}

#[test]
fn push_stops_at_the_window_and_every_ack_opens_it_by_one() {
    let mock = mock();
    fill(&mock, "t", 10);
    let mut consumer = Client::consumer(&mock, "t/s?subscriptionInitialPosition=Earliest&receiverQueueSize=2");
    let first = consumer.json();
    assert_eq!(consumer.payload(), "1");
    consumer.assert_quiet();
    for _ in 0..6 {
        // of one and the same message: the window is a counter, and believes it
        consumer.ack(&first["messageId"]);
    }
    assert_eq!(consumer.payloads(6), ["2", "3", "4", "5", "6", "7"]);
    consumer.assert_quiet();
    assert_eq!(mock.backlog("t", "s"), Ok(9));
}

#[test]
fn the_default_window_is_a_thousand_and_no_larger_one_is_given() {
    let mock = mock();
    fill(&mock, "t", 1500);
    for query in ["", "&receiverQueueSize=5000"] {
        let mut consumer = Client::consumer(&mock, &format!("t/s?subscriptionInitialPosition=Earliest{query}"));
        consumer.payloads(1000);
        consumer.assert_quiet();
        consumer.close();
    }
}

#[test]
fn a_queue_of_zero_is_a_window_of_one() {
    let mock = mock();
    fill(&mock, "t", 3);
    let mut consumer = Client::consumer(&mock, "t/s?subscriptionInitialPosition=Earliest&receiverQueueSize=0");
    let first = consumer.json();
    consumer.assert_quiet();
    consumer.ack(&first["messageId"]);
    assert_eq!(consumer.payload(), "1");
    consumer.assert_quiet();
}

#[test]
fn permits_are_counted_with_their_debt() {
    let mock = mock();
    fill(&mock, "t", 6);
    let mut consumer = Client::consumer(&mock, "t/s?pullMode=true&subscriptionInitialPosition=Earliest");
    consumer.assert_quiet();
    consumer.permit(2);
    assert_eq!(consumer.payloads(2), ["0", "1"]);
    consumer.assert_quiet();
    for (permits, next) in [(0, "2"), (0, "3"), (1, "4"), (-1, "5")] {
        consumer.permit(permits);
        assert_eq!(consumer.payload(), next);
        consumer.assert_quiet();
    }
    consumer.permit(10);
    fill(&mock, "t", 9);
    assert_eq!(consumer.payloads(6), ["0", "1", "2", "3", "4", "5"]);
    consumer.assert_quiet();
}

#[test]
fn pull_mode_has_no_limit_but_its_permits_and_push_mode_ignores_them() {
    let mock = mock();
    fill(&mock, "t", 60);
    let mut pull =
        Client::consumer(&mock, "t/a?pullMode=true&receiverQueueSize=5&subscriptionInitialPosition=Earliest");
    pull.permit(50);
    assert_eq!(pull.payloads(50).len(), 50);
    pull.assert_quiet();
    let mut push = Client::consumer(&mock, "t/b?receiverQueueSize=1&subscriptionInitialPosition=Earliest");
    push.payload();
    push.permit(5);
    push.assert_quiet();
}

#[test]
fn an_exclusive_subscription_has_one_consumer_and_a_subscription_one_type() {
    let mock = mock();
    let path = "/ws/v2/consumer/persistent/public/default/t/s";
    let first = Client::connect(&mock, path);
    let (status, page) = Client::try_connect(&mock, path).err().unwrap();
    assert_eq!(status, 409);
    assert!(page.contains("&quot;errorMsg&quot;:&quot;Exclusive consumer is already connected&quot;"), "{page}");
    let (status, page) = Client::try_connect(&mock, &format!("{path}?subscriptionType=Shared")).err().unwrap();
    assert_eq!(status, 409);
    let says = "Active subscription type of &apos;Exclusive&apos; is different than the connecting consumer&apos;s type \
                &apos;Shared&apos;.";
    assert!(page.contains(says), "{page}");
    drop(first);
    assert!(mock.wait("disconnect", None, 1, LONG).unwrap());
    let shared = format!("{path}?subscriptionType=Shared&consumerName=same");
    let _both = (Client::connect(&mock, &shared), Client::connect(&mock, &shared));
}

#[test]
fn failover_delivers_to_one_consumer_and_to_the_next_when_it_is_gone() {
    let mock = mock();
    let mut first = Client::consumer(&mock, "t/s?subscriptionType=Failover&consumerName=a");
    let mut second = Client::consumer(&mock, "t/s?subscriptionType=Failover&consumerName=b");
    fill(&mock, "t", 3);
    let message = first.json();
    first.ack(&message["messageId"]);
    assert_eq!(first.payloads(2), ["1", "2"]);
    second.assert_quiet();
    first.close();
    assert_eq!(second.payloads(2), ["1", "2"]);
}

#[test]
fn shared_consumers_take_turns_and_inherit_what_another_left() {
    let mock = mock();
    let mut first = Client::consumer(&mock, "t/s?subscriptionType=Shared");
    let mut second = Client::consumer(&mock, "t/s?subscriptionType=Shared");
    fill(&mock, "t", 4);
    let mut all = first.payloads(2);
    let left: Vec<_> = (0..2).map(|_| second.json()).collect();
    all.extend(left.iter().map(text_of));
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3"]);
    second.ack(&left[0]["messageId"]);
    second.close();
    let inherited = first.json();
    assert_eq!(text_of(&inherited), text_of(&left[1]));
    assert_eq!(inherited["redeliveryCount"], 0, "who leaves is not a redelivery");
    first.assert_quiet();
}

#[test]
fn key_shared_keeps_a_key_with_one_consumer_and_in_order() {
    let mock = mock();
    let mut consumers: Vec<_> = (0..3).map(|_| Client::consumer(&mock, "t/s?subscriptionType=Key_Shared")).collect();
    for number in 0..60 {
        mock.publish("t", MockMessage::new(number.to_string()).key(format!("k{}", number % 12))).unwrap();
    }
    assert!(mock.wait("receive", Some("t"), 60, LONG).unwrap());
    let mut owners = std::collections::HashMap::new();
    for (index, consumer) in consumers.iter_mut().enumerate() {
        let mut last = std::collections::HashMap::new();
        consumer.socket.send(tokio_tungstenite::tungstenite::Message::Ping(Vec::new().into())).unwrap();
        while let Next::Text(text) = consumer.next() {
            let message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let (key, number) = (message["key"].to_string(), text_of(&message).parse::<i32>().unwrap());
            assert_eq!(*owners.entry(key.clone()).or_insert(index), index, "{key} has two owners");
            assert!(last.insert(key, number).is_none_or(|before| before < number));
        }
    }
    assert_eq!(owners.len(), 12);
}

#[test]
fn a_key_waits_for_its_messages_at_another_consumer() {
    let mock = mock();
    let path = "t/s?subscriptionType=Key_Shared&receiverQueueSize=1";
    let mut first = Client::consumer(&mock, path);
    for number in 0..20 {
        mock.publish("t", MockMessage::new(number.to_string()).key(format!("k{number}"))).unwrap();
        mock.publish("t", MockMessage::new(number.to_string()).key(format!("k{number}"))).unwrap();
    }
    let held = first.json();
    let mut second = Client::consumer(&mock, "t/s?subscriptionType=Key_Shared");
    assert!(mock.wait("receive", Some("t"), 2, LONG).unwrap());
    let got = second.json();
    assert_ne!(got["key"], held["key"]);
}

#[test]
fn acks_of_a_batch_count_together_and_only_on_their_connection() {
    let mock = mock();
    mock.create_subscription("t", "s", true).unwrap();
    mock.publish_batch("t", ["0", "1", "2"].map(MockMessage::new).into()).unwrap();
    let mut consumer = Client::consumer(&mock, "t/s");
    let ids: Vec<_> = (0..3).map(|_| consumer.json()["messageId"].clone()).collect();
    ids[..2].iter().for_each(|id| consumer.ack(id));
    assert!(mock.wait("ack", None, 2, LONG).unwrap());
    assert_eq!(mock.backlog("t", "s"), Ok(1));
    consumer.close();
    let mut again = Client::connect(&mock, "/ws/v2/consumer/persistent/public/default/t/s?pullMode=true");
    ids.iter().for_each(|id| again.ack(id));
    again.assert_quiet();
    assert_eq!(mock.backlog("t", "s"), Ok(1), "ids of an earlier connection do not complete a batch");
    again.permit(3);
    for _ in 0..3 {
        let id = again.json()["messageId"].clone();
        again.ack(&id);
    }
    assert!(mock.wait("ack", None, 8, LONG).unwrap());
    assert_eq!(mock.backlog("t", "s"), Ok(0));
}

#[test]
fn acks_of_an_earlier_connection_work_on_a_plain_topic_only() {
    let mock = mock();
    mock.create_partitioned("p", 2).unwrap();
    for topic in ["t", "p"] {
        mock.create_subscription(topic, "s", true).unwrap();
        let id = mock.publish(topic, MockMessage::new("x")).unwrap();
        let mut consumer = Client::consumer(&mock, &format!("{topic}/s?pullMode=true"));
        consumer.ack(&json!(id));
        consumer.assert_quiet();
    }
    assert_eq!((mock.backlog("t", "s"), mock.backlog("p", "s")), (Ok(0), Ok(1)));
}

#[test]
fn malformed_commands_end_the_connection_each_in_its_way() {
    let mock = mock();
    let cases = [
        (r#"{"messageId":"!!"}"#, Some(1011)),
        ("{}", Some(1011)),
        (r#"{"type":"bogus"}"#, Some(1011)),
        (r#"{"type":"negativeAcknowledge"}"#, Some(1011)),
        ("null", Some(1011)),
        (r#"{"messageId":"AAAA"}"#, None),
        (r#"{"type":"permit"}"#, None),
        (r#"{"type":"permit","permitMessages":"x"}"#, None),
        (r#"{"type":"permit","permitMessages":2147483648}"#, None),
        ("not json", None),
        ("", None),
    ];
    for (frame, expected) in cases {
        let mut consumer = Client::consumer(&mock, "t/s");
        consumer.send(frame);
        match (consumer.next(), expected) {
            (Next::Close(code, _), Some(expected)) if code == expected => {}
            (Next::Eof, None) => {}
            (found, _) => panic!("{frame}: {found:?}"),
        }
        assert!(mock.wait("disconnect", None, 1, LONG).unwrap());
        mock.clear_requests();
    }
    let mut consumer = Client::consumer(&mock, "t/s");
    consumer.ack(&json!("CGMQADAA"));
    consumer.send(r#"{"type":"ack","messageId":"CAEQADAA","ackType":"Cumulative"}"#);
    consumer.assert_quiet();
}

#[test]
fn unsubscribing_mutes_the_socket_and_works_once() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    consumer.send(r#"{"type":"unsubscribe"}"#);
    assert!(mock.wait("unsubscribe", Some("t"), 1, LONG).unwrap());
    assert!(mock.backlog("t", "s").is_err());
    mock.publish("t", MockMessage::new("x")).unwrap();
    consumer.assert_quiet();
    consumer.send(r#"{"type":"unsubscribe"}"#);
    assert_eq!(consumer.next(), Next::Eof);
    let mut first = Client::consumer(&mock, "t/two?subscriptionType=Shared");
    let _second = Client::consumer(&mock, "t/two?subscriptionType=Shared");
    first.send(r#"{"type":"unsubscribe"}"#);
    assert_eq!(first.next(), Next::Eof);
    assert_eq!(mock.backlog("t", "two"), Ok(0));
}

#[test]
fn the_end_of_a_topic_is_told_once_everything_is_acknowledged() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    mock.publish("t", MockMessage::new("x")).unwrap();
    let message = consumer.json();
    mock.terminate("t").unwrap();
    assert!(!consumer.end_of_topic());
    consumer.ack(&message["messageId"]);
    assert!(consumer.end_of_topic());
}

#[test]
fn a_non_durable_subscription_goes_with_its_consumer() {
    let mock = mock();
    let consumer = Client::consumer(&mock, "t/s?subscriptionMode=NonDurable");
    assert_eq!(mock.backlog("t", "s"), Ok(0));
    consumer.close();
    assert!(mock.backlog("t", "s").is_err());
}

#[test]
fn a_tombstone_silences_the_stream_until_it_is_skipped() {
    let mock = mock();
    mock.create_subscription("t", "s", true).unwrap();
    mock.publish("t", MockMessage { payload: None, ..MockMessage::default() }).unwrap();
    mock.publish("t", MockMessage::new("after")).unwrap();
    let mut consumer = Client::consumer(&mock, "t/s");
    consumer.assert_quiet();
    assert!(!consumer.end_of_topic());
    let (status, _) =
        crate::client::http(&mock, "POST", "/admin/v2/persistent/public/default/t/subscription/s/skip/1", "");
    assert_eq!(status, 204);
    consumer.assert_quiet();
    consumer.close();
    assert_eq!(Client::consumer(&mock, "t/s").payload(), "after");
}

#[test]
fn parameters_are_refused_with_javas_words() {
    let mock = mock();
    mock.create_partitioned("p", 2).unwrap();
    let cases = [
        ("t/s?subscriptionType=shared", 400, "Invalid subscriptionType shared"),
        ("t/s?subscriptionMode=durable", 400, "Invalid query params"),
        ("t/s?subscriptionInitialPosition=earliest", 400, "Invalid query params"),
        ("t/s?receiverQueueSize=-1", 400, "Invalid query params"),
        ("t/s?receiverQueueSize=x", 400, "For input string: &quot;x&quot;"),
        ("t/s?ackTimeoutMillis=999", 400, "Ack timeout should be greater than 1000 ms"),
        ("t/s?ackTimeoutMillis=-1", 400, "Ack timeout should be greater than 1000 ms"),
        ("t/s?negativeAckRedeliveryDelay=-1", 400, "Invalid query params"),
        ("t/s?maxRedeliverCount=0", 400, "MaxRedeliverCount must be &gt; 0."),
        ("t/s?deadLetterTopic=d", 400, "MaxRedeliverCount must be &gt; 0."),
        ("t/s?consumerName=", 400, "Invalid query params"),
        ("t/s?priorityLevel=-1", 400, "Invalid query params"),
        ("p/s?receiverQueueSize=0", 500, "Receiver queue size needs to be greater than 0 for Topics Consumer"),
        ("t/", 400, "Empty subscription name"),
        ("t", 400, "Invalid topic name format"),
        ("a/b/s", 400, "Invalid topic name format"),
    ];
    for (rest, status, says) in cases {
        let path = format!("/ws/v2/consumer/persistent/public/default/{rest}");
        let (found, page) = Client::try_connect(&mock, &path).err().unwrap_or_else(|| panic!("{rest} was accepted"));
        assert_eq!(found, status, "{rest}");
        assert!(page.contains(says), "{rest}: {page}");
    }
    Client::consumer(&mock, "t/s?cryptoFailureAction=nonsense&pullMode=maybe");
}

#[test]
fn paths_are_decoded_as_the_server_decodes_them() {
    let mock = mock();
    for (path, topic) in [
        ("persistent/public/default/a%20b%3F%25%E4%BD%A0", "a b?%你"),
        ("persistent/public/default/a+b", "a b"),
        ("persistent/public/default/a%2Bb", "a+b"),
        ("persistent/public/default/a;x=1", "a;x=1"),
        ("persistent/public/default/trailing/", "trailing"),
        ("persistent/public/default/x/y", "x/y"),
    ] {
        Client::connect(&mock, &format!("/ws/v2/producer/{path}"));
        assert!(mock.messages(&format!("persistent://public/default/{topic}")).is_ok(), "{path}");
    }
    for (path, status) in [
        ("/ws/v2/producer/persistent/pub%20lic/default/t", 500),
        ("/ws/v2/producer/bogus/public/default/t", 500),
        ("/ws/v2/consumer/bogus/public/default/t/s", 500),
        ("/ws/v2/producer/persistent/public/default//t", 500),
        ("/ws/v2/producer/persistent/public/default/%zz", 400),
        ("/ws/v2/producer", 302),
        ("/ws/v2/reader/persistent/public/default/", 500),
        ("/ws/v3/producer/persistent/public/default/t", 404),
        ("/ws/pingpong", 404),
        ("/ws/v3/consumer", 302),
    ] {
        assert_eq!(Client::try_connect(&mock, path).err().map(|refusal| refusal.0), Some(status), "{path}");
    }
}

#[test]
fn one_consumer_takes_many_topics_by_name_or_by_pattern() {
    let mock = mock();
    let mut named = Client::connect(&mock, "/ws/v3/consumer/s?topics=a,%20persistent://public/default/b");
    let mut pattern = Client::connect(&mock, "/ws/v3/consumer/p?topicsPattern=persistent://public/default/[ab].*");
    // accepted, and matched against "public/default/a": it never gets anything
    let mut short = Client::connect(&mock, "/ws/v3/consumer/q?topicsPattern=a.*");
    mock.publish("a", MockMessage::new("in a")).unwrap();
    let first = named.json();
    mock.publish("b", MockMessage::new("in b")).unwrap();
    assert_eq!((text_of(&first), named.payload()), ("in a".into(), "in b".into()));
    assert_eq!(pattern.payloads(2), ["in a", "in b"]);
    // a matching topic is found once it exists, even if a producer did not create it
    mock.publish("a2", MockMessage::new("in a2")).unwrap();
    mock.publish("c", MockMessage::new("in c")).unwrap();
    assert_eq!(pattern.payload(), "in a2");
    pattern.assert_quiet();
    short.assert_quiet();
    named.ack(&first["messageId"]);
    named.assert_quiet();
    assert_eq!((mock.backlog("a", "s"), mock.backlog("b", "s")), (Ok(0), Ok(1)));
}

#[test]
fn many_topics_are_refused_with_400_or_500() {
    let mock = mock();
    for (query, status) in [
        ("", 500),
        ("?topics=a&topicsPattern=b", 500),
        ("?topics=", 500),
        ("?topicsPattern=", 500),
        ("?topics=a,b&receiverQueueSize=0", 500),
        ("?topicsPattern=(", 400),
        ("?topics=a,,b", 400),
    ] {
        let path = format!("/ws/v3/consumer/s{query}");
        assert_eq!(Client::try_connect(&mock, &path).err().map(|refusal| refusal.0), Some(status), "{path}");
    }
    // one topic by name is a plain consumer
    Client::connect(&mock, "/ws/v3/consumer/s?topics=a&receiverQueueSize=0");
}

#[test]
fn a_partitioned_topic_is_consumed_whole_with_partitions_in_its_ids() {
    let mock = mock();
    mock.create_partitioned("p", 3).unwrap();
    let mut consumer = Client::consumer(&mock, "p/s");
    fill(&mock, "p", 6);
    let messages: Vec<_> = (0..6).map(|_| consumer.json()).collect();
    let mut payloads: Vec<_> = messages.iter().map(text_of).collect();
    payloads.sort();
    assert_eq!(payloads, ["0", "1", "2", "3", "4", "5"]);
    let with_partition = |message: &serde_json::Value| message["messageId"].as_str().unwrap().len() > 8;
    assert!(messages.iter().all(with_partition), "{messages:?}");
    messages.iter().for_each(|message| consumer.ack(&message["messageId"]));
    assert!(mock.wait("ack", Some("p"), 6, LONG).unwrap());
    assert_eq!(mock.backlog("p", "s"), Ok(0));
}
