use std::time::Instant;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, LONG, mock};

/// Also the place to measure: `cargo test --release --features mock --test mock_broker flow -- --nocapture`.
#[test]
fn ten_thousand_messages_of_a_kilobyte_go_through_and_are_acknowledged() {
    const COUNT: usize = 10_000;
    let mock = mock();
    let mut consumer = Client::consumer(&mock, "t/s");
    let mut producer = Client::producer(&mock, "t");
    let mut sender = producer.socket.get_ref().try_clone().unwrap();
    let payload = crate::client::base64(&"x".repeat(1024));
    let started = Instant::now();
    std::thread::scope(|scope| {
        // frames are made beforehand: it is the mock that is measured, not this client
        let mut bytes = Vec::new();
        for number in 0..COUNT {
            let frame = json!({ "payload": payload, "context": number.to_string() }).to_string();
            bytes.extend([0x81, 0xfe]);
            bytes.extend((frame.len() as u16).to_be_bytes());
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(frame.as_bytes());
        }
        scope.spawn(move || std::io::Write::write_all(&mut sender, &bytes).unwrap());
        scope.spawn(|| {
            for number in 0..COUNT {
                assert_eq!(producer.json()["context"], number.to_string());
            }
        });
        scope.spawn(|| {
            for number in 1..=COUNT {
                let id = consumer.json()["messageId"].clone();
                let ack = json!({ "messageId": id }).to_string();
                consumer.socket.write(Message::text(ack)).unwrap();
                if number % 100 == 0 {
                    consumer.socket.flush().unwrap();
                }
            }
        });
    });
    assert!(mock.wait("ack", Some("t"), COUNT, LONG).unwrap());
    #[expect(clippy::print_stdout, reason = "for who measures")]
    let () = println!("{COUNT} messages of 1 KiB, sent, delivered and acknowledged in {:?}", started.elapsed());
    assert_eq!(mock.backlog("t", "s"), Ok(0));
}
