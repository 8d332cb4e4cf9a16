//! Every option of the library, in one table: its key, type, range, default, query parameter and meaning.
//!
//! The table feeds the Rust setters of [`Options`], the `key=value` options of C, the keyword arguments of Python,
//! `docs/CONFIGURATION.md` and all checks, so that none of them can disagree.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::TokenSupplier;
use crate::error::{Error, Result};
use crate::log::LogSink;
use crate::state::StateListener;

/// To what an option applies: a set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// How connections are made and kept: given to the client, inherited by all it opens, and overridable there.
    pub const CONNECTION: Roles = Roles(1);
    /// Producers.
    pub const PRODUCER: Roles = Roles(2);
    /// Consumers.
    pub const CONSUMER: Roles = Roles(4);
    /// Readers.
    pub const READER: Roles = Roles(8);

    const fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    /// Whether the two sets share a role.
    pub const fn intersects(self, other: Roles) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the roles in the set.
    pub fn names(self) -> Vec<&'static str> {
        [
            (Roles::CONNECTION, "connection"),
            (Roles::PRODUCER, "producer"),
            (Roles::CONSUMER, "consumer"),
            (Roles::READER, "reader"),
        ]
        .into_iter()
        .filter_map(|(role, name)| self.intersects(role).then_some(name))
        .collect()
    }
}

/// The type and the legal range of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, both ends included.
    Int {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
    },
    /// A time in whole milliseconds. Where `or_zero`, 0 is legal besides the range and turns the feature off.
    Millis {
        /// The smallest legal value.
        min: i64,
        /// The largest legal value.
        max: i64,
        /// Whether 0 is legal although `min` is larger.
        or_zero: bool,
    },
    /// A text that is not empty.
    Text,
    /// A text that is never printed.
    Secret,
    /// The path of a file.
    Path,
    /// One of a few words; beside each stands the server's word for it.
    Choice(&'static [(&'static str, &'static str)]),
    /// `earliest`, `latest` or a message id in base64.
    Position,
}

impl Kind {
    /// The type and range in words, as documentation and errors give them.
    pub fn describe(&self) -> String {
        match self {
            Kind::Bool => "true or false".into(),
            Kind::Int { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Millis { min, max, or_zero: false } => format!("milliseconds, {min} to {max}"),
            Kind::Millis { min, max, or_zero: true } => format!("milliseconds, 0 (off) or {min} to {max}"),
            Kind::Text => "a text that is not empty".into(),
            Kind::Secret => "a secret that is not empty".into(),
            Kind::Path => "the path of a file".into(),
            Kind::Choice(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::Position => "earliest, latest or a message id in base64".into(),
        }
    }

    /// The name of the type, for generated bindings.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int { .. } => "int",
            Kind::Millis { .. } => "millis",
            Kind::Text => "text",
            Kind::Secret => "secret",
            Kind::Path => "path",
            Kind::Choice(_) => "choice",
            Kind::Position => "position",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key in every language.
    pub key: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// The value that holds when the option is not given, as text; empty where there is none.
    pub default: &'static str,
    /// The query parameter that carries it to the server, for each role that has one.
    pub parameters: &'static [(Roles, &'static str)],
    /// To what it applies.
    pub roles: Roles,
    /// What it does.
    pub doc: &'static str,
}

/// A checked value.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Int(value.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Value {
        Value::Int(i64::try_from(value.as_millis()).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

const CONNECTION: Roles = Roles::CONNECTION;
const PRODUCER: Roles = Roles::PRODUCER;
const CONSUMER: Roles = Roles::CONSUMER;
const READER: Roles = Roles::READER;
const RECEIVER: Roles = Roles::CONSUMER.and(Roles::READER);
const ANY: Roles = Roles::PRODUCER.and(RECEIVER);

const I32: i64 = i32::MAX as i64;
const fn int(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}
const fn millis(min: i64, max: i64) -> Kind {
    Kind::Millis { min, max, or_zero: false }
}
const fn millis_or_off(min: i64, max: i64) -> Kind {
    Kind::Millis { min, max, or_zero: true }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal ($wire:literal)),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            const KIND: Kind = Kind::Choice(&[$(($word, $wire)),+]);

            /// The word of this choice in options.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            #[allow(dead_code)] // some choices are only passed on to the server
            fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl From<$name> for Value {
            fn from(value: $name) -> Value {
                Value::Text(value.as_str().to_owned())
            }
        }
    )+};
}

