//! End-to-end encryption: who has the key reads, and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use stargate_core::blocking::{Consumer, wait};
use stargate_core::{
    CompressionType, CryptoFailureAction, CryptoKeyReader, EncryptionKeyInfo, ErrorKind, HandlerResult,
    InitialPosition, Message, Options, Outcome, OutgoingMessage, PemKeyReader, SubscriptionType,
};

use crate::broker::Broker;
use crate::waiting::{PATIENCE, eventually};

const PRIVATE: &str = include_str!("../keys/rsa.pem");
const PUBLIC: &str = include_str!("../keys/rsa.pub.pem");

/// The path of a key for tests, as options take it.
fn key(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/keys").join(name);
    path.to_str().expect("the path is text").to_owned()
}

fn sealing() -> Options {
    Options::new().encryption_key("billing").encryption_public_key_file(&key("rsa.pub.pem"))
}

fn earliest() -> Options {
    Options::new().initial_position(InitialPosition::Earliest).negative_ack_delay(Duration::from_millis(200))
}

fn opening() -> Options {
    earliest().encryption_private_key_file(&key("rsa.pem"))
}

fn receive(consumer: &Consumer, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let more = consumer.receive_many(count - messages.len(), PATIENCE).unwrap();
        assert!(!more.is_empty(), "{} of {count} came", messages.len());
        more.iter().for_each(|message| consumer.ack(message).unwrap());
        messages.extend(more);
    }
    messages
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(message.payload()).into_owned()).collect()
}

pub(crate) fn who_has_the_key_reads_all_of_a_message_and_nobody_else_its_payload(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, sealing()).unwrap();
    let sent = OutgoingMessage::new("one pizza").key("anna").property("size", "l").event_time_ms(1_704_164_645_678);
    let receipt = producer.send(sent, None).unwrap();
    let message = receive(&client.consumer(&topic, "reader", opening()).unwrap(), 1).remove(0);
    assert_eq!((message.payload().as_ref(), message.key()), (&b"one pizza"[..], Some("anna")));
    assert_eq!((message.properties()["size"].as_str(), message.event_time_ms()), ("l", Some(1_704_164_645_678)));
    assert_eq!(message.id(), receipt.message_id());
    assert!(!message.is_encrypted());
    assert!(message.encryption_context().unwrap().contains("billing"), "the context is delivered all the same");

    let without = earliest().crypto_failure_action(CryptoFailureAction::Consume);
    let message = receive(&client.consumer(&topic, "other", without).unwrap(), 1).remove(0);
    assert!(message.is_encrypted());
    assert_eq!(message.payload().len(), b"one pizza".len() + 16);
    assert_eq!(message.key(), Some("anna"), "only the payload is encrypted");
}

pub(crate) fn every_compression_is_undone_after_decryption(broker: &Broker) {
    let client = broker.client();
    for compression in [
        CompressionType::None,
        CompressionType::Lz4,
        CompressionType::Zlib,
        CompressionType::Zstd,
        CompressionType::Snappy,
    ] {
        let topic = broker.topic();
        let producer = client.producer(&topic, sealing().compression_type(compression)).unwrap();
        let payloads = ["".to_owned(), "short".to_owned(), "compressible ".repeat(20_000)];
        assert!(producer.send_all(payloads.clone()).unwrap().iter().all(Result::is_ok));
        let messages = receive(&client.consumer(&topic, "s", opening()).unwrap(), payloads.len());
        assert_eq!(texts(&messages), payloads, "{compression:?}");
        let compressed = messages[2].encryption_context().unwrap().contains("260000");
        assert_eq!(compressed, compression != CompressionType::None, "{compression:?}");
    }
}

pub(crate) fn what_cannot_be_decrypted_waits_for_who_can(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let wrong = earliest().encryption_private_key_file(&key("other.pem"));
    let consumer = client.consumer(&topic, "s", wrong).unwrap();
    client.producer(&topic, sealing()).unwrap().send("one pizza", None).unwrap();
    // It is redelivered repeatedly and never delivered to the application.
    eventually("it was tried twice", || consumer.stats().undecryptable > 1);
    assert!(consumer.receive_many(1, Duration::from_millis(300)).unwrap().is_empty());
    consumer.close(PATIENCE).unwrap();
    let consumer = client.consumer(&topic, "s", opening()).unwrap();
    assert_eq!(texts(&receive(&consumer, 1)), ["one pizza"]);
}

