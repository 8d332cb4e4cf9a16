use stargate_core::mock::MockMessage;

use crate::client::{Client, Next, get, mock};

fn encoded(id: &str) -> String {
    id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[test]
fn a_reader_starts_at_either_end_or_after_an_id() {
    let mock = mock();
    let ids: Vec<_> = ["1", "2", "3"].map(|text| mock.publish("t", MockMessage::new(text)).unwrap()).into();
    assert_eq!(Client::reader(&mock, "t?messageId=earliest").payloads(3), ["1", "2", "3"]);
    assert_eq!(Client::reader(&mock, &format!("t?messageId={}", encoded(&ids[0]))).payloads(2), ["2", "3"]);
    for query in ["", "?messageId=", "?messageId=latest"] {
        let mut reader = Client::reader(&mock, &format!("t{query}"));
        reader.assert_quiet();
    }
    let mut latest = Client::reader(&mock, "t");
    mock.publish("t", MockMessage::new("4")).unwrap();
    assert_eq!(latest.payload(), "4");
}

#[test]
fn a_reader_resumes_within_a_batch() {
    let mock = mock();
    mock.publish_batch("t", ["0", "1", "2", "3"].map(MockMessage::new).into()).unwrap();
    let mut reader = Client::reader(&mock, "t?messageId=earliest");
    reader.payload();
    let second = reader.json()["messageId"].as_str().unwrap().to_owned();
    assert_eq!(Client::reader(&mock, &format!("t?messageId={}", encoded(&second))).payloads(2), ["2", "3"]);
    let last = mock.messages("t").unwrap()[3].message_id.clone();
    mock.publish("t", MockMessage::new("next")).unwrap();
    assert_eq!(Client::reader(&mock, &format!("t?messageId={}", encoded(&last))).payload(), "next");
}

#[test]
fn a_reader_stops_at_its_queue_until_any_json_comes() {
    let mock = mock();
    (0..10).for_each(|number| drop(mock.publish("t", MockMessage::new(number.to_string())).unwrap()));
    let mut reader = Client::reader(&mock, "t?messageId=earliest&receiverQueueSize=2");
    assert_eq!(reader.payloads(2), ["0", "1"]);
    reader.assert_quiet();
    for (frame, next) in [
        (r#"{"messageId":"CAEQADAA"}"#, "2"),
        ("{}", "3"),
        (r#"{"type":"unsubscribe"}"#, "4"),
        (r#"{"type":"permit"}"#, "5"),
    ] {
        reader.send(frame);
        assert_eq!(reader.payload(), next, "{frame}");
    }
    assert!(!reader.end_of_topic());
    reader.assert_quiet();
}

#[test]
fn a_reader_is_dropped_for_what_is_not_json() {
    let mock = mock();
    let mut reader = Client::reader(&mock, "t");
    reader.send("not json");
    assert_eq!(reader.next(), Next::Eof);
}

#[test]
fn a_reader_with_a_queue_of_zero_connects_and_gets_nothing() {
    let mock = mock();
    mock.publish("t", MockMessage::new("1")).unwrap();
    let mut reader = Client::reader(&mock, "t?messageId=earliest&receiverQueueSize=0");
    reader.assert_quiet();
    reader.send("{}");
    reader.assert_quiet();
}

#[test]
fn whatever_is_wrong_with_a_reader_is_a_500() {
    let mock = mock();
    mock.create_partitioned("p", 2).unwrap();
    for path in [
        "public/default/t?messageId=Earliest",
        "public/default/t?messageId=!!",
        "public/default/t?messageId=AAAA",
        "public/default/t?receiverQueueSize=-1",
        "public/default/t?receiverQueueSize=x",
        "public/nope/t",
        "public/default/p?messageId=CAEQADAA",
    ] {
        let (status, page) = Client::try_connect(&mock, &format!("/ws/v2/reader/persistent/{path}")).err().unwrap();
        assert_eq!(status, 500, "{path}");
        // a number is read before the handler catches anything
        let says = if path.ends_with("=x") { "NumberFormatException" } else { "Failed to create reader: " };
        assert!(page.contains(says), "{path}: {page}");
    }
}

#[test]
fn a_reader_of_a_partitioned_topic_gets_all_partitions() {
    let mock = mock();
    mock.create_partitioned("p", 2).unwrap();
    let ids: Vec<_> = (0..4).map(|number| mock.publish("p", MockMessage::new(number.to_string())).unwrap()).collect();
    let mut all = Client::reader(&mock, "p?messageId=earliest").payloads(4);
    all.sort();
    assert_eq!(all, ["0", "1", "2", "3"]);
    // one partition can be resumed by its own name
    let mut one = Client::reader(&mock, &format!("p-partition-0?messageId={}", encoded(&ids[0])));
    assert_eq!(one.payload(), "2");
}

#[test]
fn the_end_of_a_topic_is_told_once_everything_is_read() {
    let mock = mock();
    mock.publish("t", MockMessage::new("1")).unwrap();
    let mut reader = Client::reader(&mock, "t?messageId=earliest");
    reader.payload();
    assert!(!reader.end_of_topic());
    mock.terminate("t").unwrap();
    assert!(reader.end_of_topic());
}

#[test]
fn a_reader_is_a_subscription_as_long_as_it_is_connected() {
    let mock = mock();
    let reader = Client::reader(&mock, "t");
    let listed = get(&mock, "/admin/v2/persistent/public/default/t/subscriptions");
    assert!(listed[0].as_str().unwrap().starts_with("reader-"), "{listed}");
    reader.close();
    assert_eq!(get(&mock, "/admin/v2/persistent/public/default/t/subscriptions"), serde_json::json!([]));
}
