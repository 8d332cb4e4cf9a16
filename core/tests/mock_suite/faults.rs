use std::time::{Duration, Instant};

use serde_json::json;
use stargate_core::mock::{Mock, MockMessage, MockOptions};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LONG, Next, http, mock};
use crate::consumer::fill;

const PRODUCER: &str = "/ws/v2/producer/persistent/public/default/t";

#[test]
fn an_upgrade_can_be_refused_with_any_status_and_reason() {
    let mock = mock();
    mock.fault("connect", Some("t"), "http:503:out of <order>", 2).unwrap();
    for _ in 0..2 {
        let (status, page) = Client::try_connect(&mock, PRODUCER).err().unwrap();
        assert_eq!(status, 503);
        assert!(page.contains("<tr><th>MESSAGE:</th><td>out of &lt;order&gt;</td></tr>"), "{page}");
    }
    assert_eq!(mock.faults_left(), 0);
    Client::connect(&mock, PRODUCER);
}

#[test]
fn an_upgrade_can_fail_in_every_other_way() {
    let mock = mock();
    for fault in ["drop", "reset", "half-frame", "garbage"] {
        mock.fault("connect", None, fault, 1).unwrap();
        assert_eq!(Client::try_connect(&mock, PRODUCER).err().map(|refusal| refusal.0), Some(0), "{fault}");
    }
    mock.fault("connect", None, "close:1001:bye", 1).unwrap();
    assert_eq!(Client::connect(&mock, PRODUCER).next(), Next::Close(1001, "bye".into()));
    mock.fault("connect", None, "drop-after", 1).unwrap();
    assert_eq!(Client::connect(&mock, PRODUCER).next(), Next::Eof);
    mock.fault("connect", None, "delay:150", 1).unwrap();
    let started = Instant::now();
    Client::connect(&mock, PRODUCER);
    assert!(started.elapsed() >= Duration::from_millis(150));
    // a stalled upgrade never answers, and ends when the mock says so
    mock.fault("connect", None, "stall", 1).unwrap();
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| Client::try_connect(&mock, PRODUCER).err().map(|refusal| refusal.0));
        assert!(mock.wait("connect", Some("t"), 8, LONG).unwrap());
        mock.drop_connections(None).unwrap();
        assert_eq!(stalled.join().unwrap(), Some(0));
    });
}

#[test]
fn a_send_can_be_refused_and_is_not_stored_then() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    mock.fault("send", None, "send-error:8:org.apache.pulsar.client.api.PulsarClientException$TimeoutException: x", 1)
        .unwrap();
    mock.fault("send", None, "send-error:3", 1).unwrap();
    producer.produce("a", "c1");
    let reply = producer.json();
    assert_eq!((&reply["result"], &reply["context"]), (&json!("send-error:8"), &json!("c1")));
    assert!(reply["errorMsg"].as_str().unwrap().contains("$TimeoutException: x"));
    producer.produce("b", "c2");
    let reply = producer.json();
    assert_eq!((&reply["result"], reply.get("context")), (&json!("send-error:3"), None));
    assert!(mock.messages("t").unwrap().is_empty());
}

#[test]
fn a_connection_can_end_at_a_send_before_or_after_it_is_stored() {
    let cases = [
        ("close:1011:boom", 0, Some(1011)),
        ("drop", 0, None),
        ("reset", 0, None),
        ("drop-after", 1, None),
        ("half-frame", 1, None),
    ];
    for batching in ["", "?batchingEnabled=true&batchingMaxPublishDelay=60000"] {
        for (fault, stored, code) in cases {
            let mock = mock();
            let mut producer = Client::producer(&mock, &format!("t{batching}"));
            mock.fault("send", Some("t"), fault, 1).unwrap();
            producer.produce("a", "c");
            match (producer.next(), code) {
                (Next::Close(found, _), Some(code)) if found == code => {}
                (Next::Eof, None) => {}
                (found, _) => panic!("{fault}: {found:?}"),
            }
            assert_eq!(mock.messages("t").unwrap().len(), stored, "{fault} {batching}");
        }
    }
}

#[test]
fn receipts_before_the_fault_still_arrive() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    mock.fault("send", None, "delay:0", 2).unwrap();
    mock.fault("send", None, "drop-after", 1).unwrap();
    for number in 0..3 {
        let text = json!({ "payload": "YQ==", "context": number }).to_string();
        producer.socket.write(Message::text(text)).unwrap();
    }
    producer.socket.flush().unwrap();
    assert_eq!((&producer.json()["context"], &producer.json()["context"]), (&json!("0"), &json!("1")));
    assert_eq!(producer.next(), Next::Eof);
    assert_eq!(mock.messages("t").unwrap().len(), 3);
}

