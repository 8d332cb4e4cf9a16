//! The table: a row an option, from which the setters of [`Options`] are made.

use std::time::Duration;

use super::Options;
use super::choices::*;
use super::spec::{Kind, OptionSpec, Roles, Setting, Value};
use crate::error::{Error, Result};
use crate::query::Query;

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
const fn float(min: f64, max: f64) -> Kind {
    Kind::Float { min, max }
}
const fn millis(min: i64, max: i64) -> Kind {
    Kind::Millis { min, max, or_zero: false }
}
const fn millis_or_off(min: i64, max: i64) -> Kind {
    Kind::Millis { min, max, or_zero: true }
}

/// The type in which a setter takes a value.
macro_rules! given {
    (str) => {
        &str
    };
    ($type:ident) => {
        $type
    };
}

/// The type in which a value is read: optional where the row has no default.
macro_rules! read_as {
    ($type:ident, "") => { Option<<$type as Setting>::Read> };
    ($type:ident, $default:tt) => { <$type as Setting>::Read };
}

macro_rules! read {
    ($options:ident, $key:ident, $type:ident, "") => {
        $options.get::<$type>(stringify!($key))
    };
    ($options:ident, $key:ident, $type:ident, $default:tt) => {
        // That each default is legal is tested.
        $options
            .get::<$type>(stringify!($key))
            .unwrap_or_else(|| <$type as Setting>::parse($default).expect("the default is legal"))
    };
}

macro_rules! table {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ident = $kind:expr, $default:tt, $parameters:expr, $roles:expr;)+) => {
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
            pub fn $key(self, value: given!($type)) -> Options {
                self.with(stringify!($key), Value::from(value))
            })+

            /// Reads every value, or its default.
            pub(crate) fn resolve(self) -> Resolved {
                Resolved { $($key: read!(self, $key, $type, $default),)+ given: self }
            }
        }

        /// Options with the value of each row of [`OPTIONS`]: what was given, or the default.
        #[allow(dead_code)] // some values are only passed on to the server
        pub(crate) struct Resolved {
            /// What was given.
            pub(crate) given: Options,
            $(pub(crate) $key: read_as!($type, $default),)+
        }
    };
}