choices! {
    /// How consumers of one subscription share its messages.
    SubscriptionType {
        /// One consumer only; a second one is refused.
        Exclusive = "exclusive" ("Exclusive"),
        /// Each message to one of the consumers; no order.
        Shared = "shared" ("Shared"),
        /// One consumer is active, the others wait to take over.
        Failover = "failover" ("Failover"),
        /// Each key to one of the consumers, in order of the key.
        KeyShared = "key_shared" ("Key_Shared"),
    }
    /// Whether a subscription outlives its consumers.
    SubscriptionMode {
        /// The broker keeps its position.
        Durable = "durable" ("Durable"),
        /// It goes with its last consumer.
        NonDurable = "non_durable" ("NonDurable"),
    }
    /// Where a subscription that does not exist yet begins.
    InitialPosition {
        /// After the last message.
        Latest = "latest" ("Latest"),
        /// At the first message still stored.
        Earliest = "earliest" ("Earliest"),
    }
    /// What the proxy does with a message that it cannot decrypt.
    CryptoFailureAction {
        /// It is not delivered.
        Fail = "fail" ("FAIL"),
        /// It is acknowledged and dropped.
        Discard = "discard" ("DISCARD"),
        /// It is delivered as it is, with its encryption context.
        Consume = "consume" ("CONSUME"),
    }
    /// To which partition a message without a key goes.
    RoutingMode {
        /// All to one partition.
        Single = "single" ("SinglePartition"),
        /// One partition after the other.
        RoundRobin = "round_robin" ("RoundRobinPartition"),
    }
    /// How the broker's copy of a message is compressed.
    CompressionType {
        /// Not at all.
        None = "none" ("NONE"),
        /// LZ4: fast.
        Lz4 = "lz4" ("LZ4"),
        /// zlib: smaller, slow.
        Zlib = "zlib" ("ZLIB"),
        /// Zstandard: small and fast.
        Zstd = "zstd" ("ZSTD"),
        /// Snappy: fast.
        Snappy = "snappy" ("SNAPPY"),
    }
    /// How a key is hashed to a partition.
    HashingScheme {
        /// Java's `String.hashCode`.
        JavaString = "java_string" ("JavaStringHash"),
        /// 32-bit Murmur3, as the other Pulsar clients use.
        Murmur3 = "murmur3" ("Murmur3_32Hash"),
    }
    /// What becomes of messages in flight when the connection breaks.
    OnDisconnect {
        /// They are sent again, in order, until their timeout; the broker may store one twice.
        Resend = "resend" ("resend"),
        /// They end with [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), and are never sent again.
        Fail = "fail" ("fail"),
    }
    /// What a send does when as many messages are in flight as the bounds allow.
    WhenFull {
        /// It waits for room.
        Block = "block" ("block"),
        /// It ends at once with [`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull).
        Fail = "fail" ("fail"),
    }
    /// In which order a handler with several processors sees the messages.
    Ordering {
        /// Any processor that is free takes the next message.
        None = "none" ("none"),
        /// Messages with one key go to one processor, in their order.
        Key = "key" ("key"),
    }
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty = $kind:expr, $default:literal, $parameters:expr, $roles:expr;)+) => {
        /// Every option, in the order of the documentation.
        pub const OPTIONS: &[OptionSpec] = &[$(OptionSpec {
            key: stringify!($key),
            kind: $kind,
            default: $default,
            parameters: $parameters,
            roles: $roles,
            doc: concat!($($doc),+),
        }),+];

        /// One setter for each row of [`OPTIONS`]. Values are checked when a handle is opened.
        impl Options {
            $($(#[doc = $doc])+
            #[must_use]
            pub fn $key(self, value: $type) -> Options {
                self.with(stringify!($key), Value::from(value))
            })+
        }
    };
}