#[test]
fn a_receipt_can_be_wrong_in_every_way() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    let mut send_with = |fault: &str| {
        mock.fault("send", None, fault, 1).unwrap();
        producer.produce("a", "mine");
        producer.next()
    };
    let Next::Text(text) = send_with("no-context") else { panic!() };
    assert!(text.contains(r#""result":"ok""#) && !text.contains("context"), "{text}");
    let Next::Text(text) = send_with("wrong-context") else { panic!() };
    assert!(text.contains("context") && !text.contains("mine"), "{text}");
    let Next::Text(text) = send_with("garbage") else { panic!() };
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
    let Next::Binary(bytes) = send_with("binary") else { panic!() };
    assert!(bytes.starts_with(br#"{"result":"ok""#));
    let twice = send_with("duplicate");
    assert_eq!(producer.next(), twice);
    mock.fault("send", None, "no-receipt", 1).unwrap();
    producer.produce("a", "never");
    producer.assert_quiet();
    assert_eq!(mock.messages("t").unwrap().len(), 6);
}

#[test]
fn a_delayed_receipt_holds_what_follows_it_and_not_what_was_before() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    producer.store("before");
    mock.fault("send", None, "delay:200", 1).unwrap();
    let sent = Instant::now();
    producer.produce("a", "1");
    producer.produce("b", "2");
    assert!(mock.wait("send", None, 3, LONG).unwrap());
    assert_eq!(mock.messages("t").unwrap().len(), 3, "stored at once");
    assert_eq!((&producer.json()["context"], &producer.json()["context"]), (&json!("1"), &json!("2")));
    assert!(sent.elapsed() >= Duration::from_millis(199), "{:?}", sent.elapsed());
}

#[test]
fn a_delivery_can_be_wrong_in_every_way_and_is_not_lost() {
    for (fault, first) in [("drop", None), ("reset", None), ("half-frame", None), ("drop-after", Some(0))] {
        let mock = mock();
        mock.create_subscription("t", "s", true).unwrap();
        fill(&mock, "t", 1);
        mock.fault("receive", Some("t"), fault, 1).unwrap();
        let mut consumer = Client::consumer(&mock, "t/s");
        if first.is_some() {
            assert_eq!(consumer.payload(), "0");
        }
        assert_eq!(consumer.next(), Next::Eof, "{fault}");
        assert!(mock.wait("disconnect", None, 1, LONG).unwrap());
        assert_eq!(Client::consumer(&mock, "t/s").payload(), "0");
    }
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s?receiverQueueSize=4");
    for fault in ["garbage", "no-receipt", "binary"] {
        mock.fault("receive", None, fault, 1).unwrap();
    }
    fill(&mock, "t", 5);
    assert!(matches!(consumer.next(), Next::Text(text) if serde_json::from_str::<serde_json::Value>(&text).is_err()));
    assert!(matches!(consumer.next(), Next::Binary(_)));
    assert_eq!(consumer.payload(), "3");
    // four were counted as delivered, whatever the client made of them
    consumer.assert_quiet();
    assert_eq!(mock.backlog("t", "s"), Ok(5));
}

#[test]
fn a_duplicate_delivery_takes_a_slot_of_the_window_of_its_own() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s?receiverQueueSize=1");
    mock.fault("receive", None, "duplicate", 1).unwrap();
    fill(&mock, "t", 2);
    let first = consumer.json();
    consumer.assert_quiet();
    consumer.ack(&first["messageId"]);
    assert_eq!(consumer.json(), first);
    consumer.ack(&first["messageId"]);
    assert_eq!(consumer.payload(), "1");
}

#[test]
fn a_lost_ack_opens_the_window_and_acknowledges_nothing() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s?receiverQueueSize=1");
    fill(&mock, "t", 2);
    mock.fault("ack", Some("t"), "lost-ack", 1).unwrap();
    for expected in [2, 1] {
        let id = consumer.json()["messageId"].clone();
        consumer.ack(&id);
        let acks = 3 - expected;
        assert!(mock.wait("ack", None, acks, LONG).unwrap());
        assert_eq!(mock.backlog("t", "s"), Ok(if acks == 1 { 2 } else { 1 }));
    }
}

