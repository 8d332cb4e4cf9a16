"""The options of stargate as types of keyword arguments.

Generated from the core's table by `tools/generate_options.py`; do not edit. Times are in seconds, or `timedelta`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from ._native import MessageId
    from .encryption import CryptoKeyReader
    from .state import StateChange


class ConnectionOptions(TypedDict, total=False):
    """How connections are made and kept. Given to a client, and inherited by all it opens; each may override them."""

    on_state: Callable[[StateChange], object] | None
    """Called at each change of state of a connection, on a thread of stargate."""
    auth_token: str | None
    """The JSON web token sent in the `Authorization` header."""
    auth_token_file: str | os.PathLike[str] | None
    """A file that holds the token. The client reads it again at each connect, so you can replace the token while it
    runs."""
    basic_user: str | None
    """The user of HTTP Basic authentication; needs `basic_password` or `basic_password_file`."""
    basic_password: str | None
    """The password of `basic_user`."""
    basic_password_file: str | os.PathLike[str] | None
    """A file that holds the password of `basic_user`. The client reads it again at each connect."""
    oauth2_issuer_url: str | None
    """The OAuth2 issuer (client credentials), as `https://host/path`. The client reads the token endpoint from its
    metadata. When not given, the `issuer_url` of `oauth2_key_file` is used."""
    oauth2_token_endpoint: str | None
    """The URL that issues tokens, for an issuer without metadata."""
    oauth2_well_known_path: str | None
    """The path of the issuer's metadata, appended to `oauth2_issuer_url`. Default:
    /.well-known/openid-configuration."""
    oauth2_key_file: str | os.PathLike[str] | None
    """The JSON file with `client_id` and `client_secret` that Pulsar's own clients take: a path, `file:///path` or
    `data:application/json;base64,...`. The client reads it again at each fetch of a token."""
    oauth2_client_id: str | None
    """The client id, instead of `oauth2_key_file`."""
    oauth2_client_secret: str | None
    """The client secret, instead of `oauth2_key_file`."""
    oauth2_audience: str | None
    """The `audience` to request from the issuer."""
    oauth2_scope: str | None
    """The `scope` to request from the issuer; separate several by spaces."""
    oauth2_auth_method: Literal["client_secret_post", "client_secret_basic", "tls_client_auth"] | None
    """How the client authenticates itself to the issuer. Default: "client_secret_post"."""
    oauth2_ca_file: str | os.PathLike[str] | None
    """PEM file with the certificate authorities to trust for the issuer, instead of the system's. `tls_insecure` and
    `tls_ca_file` do not apply to the issuer."""
    oauth2_timeout: float | timedelta | None
    """How long one fetch of a token may take, metadata included. It is not part of `connect_timeout`. Seconds; 0.001
    to 600. Default: 30."""
    oauth2_refresh: float | None
    """The part of its life after which a token is renewed in the background. 1 renews a token only after it has
    expired. From 0.1 to 1.0. Default: 0.9."""
    oauth2_allow_http: bool | None
    """Send the client secret over plain HTTP even to an issuer on another machine. Default: False."""
    auth_plugin: str | None
    """`authPlugin` of Pulsar's `client.conf`: the class name of one of Pulsar's plugins, or `token`, `oauth2`,
    `basic`, `tls`."""
    auth_params: str | None
    """`authParams` of Pulsar's `client.conf`, copied as they are; for `auth_plugin`."""
    auth_token_in: Literal["header", "query"] | None
    """Where the token travels on a WebSocket: in the `Authorization` header, or in the query parameter `token`, for
    gateways that take the header away. Access logs show a query. Default: "header"."""
    auth_method_name: str | None
    """The broker's provider of authentication to ask (`X-Pulsar-Auth-Method-Name`), where it has several."""
    headers: str | Mapping[str, str] | Iterable[tuple[str, str]] | None
    """Headers for each WebSocket upgrade and each request to the REST API, such as the API key of a gateway.
    `User-Agent` replaces this library's; `Authorization` excludes every other option for authentication; those of
    the connection are refused. 64 headers and 16 KiB at most. They are not sent to another host after a redirect."""
    cookies: bool | None
    """Keep the cookies of gateways in memory and send them back, for sticky sessions. They are dropped after two
    failed connects in a row. Default: False."""
    tls_ca_file: str | os.PathLike[str] | None
    """PEM file with the certificate authorities to trust instead of the system's."""
    tls_cert_file: str | os.PathLike[str] | None
    """PEM file with the client's certificate chain; needs `tls_key_file`."""
    tls_key_file: str | os.PathLike[str] | None
    """PEM file with the client's private key (PKCS#8, PKCS#1 or SEC1); needs `tls_cert_file`."""
    tls_ca: str | None
    """The certificate authorities to trust, as the text of a PEM file, for secret stores; instead of `tls_ca_file`."""
    tls_cert: str | None
    """The client's certificate chain, as the text of a PEM file; instead of `tls_cert_file`."""
    tls_key: str | None
    """The client's private key, as the text of a PEM file; instead of `tls_key_file`."""
    tls_server_name: str | None
    """The name to ask for (SNI) and to find in the server's certificate, instead of the host's in the URL: for port
    forwards and addresses."""
    tls_insecure: bool | None
    """Accept any server certificate. An attacker on the path can then read and change everything. Default: False."""
    proxy: str | None
    """The proxy that connections go through: `http://`, `https://`, `socks5://` or `socks5h://` followed by
    `[user[:password]@]host[:port]`; `none` for no proxy; `env` for the variables `https_proxy`, `http_proxy` and
    `all_proxy`. The proxy resolves names, except with `socks5`. Default: env."""
    no_proxy: str | None
    """Hosts to reach without the proxy, separated by commas: domains, addresses and networks such as `10.0.0.0/8`,
    each with an optional `:port`, or `*`. When not given, and `proxy` is `env`, the variable `no_proxy` applies."""
    proxy_ca_file: str | os.PathLike[str] | None
    """PEM file with the certificate authorities to trust for an `https://` proxy, instead of those for the servers."""
    connect_timeout: float | timedelta | None
    """How long one attempt to connect may take, including name resolution, proxy, TLS and upgrade. The server
    answers the upgrade only after it has created the producer, consumer or reader. Seconds; 0.001 to 600.
    Default: 30."""
    lazy: bool | None
    """Open at once and connect in the background, instead of failing when the first attempt fails. Default: False."""
    ping_interval: float | timedelta | None
    """Time between pings on a connection. The server closes connections that are idle for 300 s. Seconds; 0.01 to
    280. Default: 30."""
    pong_timeout: float | timedelta | None
    """How long after a ping the client waits for any data before it treats the connection as broken. Seconds; 0.01
    to 600. Default: 15."""
    backoff_min: float | timedelta | None
    """Upper bound of the random wait before the first reconnect. It doubles at each further one. Seconds; 0.001 to
    600. Default: 0.1."""
    backoff_max: float | timedelta | None
    """Largest upper bound of the random wait between reconnects. Seconds; 0.001 to 3600. Default: 10."""
    max_reconnects: int | None
    """Give up after this many failed attempts in a row; 0 never gives up. From 0 to 2147483647. Default: 0."""
    keep_trying: bool | None
    """Keep trying after answers that do not heal by themselves (400, 401, 403, 404 of every host). Default: False."""
    max_frame_bytes: int | None
    """Largest frame accepted from the server, in bytes. A message of 5 MiB makes a frame of about 7 MiB. From 1024
    to 1073741824. Default: 67108864."""
    websocket_compression: Literal["off", "on"] | None
    """Compress WebSocket messages in both directions (permessage-deflate, RFC 7692), if the server agrees. It saves
    bytes and costs processor time: see `docs/gateways.md`. Default: "off"."""
    websocket_compression_level: int | None
    """The effort of `websocket_compression`: 1 is the fastest, 9 makes the smallest messages. From 1 to 9. Default:
    1."""
    websocket_compression_min: int | None
    """The length, in bytes of JSON, from which `websocket_compression` compresses a WebSocket message. From 0 to
    1073741824. Default: 256."""
    websocket_compression_context: Literal["keep", "reset"] | None
    """Whether `websocket_compression` refers to earlier messages of the connection. With `reset` neither side does.
    Default: "keep"."""
    admin_url: str | None
    """Where Pulsar's REST API is, if not at the client's hosts: `http://host:port` or `https://host:port`; separate
    several hosts by commas."""
    admin_trusted_hosts: str | None
    """Hosts to which the REST API may redirect a request with its token, besides those of the URLs: `host`,
    `host:port` or `*.domain`, separated by commas. In a cluster a broker redirects to the one that owns the
    topic."""
    admin_timeout: float | timedelta | None
    """How long a request to the REST API may take, including all hosts and redirects. Seconds; 0.001 to 3600.
    Default: 60."""