table! {
    /// The JSON web token sent in the `Authorization` header.
    auth_token: &str = Kind::Secret, "", &[], CONNECTION;
    /// A file that holds the token; read again at each connect, so that it may rotate.
    auth_token_file: &str = Kind::Path, "", &[], CONNECTION;
    /// PEM file with the certificate authorities to trust instead of the system's.
    tls_ca_file: &str = Kind::Path, "", &[], CONNECTION;
    /// PEM file with the client's certificate chain; needs `tls_key_file`.
    tls_cert_file: &str = Kind::Path, "", &[], CONNECTION;
    /// PEM file with the client's private key (PKCS#8, PKCS#1 or SEC1); needs `tls_cert_file`.
    tls_key_file: &str = Kind::Path, "", &[], CONNECTION;
    /// Accept any server certificate. Whoever is on the path can then read and change everything.
    tls_insecure: bool = Kind::Bool, "false", &[], CONNECTION;
    /// How long one attempt to connect may take, name look-up, TLS and upgrade included. The server answers the upgrade
    /// only after it has created the producer, consumer or reader.
    connect_timeout: Duration = millis(1, 600_000), "30000", &[], CONNECTION;
    /// Open at once and connect in the background, instead of failing when the first attempt fails.
    lazy: bool = Kind::Bool, "false", &[], CONNECTION;
    /// Time between pings on a connection. The server closes connections that are idle for 300 s.
    ping_interval: Duration = millis(10, 280_000), "30000", &[], CONNECTION;
    /// How long after a ping anything must arrive, or the connection counts as broken.
    pong_timeout: Duration = millis(10, 600_000), "15000", &[], CONNECTION;
    /// Upper bound of the random wait before the first reconnect; doubled at each further one.
    backoff_min: Duration = millis(1, 600_000), "100", &[], CONNECTION;
    /// Largest upper bound of the random wait between reconnects.
    backoff_max: Duration = millis(1, 3_600_000), "10000", &[], CONNECTION;
    /// Give up after this many failed attempts in a row; 0 never gives up.
    max_reconnects: u32 = int(0, I32), "0", &[], CONNECTION;
    /// Go on trying also after answers that cannot heal by themselves (400, 401, 403, 404).
    keep_trying: bool = Kind::Bool, "false", &[], CONNECTION;
    /// Largest frame accepted from the server, in bytes. A message of 5 MiB makes a frame of about 7 MiB.
    max_frame_bytes: i64 = int(1_024, 1_073_741_824), "67108864", &[], CONNECTION;

    /// The name of the producer, consumer or reader, for logs and statistics of the broker. A producer's name must be
    /// unique on its topic.
    name: &str = Kind::Text, "", &[(PRODUCER, "producerName"), (CONSUMER, "consumerName"), (READER, "readerName")], ANY;

    /// How long a send may take from the call to its receipt, reconnects included; 0 waits for ever.
    send_timeout: Duration = millis_or_off(1, I32), "30000", &[(PRODUCER, "sendTimeoutMillis")], PRODUCER;
    /// Let the proxy gather messages into batches: about twice the rate. Not with key_shared subscriptions.
    batch_enabled: bool = Kind::Bool, "false", &[(PRODUCER, "batchingEnabled")], PRODUCER;
    /// Most messages in a batch.
    batch_max_msg: u32 = int(1, I32), "1000", &[(PRODUCER, "batchingMaxMessages")], PRODUCER;
    /// Longest wait for a batch to fill.
    batch_max_delay: Duration = millis(1, I32), "1", &[(PRODUCER, "batchingMaxPublishDelay")], PRODUCER;
    /// Most messages in flight: accepted and without a receipt yet.
    max_pending_msg: u32 = int(1, 1_000_000), "1000", &[(PRODUCER, "maxPendingMessages")], PRODUCER;
    /// Most bytes in flight, counted as encoded frames. One message always fits.
    max_pending_bytes: i64 = int(1, 1_099_511_627_776), "67108864", &[], PRODUCER;
    /// What a send does when the bounds are reached.
    when_full: WhenFull = WhenFull::KIND, "block", &[], PRODUCER;
    /// To which partition messages without a key go.
    routing_mode: RoutingMode = RoutingMode::KIND, "single", &[(PRODUCER, "messageRoutingMode")], PRODUCER;
    /// How the proxy compresses what it sends to the broker.
    compression_type: CompressionType = CompressionType::KIND, "none", &[(PRODUCER, "compressionType")], PRODUCER;
    /// How keys are hashed to partitions.
    hashing_scheme: HashingScheme = HashingScheme::KIND, "java_string", &[(PRODUCER, "hashingScheme")], PRODUCER;
    /// The sequence id before that of the first message. A value below the broker's own drops messages as duplicates.
    initial_seq_id: i64 = int(-1, i64::MAX), "", &[(PRODUCER, "initialSequenceId")], PRODUCER;
    /// Names of keys, separated by commas, with which the proxy encrypts; it needs a key reader of its own for them.
    encryption_keys: &str = Kind::Text, "", &[(PRODUCER, "encryptionKeys")], PRODUCER;
    /// What becomes of messages in flight when the connection breaks.
    on_disconnect: OnDisconnect = OnDisconnect::KIND, "resend", &[], PRODUCER;
    /// Re-send under the sequence ids of the first attempt, so that the broker drops what it has already. Needs `name`,
    /// deduplication enabled on the namespace, and a topic without partitions; excludes `batch_enabled`.
    effectively_once: bool = Kind::Bool, "false", &[], PRODUCER;
    /// The server's limit for one text frame, in bytes (its webSocketMaxTextFrameSize). Larger messages are refused here,
    /// because the server would close the connection over them.
    max_message_frame_bytes: u32 = int(1_024, I32), "1048576", &[], PRODUCER;

    /// How consumers of one subscription share its messages.
    subscription_type: SubscriptionType = SubscriptionType::KIND, "exclusive", &[(CONSUMER, "subscriptionType")], CONSUMER;
    /// Whether the subscription outlives its consumers.
    subscription_mode: SubscriptionMode = SubscriptionMode::KIND, "durable", &[(CONSUMER, "subscriptionMode")], CONSUMER;
    /// Where the subscription begins when it does not exist yet.
    initial_position: InitialPosition = InitialPosition::KIND, "latest", &[(CONSUMER, "subscriptionInitialPosition")], CONSUMER;
    /// Redeliver what is not acknowledged after this time; 0 never does.
    ack_timeout: Duration = millis_or_off(1_000, I32), "0", &[(CONSUMER, "ackTimeoutMillis")], CONSUMER;
    /// How long after a negative acknowledgement the message comes again. On exclusive and failover subscriptions all that
    /// is unacknowledged comes again with it.
    negative_ack_delay: Duration = millis_or_off(1, I32), "60000", &[(CONSUMER, "negativeAckRedeliveryDelay")], CONSUMER;
    /// Which consumers are served first: those with the lowest number.
    priority: u32 = int(0, I32), "0", &[(CONSUMER, "priorityLevel")], CONSUMER;
    /// After this many redeliveries a message goes to the dead letter topic (shared and key_shared only).
    max_redeliver_count: u32 = int(1, I32), "", &[(CONSUMER, "maxRedeliverCount")], CONSUMER;
    /// The dead letter topic; `{topic}-{subscription}-DLQ` when not given. Needs `max_redeliver_count`.
    dead_letter_topic: &str = Kind::Text, "", &[(CONSUMER, "deadLetterTopic")], CONSUMER;
    /// Ask for messages as the application finishes them, instead of letting the server push.
    pull_mode: bool = Kind::Bool, "false", &[(CONSUMER, "pullMode")], CONSUMER;
    /// What happens to messages that the proxy cannot decrypt.
    crypto_failure_action: CryptoFailureAction = CryptoFailureAction::KIND, "fail",
        &[(CONSUMER, "cryptoFailureAction"), (READER, "cryptoFailureAction")], RECEIVER;
    /// Most messages delivered and not yet acknowledged (push mode), asked for and not yet finished (pull mode), or read
    /// ahead (readers). The server's own limit is 1000.
    queue_size: u32 = int(1, 1_000), "1000", &[(CONSUMER, "receiverQueueSize"), (READER, "receiverQueueSize")], RECEIVER;
    /// Stop reading from the socket while this many bytes wait to be handled. One message always fits.
    queue_bytes: i64 = int(1, 1_099_511_627_776), "67108864", &[], RECEIVER;
    /// How many threads run the handler, each with its own state.
    processors: u32 = int(1, 1_024), "1", &[], RECEIVER;
    /// In which order several processors see the messages.
    ordering: Ordering = Ordering::KIND, "none", &[], RECEIVER;
    /// How many connections share the work. More than one needs a shared or key_shared subscription.
    connections: u32 = int(1, 64), "1", &[], CONSUMER;
    /// Where the reader begins: `earliest`, `latest`, or after the message with this id.
    starting_message: &str = Kind::Position, "latest", &[(READER, "messageId")], READER;
}

