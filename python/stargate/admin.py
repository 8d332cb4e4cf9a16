"""Pulsar's REST API: tenants, namespaces, topics and subscriptions, made, looked at and changed.

with stargate.Client("ws://localhost:8080") as client:
    admin = client.admin()
    admin.ensure_topic("orders")
    print(admin.topic_stats("orders").storage_size)

What the broker answers comes as a dataclass: the fields that are the same everywhere, and everything it said in `raw`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from ._native import MessageId
from .admin_types import (
    Answer,
    BacklogAnalysis,
    BacklogQuota,
    CompactionStatus,
    ConsumerStats,
    Cursor,
    InternalStats,
    Ledger,
    NamespacePolicies,
    PublisherStats,
    Retention,
    Schema,
    SchemaCompatibility,
    StoredMessage,
    SubscriptionStats,
    TenantInfo,
    TopicStats,
    _answer,
    _first,
    _flag,
    _number,
    _position,
    _quotas,
    _retention,
    _seconds_or_none,
    _stored,
    _stored_or_none,
    _time,
    _whole_seconds,
)
from .errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from ._convert import Seconds
    from .admin_types import BacklogQuotaKind, Position
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
    "Schema",
    "SchemaCompatibility",
    "StoredMessage",
    "SubscriptionStats",
    "TenantInfo",
    "TopicStats",
]


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
        >>> from stargate.admin import Schema
        >>> schema = Schema("JSON", '{"type": "record", "name": "News", "fields": []}')
        >>> admin.test_schema_compatibility("news", schema).compatible
        True
        >>> admin.upload_schema("news", schema)
        0
        >>> admin.schema("news", version=0) == admin.schemas("news")[0]
        True
        >>> admin.delete_schema("news")
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def _ask(self, operation: str, *arguments: str | None) -> Any:
        return self._client._native.admin(operation, list(arguments))

    # From here to the end: generated from `aio/admin.py` by `tools/generate_admin.py`; do not edit.

    def request(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request that has no method here; `body` is JSON text.

        A path that does not begin with `/` is one below `/admin/v2/`. Raise as the other methods do, on every status
        but 2xx.
        """
        return _answer(self._ask("request", method, path, body))

    def clusters(self) -> list[str]:
        """Return the names of the clusters that this one knows, its own included."""
        found: list[str] = json.loads(self._ask("clusters"))
        return found

    def broker_version(self) -> str:
        """Return the version of Pulsar that a broker runs."""
        found: str = json.loads(self._ask("broker_version"))
        return found

    def check_health(self) -> None:
        """Ask a broker to write a message and to read it again; raise if it cannot. It may take seconds."""
        self._ask("check_health")

    def tenants(self) -> list[str]:
        """Return the names of the tenants."""
        found: list[str] = json.loads(self._ask("tenants"))
        return found

    def tenant(self, name: str) -> TenantInfo:
        """Return what a tenant is allowed."""
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
        """Return the names of a tenant's namespaces. It is one answer of the broker, however many."""
        found: list[str] = json.loads(self._ask("namespaces", tenant))
        return found

    def namespace_policies(self, namespace: str) -> NamespacePolicies:
        """Return what is set for a namespace."""
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
        """Return the retention that is set."""
        return _retention(self._ask("retention", namespace))

    def set_retention(self, namespace: str, retention: Retention) -> None:
        """Set the retention; it may not be less than a backlog quota."""
        self._ask(
            "set_retention",
            namespace,
            _number("time_in_minutes", retention.time_in_minutes, -1),
            _number("size_in_mb", retention.size_in_mb, -1),
        )

    def remove_retention(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_retention", namespace)

    def message_ttl(self, namespace: str) -> float | None:
        """Return the time to live that is set, in seconds."""
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
        """Return the backlog quotas that are set."""
        return _quotas(self._ask("backlog_quotas", namespace))

    def set_backlog_quota(self, namespace: str, quota: BacklogQuota) -> None:
        """Set the backlog quota of its kind; it may not be more than the retention."""
        self._ask("set_backlog_quota", namespace, quota.kind, _number("limit", quota.limit, -1), quota.policy)

    def remove_backlog_quota(self, namespace: str, kind: BacklogQuotaKind) -> None:
        """Let the broker's default hold again."""
        self._ask("remove_backlog_quota", namespace, kind)

    def topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Return the full names of the topics of a namespace, each partition by itself, in no order.

        With `persistent=False`, those that the broker does not store. It is one answer of the broker, however many
        there are; `walk_topics` takes the namespaces of a tenant, or of all, one by one.
        """
        found: list[str] = json.loads(self._ask("topics", namespace, _flag(persistent)))
        return found

    def partitioned_topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Return the full names of the topics with partitions of a namespace."""
        found: list[str] = json.loads(self._ask("partitioned_topics", namespace, _flag(persistent)))
        return found

    def walk_topics(self, tenant: str | None = None) -> Iterator[str]:
        """Return all topics of a tenant, or of all tenants, each partition by itself.

        It asks for the next namespace when the topics of one have been taken. What is deleted meanwhile is left out.
        """
        for name in self.tenants() if tenant is None else [tenant]:
            for namespace in self._listed(self.namespaces, name):
                for persistent in (True, False):
                    for topic in self._listed(self.topics, namespace, persistent=persistent):
                        yield topic

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
        """Return how many partitions a topic has, 0 for one without; raise `NotFoundError` when it does not exist."""
        found: int = json.loads(self._ask("partitions", topic))
        return found

    def delete_topic(self, topic: str, *, force: bool = False) -> None:
        """Delete a topic with all its partitions, messages and subscriptions.

        One that somebody is connected to raises `BusyError`, unless `force` disconnects them. A client that reconnects
        creates the topic again, where brokers create topics by themselves.
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
        """Return how far a compaction is. Of a topic with partitions each is to be asked by itself."""
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
        """Return the statistics of a topic; of one with partitions those of all together, and of each."""
        return TopicStats._from_json(self._ask("topic_stats", topic))

    def internal_stats(self, topic: str) -> InternalStats:
        """Return how the broker stores a topic, or each of its partitions."""
        return InternalStats._from_json(self._ask("internal_stats", topic))

    def last_message_id(self, topic: str) -> MessageId | None:
        """Return the id of the last message; `None` when the topic has none.

        Not for topics with partitions, but for each.
        """
        return _first(self._ask("last_message_id", topic))

    def message_id_at(self, topic: str, time: datetime | float) -> MessageId | None:
        """Return the id of the first message that was published at `time` or later.

        If there is none, of the place after the last one. Not for topics with partitions, but for each.
        """
        return _first(self._ask("message_id_at", topic, _time("time", time)))

    def read_entry(self, topic: str, message_id: MessageId) -> list[StoredMessage]:
        """Return the messages of the entry that holds a message: itself, or the batch that it is in."""
        return _stored(self._ask("read_entry", topic, message_id.to_base64()))

    def examine_message(
        self, topic: str, start: Literal["earliest", "latest"] = "latest", position: int = 1
    ) -> list[StoredMessage] | None:
        """Return the messages of the entry at `position`, counted from 1 at the first or the last that is stored.

        `None` when the topic has none. Not for topics with partitions, but for each.
        """
        return _stored_or_none(self._ask("examine_message", topic, start, _number("position", position)))

    def subscriptions(self, topic: str) -> list[str]:
        """Return the names of the subscriptions of a topic, of all its partitions together."""
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

        One with consumers raises `BusyError`, unless `force` disconnects them; those of this library reconnect and
        create it again.
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
        """Skip, for a subscription, its next `count` entries; a batch is one. Not for topics with partitions."""
        self._ask("skip", topic, subscription, _number("count", count))

    def skip_all(self, topic: str, subscription: str) -> None:
        """Skip, for a subscription, everything that is stored."""
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
        limit = _whole_seconds("older_than", older_than)
        found: bool = json.loads(self._ask("expire_all_messages", topic, limit))
        return found

    def peek_entry(self, topic: str, subscription: str, position: int) -> list[StoredMessage] | None:
        """Return the messages of the entry at `position` among those that a subscription has not acknowledged.

        It is counted from 1. They stay as they are. `None` past the end. Not for topics with partitions, but for each.
        """
        return _stored_or_none(self._ask("peek_entry", topic, subscription, _number("position", position)))

    def peek(self, topic: str, subscription: str, count: int = 1) -> list[StoredMessage]:
        """Return the next messages that a subscription has not acknowledged, and leave them; one request an entry."""
        return _stored(self._ask("peek", topic, subscription, _number("count", count)))

    def subscription_properties(self, topic: str, subscription: str) -> dict[str, str]:
        """Return the properties of a subscription."""
        found: dict[str, str] = json.loads(self._ask("subscription_properties", topic, subscription))
        return found

    def set_subscription_properties(self, topic: str, subscription: str, properties: Mapping[str, str]) -> None:
        """Replace the properties of a subscription."""
        self._ask("set_subscription_properties", topic, subscription, json.dumps(dict(properties)))

    def analyze_backlog(self, topic: str, subscription: str) -> BacklogAnalysis:
        """Let the broker read the backlog of a subscription and count what is in it; that can take long."""
        return BacklogAnalysis._from_json(self._ask("analyze_backlog", topic, subscription))

    def schema(self, topic: str, version: int | None = None) -> Schema:
        """Return a version of the schema of a topic, or the newest; raise `NotFoundError` if there is none."""
        wanted = None if version is None else _number("version", version)
        return Schema._from_json(json.loads(self._ask("schema", topic, wanted)))

    def schemas(self, topic: str) -> list[Schema]:
        """Return all versions of the schema of a topic, the oldest first."""
        return [Schema._from_json(raw) for raw in json.loads(self._ask("schemas", topic))]

    def upload_schema(self, topic: str, schema: Schema) -> int:
        """Upload a schema as the next version of the schema of a topic, and return its version.

        One that the topic has already keeps its version. Raise `InvalidArgumentError` if it is not compatible, or not a
        schema of its type.
        """
        found: int = json.loads(self._ask("upload_schema", topic, schema._to_json()))
        return found

    def delete_schema(self, topic: str) -> None:
        """Delete all versions of the schema of a topic."""
        self._ask("delete_schema", topic)

    def test_schema_compatibility(self, topic: str, schema: Schema) -> SchemaCompatibility:
        """Return whether a schema may become the next version of the schema of a topic; change nothing."""
        return SchemaCompatibility._from_json(self._ask("test_schema_compatibility", topic, schema._to_json()))