class ProducerOptions(ConnectionOptions, total=False):
    """Options of a producer, besides those of its connection."""

    name: str | None
    """The name of the producer, consumer or reader in the broker's logs and statistics. A producer's name must be
    unique on its topic."""
    send_timeout: float | timedelta | None
    """How long a send may take from the call to its receipt, reconnects included. 0 waits without limit. Seconds; 0
    turns it off, else 0.001 to 2.14748e+06. Default: 30."""
    batch_enabled: bool | None
    """Let the proxy gather messages into batches. About doubles the rate. Not for key_shared subscriptions. Default:
    False."""
    batch_max_msg: int | None
    """Most messages in a batch. From 1 to 2147483647. Default: 1000."""
    batch_max_delay: float | timedelta | None
    """Longest wait for a batch to fill. Seconds; 0.001 to 2.14748e+06. Default: 0.001."""
    max_pending_msg: int | None
    """Most messages in flight: accepted and without a receipt yet. From 1 to 1000000. Default: 1000."""
    max_pending_bytes: int | None
    """Most bytes in flight, counted as encoded frames. One message always fits. From 1 to 1099511627776. Default:
    67108864."""
    when_full: Literal["block", "fail"] | None
    """What a send does when `max_pending_msg` or `max_pending_bytes` is reached. Default: "block"."""
    routing_mode: Literal["single", "round_robin"] | None
    """Which partition receives messages without a key. Default: "single"."""
    compression_type: Literal["none", "lz4", "zlib", "zstd", "snappy"] | None
    """How the proxy compresses what it sends to the broker. Default: "none"."""
    hashing_scheme: Literal["java_string", "murmur3"] | None
    """How keys are hashed to partitions. Default: "java_string"."""
    initial_seq_id: int | None
    """The sequence id before that of the first message. With a value below the broker's own, the broker drops
    messages as duplicates. From -1 to 9223372036854775807."""
    encryption_keys: str | None
    """Names of keys, separated by commas, with which the proxy encrypts. The proxy needs its own key reader for
    them."""
    encryption_key: str | None
    """The name of the key with which this client encrypts every message, end to end: neither proxy nor broker can
    read it. Needs `encryption_public_key_file` or a key reader; excludes `encryption_keys` and `batch_enabled`.
    The client then applies `compression_type` itself, before it encrypts."""
    encryption_public_key_file: str | os.PathLike[str] | None
    """PEM file with the public key to encrypt with (RSA, or P-256, P-384, P-521). The client reads it when the
    producer is opened and for each new data key."""
    encryption_key_renewal: float | timedelta | None
    """How long a data key is used before a new one is generated, under the public key as it then is. Seconds; 1 to
    86400. Default: 14400."""
    on_disconnect: Literal["resend", "fail"] | None
    """What happens to messages in flight when the connection breaks. Neither choice prevents duplicates: the server
    may send a message to the broker twice by itself. Default: "resend"."""
    effectively_once: bool | None
    """Send again under the sequence ids of the first attempt. The broker then drops what it already has, and what
    the server sent twice. Nothing else prevents duplicates. Needs `name`, deduplication enabled on the namespace,
    and a topic without partitions; excludes `batch_enabled`. Default: False."""
    max_message_frame_bytes: int | None
    """The server's limit for one text frame, in bytes (its webSocketMaxTextFrameSize). The client refuses larger
    messages, because the server would close the connection over them. From 1024 to 2147483647. Default: 1048576."""
    crypto_key_reader: CryptoKeyReader | None
    """Where the keys of end-to-end encryption come from, instead of the options that name key files."""