/// Other words for a key, as the seed's README and Pulsar's own clients have them.
const ALIASES: &[(&str, &str)] = &[
    ("producer_name", "name"),
    ("consumer_name", "name"),
    ("reader_name", "name"),
    ("token", "auth_token"),
    ("receiver_queue_size", "queue_size"),
    ("subscription_initial_position", "initial_position"),
    ("negative_ack_redelivery_delay", "negative_ack_delay"),
];

/// The row of `key`, or an error that names the nearest key there is.
pub fn find(key: &str) -> Result<&'static OptionSpec> {
    let wanted = ALIASES.iter().find_map(|(alias, key_)| (*alias == key).then_some(*key_)).unwrap_or(key);
    OPTIONS.iter().find(|spec| spec.key == wanted).ok_or_else(|| {
        let nearest = OPTIONS.iter().map(|spec| spec.key).min_by_key(|candidate| edit_distance(key, candidate));
        Error::invalid(format!("there is no option {key:?}; the nearest is {:?}", nearest.unwrap_or_default()))
    })
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Options for a client or for what it opens. What is not set has the default of the table.
///
/// ```
/// use std::time::Duration;
/// use stargate_core::{Options, SubscriptionType};
///
/// let options = Options::new().subscription_type(SubscriptionType::Shared).ack_timeout(Duration::from_secs(30));
/// // the same by key, as C and configuration files do it
/// let mut by_key = Options::new();
/// by_key.set("subscription_type", "shared")?;
/// by_key.set("ack_timeout", "30000")?;
/// assert_eq!(by_key, options);
/// # Ok::<(), stargate_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Options {
    values: BTreeMap<&'static str, Value>,
    pub(crate) token_supplier: Option<Arc<dyn TokenSupplier>>,
    pub(crate) on_state: Option<StateListener>,
    pub(crate) log: Option<Arc<dyn LogSink>>,
    pub(crate) polled: bool,
}

