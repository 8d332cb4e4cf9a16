"""Pulsar's REST API: tenants, namespaces, topics and subscriptions, made, looked at and changed.

with stargate.Client("ws://localhost:8080") as client:
    admin = client.admin()
    admin.ensure_topic("orders")
    print(admin.topic_stats("orders").storage_size)

What the broker answers comes as a dataclass: the fields that are the same everywhere, and everything it said in `raw`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from ._convert import epoch_millis, seconds
from ._native import MessageId
from .errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ._convert import Seconds
    from ._native import Message
    from .client import Client

__all__ = [
    "Admin",
    "Answer",
    "BacklogAnalysis",
    "BacklogQuota",
    "CompactionStatus",
    "ConsumerStats",
    "Cursor",
    "InternalStats",
    "Ledger",
    "NamespacePolicies",
    "PublisherStats",
    "Retention",
    "StoredMessage",
    "SubscriptionStats",
    "TenantInfo",
    "TopicStats",
]

BacklogQuotaKind: TypeAlias = Literal["destination_storage", "message_age"]
"""What a backlog quota counts: bytes held for the slowest subscription, or the age of the oldest message."""

BacklogPolicy: TypeAlias = Literal["producer_request_hold", "producer_exception", "consumer_backlog_eviction"]
"""What happens beyond a quota: producers wait, producers get errors, or the oldest messages are acknowledged."""

Position: TypeAlias = MessageId | datetime | float
"""A place in a topic: a message, `MessageId.earliest`, `MessageId.latest`, an aware time, or seconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to `Admin.request`."""

    status: int
    """The HTTP status, from 200 to 299."""
    body: bytes
    """The body, mostly JSON."""

    def json(self) -> Any:
        """Give the body as what its JSON says; `None` for an empty one.

        Examples:
            >>> client.admin().request("GET", "clusters").json()
            ['standalone']
        """
        return json.loads(self.body) if self.body.strip() else None


@dataclass(frozen=True, slots=True)
class TenantInfo:
    """Who may administer a tenant, and where it may store."""

    admin_roles: list[str] = field(default_factory=list)
    """The roles that may administer it, besides the superusers."""
    allowed_clusters: list[str] = field(default_factory=list)
    """The clusters that its namespaces may use. None stands for all that there are, when a tenant is made."""
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        return cls(raw.get("adminRoles", []), raw.get("allowedClusters", []), raw)

    def _to_json(self) -> str:
        return json.dumps({"adminRoles": list(self.admin_roles), "allowedClusters": list(self.allowed_clusters)})


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much is kept of what every subscription has acknowledged.

    Both 0 keep nothing, the default; -1 is without limit; one of them 0 and the other not is an error.
    """

    time_in_minutes: int
    """Minutes; `retentionTimeInMinutes`."""
    size_in_mb: int
    """Megabytes; `retentionSizeInMB`."""

    @classmethod
    def _from_json(cls, raw: dict[str, Any] | None) -> Self | None:
        return None if raw is None else cls(raw["retentionTimeInMinutes"], raw["retentionSizeInMB"])


@dataclass(frozen=True, slots=True)
class BacklogQuota:
    """A bound of what a topic may hold for subscriptions that do not acknowledge."""

    kind: BacklogQuotaKind
    """What is counted; a namespace has at most one quota of each kind."""
    limit: int
    """Bytes, or seconds, by the kind; -1 is without limit."""
    policy: BacklogPolicy
    """What happens beyond it."""


@dataclass(frozen=True, slots=True)
class NamespacePolicies:
    """The policies of a namespace that are set; the broker's defaults hold where there is `None`."""

    retention: Retention | None
    """How much is kept of what is acknowledged."""
    message_ttl: float | None
    """After how many seconds a message counts as acknowledged whether it is or not."""
    deduplication: bool | None
    """Whether the broker drops messages that a producer sent before."""
    backlog_quotas: list[BacklogQuota]
    """The quotas."""
    bundles: int
    """The number of bundles, into which the namespace is divided among the brokers."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        limits = {"destination_storage": "limitSize", "message_age": "limitTime"}
        quotas = raw.get("backlog_quota_map") or {}
        return cls(
            Retention._from_json(raw.get("retention_policies")),
            _ttl(raw.get("message_ttl_in_seconds")),
            raw.get("deduplicationEnabled"),
            [
                BacklogQuota(kind, quotas[kind][limits[kind]], quotas[kind]["policy"])
                for kind in quotas
                if kind in limits
            ],
            (raw.get("bundles") or {}).get("numBundles", 0),
            raw,
        )


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """A producer in `TopicStats`."""

    producer_name: str
    """Its name."""
    msg_rate_in: float
    """Messages published a second."""
    address: str
    """The address of the client, here that of the WebSocket proxy."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _read(cls, raw: dict[str, Any]) -> Self:
        return cls(raw.get("producerName", ""), raw.get("msgRateIn", 0.0), raw.get("address", ""), raw)