#[test]
fn commands_can_end_the_connection_before_or_after_they_count() {
    for (fault, backlog) in [("drop", 1), ("close", 1), ("reset", 1), ("drop-after", 0), ("half-frame", 0)] {
        let mock = mock();
        let mut consumer = Client::consumer(&mock, "t/s");
        fill(&mock, "t", 1);
        let id = consumer.json()["messageId"].clone();
        mock.fault("ack", None, fault, 1).unwrap();
        consumer.ack(&id);
        assert!(matches!(consumer.next(), Next::Eof | Next::Close(1011, _)), "{fault}");
        assert!(mock.wait("disconnect", None, 1, LONG).unwrap());
        assert_eq!(mock.backlog("t", "s"), Ok(backlog), "{fault}");
    }
}

#[test]
fn a_delayed_command_is_carried_out_later_and_in_order() {
    let mock = mock();
    fill(&mock, "t", 2);
    let mut consumer = Client::consumer(&mock, "t/s?pullMode=true&subscriptionInitialPosition=Earliest");
    mock.fault("permit", None, "delay:150", 1).unwrap();
    let sent = Instant::now();
    consumer.permit(1);
    consumer.permit(1);
    assert_eq!(consumer.payloads(2), ["0", "1"]);
    assert!(sent.elapsed() >= Duration::from_millis(149), "{:?}", sent.elapsed());
    assert!(mock.wait("permit", None, 2, LONG).unwrap());
}

#[test]
fn lost_permits_and_unsubscribes_are_just_lost() {
    let mock = mock();
    fill(&mock, "t", 1);
    let mut consumer = Client::consumer(&mock, "t/s?pullMode=true&subscriptionInitialPosition=Earliest");
    mock.fault("permit", None, "lost-ack", 1).unwrap();
    mock.fault("unsubscribe", None, "lost-ack", 1).unwrap();
    consumer.permit(1);
    consumer.send(r#"{"type":"unsubscribe"}"#);
    consumer.assert_quiet();
    consumer.permit(1);
    assert_eq!(consumer.payload(), "0");
}

#[test]
fn pings_can_go_unanswered_and_the_rest_goes_on() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    mock.fault("ping", None, "no-receipt", 1).unwrap();
    mock.fault("ping", None, "no-pong", 1).unwrap();
    for payload in ["one", "two", "three"] {
        producer.socket.send(Message::Ping(payload.as_bytes().to_vec().into())).unwrap();
    }
    producer.store("no pong came before this receipt");
    assert!(mock.wait("ping", Some("t"), 3, LONG).unwrap());
    assert_eq!(mock.faults_left(), 0);
}

#[test]
fn a_stalled_connection_is_silent_and_holds_its_place_until_it_is_dropped() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    mock.fault("ping", None, "stall", 1).unwrap();
    consumer.socket.send(Message::Ping(Vec::new().into())).unwrap();
    assert!(mock.wait("ping", None, 1, LONG).unwrap());
    fill(&mock, "t", 1);
    let path = "/ws/v2/consumer/persistent/public/default/t/s";
    assert_eq!(Client::try_connect(&mock, path).err().map(|refusal| refusal.0), Some(409));
    assert_eq!(mock.drop_connections(Some("t")), Ok(1));
    assert_eq!(consumer.next(), Next::Eof);
    assert_eq!(Client::connect(&mock, path).payload(), "0");
}

#[test]
fn a_close_can_go_unanswered() {
    let mock = mock();
    for fault in ["drop", "no-receipt"] {
        let mut producer = Client::producer(&mock, "t");
        mock.fault("close", None, fault, 1).unwrap();
        producer.socket.close(None).unwrap();
        if fault == "no-receipt" {
            assert!(mock.wait("close", None, 2, LONG).unwrap());
            mock.drop_connections(None).unwrap();
        }
        assert_eq!(producer.next(), Next::Eof, "{fault}");
    }
    let mut producer = Client::producer(&mock, "t");
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "done".into() };
    producer.socket.close(Some(frame)).unwrap();
    assert_eq!(producer.next(), Next::Close(1000, "done".into()));
    assert_eq!(producer.next(), Next::Eof);
}