impl Options {
    /// No option set.
    pub fn new() -> Options {
        Options::default()
    }

    fn with(mut self, key: &'static str, value: Value) -> Options {
        self.values.insert(key, value);
        self
    }

    /// Sets `key` from text, as C and configuration files do. The error names the nearest key, or the legal values.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let spec = find(key)?;
        let parsed = parse(spec, value)?;
        check(spec, &parsed)?;
        self.values.insert(spec.key, parsed);
        Ok(())
    }

    /// Sets a producer's option from the server's query parameter, unless it is set already.
    pub(crate) fn set_parameter(&mut self, parameter: &str, value: &str) -> Result<()> {
        if parameter == "token" {
            return match self.token_supplier.is_some() || self.is_set("auth_token") || self.is_set("auth_token_file") {
                true => Ok(()),
                false => self.set("auth_token", value),
            };
        }
        let of_producer = |spec: &&OptionSpec| spec.parameters.contains(&(PRODUCER, parameter));
        let Some(spec) = OPTIONS.iter().find(of_producer) else {
            return Err(Error::invalid(format!("the server has no parameter {parameter:?} for producers")));
        };
        if self.is_set(spec.key) {
            return Ok(());
        }
        let word = match spec.kind {
            Kind::Choice(words) => words.iter().find(|(_, wire)| *wire == value).map(|(word, _)| *word),
            _ => None,
        };
        self.set(spec.key, word.unwrap_or(value))
    }

    /// Asks `supplier` for the token at each connect; instead of `auth_token` and `auth_token_file`.
    #[must_use]
    pub fn token_supplier(mut self, supplier: impl TokenSupplier + 'static) -> Options {
        self.token_supplier = Some(Arc::new(supplier));
        self
    }

    /// Calls `listener` whenever a connection of the handle changes its state. It runs on the client's callback thread.
    #[must_use]
    pub fn on_state(mut self, listener: impl Fn(&crate::StateChange) + Send + Sync + 'static) -> Options {
        self.on_state = Some(Arc::new(listener));
        self
    }

    /// Runs the callbacks and handlers of a client in [`Client::poll_callbacks`](crate::Client::poll_callbacks) and on no
    /// thread of the library, for programs with an event loop. It is not a key of the table, because it is a matter of how
    /// a program is written and not of how it is configured.
    #[must_use]
    pub fn poll_callbacks(mut self) -> Options {
        self.polled = true;
        self
    }

    /// Whether [`Options::poll_callbacks`] is on.
    pub fn polls_callbacks(&self) -> bool {
        self.polled
    }

    /// Gives every log record of the client to `sink`, besides `tracing`.
    #[must_use]
    pub fn log_sink(mut self, sink: impl LogSink + 'static) -> Options {
        self.log = Some(Arc::new(sink));
        self
    }

    /// These options, and of `base` what they do not set. Another way to authenticate replaces that of `base`.
    #[must_use]
    pub fn or(&self, base: &Options) -> Options {
        let mut merged = self.clone();
        for (key, value) in &base.values {
            merged.values.entry(key).or_insert_with(|| value.clone());
        }
        if self.token_supplier.is_some() || self.is_set("auth_token") || self.is_set("auth_token_file") {
            for key in ["auth_token", "auth_token_file"] {
                if !self.is_set(key) {
                    merged.values.remove(key);
                }
            }
        } else {
            merged.token_supplier = base.token_supplier.clone();
        }
        merged.on_state = merged.on_state.or_else(|| base.on_state.clone());
        merged.log = merged.log.or_else(|| base.log.clone());
        merged
    }

    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn value(&self, key: &str) -> Option<Value> {
        let found = self.values.get(key).cloned();
        found.or_else(|| {
            let spec = find(key).ok()?;
            parse(spec, spec.default).ok().filter(|_| !spec.default.is_empty())
        })
    }

    pub(crate) fn bool(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Value::Bool(true)))
    }

    /// The number, or 0 where the table has no default.
    pub(crate) fn int(&self, key: &str) -> i64 {
        match self.value(key) {
            Some(Value::Int(number)) => number,
            _ => 0,
        }
    }

    pub(crate) fn count(&self, key: &str) -> usize {
        usize::try_from(self.int(key)).unwrap_or(0)
    }

    pub(crate) fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.int(key)).unwrap_or(0))
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        match self.value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// Checks each value and that each key applies to one of `roles`, then the combinations that the server refuses.
    pub(crate) fn check(&self, roles: Roles) -> Result<()> {
        for (key, value) in &self.values {
            let spec = find(key)?;
            check(spec, value)?;
            if !spec.roles.intersects(roles) {
                return Err(Error::invalid(format!(
                    "option {key:?} applies to {} and not to {}",
                    spec.roles.names().join(", "),
                    roles.names().last().unwrap_or(&"this"),
                )));
            }
        }
        let refuse = |why: &str| Err(Error::invalid(why.to_owned()));
        let ways = [self.is_set("auth_token"), self.is_set("auth_token_file"), self.token_supplier.is_some()];
        if ways.iter().filter(|given| **given).count() > 1 {
            return refuse("auth_token, auth_token_file and a token supplier exclude each other: give one of them");
        }
        if self.is_set("tls_cert_file") != self.is_set("tls_key_file") {
            return refuse("tls_cert_file and tls_key_file need each other: give both or none");
        }
        if self.bool("tls_insecure") && self.is_set("tls_ca_file") {
            return refuse("tls_insecure trusts every certificate, so tls_ca_file has no effect: give one of them");
        }
        if self.int("backoff_min") > self.int("backoff_max") {
            return refuse("backoff_min is larger than backoff_max");
        }
        if self.is_set("dead_letter_topic") && !self.is_set("max_redeliver_count") {
            return refuse("dead_letter_topic needs max_redeliver_count: say after how many redeliveries");
        }
        if self.bool("effectively_once") {
            if !self.is_set("name") {
                return refuse("effectively_once needs a name: the broker tells duplicates by the producer's name");
            }
            if self.text("on_disconnect").as_deref() == Some("fail") {
                return refuse("effectively_once sends again after a disconnect, which on_disconnect=fail forbids");
            }
        }
        if self.bool("effectively_once") && self.bool("batch_enabled") {
            return refuse(
                "effectively_once excludes batch_enabled: the broker judges a batch by its first message, and would drop \
                 one that holds both old and new messages",
            );
        }
        if self.int("connections") > 1 {
            let kind = self.text("subscription_type").unwrap_or_default();
            if kind != "shared" && kind != "key_shared" {
                return refuse("connections above 1 needs subscription_type shared or key_shared");
            }
        }
        Ok(())
    }

    /// As [`Options::check`] for a handle, which takes its own options and those of connections.
    pub(crate) fn check_handle(&self, role: Roles) -> Result<()> {
        if self.polled {
            return Err(Error::invalid("polling the callbacks is a matter of the client: give it the option"));
        }
        self.check(role.and(Roles::CONNECTION))
    }

    /// The query parameters of what was set, for a role.
    pub(crate) fn query(&self, role: Roles) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        for (key, value) in &self.values {
            let Ok(spec) = find(key) else { continue };
            let Some((_, parameter)) = spec.parameters.iter().find(|(to, _)| to.intersects(role)) else { continue };
            let text = match (value, spec.kind) {
                (Value::Text(word), Kind::Choice(words)) => {
                    words.iter().find(|(ours, _)| ours == word).map(|(_, wire)| (*wire).to_owned())
                }
                (Value::Text(text), _) => Some(text.clone()),
                (Value::Int(number), _) => Some(number.to_string()),
                (Value::Bool(flag), _) => Some(flag.to_string()),
            };
            query.extend(text.map(|text| (*parameter, text)));
        }
        query
    }
}

