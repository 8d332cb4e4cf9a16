"""What Pulsar's REST API is asked and answers: dataclasses, and how they are written as text and read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from ._convert import epoch_millis, seconds
from ._native import MessageId
from .errors import InvalidArgumentError

if TYPE_CHECKING:
    from ._convert import Seconds
    from ._native import Message

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
        """Return the body as what its JSON says; `None` for an empty one.

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
    properties: dict[str, int]
    """Numbers that the broker keeps with the position. The cursor `pulsar.dedup` has the highest sequence id of every
    producer that wrote before it."""


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
            return Cursor(
                held.get("markDeletePosition", ""),
                held.get("readPosition", ""),
                held.get("individuallyDeletedMessages", ""),
                held.get("properties", {}),
            )

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
class Schema:
    """A version of the schema of a topic, or one to upload."""

    type: str
    """Pulsar's name of the type, such as `JSON`, `AVRO` or `STRING`."""
    definition: str = ""
    """The definition: an Avro schema for `JSON` and `AVRO`, empty for primitive types."""
    properties: dict[str, str] = field(default_factory=dict)
    """The properties that are uploaded with it."""
    version: int | None = None
    """The version, from 0; never sent."""
    raw: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Everything that the broker said."""

    @classmethod
    def _from_json(cls, raw: dict[str, Any]) -> Self:
        return cls(raw["type"], raw.get("data", ""), raw.get("properties", {}), raw["version"], raw)

    def _to_json(self) -> str:
        return json.dumps({"type": self.type, "schema": self.definition, "properties": dict(self.properties)})


@dataclass(frozen=True, slots=True)
class SchemaCompatibility:
    """Whether a schema may become the next version of the schema of a topic."""

    compatible: bool
    """Whether the broker would accept it."""
    strategy: str
    """The strategy of the topic, such as `FULL`; empty if the broker only gave a reason."""
    reason: str
    """Why the broker would refuse it; empty if it is compatible."""

    @classmethod
    def _from_json(cls, text: str) -> Self:
        raw = json.loads(text)
        return cls(raw["compatibility"], raw.get("schemaCompatibilityStrategy", ""), raw.get("reason", ""))


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
    replicated_from: str | None = None
    """The cluster that it was sent to, if geo-replication brought it here from another one."""


# ---- how arguments and answers travel to the native half ----


def _ttl(value: int | None) -> float | None:
    return None if value is None else float(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _number(name: str, value: int, least: int = 0) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(f"{name}: expected a whole number, got {value!r}")
    if not least <= value < 2**63:
        raise InvalidArgumentError(f"{name}: expected a whole number from {least} to 2**63 - 1, got {value!r}")
    return str(value)


def _whole_seconds(name: str, value: Seconds) -> str:
    length = seconds(value, name)
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