@dataclass(frozen=True, slots=True)
class ConsumerStats:
    """A consumer in `SubscriptionStats`."""

    consumer_name: str
    """Its name."""
    available_permits: int
    """How many messages it may still be sent."""
    unacked_messages: int
    """Messages delivered to it and not acknowledged yet."""
    msg_rate_out: float
    """Messages delivered a second."""
    address: str
    """The address of the client, here that of the WebSocket proxy."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _read(cls, raw: dict[str, Any]) -> Self:
        return cls(
            raw.get("consumerName", ""),
            raw.get("availablePermits", 0),
            raw.get("unackedMessages", 0),
            raw.get("msgRateOut", 0.0),
            raw.get("address", ""),
            raw,
        )


@dataclass(frozen=True, slots=True)
class SubscriptionStats:
    """A subscription in `TopicStats`."""

    msg_backlog: int
    """Messages not acknowledged, those in delivery included."""
    unacked_messages: int
    """Messages delivered and not acknowledged yet; counted for shared and key_shared subscriptions."""
    msg_delayed: int
    """Messages that wait for their time."""
    msg_rate_out: float
    """Messages delivered a second."""
    msg_rate_redeliver: float
    """Messages redelivered a second."""
    kind: str
    """`Exclusive`, `Shared`, `Failover` or `Key_Shared`; empty before the first consumer."""
    is_durable: bool
    """Whether it outlives its consumers."""
    is_blocked: bool
    """Whether the broker holds back from the consumers because too much is unacknowledged."""
    consumers: list[ConsumerStats]
    """The consumers that are connected."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _read(cls, raw: dict[str, Any]) -> Self:
        return cls(
            raw.get("msgBacklog", 0),
            raw.get("unackedMessages", 0),
            raw.get("msgDelayed", 0),
            raw.get("msgRateOut", 0.0),
            raw.get("msgRateRedeliver", 0.0),
            raw.get("type", ""),
            raw.get("isDurable", False),
            raw.get("blockedSubscriptionOnUnackedMsgs", False),
            [ConsumerStats._read(consumer) for consumer in raw.get("consumers", [])],
            raw,
        )


@dataclass(frozen=True, slots=True)
class TopicStats:
    """The statistics of a topic, or of all partitions of one together."""

    msg_rate_in: float
    """Messages published a second."""
    msg_rate_out: float
    """Messages delivered a second."""
    msg_throughput_in: float
    """Bytes published a second."""
    msg_throughput_out: float
    """Bytes delivered a second."""
    msg_in_counter: int
    """Messages published since the broker loaded the topic."""
    bytes_in_counter: int
    """Bytes published since the broker loaded the topic."""
    storage_size: int
    """Bytes stored, as they are in one copy."""
    backlog_size: int
    """Bytes that a subscription has still to acknowledge."""
    publishers: list[PublisherStats]
    """The producers, in no order. Readers and consumers are in `subscriptions`."""
    subscriptions: dict[str, SubscriptionStats]
    """The subscriptions by name; a reader that is connected is one too, with a name of its own."""
    partitions: dict[str, TopicStats]
    """For a topic with partitions, the statistics of each, by its full name."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        return cls._read(json.loads(text))

    @classmethod
    def _read(cls, raw: dict[str, Any]) -> Self:
        return cls(
            raw.get("msgRateIn", 0.0),
            raw.get("msgRateOut", 0.0),
            raw.get("msgThroughputIn", 0.0),
            raw.get("msgThroughputOut", 0.0),
            raw.get("msgInCounter", 0),
            raw.get("bytesInCounter", 0),
            raw.get("storageSize", 0),
            raw.get("backlogSize", 0),
            [PublisherStats._read(publisher) for publisher in raw.get("publishers", [])],
            {name: SubscriptionStats._read(stats) for name, stats in raw.get("subscriptions", {}).items()},
            {name: TopicStats._read(stats) for name, stats in raw.get("partitions", {}).items()},
            raw,
        )


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger in `InternalStats`."""

    ledger_id: int
    """Its number, the first part of a message id."""
    entries: int
    """How many entries it has; a batch is one entry."""
    size: int
    """How many bytes it has."""
    offloaded: bool
    """Whether it was moved to a cheaper storage."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a subscription stands, in `InternalStats`."""

    mark_delete_position: str
    """Everything up to this entry is acknowledged, `ledger:entry`."""
    read_position: str
    """The next entry to be delivered, `ledger:entry`."""
    individually_deleted_messages: str
    """What is acknowledged beyond, as ranges in the broker's writing."""