macro_rules! choice_getters {
    ($($getter:ident($key:literal) -> $type:ident = $default:ident;)+) => {
        impl Options {
            $(pub(crate) fn $getter(&self) -> $type {
                self.text($key).and_then(|word| $type::from_word(&word)).unwrap_or($type::$default)
            })+
        }
    };
}

choice_getters! {
    get_ordering("ordering") -> Ordering = None;
    get_on_disconnect("on_disconnect") -> OnDisconnect = Resend;
    get_when_full("when_full") -> WhenFull = Block;
}

impl PartialEq for Options {
    fn eq(&self, other: &Options) -> bool {
        self.values == other.values
    }
}

/// Secrets are left out.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in &self.values {
            let secret = find(key).is_ok_and(|spec| spec.kind == Kind::Secret);
            match value {
                Value::Text(_) if secret => map.entry(key, &"(secret)"),
                Value::Text(text) => map.entry(key, text),
                Value::Int(number) => map.entry(key, number),
                Value::Bool(flag) => map.entry(key, flag),
            };
        }
        map.finish()
    }
}

fn parse(spec: &OptionSpec, text: &str) -> Result<Value> {
    let value = match spec.kind {
        Kind::Bool => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Int { .. } | Kind::Millis { .. } => text.parse().ok().map(Value::Int),
        Kind::Text | Kind::Secret | Kind::Path | Kind::Choice(_) | Kind::Position => Some(Value::from(text)),
    };
    value.ok_or_else(|| bad_value(spec, text))
}