class ConsumerOptions(ConnectionOptions, total=False):
    """Options of a consumer, besides those of its connection."""

    name: str | None
    """The name of the producer, consumer or reader in the broker's logs and statistics. A producer's name must be
    unique on its topic."""
    subscription_type: Literal["exclusive", "shared", "failover", "key_shared"] | None
    """How consumers of one subscription share its messages. Default: "exclusive"."""
    subscription_mode: Literal["durable", "non_durable"] | None
    """Whether the subscription outlives its consumers. Default: "durable"."""
    initial_position: Literal["latest", "earliest"] | None
    """Where the subscription starts if it does not exist yet. Proxies before Pulsar 4.0 ignore it: there the client
    creates the subscription through the REST API first, unless the consumer is `lazy`. Default: "latest"."""
    ack_timeout: float | timedelta | None
    """How long a message may stay unacknowledged before the server redelivers it. 0 never redelivers. Seconds; 0
    turns it off, else 1 to 2.14748e+06. Default: 0."""
    negative_ack_delay: float | timedelta | None
    """How long after a negative acknowledgement the message is redelivered. On exclusive and failover subscriptions
    all unacknowledged messages are redelivered with it. Seconds; 0 turns it off, else 0.001 to 2.14748e+06.
    Default: 60."""
    priority: int | None
    """The priority among consumers of the subscription. Those with the lowest number are served first. From 0 to
    2147483647. Default: 0."""
    enable_retry: bool | None
    """Also consume a retry letter topic, to which `reconsume_later` sends messages to be redelivered later. Needs a
    shared or key_shared subscription of one topic. Default: False."""
    retry_letter_topic: str | None
    """The retry letter topic; `{topic}-{subscription}-RETRY` when not given. Needs `enable_retry`."""
    max_redeliver_count: int | None
    """After this many redeliveries, or passes through the retry letter topic, a message goes to the dead letter
    topic (shared and key_shared only). With `enable_retry` it is 16 when not given. From 1 to 2147483647."""
    dead_letter_topic: str | None
    """The dead letter topic; `{topic}-{subscription}-DLQ` when not given. Needs `max_redeliver_count` or
    `enable_retry`."""
    pull_mode: bool | None
    """Request messages as the application finishes them, instead of letting the server push. Default: False."""
    encryption_private_key_file: str | os.PathLike[str] | None
    """PEM file with the private key to decrypt with, whatever its name. The client reads it when a message arrives
    under an unknown data key. Excludes `max_redeliver_count`: the server stores encrypted dead letters without
    their keys."""
    crypto_failure_action: Literal["fail", "discard", "consume"] | None
    """What happens to messages that cannot be decrypted, by this client or, without a key here, by the proxy. `fail`
    has them redelivered after `negative_ack_delay` (the proxy withholds them), `discard` acknowledges them,
    `consume` delivers them as they are. Default: "fail"."""
    queue_size: int | None
    """Most messages delivered and not yet acknowledged (push mode), requested and not yet finished (pull mode), or
    read ahead (readers, two at least). The server's own limit is 1000. From 1 to 1000. Default: 1000."""
    queue_bytes: int | None
    """Stop reading from the socket while this many bytes of messages are queued. One message always fits. From 1 to
    1099511627776. Default: 67108864."""
    skip_tombstones: bool | None
    """Skip a message without a value (a tombstone), at which the server's delivery stops for good. The client checks
    for one through the REST API after a silence, and reports it with or without this option; see
    `docs/delivery.md`. Default: False."""
    tombstone_check_interval: float | timedelta | None
    """How long a consumer or reader may be silent before the client checks, through the REST API, whether a
    tombstone is blocking delivery. It repeats the check every three times as long. 0 disables it. All handles of
    a client together send at most ten such requests a second. Seconds; 0 turns it off, else 0.01 to 3600.
    Default: 10."""
    processors: int | None
    """How many threads run the handler, each with its own state. From 1 to 1024. Default: 1."""
    ordering: Literal["none", "key"] | None
    """The order in which several processors see the messages. Default: "none"."""
    connections: int | None
    """How many connections share the work. More than one needs a shared or key_shared subscription. From 1 to 64.
    Default: 1."""
    crypto_key_reader: CryptoKeyReader | None
    """Where the keys of end-to-end encryption come from, instead of the options that name key files."""


