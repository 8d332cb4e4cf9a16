use std::time::{Duration, Instant};

use serde_json::json;
use stargate_core::mock::MockMessage;

use crate::client::{Client, LONG, mock, text_of};
use crate::consumer::fill;

#[test]
fn a_refused_message_comes_back_alone_after_the_delay_with_its_count() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s?subscriptionType=Shared&negativeAckRedeliveryDelay=200");
    fill(&mock, "t", 2);
    let (first, _second) = (consumer.json(), consumer.json());
    let refused = Instant::now();
    consumer.nack(&first["messageId"]);
    let again = consumer.json();
    assert!(refused.elapsed() >= Duration::from_millis(199), "{:?}", refused.elapsed());
    assert_eq!((&again["messageId"], &again["redeliveryCount"]), (&first["messageId"], &json!(1)));
    consumer.nack(&again["messageId"]);
    assert_eq!(consumer.json()["redeliveryCount"], 2);
    consumer.assert_quiet();
}

#[test]
fn a_refused_message_on_an_exclusive_subscription_brings_back_all_without_a_count() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s?negativeAckRedeliveryDelay=0");
    fill(&mock, "t", 3);
    let messages: Vec<_> = (0..3).map(|_| consumer.json()).collect();
    consumer.ack(&messages[0]["messageId"]);
    consumer.nack(&messages[1]["messageId"]);
    let again: Vec<_> = (0..2).map(|_| consumer.json()).collect();
    assert_eq!([text_of(&again[0]), text_of(&again[1])], ["1", "2"]);
    assert_eq!((&again[0]["redeliveryCount"], &again[1]["redeliveryCount"]), (&json!(0), &json!(0)));
}

#[test]
fn refusing_an_acknowledged_message_does_nothing() {
    let mock = mock();
    for kind in ["Exclusive", "Shared"] {
        let mut consumer =
            Client::consumer(&mock, &format!("{kind}/s?subscriptionType={kind}&negativeAckRedeliveryDelay=0"));
        mock.publish(kind, MockMessage::new("x")).unwrap();
        let message = consumer.json();
        consumer.ack(&message["messageId"]);
        consumer.nack(&message["messageId"]);
        consumer.assert_quiet();
        mock.publish(kind, MockMessage::new("next")).unwrap();
        assert_eq!(consumer.payload(), "next");
    }
}

#[test]
fn an_ack_timeout_brings_messages_back_and_takes_another_slot_of_the_window() {
    let mock = mock();
    fill(&mock, "t", 3);
    let query = "subscriptionType=Shared&ackTimeoutMillis=1000&subscriptionInitialPosition=Earliest";
    let mut consumer = Client::consumer(&mock, &format!("t/s?{query}&receiverQueueSize=3"));
    let delivered: Vec<_> = (0..3).map(|_| consumer.json()).collect();
    consumer.ack(&delivered[0]["messageId"]);
    let again = consumer.json();
    assert_eq!((text_of(&again), &again["redeliveryCount"]), ("1".into(), &json!(1)));
    // two unacknowledged deliveries and this one fill the window: "2" cannot come back
    consumer.assert_quiet();
}

#[test]
fn a_message_refused_too_often_goes_to_the_dead_letter_topic() {
    let mock = mock();
    let query = "subscriptionType=Shared&negativeAckRedeliveryDelay=0&maxRedeliverCount=2";
    let mut consumer = Client::consumer(&mock, &format!("t/s?{query}"));
    let mut letters = Client::consumer(&mock, "t-s-DLQ/reader");
    mock.publish("t", MockMessage::new("poison").key("kk").property("a", "b")).unwrap();
    for count in 0..3 {
        let message = consumer.json();
        assert_eq!(message["redeliveryCount"], count);
        consumer.nack(&message["messageId"]);
    }
    let letter = letters.json();
    assert_eq!((text_of(&letter), &letter["key"]), ("poison".into(), &json!("kk")));
    let properties = json!({
        "a": "b", "REAL_TOPIC": "persistent://public/default/t", "REAL_SUBSCRIPTION": "s",
        "ORIGIN_MESSAGE_ID": "1:0:-1", "ORIGIN_MESSAGE_IDY_TIME": "1:0:-1",
    });
    assert_eq!(letter["properties"], properties);
    consumer.assert_quiet();
    assert_eq!(mock.backlog("t", "s"), Ok(0));
}

#[test]
fn the_dead_letter_topic_can_be_named() {
    let mock = mock();
    let query = "subscriptionType=Key_Shared&negativeAckRedeliveryDelay=0&maxRedeliverCount=1&deadLetterTopic=dead";
    let mut consumer = Client::consumer(&mock, &format!("t/s?{query}"));
    mock.publish("t", MockMessage::new("x")).unwrap();
    for _ in 0..2 {
        let id = consumer.json()["messageId"].clone();
        consumer.nack(&id);
    }
    let mut letters = Client::consumer(&mock, "dead/reader?subscriptionInitialPosition=Earliest");
    assert_eq!(letters.payload(), "x");
}

#[test]
fn a_delay_holds_messages_back_from_shared_subscriptions_only() {
    let mock = mock();
    let mut shared = Client::consumer(&mock, "t/a?subscriptionType=Shared");
    let mut by_key = Client::consumer(&mock, "t/b?subscriptionType=Key_Shared");
    let mut exclusive = Client::consumer(&mock, "t/c");
    let mut producer = Client::producer(&mock, "t");
    let sent = Instant::now();
    producer.send(r#"{"payload":"bGF0ZXI=","deliverAfterMs":300}"#);
    producer.send(r#"{"payload":"bm93","deliverAt":1}"#);
    assert_eq!(exclusive.payloads(2), ["later", "now"]);
    assert_eq!((shared.payload(), by_key.payload()), ("now".into(), "now".into()));
    assert_eq!((shared.payload(), by_key.payload()), ("later".into(), "later".into()));
    assert!(sent.elapsed() >= Duration::from_millis(299), "{:?}", sent.elapsed());
}

#[test]
fn a_message_with_a_delay_is_never_part_of_a_batch() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t?batchingEnabled=true&batchingMaxPublishDelay=60000");
    producer.produce("a", "a");
    producer.send(r#"{"payload":"Yg==","deliverAfterMs":1}"#);
    let ids = [producer.json()["messageId"].clone(), producer.json()["messageId"].clone()];
    assert_eq!(ids, ["CAEQADAA", "CAEQATAA"]);
}

#[test]
fn moving_the_cursor_goes_on_at_the_same_socket() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    fill(&mock, "t", 3);
    let messages: Vec<_> = (0..3).map(|_| consumer.json()).collect();
    messages.iter().for_each(|message| consumer.ack(&message["messageId"]));
    assert!(mock.wait("ack", None, 3, LONG).unwrap());
    let path = "/admin/v2/persistent/public/default/t/subscription/s/resetcursor";
    let id = r#"{"ledgerId":1,"entryId":1,"partitionIndex":-1"#;
    assert_eq!(crate::client::http(&mock, "POST", path, &format!("{id}}}")).0, 204);
    assert_eq!(consumer.payloads(2), ["1", "2"]);
    assert_eq!(crate::client::http(&mock, "POST", path, &format!("{id},\"excluded\":true}}")).0, 204);
    assert_eq!(consumer.payload(), "2");
    assert_eq!(crate::client::http(&mock, "POST", &format!("{path}/0"), "").0, 204);
    assert_eq!(consumer.payloads(3), ["0", "1", "2"]);
}