fn check(spec: &OptionSpec, value: &Value) -> Result<()> {
    let good = match (spec.kind, value) {
        (Kind::Bool, Value::Bool(_)) => true,
        (Kind::Int { min, max }, Value::Int(number)) => (min..=max).contains(number),
        (Kind::Millis { min, max, or_zero }, Value::Int(number)) => {
            (min..=max).contains(number) || (or_zero && *number == 0)
        }
        (Kind::Text | Kind::Path, Value::Text(text)) => !text.is_empty(),
        (Kind::Secret, Value::Text(text)) => !text.trim().is_empty() && text.chars().all(|c| (' '..='~').contains(&c)),
        (Kind::Choice(words), Value::Text(text)) => words.iter().any(|(word, _)| word == text),
        (Kind::Position, Value::Text(text)) => {
            text == "earliest" || text == "latest" || text.parse::<crate::MessageId>().is_ok()
        }
        _ => false,
    };
    let shown = match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    if good { Ok(()) } else { Err(bad_value(spec, &shown)) }
}

fn bad_value(spec: &OptionSpec, text: &str) -> Error {
    let key = spec.key;
    let expected = spec.kind.describe();
    if spec.kind == Kind::Secret {
        return Error::invalid(format!("option {key:?}: expected {expected}, of printable ASCII characters"));
    }
    Error::invalid(format!("option {key:?}: expected {expected}, got {text:?}"))
}

