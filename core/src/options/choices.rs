//! The options that are one of a few words, each an enum.

use super::spec::{Kind, Setting, Value};

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal ($wire:literal)),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            pub(super) const KIND: Kind = Kind::Choice(&[$(($word, $wire)),+]);

            /// The word of this choice in options.
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
    /// Where a token travels.
    AuthTokenIn {
        /// In the `Authorization` header.
        Header = "header" ("header"),
        /// In the query parameter `token` of the WebSocket's URL.
        Query = "query" ("query"),
    }
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
    /// What becomes of a message that cannot be decrypted.
    CryptoFailureAction {
        /// It is not delivered, and is redelivered later.
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
    /// How the client shows itself to the OAuth2 issuer.
    OAuth2AuthMethod {
        /// With `client_id` and `client_secret` in the form.
        ClientSecretPost = "client_secret_post" ("client_secret_post"),
        /// With `client_id` and `client_secret` in the `Authorization` header.
        ClientSecretBasic = "client_secret_basic" ("client_secret_basic"),
        /// With the certificate of `tls_cert_file`, and no secret.
        TlsClientAuth = "tls_client_auth" ("tls_client_auth"),
    }
    /// In which order a handler with several processors sees the messages.
    Ordering {
        /// Any processor that is free takes the next message.
        None = "none" ("none"),
        /// Messages with one key go to one processor, in their order.
        Key = "key" ("key"),
    }
}

impl SubscriptionType {
    /// Whether several consumers of the subscription receive messages at once.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, SubscriptionType::Shared | SubscriptionType::KeyShared)
    }
}