pub(crate) fn what_cannot_be_decrypted_is_dropped_or_delivered_as_wanted(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let wrong = || earliest().encryption_private_key_file(&key("other.pem"));
    let discarding = client.consumer(&topic, "d", wrong().crypto_failure_action(CryptoFailureAction::Discard)).unwrap();
    let consuming = client.consumer(&topic, "c", wrong().crypto_failure_action(CryptoFailureAction::Consume)).unwrap();
    client.producer(&topic, sealing()).unwrap().send("one pizza", None).unwrap();
    client.producer(&topic, Options::new()).unwrap().send("not encrypted", None).unwrap();

    assert_eq!(texts(&receive(&discarding, 1)), ["not encrypted"]);
    eventually("both are acknowledged", || broker.backlog(&topic, "d") == 0);
    let messages = receive(&consuming, 2);
    assert_eq!(messages.iter().map(Message::is_encrypted).collect::<Vec<_>>(), [true, false]);
    assert_eq!((discarding.stats().undecryptable, consuming.stats().undecryptable), (1, 1));
}

/// Knows a key in several versions, and remembers for what it was asked.
#[derive(Clone, Default)]
struct Vault {
    asked: Arc<Mutex<Vec<String>>>,
}

impl CryptoKeyReader for Vault {
    fn public_key(&self, name: &str) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
        self.asked.lock().unwrap().push(format!("public {name}"));
        Ok(EncryptionKeyInfo::new(PUBLIC).with_metadata("version", "3"))
    }

    fn private_key(
        &self,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
        self.asked.lock().unwrap().push(format!("private {name} {}", metadata["version"]));
        Ok(EncryptionKeyInfo::new(PRIVATE))
    }
}

pub(crate) fn a_key_reader_is_asked_by_name_and_metadata_once_for_a_data_key(broker: &Broker) {
    let (client, topic, vault) = (broker.client(), broker.topic(), Vault::default());
    let sealing = Options::new().encryption_key("billing key/ü").crypto_key_reader(vault.clone());
    let producer = client.producer(&topic, sealing).unwrap();
    assert!(producer.send_all((0..20).map(|number| number.to_string())).unwrap().iter().all(Result::is_ok));
    let consumer = client.consumer(&topic, "s", earliest().crypto_key_reader(vault.clone())).unwrap();
    assert_eq!(texts(&receive(&consumer, 20)).last().unwrap(), "19");
    assert_eq!(*vault.asked.lock().unwrap(), ["public billing key/ü", "private billing key/ü 3"]);
}

pub(crate) fn a_key_reader_that_fails_is_told_and_may_recover(broker: &Broker) {
    struct Failing(Arc<AtomicBool>);
    impl CryptoKeyReader for Failing {
        fn public_key(&self, _: &str) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            Err("the vault is sealed".into())
        }
        fn private_key(
            &self,
            _: &str,
            _: &BTreeMap<String, String>,
        ) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            match self.0.load(Ordering::Relaxed) {
                true => panic!("the vault is on fire"),
                false => Ok(EncryptionKeyInfo::new(PRIVATE)),
            }
        }
    }
    let (client, topic, burning) = (broker.client(), broker.topic(), Arc::new(AtomicBool::new(true)));
    let reader = || Failing(burning.clone());
    let error = client.producer(&topic, Options::new().encryption_key("k").crypto_key_reader(reader())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Crypto);
    assert!(
        error.to_string().contains("public key \"k\"") && error.to_string().contains("the vault is sealed"),
        "{error}"
    );

    let consumer = client.consumer(&topic, "s", earliest().crypto_key_reader(reader())).unwrap();
    client.producer(&topic, sealing()).unwrap().send("one pizza", None).unwrap();
    eventually("it was tried", || consumer.stats().undecryptable > 0);
    burning.store(false, Ordering::Relaxed);
    assert_eq!(texts(&receive(&consumer, 1)), ["one pizza"]);
}