/// The table as JSON: an array of `{key, aliases, type, range, choices, min, max, or_zero, default, roles, parameters,
/// doc}`, for bindings and tools.
pub fn describe() -> String {
    let rows: Vec<serde_json::Value> = OPTIONS
        .iter()
        .map(|spec| {
            let choices = match spec.kind {
                Kind::Choice(words) => words.iter().map(|(word, _)| *word).collect(),
                _ => Vec::new(),
            };
            let (min, max, or_zero) = match spec.kind {
                Kind::Int { min, max } => (Some(min), Some(max), false),
                Kind::Millis { min, max, or_zero } => (Some(min), Some(max), or_zero),
                _ => (None, None, false),
            };
            let aliases: Vec<&str> =
                ALIASES.iter().filter(|(_, key)| *key == spec.key).map(|(alias, _)| *alias).collect();
            serde_json::json!({
                "key": spec.key,
                "aliases": aliases,
                "type": spec.kind.name(),
                "range": spec.kind.describe(),
                "choices": choices,
                "min": min,
                "max": max,
                "or_zero": or_zero,
                "default": spec.default,
                "roles": spec.roles.names(),
                "parameters": spec.parameters.iter().map(|(_, name)| *name).collect::<Vec<_>>(),
                "doc": spec.doc.split_whitespace().collect::<Vec<_>>().join(" "),
            })
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}

/// The table as the Markdown page `docs/CONFIGURATION.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Generated from the table in `core/src/options.rs` by `make docs`; do not edit. The keys are the same in Rust\n\
         (setters of `Options`), C (`stargate_options_set`), Python (keyword arguments, where times are seconds or\n\
         `timedelta`) and supervisor configurations. Unknown keys, values out of range and combinations that the server\n\
         refuses are errors.\n",
    );
    let sections = [
        (
            CONNECTION,
            "Connection",
            "Given to the client; a producer, consumer or reader inherits them and may override them.",
        ),
        (PRODUCER, "Producer", ""),
        (CONSUMER, "Consumer", ""),
        (READER, "Reader", ""),
    ];
    for (role, title, text) in sections {
        page.push_str(&format!("\n## {title}\n\n"));
        if !text.is_empty() {
            page.push_str(&format!("{text}\n\n"));
        }
        page.push_str("| key | value | default | server's parameter | meaning |\n|---|---|---|---|---|\n");
        for spec in OPTIONS.iter().filter(|spec| spec.roles.intersects(role)) {
            let parameter = spec.parameters.iter().find(|(to, _)| to.intersects(role)).map(|(_, name)| *name);
            let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
            let doc = spec.doc.split_whitespace().collect::<Vec<_>>().join(" ");
            page.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                spec.key,
                spec.kind.describe(),
                code(spec.default),
                code(parameter.unwrap_or_default()),
                doc.replace('|', "\\|"),
            ));
        }
    }
    let mut aliases: Vec<String> = ALIASES.iter().map(|(alias, key)| format!("`{alias}` for `{key}`")).collect();
    aliases.sort();
    page.push_str(&format!("\nOther words taken for a key: {}.\n", aliases.join(", ")));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = Options::new().set("ack_timout", "1").unwrap_err();
        assert!(error.to_string().contains("\"ack_timeout\""), "{error}");
    }

    #[test]
    fn every_default_is_a_legal_value() {
        for spec in OPTIONS.iter().filter(|spec| !spec.default.is_empty()) {
            Options::new().set(spec.key, spec.default).unwrap();
        }
    }

    #[test]
    fn values_out_of_range_name_the_range() {
        for (key, value, expected) in [
            ("queue_size", "0", "from 1 to 1000"),
            ("ack_timeout", "999", "0 (off) or 1000"),
            ("subscription_type", "Shared", "exclusive, shared"),
            ("pull_mode", "yes", "true or false"),
            ("starting_message", "!!", "earliest, latest"),
            ("name", "", "not empty"),
        ] {
            let error = Options::new().set(key, value).unwrap_err();
            assert!(error.to_string().contains(expected), "{key}={value}: {error}");
        }
    }

    #[test]
    fn an_option_of_another_role_is_an_error_when_opening() {
        let error = Options::new().ack_timeout(Duration::from_secs(1)).check(PRODUCER).unwrap_err();
        assert!(error.to_string().contains("applies to consumer and not to producer"), "{error}");
    }

    #[test]
    fn only_what_was_set_goes_to_the_server_under_its_names() {
        let options = Options::new().subscription_type(SubscriptionType::KeyShared).name("me").lazy(true);
        assert_eq!(
            options.query(CONSUMER),
            [("consumerName", "me".to_owned()), ("subscriptionType", "Key_Shared".to_owned())]
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let options = Options::new().auth_token("s3cret");
        assert!(!format!("{options:?}").contains("s3cret"));
        let error = Options::new().auth_token("s3cret\n").check(CONNECTION).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn combinations_that_cannot_work_are_errors() {
        for options in [
            Options::new().dead_letter_topic("d"),
            Options::new().effectively_once(true),
            Options::new().effectively_once(true).name("p").batch_enabled(true),
            Options::new().tls_cert_file("c"),
            Options::new().auth_token("a").auth_token_file("b"),
            Options::new().connections(2),
            Options::new().backoff_min(Duration::from_secs(60)),
        ] {
            assert!(options.check(Roles(15)).is_err(), "{options:?}");
        }
    }

    #[test]
    fn polling_is_for_clients_only() {
        assert!(Options::new().poll_callbacks().check_handle(PRODUCER).is_err());
        let inherited = Options::new().or(&Options::new().poll_callbacks());
        assert!(inherited.check_handle(PRODUCER).is_ok());
    }

    #[test]
    fn an_own_token_replaces_the_inherited_one() {
        let base = Options::new().auth_token_file("f").ping_interval(Duration::from_secs(1));
        let merged = Options::new().auth_token("t").or(&base);
        assert!(!merged.is_set("auth_token_file"));
        assert_eq!(merged.int("ping_interval"), 1000);
    }
}