table! {
    /// The JSON web token sent in the `Authorization` header.
    auth_token: str = Kind::Secret, "", &[], CONNECTION;
    /// A file that holds the token. The client reads it again at each connect, so you can replace the token while it
    /// runs.
    auth_token_file: str = Kind::Path, "", &[], CONNECTION;
    /// The user of HTTP Basic authentication; needs `basic_password` or `basic_password_file`.
    basic_user: str = Kind::Text, "", &[], CONNECTION;
    /// The password of `basic_user`.
    basic_password: str = Kind::SecretText, "", &[], CONNECTION;
    /// A file that holds the password of `basic_user`. The client reads it again at each connect.
    basic_password_file: str = Kind::Path, "", &[], CONNECTION;
    /// The OAuth2 issuer (client credentials), as `https://host/path`. The client reads the token endpoint from its
    /// metadata. When not given, the `issuer_url` of `oauth2_key_file` is used.
    oauth2_issuer_url: str = Kind::Text, "", &[], CONNECTION;
    /// The URL that issues tokens, for an issuer without metadata.
    oauth2_token_endpoint: str = Kind::Text, "", &[], CONNECTION;
    /// The path of the issuer's metadata, appended to `oauth2_issuer_url`.
    oauth2_well_known_path: str = Kind::Text, "/.well-known/openid-configuration", &[], CONNECTION;
    /// The JSON file with `client_id` and `client_secret` that Pulsar's own clients take: a path, `file:///path` or
    /// `data:application/json;base64,...`. The client reads it again at each fetch of a token.
    oauth2_key_file: str = Kind::Path, "", &[], CONNECTION;
    /// The client id, instead of `oauth2_key_file`.
    oauth2_client_id: str = Kind::Text, "", &[], CONNECTION;
    /// The client secret, instead of `oauth2_key_file`.
    oauth2_client_secret: str = Kind::SecretText, "", &[], CONNECTION;
    /// The `audience` to request from the issuer.
    oauth2_audience: str = Kind::Text, "", &[], CONNECTION;
    /// The `scope` to request from the issuer; separate several by spaces.
    oauth2_scope: str = Kind::Text, "", &[], CONNECTION;
    /// How the client authenticates itself to the issuer.
    oauth2_auth_method: OAuth2AuthMethod = OAuth2AuthMethod::KIND, "client_secret_post", &[], CONNECTION;
    /// PEM file with the certificate authorities to trust for the issuer, instead of the system's. `tls_insecure` and
    /// `tls_ca_file` do not apply to the issuer.
    oauth2_ca_file: str = Kind::Path, "", &[], CONNECTION;
    /// How long one fetch of a token may take, metadata included. It is not part of `connect_timeout`.
    oauth2_timeout: Duration = millis(1, 600_000), "30000", &[], CONNECTION;
    /// The part of its life after which a token is renewed in the background. 1 renews a token only after it has
    /// expired.
    oauth2_refresh: f64 = float(0.1, 1.0), "0.9", &[], CONNECTION;
    /// Send the client secret over plain HTTP even to an issuer on another machine.
    oauth2_allow_http: bool = Kind::Bool, "false", &[], CONNECTION;
    /// `authPlugin` of Pulsar's `client.conf`: the class name of one of Pulsar's plugins, or `token`, `oauth2`, `basic`,
    /// `tls`.
    auth_plugin: str = Kind::Text, "", &[], CONNECTION;
    /// `authParams` of Pulsar's `client.conf`, copied as they are; for `auth_plugin`.
    auth_params: str = Kind::SecretText, "", &[], CONNECTION;
    /// Where the token travels on a WebSocket: in the `Authorization` header, or in the query parameter `token`, for gateways
    /// that take the header away. Access logs show a query.
    auth_token_in: AuthTokenIn = AuthTokenIn::KIND, "header", &[], CONNECTION;
    /// The broker's provider of authentication to ask (`X-Pulsar-Auth-Method-Name`), where it has several.
    auth_method_name: str = Kind::Text, "", &[], CONNECTION;
    /// Headers for each WebSocket upgrade and each request to the REST API, such as the API key of a gateway. `User-Agent`
    /// replaces this library's; `Authorization` excludes every other option for authentication; those of the connection
    /// are refused. 64 headers and 16 KiB at most. They are not sent to another host after a redirect.
    headers: str = Kind::Headers, "", &[], CONNECTION;
    /// Keep the cookies of gateways in memory and send them back, for sticky sessions. They are dropped after two failed
    /// connects in a row.
    cookies: bool = Kind::Bool, "false", &[], CONNECTION;
    /// PEM file with the certificate authorities to trust instead of the system's.
    tls_ca_file: str = Kind::Path, "", &[], CONNECTION;
    /// PEM file with the client's certificate chain; needs `tls_key_file`.
    tls_cert_file: str = Kind::Path, "", &[], CONNECTION;
    /// PEM file with the client's private key (PKCS#8, PKCS#1 or SEC1); needs `tls_cert_file`.
    tls_key_file: str = Kind::Path, "", &[], CONNECTION;
    /// The certificate authorities to trust, as the text of a PEM file, for secret stores; instead of `tls_ca_file`.
    tls_ca: str = Kind::Pem, "", &[], CONNECTION;
    /// The client's certificate chain, as the text of a PEM file; instead of `tls_cert_file`.
    tls_cert: str = Kind::Pem, "", &[], CONNECTION;
    /// The client's private key, as the text of a PEM file; instead of `tls_key_file`.
    tls_key: str = Kind::Pem, "", &[], CONNECTION;
    /// The name to ask for (SNI) and to find in the server's certificate, instead of the host's in the URL: for port forwards
    /// and addresses.
    tls_server_name: str = Kind::Text, "", &[], CONNECTION;
    /// Accept any server certificate. An attacker on the path can then read and change everything.
    tls_insecure: bool = Kind::Bool, "false", &[], CONNECTION;
    /// The proxy that connections go through: `http://`, `https://`, `socks5://` or `socks5h://` followed by
    /// `[user[:password]@]host[:port]`; `none` for no proxy; `env` for the variables `https_proxy`, `http_proxy` and
    /// `all_proxy`. The proxy resolves names, except with `socks5`.
    proxy: str = Kind::Proxy, "env", &[], CONNECTION;
    /// Hosts to reach without the proxy, separated by commas: domains, addresses and networks such as `10.0.0.0/8`, each
    /// with an optional `:port`, or `*`. When not given, and `proxy` is `env`, the variable `no_proxy` applies.
    no_proxy: str = Kind::Hosts, "", &[], CONNECTION;
    /// PEM file with the certificate authorities to trust for an `https://` proxy, instead of those for the servers.
    proxy_ca_file: str = Kind::Path, "", &[], CONNECTION;
    /// How long one attempt to connect may take, including name resolution, proxy, TLS and upgrade. The server answers the
    /// upgrade only after it has created the producer, consumer or reader.
    connect_timeout: Duration = millis(1, 600_000), "30000", &[], CONNECTION;
    /// Open at once and connect in the background, instead of failing when the first attempt fails.
    lazy: bool = Kind::Bool, "false", &[], CONNECTION;
    /// Time between pings on a connection. The server closes connections that are idle for 300 s.
    ping_interval: Duration = millis(10, 280_000), "30000", &[], CONNECTION;
    /// How long after a ping the client waits for any data before it treats the connection as broken.
    pong_timeout: Duration = millis(10, 600_000), "15000", &[], CONNECTION;
    /// Upper bound of the random wait before the first reconnect. It doubles at each further one.
    backoff_min: Duration = millis(1, 600_000), "100", &[], CONNECTION;
    /// Largest upper bound of the random wait between reconnects.
    backoff_max: Duration = millis(1, 3_600_000), "10000", &[], CONNECTION;
    /// Give up after this many failed attempts in a row; 0 never gives up.
    max_reconnects: u32 = int(0, I32), "0", &[], CONNECTION;
    /// Keep trying after answers that do not heal by themselves (400, 401, 403, 404 of every host).
    keep_trying: bool = Kind::Bool, "false", &[], CONNECTION;
    /// Largest frame accepted from the server, in bytes. A message of 5 MiB makes a frame of about 7 MiB.
    max_frame_bytes: i64 = int(1_024, 1_073_741_824), "67108864", &[], CONNECTION;
    /// Compress WebSocket messages in both directions (permessage-deflate, RFC 7692), if the server agrees. It saves bytes
    /// and costs processor time: see `docs/gateways.md`.
    websocket_compression: WebSocketCompression = WebSocketCompression::KIND, "off", &[], CONNECTION;
    /// The effort of `websocket_compression`: 1 is the fastest, 9 makes the smallest messages.
    websocket_compression_level: u32 = int(1, 9), "1", &[], CONNECTION;
    /// The length, in bytes of JSON, from which `websocket_compression` compresses a WebSocket message.
    websocket_compression_min: u32 = int(0, 1_073_741_824), "256", &[], CONNECTION;
    /// Whether `websocket_compression` refers to earlier messages of the connection. With `reset` neither side does.
    websocket_compression_context: CompressionContext = CompressionContext::KIND, "keep", &[], CONNECTION;
    /// Where Pulsar's REST API is, if not at the client's hosts: `http://host:port` or `https://host:port`; separate
    /// several hosts by commas.
    admin_url: str = Kind::Text, "", &[], CONNECTION;
    /// Hosts to which the REST API may redirect a request with its token, besides those of the URLs: `host`,
    /// `host:port` or `*.domain`, separated by commas. In a cluster a broker redirects to the one that owns the topic.
    admin_trusted_hosts: str = Kind::Text, "", &[], CONNECTION;
    /// How long a request to the REST API may take, including all hosts and redirects.
    admin_timeout: Duration = millis(1, 3_600_000), "60000", &[], CONNECTION;

    /// The name of the producer, consumer or reader in the broker's logs and statistics. A producer's name must be
    /// unique on its topic.
    name: str = Kind::Text, "", &[(PRODUCER, "producerName"), (CONSUMER, "consumerName"), (READER, "readerName")], ANY;

    /// How long a send may take from the call to its receipt, reconnects included. 0 waits without limit.
    send_timeout: Duration = millis_or_off(1, I32), "30000", &[(PRODUCER, Query::SEND_TIMEOUT)], PRODUCER;
    /// Let the proxy gather messages into batches. About doubles the rate. Not for key_shared subscriptions.
    batch_enabled: bool = Kind::Bool, "false", &[(PRODUCER, "batchingEnabled")], PRODUCER;
    /// Most messages in a batch.
    batch_max_msg: u32 = int(1, I32), "1000", &[(PRODUCER, "batchingMaxMessages")], PRODUCER;
    /// Longest wait for a batch to fill.
    batch_max_delay: Duration = millis(1, I32), "1", &[(PRODUCER, "batchingMaxPublishDelay")], PRODUCER;
    /// Most messages in flight: accepted and without a receipt yet.
    max_pending_msg: u32 = int(1, 1_000_000), "1000", &[(PRODUCER, Query::MAX_PENDING_MESSAGES)], PRODUCER;
    /// Most bytes in flight, counted as encoded frames. One message always fits.
    max_pending_bytes: i64 = int(1, 1_099_511_627_776), "67108864", &[], PRODUCER;
    /// What a send does when `max_pending_msg` or `max_pending_bytes` is reached.
    when_full: WhenFull = WhenFull::KIND, "block", &[], PRODUCER;
    /// Which partition receives messages without a key.
    routing_mode: RoutingMode = RoutingMode::KIND, "single", &[(PRODUCER, "messageRoutingMode")], PRODUCER;
    /// How the proxy compresses what it sends to the broker.
    compression_type: CompressionType = CompressionType::KIND, "none", &[(PRODUCER, Query::COMPRESSION_TYPE)], PRODUCER;
    /// How keys are hashed to partitions.
    hashing_scheme: HashingScheme = HashingScheme::KIND, "java_string", &[(PRODUCER, "hashingScheme")], PRODUCER;
    /// The sequence id before that of the first message. With a value below the broker's own, the broker drops messages
    /// as duplicates.
    initial_seq_id: i64 = int(-1, i64::MAX), "", &[(PRODUCER, Query::INITIAL_SEQUENCE_ID)], PRODUCER;
    /// Names of keys, separated by commas, with which the proxy encrypts. The proxy needs its own key reader for them.
    encryption_keys: str = Kind::Text, "", &[(PRODUCER, Query::ENCRYPTION_KEYS)], PRODUCER;
    /// The name of the key with which this client encrypts every message, end to end: neither proxy nor broker can read
    /// it. Needs `encryption_public_key_file` or a key reader; excludes `encryption_keys` and `batch_enabled`. The
    /// client then applies `compression_type` itself, before it encrypts.
    encryption_key: str = Kind::Text, "", &[], PRODUCER;
    /// PEM file with the public key to encrypt with (RSA, or P-256, P-384, P-521). The client reads it when the
    /// producer is opened and for each new data key.
    encryption_public_key_file: str = Kind::Path, "", &[], PRODUCER;
    /// How long a data key is used before a new one is generated, under the public key as it then is.
    encryption_key_renewal: Duration = millis(1_000, 86_400_000), "14400000", &[], PRODUCER;
    /// What happens to messages in flight when the connection breaks. Neither choice prevents duplicates: the server
    /// may send a message to the broker twice by itself.
    on_disconnect: OnDisconnect = OnDisconnect::KIND, "resend", &[], PRODUCER;
    /// Send again under the sequence ids of the first attempt. The broker then drops what it already has, and what the
    /// server sent twice. Nothing else prevents duplicates. Needs `name`, deduplication enabled on the namespace, and a
    /// topic without partitions; excludes `batch_enabled`.
    effectively_once: bool = Kind::Bool, "false", &[], PRODUCER;
    /// The server's limit for one text frame, in bytes (its webSocketMaxTextFrameSize). The client refuses larger
    /// messages, because the server would close the connection over them.
    max_message_frame_bytes: u32 = int(1_024, I32), "1048576", &[], PRODUCER;

    /// How consumers of one subscription share its messages.
    subscription_type: SubscriptionType = SubscriptionType::KIND, "exclusive", &[(CONSUMER, "subscriptionType")], CONSUMER;
    /// Whether the subscription outlives its consumers.
    subscription_mode: SubscriptionMode = SubscriptionMode::KIND, "durable", &[(CONSUMER, "subscriptionMode")], CONSUMER;
    /// Where the subscription starts if it does not exist yet. Proxies before Pulsar 4.0 ignore it: there the client creates
    /// the subscription through the REST API first, unless the consumer is `lazy`.
    initial_position: InitialPosition = InitialPosition::KIND, "latest", &[(CONSUMER, Query::INITIAL_POSITION)], CONSUMER;
    /// How long a message may stay unacknowledged before the server redelivers it. 0 never redelivers.
    ack_timeout: Duration = millis_or_off(1_000, I32), "0", &[(CONSUMER, "ackTimeoutMillis")], CONSUMER;
    /// How long after a negative acknowledgement the message is redelivered. On exclusive and failover subscriptions
    /// all unacknowledged messages are redelivered with it.
    negative_ack_delay: Duration = millis_or_off(1, I32), "60000", &[(CONSUMER, "negativeAckRedeliveryDelay")], CONSUMER;
    /// The priority among consumers of the subscription. Those with the lowest number are served first.
    priority: u32 = int(0, I32), "0", &[(CONSUMER, "priorityLevel")], CONSUMER;
    /// Also consume a retry letter topic, to which `reconsume_later` sends messages to be redelivered later. Needs a
    /// shared or key_shared subscription of one topic.
    enable_retry: bool = Kind::Bool, "false", &[], CONSUMER;
    /// The retry letter topic; `{topic}-{subscription}-RETRY` when not given. Needs `enable_retry`.
    retry_letter_topic: str = Kind::Text, "", &[], CONSUMER;
    /// After this many redeliveries, or passes through the retry letter topic, a message goes to the dead letter topic
    /// (shared and key_shared only). With `enable_retry` it is 16 when not given.
    max_redeliver_count: u32 = int(1, I32), "", &[(CONSUMER, "maxRedeliverCount")], CONSUMER;
    /// The dead letter topic; `{topic}-{subscription}-DLQ` when not given. Needs `max_redeliver_count` or `enable_retry`.
    dead_letter_topic: str = Kind::Text, "", &[(CONSUMER, "deadLetterTopic")], CONSUMER;
    /// Request messages as the application finishes them, instead of letting the server push.
    pull_mode: bool = Kind::Bool, "false", &[(CONSUMER, "pullMode")], CONSUMER;
    /// PEM file with the private key to decrypt with, whatever its name. The client reads it when a message arrives
    /// under an unknown data key. Excludes `max_redeliver_count`: the server stores encrypted dead letters without
    /// their keys.
    encryption_private_key_file: str = Kind::Path, "", &[], CONSUMER;
    /// What happens to messages that cannot be decrypted, by this client or, without a key here, by the proxy. `fail`
    /// has them redelivered after `negative_ack_delay` (the proxy withholds them), `discard` acknowledges them,
    /// `consume` delivers them as they are.
    crypto_failure_action: CryptoFailureAction = CryptoFailureAction::KIND, "fail",
        &[(CONSUMER, Query::CRYPTO_FAILURE_ACTION), (READER, Query::CRYPTO_FAILURE_ACTION)], RECEIVER;
    /// Most messages delivered and not yet acknowledged (push mode), requested and not yet finished (pull mode), or
    /// read ahead (readers, two at least). The server's own limit is 1000.
    queue_size: u32 = int(1, 1_000), "1000", &[(CONSUMER, Query::QUEUE_SIZE), (READER, Query::QUEUE_SIZE)], RECEIVER;
    /// Stop reading from the socket while this many bytes of messages are queued. One message always fits.
    queue_bytes: i64 = int(1, 1_099_511_627_776), "67108864", &[], RECEIVER;
    /// Skip a message without a value (a tombstone), at which the server's delivery stops for good. The client checks
    /// for one through the REST API after a silence, and reports it with or without this option; see
    /// `docs/delivery.md`.
    skip_tombstones: bool = Kind::Bool, "false", &[], RECEIVER;
    /// How long a consumer or reader may be silent before the client checks, through the REST API, whether a tombstone
    /// is blocking delivery. It repeats the check every three times as long. 0 disables it. All handles of a client
    /// together send at most ten such requests a second.
    tombstone_check_interval: Duration = millis_or_off(10, 3_600_000), "10000", &[], RECEIVER;
    /// How many threads run the handler, each with its own state.
    processors: u32 = int(1, 1_024), "1", &[], RECEIVER;
    /// The order in which several processors see the messages.
    ordering: Ordering = Ordering::KIND, "none", &[], RECEIVER;
    /// How many connections share the work. More than one needs a shared or key_shared subscription.
    connections: u32 = int(1, 64), "1", &[], CONSUMER;
    /// Where the reader starts: `earliest`, `latest`, or after the message with this id.
    starting_message: str = Kind::Position, "latest", &[(READER, Query::MESSAGE_ID)], READER;
}

