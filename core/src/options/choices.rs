//! The options with a fixed set of words, each as an enum.

use super::spec::{Kind, Setting, Value};

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal ($wire:literal)),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub(super) const KIND: Kind = Kind::Choice(&[$(($word, $wire)),+]);

            /// Returns the word for this choice in options.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl Setting for $name {
            type Read = $name;

            fn read(value: &Value) -> Option<$name> {
                if let Value::Text(word) = value { $name::parse(word) } else { None }
            }

            fn parse(word: &str) -> Option<$name> {
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
    /// Where the client sends a token.
    AuthTokenIn {
        /// In the `Authorization` header.
        Header = "header" ("header"),
        /// In the query parameter `token` of the WebSocket's URL.
        Query = "query" ("query"),
    }
    /// How the consumers of one subscription share its messages.
    SubscriptionType {
        /// Only one consumer; the broker refuses a second one.
        Exclusive = "exclusive" ("Exclusive"),
        /// Each message goes to one of the consumers, in no particular order.
        Shared = "shared" ("Shared"),
        /// One consumer is active, and the others wait to take over.
        Failover = "failover" ("Failover"),
        /// Each key goes to one of the consumers, in order within the key.
        KeyShared = "key_shared" ("Key_Shared"),
    }
    /// Whether a subscription outlives its consumers.
    SubscriptionMode {
        /// The broker keeps its position.
        Durable = "durable" ("Durable"),
        /// It is deleted with its last consumer.
        NonDurable = "non_durable" ("NonDurable"),
    }
    /// Where a new subscription begins.
    InitialPosition {
        /// After the last message.
        Latest = "latest" ("Latest"),
        /// At the first message still stored.
        Earliest = "earliest" ("Earliest"),
    }
    /// What a consumer does with a message that cannot be decrypted.
    CryptoFailureAction {
        /// Does not deliver it; the broker redelivers it later.
        Fail = "fail" ("FAIL"),
        /// Acknowledges and drops it.
        Discard = "discard" ("DISCARD"),
        /// Delivers it unchanged, with its encryption context.
        Consume = "consume" ("CONSUME"),
    }
    /// How a message without a key is assigned to a partition.
    RoutingMode {
        /// All go to one partition.
        Single = "single" ("SinglePartition"),
        /// They go to the partitions in turn.
        RoundRobin = "round_robin" ("RoundRobinPartition"),
    }
    /// The compression of the broker's copy of a message.
    CompressionType {
        /// No compression.
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
    /// Whether a client offers permessage-deflate on WebSockets.
    WebSocketCompression {
        /// Never.
        Off = "off" ("off"),
        /// On each connection.
        On = "on" ("on"),
    }
    /// What the compression of a WebSocket message refers to.
    CompressionContext {
        /// Earlier messages of the connection, which makes smaller ones.
        Keep = "keep" ("keep"),
        /// Only the message itself.
        Reset = "reset" ("reset"),
    }
    /// How a key is hashed to a partition.
    HashingScheme {
        /// Java's `String.hashCode`.
        JavaString = "java_string" ("JavaStringHash"),
        /// 32-bit Murmur3, as the other Pulsar clients use.
        Murmur3 = "murmur3" ("Murmur3_32Hash"),
    }
    /// What a producer does with messages in flight when the connection breaks.
    OnDisconnect {
        /// Sends them again, in order, until their timeout; the broker may store one twice.
        Resend = "resend" ("resend"),
        /// Ends them with [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), and never sends them again.
        Fail = "fail" ("fail"),
    }
    /// What a send does when the maximum number of messages or bytes is in flight.
    WhenFull {
        /// Waits for a free slot.
        Block = "block" ("block"),
        /// Fails at once with [`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull).
        Fail = "fail" ("fail"),
    }
    /// How the client authenticates itself to the OAuth2 issuer.
    OAuth2AuthMethod {
        /// With `client_id` and `client_secret` in the form.
        ClientSecretPost = "client_secret_post" ("client_secret_post"),
        /// With `client_id` and `client_secret` in the `Authorization` header.
        ClientSecretBasic = "client_secret_basic" ("client_secret_basic"),
        /// With the certificate of `tls_cert_file`, and no secret.
        TlsClientAuth = "tls_client_auth" ("tls_client_auth"),
    }
    /// The order in which a handler with several processors receives the messages.
    Ordering {
        /// Any free processor takes the next message.
        None = "none" ("none"),
        /// Messages with the same key go to one processor, in order.
        Key = "key" ("key"),
    }
}

impl SubscriptionType {
    /// Returns whether several consumers of the subscription receive messages at once.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, SubscriptionType::Shared | SubscriptionType::KeyShared)
    }
}
