use serde_json::json;
use stargate_core::mock::{Mock, MockOptions, Op};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LONG, Next, base64, http, mock};

#[test]
fn a_message_is_stored_as_sent_and_confirmed_with_its_context() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t?producerName=me");
    producer.send(
        r#"{"payload":"aGVsbG8=","properties":{"a":"b","n":1},"context":"c1","key":"k","eventTime":"2024-01-02T03:04:05.678+01:00"}"#,
    );
    assert_eq!(
        producer.next(),
        Next::Text(r#"{"result":"ok","messageId":"CAEQADAA","context":"c1","errorCode":0,"schemaVersion":0}"#.into())
    );
    producer.send(r#"{"payload":""}"#);
    assert_eq!(
        producer.next(),
        Next::Text(r#"{"result":"ok","messageId":"CAEQATAA","errorCode":0,"schemaVersion":0}"#.into())
    );
    let stored = mock.messages("t").unwrap();
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].payload.as_deref(), Some(&b"hello"[..]));
    assert_eq!(stored[0].key.as_deref(), Some("k"));
    assert_eq!(stored[0].properties["n"], "1");
    assert_eq!(stored[0].event_time, 1_704_161_045_678);
    assert_eq!((stored[0].producer_name.as_str(), stored[0].sequence_id), ("me", 0));
    assert_eq!((stored[1].sequence_id, &stored[1].message_id[..]), (1, "CAEQATAA"));
}