@dataclass(frozen=True, slots=True)
class InternalStats:
    """How a broker stores a topic: its ledgers and the cursors of its subscriptions."""

    entries_added_counter: int
    """Entries written since the broker loaded the topic; a batch is one entry."""
    number_of_entries: int
    """Entries that are stored."""
    total_size: int
    """Bytes that are stored."""
    last_confirmed_entry: str
    """The last entry that is safely stored, `ledger:entry`; the entry is -1 in a ledger without any."""
    state: str
    """`LedgerOpened`, `ClosedLedger`, `Terminated` and others."""
    ledgers: list[Ledger]
    """The ledgers, the oldest first; the last one is being written, and has no numbers yet."""
    cursors: dict[str, Cursor]
    """The positions of the subscriptions by their names."""
    partitions: dict[str, InternalStats]
    """For a topic with partitions, those of each, by its full name; then the rest is empty."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        return cls._read(json.loads(text))

    @classmethod
    def _read(cls, raw: dict[str, Any]) -> Self:
        def cursor(held: dict[str, Any]) -> Cursor:
            keys = ("markDeletePosition", "readPosition", "individuallyDeletedMessages")
            return Cursor(*(held.get(key, "") for key in keys))

        return cls(
            raw.get("entriesAddedCounter", 0),
            raw.get("numberOfEntries", 0),
            raw.get("totalSize", 0),
            raw.get("lastConfirmedEntry", ""),
            raw.get("state", ""),
            [
                Ledger(held["ledgerId"], held.get("entries", 0), held.get("size", 0), held.get("offloaded", False))
                for held in raw.get("ledgers", [])
            ],
            {name: cursor(held) for name, held in raw.get("cursors", {}).items()},
            {name: InternalStats._read(stats) for name, stats in raw.get("partitions", {}).items()},
            raw,
        )


@dataclass(frozen=True, slots=True)
class CompactionStatus:
    """How far the compaction of a topic is."""

    status: str
    """`NOT_RUN`, `RUNNING`, `SUCCESS` or `ERROR`."""
    last_error: str
    """Why the last one failed; empty if it did not."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """What the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        return cls(raw.get("status", ""), raw.get("lastError", ""), raw)