pub(crate) fn a_key_that_cannot_be_used_is_an_error_when_opening(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    for (file, expected) in
        [("none.pem", "none.pem"), ("README.md", "expected PEM"), ("ed25519.pub.pem", "neither an RSA key nor")]
    {
        let options = Options::new().encryption_key("k").encryption_public_key_file(&key(file));
        let error = client.producer(&topic, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Crypto, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

pub(crate) fn a_new_data_key_costs_no_message_and_no_order(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, sealing().encryption_key_renewal(Duration::from_secs(1))).unwrap();
    let consumer = client.consumer(&topic, "s", opening()).unwrap();
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(2_500) {
        producer.send_with(count.to_string(), |sent| assert!(sent.result.is_ok(), "{sent:?}")).unwrap();
        count += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    producer.flush(Some(PATIENCE)).unwrap();
    let messages = receive(&consumer, count);
    assert_eq!(texts(&messages), (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
    let of = |message: &Message| {
        message.encryption_context().unwrap().split("keyValue").nth(1).map(|key| key[..40].to_owned())
    };
    let keys: BTreeSet<_> = messages.iter().map(of).collect();
    assert!(keys.len() >= 2, "{} data keys", keys.len());
    assert_eq!(producer.stats().connections as usize, keys.len());
}

pub(crate) fn a_data_key_that_is_due_is_renewed_while_sends_go_on(broker: &Broker) {
    /// A vault that takes its time, except for the key that opens the producer.
    struct Slow(Arc<AtomicUsize>);
    impl CryptoKeyReader for Slow {
        fn public_key(&self, _: &str) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
                std::thread::sleep(Duration::from_millis(500));
            }
            Ok(EncryptionKeyInfo::new(PUBLIC))
        }
        fn private_key(
            &self,
            _: &str,
            _: &BTreeMap<String, String>,
        ) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            Err("not asked for".into())
        }
    }
    let (client, topic, asked) = (broker.client(), broker.topic(), Arc::new(AtomicUsize::new(0)));
    let sealing = Options::new().encryption_key("billing").crypto_key_reader(Slow(asked.clone()));
    let producer = client.producer(&topic, sealing.encryption_key_renewal(Duration::from_secs(1))).unwrap();
    let send = || {
        let (sender, told) = mpsc::channel();
        let told_of = move |sent: Vec<Result<_, _>>| sender.send(sent.into_iter().all(|sent| sent.is_ok())).unwrap();
        let accepted = producer.as_async().send_many_with(vec!["x".into()], Some(Duration::ZERO), told_of);
        assert_eq!(wait(accepted, None).unwrap(), 1, "there is room");
        assert!(told.recv_timeout(PATIENCE).unwrap());
    };
    let begun = Instant::now();
    while asked.load(Ordering::Relaxed) < 2 {
        assert!(begun.elapsed() < PATIENCE);
        send();
    }
    assert_eq!(producer.stats().connections, 1, "the old key is in use while the vault takes its time");
    while producer.stats().connections < 2 {
        assert!(begun.elapsed() < PATIENCE);
        send();
    }
}

pub(crate) fn a_handler_is_given_what_is_encrypted_in_order_however_long_the_key_takes(broker: &Broker) {
    struct Slow;
    impl CryptoKeyReader for Slow {
        fn public_key(&self, _: &str) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            Err("not asked for".into())
        }
        fn private_key(
            &self,
            _: &str,
            _: &BTreeMap<String, String>,
        ) -> Result<EncryptionKeyInfo, Box<dyn std::error::Error + Send + Sync>> {
            std::thread::sleep(Duration::from_millis(300));
            Ok(EncryptionKeyInfo::new(PRIVATE))
        }
    }
    let (client, topic) = (broker.client(), broker.topic());
    let consumer = client.consumer(&topic, "s", earliest().crypto_key_reader(Slow)).unwrap();
    let (sender, told) = mpsc::channel();
    consumer
        .listen(move |_| {
            let sender = sender.clone();
            Ok(move |message: &Message| -> HandlerResult {
                sender.send(String::from_utf8(message.payload().to_vec())?)?;
                Ok(Outcome::Ack)
            })
        })
        .unwrap();
    // Two producers have two data keys.
    for producer in 0..2 {
        let messages = (0..50).map(|number| (producer * 50 + number).to_string());
        assert!(client.producer(&topic, sealing()).unwrap().send_all(messages).unwrap().iter().all(Result::is_ok));
    }
    let seen: Vec<String> = (0..100).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(seen, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    eventually("all are acknowledged", || broker.backlog(&topic, "s") == 0);
}

pub(crate) fn partitions_and_several_connections_read_what_is_encrypted(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.partitioned_topic(3));
    let keys = PemKeyReader::new().with_public_key("k", PUBLIC).with_private_key("k", PRIVATE);
    let sealing = Options::new().encryption_key("k").crypto_key_reader(keys.clone());
    let opening = earliest().subscription_type(SubscriptionType::Shared).connections(2).crypto_key_reader(keys);
    let consumer = client.consumer(&topic, "s", opening).unwrap();
    let producer = client.producer(&topic, sealing).unwrap();
    let messages = (0..60).map(|number| OutgoingMessage::new(number.to_string()).key(number.to_string()));
    assert!(producer.send_all(messages).unwrap().iter().all(Result::is_ok));
    let mut seen: Vec<usize> = texts(&receive(&consumer, 60)).iter().map(|text| text.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
}

pub(crate) fn an_encrypted_message_over_the_limit_is_named_and_harms_nothing(broker: &Broker) {
    let (client, topic) = (broker.client(), broker.topic());
    let producer = client.producer(&topic, sealing()).unwrap();
    let largest = 786_300;
    let error = producer.send(vec![b'x'; 786_432], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooBig);
    producer.send(vec![b'x'; largest], None).unwrap();
    let messages = receive(&client.consumer(&topic, "s", opening()).unwrap(), 1);
    assert_eq!(messages[0].payload().len(), largest);
}