class ReaderOptions(ConnectionOptions, total=False):
    """Options of a reader, besides those of its connections."""

    name: str | None
    """The name of the producer, consumer or reader in the broker's logs and statistics. A producer's name must be
    unique on its topic."""
    crypto_failure_action: Literal["fail", "discard", "consume"] | None
    """What happens to messages that cannot be decrypted, by this client or, without a key here, by the proxy. `fail`
    has them redelivered after `negative_ack_delay` (the proxy withholds them), `discard` acknowledges them,
    `consume` delivers them as they are. Default: "fail"."""
    queue_size: int | None
    """Most messages delivered and not yet acknowledged (push mode), requested and not yet finished (pull mode), or
    read ahead (readers, two at least). The server's own limit is 1000. From 1 to 1000. Default: 1000."""
    queue_bytes: int | None
    """Stop reading from the socket while this many bytes of messages are queued. One message always fits. From 1 to
    1099511627776. Default: 67108864."""
    skip_tombstones: bool | None
    """Skip a message without a value (a tombstone), at which the server's delivery stops for good. The client checks
    for one through the REST API after a silence, and reports it with or without this option; see
    `docs/delivery.md`. Default: False."""
    tombstone_check_interval: float | timedelta | None
    """How long a consumer or reader may be silent before the client checks, through the REST API, whether a
    tombstone is blocking delivery. It repeats the check every three times as long. 0 disables it. All handles of
    a client together send at most ten such requests a second. Seconds; 0 turns it off, else 0.01 to 3600.
    Default: 10."""
    processors: int | None
    """How many threads run the handler, each with its own state. From 1 to 1024. Default: 1."""
    ordering: Literal["none", "key"] | None
    """The order in which several processors see the messages. Default: "none"."""
    starting_message: MessageId | str | None
    """Where the reader starts: `earliest`, `latest`, or after the message with this id. Default: "latest"."""