@dataclass(frozen=True, slots=True)
class BacklogAnalysis:
    """What a broker found in the backlog of a subscription."""

    entries: int
    """Entries read; a batch is one entry."""
    messages: int
    """Messages in them."""
    aborted: bool
    """Whether it stopped at the broker's limits of entries or time, before the end."""
    raw: dict[str, Any] = field(compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        return cls(raw.get("entries", 0), raw.get("messages", 0), raw.get("aborted", False), raw)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the broker stores it, with what consumers are not told."""

    message: Message
    """The message. It was delivered to nobody, so there is nothing to acknowledge."""
    producer_name: str
    """The name of the producer, given by the application or by the broker."""
    sequence_id: int
    """The producer's number of the message, by which the broker knows duplicates."""
    is_null: bool
    """Whether it has no value at all, which in a compacted topic deletes its key; its data are empty."""
    is_encrypted: bool
    """Whether the data are encrypted. Then a batch is one message here, since nobody can look into it."""


# ---- how arguments and answers travel to the native half ----


def _ttl(value: int | None) -> float | None:
    return None if value is None else float(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _number(name: str, value: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(f"{name}: expected a whole number, got {value!r}")
    return str(value)


def _whole_seconds(name: str, value: Seconds) -> str:
    length = seconds(value)
    if length is None or not 0 <= length < 1e9:
        raise InvalidArgumentError(f"{name}: expected seconds of 0 or more, got {value!r}")
    return str(int(length))


def _time(name: str, value: datetime | float) -> str:
    millis = epoch_millis(name, value)
    if millis is None or millis < 0:
        raise InvalidArgumentError(f"{name}: expected a time after 1970, got {value!r}")
    return str(millis)


def _position(name: str, value: Position, after: bool = False) -> str:
    if not isinstance(value, MessageId):
        if after:
            raise InvalidArgumentError(f"after: expected with a message id only, got {value!r}")
        return f"time:{_time(name, value)}"
    if value in (MessageId.earliest, MessageId.latest):
        return value._starting()
    return f"{'after' if after else 'at'}:{value._starting()}"


def _quotas(text: str) -> list[BacklogQuota]:
    return [BacklogQuota(*quota) for quota in json.loads(text)]


def _first(ids: list[MessageId | None]) -> MessageId | None:
    return ids[0]


def _stored(messages: list[tuple[Any, ...]]) -> list[StoredMessage]:
    return [StoredMessage(*message) for message in messages]


def _stored_or_none(messages: list[tuple[Any, ...]] | None) -> list[StoredMessage] | None:
    return None if messages is None else _stored(messages)


def _retention(text: str) -> Retention | None:
    return Retention._from_json(json.loads(text))


def _seconds_or_none(text: str) -> float | None:
    return _ttl(json.loads(text))


def _answer(answer: tuple[int, bytes]) -> Answer:
    return Answer(*answer)


class Admin:
    """Administers a Pulsar cluster through its REST API. Made by `Client.admin`; there is nothing to close.

    It asks the hosts of its client, or those of the option `admin_url`, in turn, with the client's TLS and token.
    Redirects are followed to the hosts of the URLs and to those that `admin_trusted_hosts` names, and to no others,
    since the token goes along. Each call takes at most `admin_timeout`; one that changes something is never sent twice,
    so when its answer is lost it raises `OutcomeUnknownError` or `TimeoutError`. A namespace is `tenant/namespace`.

    Examples:
        >>> from datetime import timedelta
        >>> from stargate.admin import BacklogQuota, Retention, TenantInfo
        >>> admin = client.admin()
        >>> admin.request("GET", "brokers/health").body
        b'ok'
        >>> admin.clusters()
        ['standalone']
        >>> admin.broker_version()
        '4.0.8'
        >>> admin.check_health()
        >>> "public" in admin.tenants()
        True
        >>> admin.tenant("public").allowed_clusters
        ['standalone']
        >>> admin.create_tenant("acme", TenantInfo(admin_roles=["boss"]))
        >>> admin.update_tenant("acme", TenantInfo(allowed_clusters=["standalone"]))
        >>> admin.delete_tenant("acme")
        >>> admin.ensure_tenant("acme"), admin.ensure_tenant("acme")
        (True, False)
        >>> "public/default" in admin.namespaces("public")
        True
        >>> admin.namespace_policies("public/default").bundles
        4
        >>> admin.create_namespace("acme/shop", bundles=4)
        >>> admin.delete_namespace("acme/shop")
        >>> admin.ensure_namespace("acme/shop")
        True
        >>> admin.set_retention("acme/shop", Retention(time_in_minutes=60, size_in_mb=-1))
        >>> admin.retention("acme/shop")
        Retention(time_in_minutes=60, size_in_mb=-1)
        >>> admin.remove_retention("acme/shop")
        >>> admin.set_message_ttl("acme/shop", timedelta(hours=1))
        >>> admin.message_ttl("acme/shop")
        3600.0
        >>> admin.remove_message_ttl("acme/shop")
        >>> admin.set_deduplication("acme/shop", True)
        >>> admin.deduplication("acme/shop")
        True
        >>> admin.remove_deduplication("acme/shop")
        >>> admin.set_backlog_quota("acme/shop", BacklogQuota("message_age", 3600, "producer_exception"))
        >>> admin.backlog_quotas("acme/shop")
        [BacklogQuota(kind='message_age', limit=3600, policy='producer_exception')]
        >>> admin.remove_backlog_quota("acme/shop", "message_age")
        >>> "persistent://public/default/news" in admin.topics("public/default")
        True
        >>> admin.partitioned_topics("acme/shop")
        []
        >>> admin.create_topic("acme/shop/orders")
        >>> admin.create_partitioned_topic("acme/shop/returns", 2)
        >>> admin.ensure_topic("acme/shop/orders")
        False
        >>> admin.ensure_partitioned_topic("acme/shop/returns", 3)
        True
        >>> admin.grow_partitions("acme/shop/returns", 4)
        >>> admin.partitions("acme/shop/returns")
        4
        >>> len(list(admin.walk_topics("acme")))
        5
        >>> admin.delete_topic("acme/shop/returns")
        >>> admin.terminate_topic("acme/shop/orders")
        [None]
        >>> admin.compact_topic("news")
        >>> admin.compaction_status("news").status
        'SUCCESS'
        >>> admin.unload_topic("news")
        >>> admin.truncate_topic("news")
        >>> stats = admin.topic_stats("news")
        >>> stats.subscriptions["readers"].msg_backlog, stats.raw["msgInCounter"]
        (0, 0)
        >>> admin.internal_stats("news").state
        'LedgerOpened'
        >>> admin.last_message_id("news") is None
        True
        >>> message_id = producer.send(b"extra")
        >>> admin.last_message_id("news") == message_id
        True
        >>> admin.message_id_at("news", 0.0) == producer.send(b"more")
        False
        >>> [stored] = admin.read_entry("news", producer.send(b"even more"))
        >>> stored.message.data, stored.is_null
        (b'even more', False)
        >>> [stored] = admin.examine_message("news", "latest", 1)
        >>> stored.message.data
        b'even more'
        >>> "readers" in admin.subscriptions("news")
        True
        >>> admin.create_subscription("news", "audit", stargate.MessageId.earliest)
        >>> admin.ensure_subscription("news", "audit")
        False
        >>> admin.delete_subscription("news", "audit")
        >>> admin.seek("news", "readers", stargate.MessageId.earliest)
        >>> admin.skip("news", "readers", 1)
        >>> admin.skip_all("news", "readers")
        >>> admin.expire_messages("news", "readers", 3600)
        False
        >>> admin.expire_messages_until("news", "readers", message_id)
        False
        >>> admin.expire_all_messages("news", timedelta(hours=1))
        False
        >>> admin.peek_entry("news", "readers", 1) is None
        True
        >>> message_id = producer.send(b"last")
        >>> [stored.message.data for stored in admin.peek("news", "readers", 10)]
        [b'last']
        >>> admin.set_subscription_properties("news", "readers", {"owner": "anna"})
        >>> admin.subscription_properties("news", "readers")
        {'owner': 'anna'}
        >>> admin.analyze_backlog("news", "readers").messages
        1
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def _ask(self, operation: str, *arguments: str | None) -> Any:
        return self._client._native.admin(operation, list(arguments))

    def request(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request that has no method here; `body` is JSON text.

        A path that does not begin with `/` is one below `/admin/v2/`. Raise as the other methods do, on every status
        but 2xx.
        """
        return _answer(self._ask("request", method, path, body))

    def clusters(self) -> list[str]:
        """Give the names of the clusters that this one knows, its own included."""
        found: list[str] = json.loads(self._ask("clusters"))
        return found

    def broker_version(self) -> str:
        """Give the version of Pulsar that a broker runs."""
        found: str = json.loads(self._ask("broker_version"))
        return found

    def check_health(self) -> None:
        """Ask a broker to write a message and to read it again; raise if it cannot. It may take seconds."""
        self._ask("check_health")

    def tenants(self) -> list[str]:
        """Give the names of the tenants."""
        found: list[str] = json.loads(self._ask("tenants"))
        return found

    def tenant(self, name: str) -> TenantInfo:
        """Give what a tenant is allowed."""
        return TenantInfo._from_json(self._ask("tenant", name))

    def create_tenant(self, name: str, info: TenantInfo | None = None) -> None:
        """Make a tenant; raise `BusyError` if there is one of this name."""
        self._ask("create_tenant", name, (info or TenantInfo())._to_json())

    def update_tenant(self, name: str, info: TenantInfo) -> None:
        """Replace what a tenant is allowed."""
        self._ask("update_tenant", name, info._to_json())

    def delete_tenant(self, name: str) -> None:
        """Delete a tenant that has no namespaces."""
        self._ask("delete_tenant", name)

    def ensure_tenant(self, name: str, info: TenantInfo | None = None) -> bool:
        """Make a tenant unless it is there, and give whether it was made. One that is there stays as it is."""
        found: bool = json.loads(self._ask("ensure_tenant", name, (info or TenantInfo())._to_json()))
        return found

    def namespaces(self, tenant: str) -> list[str]:
        """Give the names of a tenant's namespaces. It is one answer of the broker, however many."""
        found: list[str] = json.loads(self._ask("namespaces", tenant))
        return found

    def namespace_policies(self, namespace: str) -> NamespacePolicies:
        """Give what is set for a namespace."""
        return NamespacePolicies._from_json(self._ask("namespace_policies", namespace))

    def create_namespace(self, namespace: str, bundles: int | None = None) -> None:
        """Make a namespace, divided into so many bundles, or into as many as the broker likes."""
        self._ask("create_namespace", namespace, None if bundles is None else _number("bundles", bundles))

    def delete_namespace(self, namespace: str) -> None:
        """Delete a namespace that has no topics."""
        self._ask("delete_namespace", namespace)

    def ensure_namespace(self, namespace: str) -> bool:
        """Make a namespace unless it is there, and give whether it was made."""
        found: bool = json.loads(self._ask("ensure_namespace", namespace))
        return found

    def retention(self, namespace: str) -> Retention | None:
        """Give the retention that is set."""
        return _retention(self._ask("retention", namespace))

    def set_retention(self, namespace: str, retention: Retention) -> None:
        """Set the retention; it may not be less than a backlog quota."""
        self._ask(
            "set_retention",
            namespace,
            _number("time_in_minutes", retention.time_in_minutes),
            _number("size_in_mb", retention.size_in_mb),
        )

    def remove_retention(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_retention", namespace)

    def message_ttl(self, namespace: str) -> float | None:
        """Give the time to live that is set, in seconds."""
        return _seconds_or_none(self._ask("message_ttl", namespace))

    def set_message_ttl(self, namespace: str, ttl: Seconds) -> None:
        """Set after how long a message counts as acknowledged, whether it is or not; whole seconds, 0 for never."""
        self._ask("set_message_ttl", namespace, _whole_seconds("ttl", ttl))

    def remove_message_ttl(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_message_ttl", namespace)

    def deduplication(self, namespace: str) -> bool | None:
        """Give whether deduplication is set, and to what."""
        found: bool | None = json.loads(self._ask("deduplication", namespace))
        return found

    def set_deduplication(self, namespace: str, enabled: bool) -> None:
        """Let the broker drop messages that a producer sent before, or not."""
        self._ask("set_deduplication", namespace, _flag(enabled))

    def remove_deduplication(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_deduplication", namespace)

    def backlog_quotas(self, namespace: str) -> list[BacklogQuota]:
        """Give the backlog quotas that are set."""
        return _quotas(self._ask("backlog_quotas", namespace))

    def set_backlog_quota(self, namespace: str, quota: BacklogQuota) -> None:
        """Set the backlog quota of its kind; it may not be more than the retention."""
        self._ask("set_backlog_quota", namespace, quota.kind, _number("limit", quota.limit), quota.policy)

    def remove_backlog_quota(self, namespace: str, kind: BacklogQuotaKind) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_backlog_quota", namespace, kind)

    def topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Give the full names of the topics of a namespace, each partition by itself, in no order.

        With `persistent=False`, those that the broker does not store. It is one answer of the broker, however many
        there are; `walk_topics` takes the namespaces of a tenant, or of all, one by one.
        """
        found: list[str] = json.loads(self._ask("topics", namespace, _flag(persistent)))
        return found

    def partitioned_topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Give the full names of the topics with partitions of a namespace."""
        found: list[str] = json.loads(self._ask("partitioned_topics", namespace, _flag(persistent)))
        return found

    def walk_topics(self, tenant: str | None = None) -> Iterator[str]:
        """Give all topics of a tenant, or of all tenants, each partition by itself.

        It asks for the next namespace when the topics of one have been taken. What is deleted meanwhile is left out.
        """
        for name in self.tenants() if tenant is None else [tenant]:
            for namespace in self._listed(self.namespaces, name):
                for persistent in (True, False):
                    yield from self._listed(self.topics, namespace, persistent=persistent)

    def _listed(self, ask: Callable[..., list[str]], *arguments: str, **options: bool) -> list[str]:
        try:
            return ask(*arguments, **options)
        except NotFoundError:
            return []

    def create_topic(self, topic: str) -> None:
        """Make a topic without partitions; raise `BusyError` if there is one of this name."""
        self._ask("create_topic", topic)

    def create_partitioned_topic(self, topic: str, partitions: int) -> None:
        """Make a topic with partitions; raise `BusyError` if there is one of this name."""
        self._ask("create_partitioned_topic", topic, _number("partitions", partitions))

    def ensure_topic(self, topic: str) -> bool:
        """Make a topic without partitions unless there is one of this name, and give whether it was made."""
        found: bool = json.loads(self._ask("ensure_topic", topic))
        return found

    def ensure_partitioned_topic(self, topic: str, partitions: int) -> bool:
        """Make a topic with so many partitions, or add to those that it has, and give whether anything had to be done.

        Raise `InvalidArgumentError` if there is one of this name without partitions.
        """
        found: bool = json.loads(self._ask("ensure_partitioned_topic", topic, _number("partitions", partitions)))
        return found

    def grow_partitions(self, topic: str, partitions: int) -> None:
        """Add partitions to those that a topic has, up to `partitions`; they cannot become fewer.

        Which key goes to which partition changes with it.
        """
        self._ask("grow_partitions", topic, _number("partitions", partitions))

    def partitions(self, topic: str) -> int:
        """Give how many partitions a topic has, 0 for one without; raise `NotFoundError` when it does not exist."""
        found: int = json.loads(self._ask("partitions", topic))
        return found

    def delete_topic(self, topic: str, *, force: bool = False) -> None:
        """Delete a topic with all its partitions, messages and subscriptions.

        One that somebody is connected to raises `BusyError`, unless `force` disconnects them; whoever connects again
        makes the topic anew, where brokers make topics by themselves.
        """
        self._ask("delete_topic", topic, _flag(force))

    def terminate_topic(self, topic: str) -> list[MessageId | None]:
        """End a topic: nothing can be published any more, and what is there can be read.

        Give the last message of the topic, or of each of its partitions in their order; `None` for one without
        messages.
        """
        ids: list[MessageId | None] = self._ask("terminate_topic", topic)
        return ids

    def compact_topic(self, topic: str) -> None:
        """Begin the compaction of a topic: of each key only the last message remains for those who read compacted.

        Raise `BusyError` while one runs.
        """
        self._ask("compact_topic", topic)

    def compaction_status(self, topic: str) -> CompactionStatus:
        """Give how far a compaction is. Of a topic with partitions each is to be asked by itself."""
        return CompactionStatus._from_json(self._ask("compaction_status", topic))

    def unload_topic(self, topic: str) -> None:
        """Let the broker close a topic; the next use loads it again, maybe on another broker."""
        self._ask("unload_topic", topic)

    def truncate_topic(self, topic: str) -> None:
        """Acknowledge everything for all subscriptions, and delete what is stored, retained or not.

        The ledger that is being written stays.
        """
        self._ask("truncate_topic", topic)

    def topic_stats(self, topic: str) -> TopicStats:
        """Give the statistics of a topic; of one with partitions those of all together, and of each."""
        return TopicStats._from_json(self._ask("topic_stats", topic))

    def internal_stats(self, topic: str) -> InternalStats:
        """Give how the broker stores a topic, or each of its partitions."""
        return InternalStats._from_json(self._ask("internal_stats", topic))

    def last_message_id(self, topic: str) -> MessageId | None:
        """Give the id of the last message; `None` when the topic has none.

        Not for topics with partitions, but for each.
        """
        return _first(self._ask("last_message_id", topic))

    def message_id_at(self, topic: str, time: datetime | float) -> MessageId | None:
        """Give the id of the first message that was published at `time` or later.

        If there is none, of the place after the last one. Not for topics with partitions, but for each.
        """
        return _first(self._ask("message_id_at", topic, _time("time", time)))

    def read_entry(self, topic: str, message_id: MessageId) -> list[StoredMessage]:
        """Give the messages of the entry that holds a message: itself, or the batch that it is in."""
        return _stored(self._ask("read_entry", topic, message_id.to_base64()))

    def examine_message(
        self, topic: str, start: Literal["earliest", "latest"] = "latest", position: int = 1
    ) -> list[StoredMessage] | None:
        """Give the messages of the entry at `position`, counted from 1 at the first or the last that is stored.

        `None` when the topic has none. Not for topics with partitions, but for each.
        """
        return _stored_or_none(self._ask("examine_message", topic, start, _number("position", position)))

    def subscriptions(self, topic: str) -> list[str]:
        """Give the names of the subscriptions of a topic, of all its partitions together."""
        found: list[str] = json.loads(self._ask("subscriptions", topic))
        return found

    def create_subscription(
        self, topic: str, subscription: str, start: Position = MessageId.latest, *, after: bool = False
    ) -> None:
        """Make a subscription that begins at a position, and the topic too where brokers make topics by themselves.

        With `after`, behind the message of that id. Raise `BusyError` if there is one of this name.
        """
        self._ask("create_subscription", topic, subscription, _position("start", start, after))

    def ensure_subscription(
        self, topic: str, subscription: str, start: Position = MessageId.latest, *, after: bool = False
    ) -> bool:
        """Make a subscription unless it is there, and give whether it was made.

        One that is there stays where it is.
        """
        found: bool = json.loads(
            self._ask("ensure_subscription", topic, subscription, _position("start", start, after))
        )
        return found

    def delete_subscription(self, topic: str, subscription: str, *, force: bool = False) -> None:
        """Delete a subscription.

        One with consumers raises `BusyError`, unless `force` disconnects them; those of this library connect again, and
        make it anew.
        """
        self._ask("delete_subscription", topic, subscription, _flag(force))

    def seek(self, topic: str, subscription: str, to: Position, *, after: bool = False) -> None:
        """Move a subscription: its next message is the one at `to`, or with `after` the one behind it.

        Consumers that are connected are disconnected by the broker, and those of this library connect again by
        themselves. On a topic with partitions the ends and a time move all of them, and an id moves the partition that
        it belongs to. A batch comes whole: at any message of it, and after any but the last, begins with its first.
        """
        self._ask("seek", topic, subscription, _position("to", to, after))

    def skip(self, topic: str, subscription: str, count: int) -> None:
        """Let a subscription pass over its next `count` entries; a batch is one. Not for topics with partitions."""
        self._ask("skip", topic, subscription, _number("count", count))

    def skip_all(self, topic: str, subscription: str) -> None:
        """Let a subscription pass over everything that is stored."""
        self._ask("skip_all", topic, subscription)

    def expire_messages(self, topic: str, subscription: str, older_than: Seconds) -> bool:
        """Acknowledge everything older than so many whole seconds for a subscription, after the answer.

        Give `False` when the broker does not begin, because nothing is old enough or it is at it already.
        """
        found: bool = json.loads(
            self._ask("expire_messages", topic, subscription, _whole_seconds("older_than", older_than))
        )
        return found

    def expire_messages_until(self, topic: str, subscription: str, message_id: MessageId) -> bool:
        """As `expire_messages`, up to a message and with it. Not for topics with partitions."""
        found: bool = json.loads(self._ask("expire_messages_until", topic, subscription, message_id.to_base64()))
        return found

    def expire_all_messages(self, topic: str, older_than: Seconds) -> bool:
        """As `expire_messages`, for all subscriptions of a topic."""
        found: bool = json.loads(self._ask("expire_all_messages", topic, _whole_seconds("older_than", older_than)))
        return found

    def peek_entry(self, topic: str, subscription: str, position: int) -> list[StoredMessage] | None:
        """Give the messages of the entry at `position` among those that a subscription has not acknowledged.

        It is counted from 1. They stay as they are. `None` past the end. Not for topics with partitions, but for each.
        """
        return _stored_or_none(self._ask("peek_entry", topic, subscription, _number("position", position)))

    def peek(self, topic: str, subscription: str, count: int = 1) -> list[StoredMessage]:
        """Give the next messages that a subscription has not acknowledged, and leave them; one request an entry."""
        return _stored(self._ask("peek", topic, subscription, _number("count", count)))

    def subscription_properties(self, topic: str, subscription: str) -> dict[str, str]:
        """Give the properties of a subscription."""
        found: dict[str, str] = json.loads(self._ask("subscription_properties", topic, subscription))
        return found

    def set_subscription_properties(self, topic: str, subscription: str, properties: Mapping[str, str]) -> None:
        """Replace the properties of a subscription."""
        self._ask("set_subscription_properties", topic, subscription, json.dumps(dict(properties)))

    def analyze_backlog(self, topic: str, subscription: str) -> BacklogAnalysis:
        """Let the broker read the backlog of a subscription and count what is in it; that can take long."""
        return BacklogAnalysis._from_json(self._ask("analyze_backlog", topic, subscription))