/// Other words for a key, as the Elixir library and Pulsar's own clients have them.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("producer_name", "name"),
    ("consumer_name", "name"),
    ("reader_name", "name"),
    ("token", "auth_token"),
    ("receiver_queue_size", "queue_size"),
    ("subscription_initial_position", "initial_position"),
    ("negative_ack_redelivery_delay", "negative_ack_delay"),
];

/// Returns the row of `key`, or an error that names the nearest key, if any is near.
pub fn find(key: &str) -> Result<&'static OptionSpec> {
    let wanted = ALIASES.iter().find_map(|(alias, key_)| (*alias == key).then_some(*key_)).unwrap_or(key);
    OPTIONS.iter().find(|spec| spec.key == wanted).ok_or_else(|| {
        let nearest = OPTIONS.iter().map(|spec| (distance(key, spec.key), spec.key)).min();
        // Another word, if more than half of it is other.
        let near = nearest.filter(|(distance, _)| distance * 2 <= key.chars().count().cast_signed());
        match near {
            Some((_, near)) => {
                Error::invalid(format!("there is no option {key:?}; the nearest is {near:?}")).see_option(near)
            }
            None => Error::invalid(format!("there is no option {key:?}; docs/configuration.md has all")),
        }
    })
}

/// Returns the edit distance minus the length of the common beginning: `batching` is nearest to `batch_enabled`.
fn distance(key: &str, candidate: &str) -> isize {
    let beginning = key.chars().zip(candidate.chars()).take_while(|(a, b)| a == b).count();
    edit_distance(key, candidate).cast_signed() - beginning.cast_signed()
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