#[test]
fn the_end_of_topic_question_can_go_wrong_too() {
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    mock.fault("end_of_topic", None, "no-receipt", 1).unwrap();
    mock.fault("end_of_topic", None, "duplicate", 1).unwrap();
    consumer.send(r#"{"type":"isEndOfTopic"}"#);
    consumer.assert_quiet();
    assert!(!consumer.end_of_topic());
    assert_eq!(consumer.json(), json!({ "endOfTopic": false }));
}

#[test]
fn the_rest_api_can_fail_by_path() {
    let mock = mock();
    mock.fault("http", Some("/admin/v2/clusters"), "http:500:broken", 1).unwrap();
    assert_eq!(http(&mock, "GET", "/admin/v2/brokers/health", "").0, 200);
    let (status, text) = http(&mock, "GET", "/admin/v2/clusters", "");
    assert_eq!(status, 500);
    assert!(text.ends_with(r#"{"reason":"broken"}"#), "{text}");
    for fault in ["drop", "reset", "garbage", "half-frame"] {
        mock.fault("http", None, fault, 1).unwrap();
        let (_, text) = http(&mock, "GET", "/admin/v2/clusters", "");
        assert!(!text.contains("standalone"), "{fault}: {text}");
    }
    assert!(mock.wait("http", Some("/admin/v2/clusters"), 5, LONG).unwrap());
}

#[test]
fn a_broker_that_is_down_refuses_and_comes_back_at_its_port_with_its_data() {
    let mock = mock();
    let mut producer = Client::producer(&mock, "t");
    let mut consumer = Client::consumer(&mock, "t/s");
    producer.store("kept");
    assert_eq!(consumer.payload(), "kept");
    mock.set_up(false).unwrap();
    assert_eq!((producer.next(), consumer.next()), (Next::Eof, Next::Eof));
    assert_eq!(mock.connections(), 0);
    let address = ("127.0.0.1", mock.port());
    assert_eq!(std::net::TcpStream::connect(address).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    mock.set_up(false).unwrap();
    mock.set_up(true).unwrap();
    mock.set_up(true).unwrap();
    assert_eq!(Client::consumer(&mock, "t/s").payload(), "kept");
    mock.stop();
    assert!(mock.set_up(true).is_err());
}

#[test]
fn connections_are_dropped_by_topic() {
    let mock = mock();
    mock.create_partitioned("p", 2).unwrap();
    let mut one = Client::producer(&mock, "a");
    let mut two = Client::producer(&mock, "b");
    let mut many = Client::connect(&mock, "/ws/v3/consumer/s?topics=a,c");
    assert_eq!(mock.drop_connections(Some("a")), Ok(2));
    assert_eq!((one.next(), many.next()), (Next::Eof, Next::Eof));
    two.store("alive");
}

#[test]
fn an_idle_connection_is_closed_with_1001_and_traffic_keeps_it() {
    let idle = Duration::from_millis(600);
    let mock = Mock::start(MockOptions { idle_timeout: idle, ..MockOptions::default() }).unwrap();
    let mut producer = Client::producer(&mock, "t");
    let started = Instant::now();
    let mut last = started;
    while started.elapsed() < idle * 2 {
        last = Instant::now();
        producer.assert_quiet();
    }
    let reason = "java.util.concurrent.TimeoutException: Idle timeout expired: 600/600 ms";
    assert_eq!(producer.next(), Next::Close(1001, reason.into()));
    assert!(last.elapsed() >= idle);
}

#[test]
fn the_server_pings_if_it_was_told_to() {
    let options = MockOptions { ping_interval: Some(Duration::from_millis(20)), ..MockOptions::default() };
    let mock = Mock::start(options).unwrap();
    let mut producer = Client::producer(&mock, "t");
    assert!(matches!(producer.socket.read(), Ok(Message::Ping(payload)) if payload.as_ref() == b"PING"));
    mock.publish("t", MockMessage::new("x")).unwrap();
}

#[test]
fn extreme_times_mean_never_and_break_nothing() {
    let options = MockOptions { idle_timeout: Duration::MAX, ..MockOptions::default() };
    let mock = Mock::start(MockOptions { ping_interval: Some(Duration::MAX), ..options }).unwrap();
    let mut consumer = Client::consumer(&mock, "t/s?subscriptionType=Shared");
    mock.publish("t", MockMessage { deliver_after_ms: u64::MAX, ..MockMessage::new("never") }).unwrap();
    let mut producer = Client::producer(&mock, "t");
    producer.send(r#"{"payload":"YQ==","deliverAfterMs":9223372036854775807}"#);
    assert_eq!(producer.json()["result"], "ok");
    consumer.assert_quiet();
    assert_eq!(mock.wait("receive", None, 1, Duration::ZERO), Ok(false));
}