#[test]
fn bad_sends_are_refused_by_number_and_the_connection_survives() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    let cases = [
        (r#"{"payload":"YQ==","context":"c""#, 3, false),
        (r#"["payload"]"#, 3, false),
        (r#"{"payload":"YQ==","context":{}}"#, 3, false),
        (r#"{"payload":"YQ==","context":"c","properties":[]}"#, 3, false),
        (r#"{"payload":"YQ==","context":"c","sequenceId":"x"}"#, 3, false),
        ("", 3, false),
        (r#"{"payload":"!","context":"c"}"#, 7, true),
        (r#"{"payload":"_-8=","context":"c"}"#, 7, true),
        (r#"{"payload":null,"context":"c"}"#, 7, true),
        (r#"{"context":"c"}"#, 7, true),
        (r#"{"payload":"YQ==","context":"c","eventTime":"2024-01-02T03:04:05+0100"}"#, 7, true),
        (r#"{"payload":"YQ==","context":"c","eventTime":1704161045678}"#, 7, true),
        (r#"{"payload":"YQ=","context":"c"}"#, 7, true),
        ("null", 7, false),
    ];
    for (frame, code, with_context) in cases {
        producer.send(frame);
        let reply = producer.json();
        assert_eq!(reply["result"], format!("send-error:{code}"), "{frame}");
        assert_eq!(reply.get("context").is_some(), with_context, "{frame}: {reply}");
        assert!(reply["errorMsg"].is_string(), "{reply}");
        assert_eq!((&reply["errorCode"], reply.get("messageId")), (&json!(0), None));
    }
    assert_eq!(producer.store("still here"), "CAEQADAA");
}

#[test]
fn an_exception_in_the_handler_closes_with_1011_and_loses_the_receipts_under_way() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    let bad = r#"{"payload":"YQ==","properties":{"n":null}}"#;
    // in one write, so that the broker reads it as one
    let frames = [r#"{"payload":"MQ=="}"#, r#"{"payload":"Mg=="}"#, bad];
    let mut bytes = Vec::new();
    for frame in frames {
        bytes.extend([0x81, 0x80 | frame.len() as u8, 0, 0, 0, 0]);
        bytes.extend(frame.as_bytes());
    }
    producer.raw(&bytes);
    assert_eq!(producer.next(), Next::Close(1011, "Need Non-Null value for key: n".into()));
    assert_eq!(producer.next(), Next::Eof);
    assert_eq!(mock.messages("t").unwrap().len(), 2);
}

#[test]
fn only_the_first_document_of_a_frame_counts_and_binary_frames_vanish() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    producer.send(r#"{"payload":"YQ==","context":"a"}{"payload":"Yg==","context":"b"}"#);
    producer.socket.send(Message::binary(br#"{"payload":"Yw=="}"#.to_vec())).unwrap();
    assert_eq!(producer.json()["context"], "a");
    producer.assert_quiet();
    assert_eq!(mock.messages("t").unwrap().len(), 1);
}

#[test]
fn a_message_of_the_size_limit_passes_and_one_byte_more_closes_with_1009() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    let frame = |size: usize| {
        let context = "x".repeat(size - r#"{"payload":"","context":""}"#.len());
        format!(r#"{{"payload":"","context":"{context}"}}"#)
    };
    producer.send(frame(1_048_576));
    assert_eq!(producer.json()["result"], "ok");
    producer.send(frame(1_048_577));
    let reason = "Text message size [1048577] exceeds maximum size [1048576]";
    assert_eq!(producer.next(), Next::Close(1009, reason.into()));
}

#[test]
fn frames_a_client_must_not_send_close_with_their_codes() {
    let mock = mock();
    for (bytes, code) in [(&[0x81, 0x01, b'x'][..], 1002), (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007)] {
        let mut producer = Client::producer(&mock, "t");
        producer.raw(bytes);
        assert!(matches!(producer.next(), Next::Close(found, _) if found == code));
    }
}

#[test]
fn two_thousand_pipelined_messages_are_confirmed_in_order() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    for number in 0..2000 {
        let text = json!({ "payload": "YQ==", "context": number.to_string() }).to_string();
        producer.socket.write(Message::text(text)).unwrap();
    }
    producer.socket.flush().unwrap();
    for number in 0..2000 {
        assert_eq!(producer.json()["context"], number.to_string());
    }
    assert!(mock.wait("send", Some("t"), 2000, LONG).unwrap());
}

#[test]
fn a_batch_is_one_entry_with_a_size_that_only_consumers_see() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    let mut producer =
        Client::producer(&mock, "t?batchingEnabled=TRUE&batchingMaxMessages=3&batchingMaxPublishDelay=60000");
    for payload in ["a", "b", "c"] {
        producer.produce(payload, payload);
    }
    let produced: Vec<_> = (0..3).map(|_| producer.json()["messageId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(produced, ["CAEQACAAMAA=", "CAEQACABMAA=", "CAEQACACMAA="]);
    let consumed: Vec<_> = (0..3).map(|_| consumer.json()["messageId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(consumed, ["CAEQACAAMAM=", "CAEQACABMAM=", "CAEQACACMAM="]);
    assert_eq!(mock.messages("t").unwrap()[2].batch, Some((2, 3)));
    assert_eq!(mock.backlog("t", "s"), Ok(1));
}

#[test]
fn a_batch_that_does_not_fill_goes_out_after_its_delay() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t?batchingEnabled=true&batchingMaxPublishDelay=5");
    producer.produce("a", "a");
    producer.produce("b", "b");
    assert_eq!(producer.json()["messageId"], "CAEQACAAMAA=");
    assert_eq!(producer.json()["messageId"], "CAEQACABMAA=");
    // a batch of one is sent as what it is
    producer.produce("c", "c");
    assert_eq!(producer.json()["messageId"], "CAEQATAA");
}

#[test]
fn messages_over_the_pending_limit_are_refused_before_the_others_are_confirmed() {
    let mock = mock();
    let query = "batchingEnabled=true&maxPendingMessages=3&batchingMaxPublishDelay=100";
    let mut producer = Client::producer(&mock, &format!("t?{query}"));
    for number in 0..8 {
        let text = json!({ "payload": "YQ==", "context": number.to_string() }).to_string();
        producer.socket.write(Message::text(text)).unwrap();
    }
    producer.socket.flush().unwrap();
    let replies: Vec<_> = (0..8).map(|_| producer.json()).collect();
    let contexts: Vec<_> = replies.iter().map(|reply| reply["context"].as_str().unwrap()).collect();
    assert_eq!(contexts, ["3", "4", "5", "6", "7", "0", "1", "2"]);
    assert_eq!(replies[0]["result"], "send-error:8");
    assert!(replies[0]["errorMsg"].as_str().unwrap().contains("ProducerQueueIsFullError"));
    assert_eq!(replies[5]["result"], "ok");
}

#[test]
fn parameters_are_refused_with_javas_words() {
    let mock = mock();
    let cases = [
        ("sendTimeoutMillis=-1", 400, "sendTimeout needs to be &gt;= 0"),
        ("sendTimeoutMillis=x", 400, "For input string: &quot;x&quot;"),
        ("sendTimeoutMillis=2147483648", 400, "For input string"),
        ("batchingEnabled=true&batchingMaxMessages=x", 400, "For input string"),
        ("batchingEnabled=true&batchingMaxPublishDelay=0", 400, "batch delay must be at least 1ms"),
        ("batchingEnabled=true&maxPendingMessages=-1", 400, "maxPendingMessages"),
        ("messageRoutingMode=bad", 400, "Invalid messageRoutingMode bad"),
        ("compressionType=lz4", 400, "Invalid compressionType lz4"),
        ("compressionType=", 400, "Invalid compressionType"),
        ("hashingScheme=bad", 400, "No enum constant"),
        ("producerName=", 400, "producerName cannot be blank"),
        ("initialSequenceId=x", 400, "For input string"),
        ("encryptionKeys=k", 500, "cryptoKeyReaderFactoryClassName"),
    ];
    for (query, status, says) in cases {
        let path = format!("/ws/v2/producer/persistent/public/default/t?{query}");
        let (found, page) = Client::try_connect(&mock, &path).err().unwrap_or_else(|| panic!("{query} was accepted"));
        assert_eq!(found, status, "{query}");
        assert!(page.contains(&format!("<title>Error {status} ")), "{page}");
        assert!(page.contains(says), "{query}: {page}");
    }
    for query in [
        "batchingMaxMessages=x",
        "batchingEnabled=maybe",
        "messageRoutingMode=CustomPartition",
        "compressionType=ZSTD",
        "initialSequenceId=-5",
        "unknown=1",
        "hashingScheme=Murmur3_32Hash&hashingScheme=bad",
    ] {
        Client::producer(&mock, &format!("t?{query}")).close();
    }
}

#[test]
fn a_producers_name_is_its_own_until_it_is_gone() {
    let mock = mock();
    let path = "/ws/v2/producer/persistent/public/default/t?producerName=pn";
    let first = Client::connect(&mock, path);
    let (status, page) = Client::try_connect(&mock, path).err().unwrap();
    assert_eq!(status, 409);
    let says =
        "Producer with name &apos;pn&apos; is already connected to topic &apos;persistent://public/default/t&apos;";
    assert!(page.contains(says), "{page}");
    drop(first);
    assert!(mock.wait("disconnect", None, 1, LONG).unwrap());
    Client::connect(&mock, path);
}

#[test]
fn deduplication_drops_what_it_has_seen_and_says_ok() {
    let mock = mock();
    mock.set_deduplication("public/default", true).unwrap();
    let mut producer = Client::producer(&mock, "t?producerName=p");
    for payload in ["0", "1", "2", "3"] {
        producer.store(payload);
    }
    producer.close();
    let mut again = Client::producer(&mock, "t?producerName=p&initialSequenceId=0");
    let duplicate = "CP///////////wEQ////////////ATAA";
    let ids: Vec<_> = ["dup", "dup2", "x0", "x1"].iter().map(|payload| again.store(payload)).collect();
    assert_eq!(ids, [duplicate, duplicate, duplicate, "CAEQBDAA"]);
    again.close();
    // without a sequence the broker goes on after its last one, and a message sent again is stored again
    let mut third = Client::producer(&mock, "t?producerName=p");
    assert_eq!(third.store("x1"), "CAEQBTAA");
    assert_eq!(mock.messages("t").unwrap().len(), 6);
}

#[test]
fn a_terminated_topic_refuses_messages_and_new_producers() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    producer.store("last");
    mock.terminate("t").unwrap();
    producer.produce("more", "c");
    let reply = producer.json();
    assert_eq!((&reply["result"], &reply["context"]), (&json!("send-error:8"), &json!("c")));
    assert!(reply["errorMsg"].as_str().unwrap().contains("TopicTerminatedException: Topic was terminated"));
    let (status, page) = Client::try_connect(&mock, "/ws/v2/producer/persistent/public/default/t").err().unwrap();
    assert_eq!(status, 503);
    assert!(page.contains("TopicTerminatedException: Topic was already terminated"), "{page}");
}

#[test]
fn a_deleted_topic_comes_back_with_the_next_message() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    producer.store("a");
    let (status, _) = http(&mock, "DELETE", "/admin/v2/persistent/public/default/t", "");
    assert_eq!(status, 412);
    let (status, _) = http(&mock, "DELETE", "/admin/v2/persistent/public/default/t?force=true", "");
    assert_eq!(status, 204);
    assert!(mock.messages("t").is_err());
    assert_eq!(producer.store("b"), "CAIQADAA");
}

#[test]
fn a_missing_namespace_or_topic_is_a_404() {
    let mock = Mock::start(MockOptions { auto_create_topics: false, ..MockOptions::default() }).unwrap();
    for path in ["public/nope/t", "nope/default/t", "public/default/t"] {
        let (status, page) = Client::try_connect(&mock, &format!("/ws/v2/producer/persistent/{path}")).err().unwrap();
        assert_eq!(status, 404, "{path}");
        assert!(page.contains("Failed to create producer/consumer: {&quot;errorMsg&quot;:"), "{page}");
    }
    mock.create_partitioned("t", 1).unwrap();
    Client::producer(&mock, "t");
}

#[test]
fn messages_go_to_one_partition_to_all_in_turn_or_to_their_keys() {
    let mock = mock();
    mock.create_partitioned("t", 3).unwrap();
    let partitions = |mock: &Mock| -> Vec<usize> {
        (0..3).map(|index| mock.messages(&format!("t-partition-{index}")).map_or(0, |stored| stored.len())).collect()
    };
    let mut single = Client::producer(&mock, "t");
    (0..6).for_each(|_| drop(single.store("x")));
    assert_eq!(partitions(&mock).iter().filter(|count| **count == 6).count(), 1);
    let mut spread = Client::producer(&mock, "t?messageRoutingMode=RoundRobinPartition");
    (0..6).for_each(|_| drop(spread.store("x")));
    let counts = partitions(&mock);
    assert_eq!((counts.iter().sum::<usize>(), counts.iter().filter(|count| **count == 2).count()), (12, 2));
    // "hello".hashCode() is 99162322, which leaves 1
    spread.send(json!({ "payload": base64("k"), "key": "hello" }).to_string());
    assert_eq!(spread.json()["messageId"].as_str().map(|id| id.len() > 8), Some(true));
    let stored = mock.messages("t").unwrap();
    let mut direct = Client::producer(&mock, "t-partition-1");
    assert_eq!(direct.store("x").len(), 8, "who sends to one partition is not told that it is one");
    let keyed = stored.iter().find(|message| message.key.is_some()).unwrap();
    assert_eq!(keyed.topic, "persistent://public/default/t-partition-1");
}

#[test]
fn ids_on_a_non_persistent_topic_are_all_the_same_and_nothing_is_kept() {
    let mock = mock();
    let mut consumer = Client::connect(&mock, "/ws/v2/consumer/non-persistent/public/default/t/s");
    let mut producer = Client::connect(&mock, "/ws/v2/producer/non-persistent/public/default/t");
    assert_eq!((producer.store("a"), producer.store("b")), ("CAAQADAA".into(), "CAAQADAA".into()));
    assert_eq!(consumer.payloads(2), ["a", "b"]);
    let batching = "t?batchingEnabled=true&batchingMaxMessages=2";
    let mut batches = Client::connect(&mock, &format!("/ws/v2/producer/non-persistent/public/default/{batching}"));
    batches.produce("c", "c");
    batches.produce("d", "d");
    let ids = [consumer.json()["messageId"].clone(), consumer.json()["messageId"].clone()];
    assert_eq!(ids, ["CAAQACAAMAI=", "CAAQACABMAI="]);
    assert!(mock.messages("non-persistent://public/default/t").unwrap().is_empty());
}

#[test]
fn what_clients_do_is_logged_and_can_be_waited_for() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    producer.store("a");
    let sends: Vec<_> = mock.requests().into_iter().filter(|request| request.op == Op::Send).collect();
    assert_eq!((sends.len(), &*sends[0].topic), (1, "persistent://public/default/t"));
    assert_eq!((sends[0].role, sends[0].detail.as_str()), ("producer", "c"));
    assert!(mock.requests_json().contains(r#""op":"send""#));
    assert_eq!(mock.count(Op::Send, Some("other")), Ok(0));
    assert_eq!(mock.wait("send", None, 2, std::time::Duration::from_millis(1)), Ok(false));
    assert_eq!(mock.connections(), 1);
    mock.clear_requests();
    assert_eq!(mock.count(Op::Send, None), Ok(0));
}
