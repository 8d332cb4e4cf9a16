//! How an application tests its handler: against a broker inside the test, with no sleep and nothing to install.
//!
//! `cargo test -p stargate-core --features mock --test billing`

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stargate_core::blocking::Client;
use stargate_core::mock::{Mock, MockMessage, MockOptions};
use stargate_core::{HandlerResult, Message, Options, Outcome, Result};

/// The code under test. It bills each order once; when the till is jammed, the order is redelivered.
struct Billing {
    till: Arc<Mutex<Till>>,
}

#[derive(Default)]
struct Till {
    billed: HashSet<String>,
    jams: usize,
}

impl Billing {
    fn handle(&self, message: &Message) -> HandlerResult {
        let order = String::from_utf8(message.payload().to_vec())?;
        let mut till = self.till.lock().map_err(|_| "the till is broken")?;
        if till.jams > 0 {
            till.jams -= 1;
            return Ok(Outcome::Nack);
        }
        till.billed.insert(order);
        Ok(Outcome::Ack)
    }
}

fn run_billing(client: &Client, till: &Arc<Mutex<Till>>) -> Result<stargate_core::blocking::Consumer> {
    let options = Options::new().subscription_type(stargate_core::SubscriptionType::Shared);
    let consumer = client.consumer("orders", "billing", options.negative_ack_delay(Duration::from_millis(100)))?;
    let till = Arc::clone(till);
    consumer.listen(move |_processor| {
        let billing = Billing { till: Arc::clone(&till) };
        Ok(move |message: &Message| billing.handle(message))
    })?;
    Ok(consumer)
}

const PATIENCE: Duration = Duration::from_secs(20);

fn stage() -> (Mock, Client, Arc<Mutex<Till>>) {
    let mock = Mock::start(MockOptions::default()).expect("there is a free port");
    let client = Client::new(&mock.url(), Options::new()).expect("the URL is right");
    (mock, client, Arc::default())
}

#[test]
fn an_order_that_was_refused_comes_again_and_is_billed() {
    let (mock, client, till) = stage();
    till.lock().unwrap().jams = 1;
    let _billing = run_billing(&client, &till).unwrap();
    mock.publish("orders", MockMessage::new("one pizza").key("anna")).unwrap();

    assert!(mock.wait("nack", Some("orders"), 1, PATIENCE).unwrap());
    assert!(mock.wait("ack", Some("orders"), 1, PATIENCE).unwrap());
    assert_eq!(mock.backlog("orders", "billing"), Ok(0));
    assert!(till.lock().unwrap().billed.contains("one pizza"));
}

#[test]
fn an_outage_leaves_no_order_without_a_bill() {
    let (mock, client, till) = stage();
    let _billing = run_billing(&client, &till).unwrap();
    mock.fault("ack", Some("orders"), "drop", 1).unwrap(); // the connection ends at an acknowledgement, which is lost
    for number in 0..100 {
        mock.publish("orders", MockMessage::new(number.to_string())).unwrap();
    }
    assert!(mock.wait("disconnect", Some("orders"), 1, PATIENCE).unwrap());
    mock.set_up(false).unwrap();
    mock.publish("orders", MockMessage::new("meanwhile")).unwrap();
    mock.set_up(true).unwrap();

    let deadline = std::time::Instant::now() + PATIENCE;
    let mut acknowledged = 0;
    while mock.backlog("orders", "billing") != Ok(0) {
        assert!(std::time::Instant::now() < deadline, "orders are left over");
        acknowledged += 1;
        mock.wait("ack", Some("orders"), acknowledged, Duration::from_millis(100)).unwrap();
    }
    assert_eq!(till.lock().unwrap().billed.len(), 101);
}
