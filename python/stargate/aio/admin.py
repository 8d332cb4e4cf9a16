"""Pulsar's REST API for asyncio; see `stargate.admin`, whose methods are generated from these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from .._native import MessageId
from ..admin_types import (
    BacklogAnalysis,
    CompactionStatus,
    InternalStats,
    NamespacePolicies,
    Schema,
    SchemaCompatibility,
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
from ..errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    from .._convert import Seconds
    from ..admin_types import Answer, BacklogQuota, BacklogQuotaKind, Position, Retention, StoredMessage
    from .client import AsyncClient


class AsyncAdmin:
    """Administers a Pulsar cluster, for asyncio. Made by `AsyncClient.admin`; see `stargate.Admin`.

    Examples:
        >>> import asyncio
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         from datetime import timedelta
        ...         from stargate.admin import BacklogQuota, Retention, Schema, TenantInfo
        ...         producer = await client.producer("news")
        ...         admin = client.admin()
        ...         await admin.request("GET", "brokers/health")
        ...         await admin.clusters()
        ...         await admin.broker_version()
        ...         await admin.check_health()
        ...         "public" in await admin.tenants()
        ...         await admin.tenant("public")
        ...         await admin.create_tenant("acme", TenantInfo(admin_roles=["boss"]))
        ...         await admin.update_tenant("acme", TenantInfo(allowed_clusters=["standalone"]))
        ...         await admin.delete_tenant("acme")
        ...         await admin.ensure_tenant("acme"), await admin.ensure_tenant("acme")
        ...         "public/default" in await admin.namespaces("public")
        ...         await admin.namespace_policies("public/default")
        ...         await admin.create_namespace("acme/shop", bundles=4)
        ...         await admin.delete_namespace("acme/shop")
        ...         await admin.ensure_namespace("acme/shop")
        ...         await admin.set_retention("acme/shop", Retention(time_in_minutes=60, size_in_mb=-1))
        ...         await admin.retention("acme/shop")
        ...         await admin.remove_retention("acme/shop")
        ...         await admin.set_message_ttl("acme/shop", timedelta(hours=1))
        ...         await admin.message_ttl("acme/shop")
        ...         await admin.remove_message_ttl("acme/shop")
        ...         await admin.set_deduplication("acme/shop", True)
        ...         await admin.deduplication("acme/shop")
        ...         await admin.remove_deduplication("acme/shop")
        ...         await admin.set_backlog_quota("acme/shop", BacklogQuota("message_age", 3600, "producer_exception"))
        ...         await admin.backlog_quotas("acme/shop")
        ...         await admin.remove_backlog_quota("acme/shop", "message_age")
        ...         "persistent://public/default/news" in await admin.topics("public/default")
        ...         await admin.partitioned_topics("acme/shop")
        ...         await admin.create_topic("acme/shop/orders")
        ...         await admin.create_partitioned_topic("acme/shop/returns", 2)
        ...         await admin.ensure_topic("acme/shop/orders")
        ...         await admin.ensure_partitioned_topic("acme/shop/returns", 3)
        ...         await admin.grow_partitions("acme/shop/returns", 4)
        ...         await admin.partitions("acme/shop/returns")
        ...         topics = [topic async for topic in admin.walk_topics("acme")]
        ...         await admin.delete_topic("acme/shop/returns")
        ...         await admin.terminate_topic("acme/shop/orders")
        ...         await admin.compact_topic("news")
        ...         await admin.compaction_status("news")
        ...         await admin.unload_topic("news")
        ...         await admin.truncate_topic("news")
        ...         stats = await admin.topic_stats("news")
        ...         await admin.internal_stats("news")
        ...         await admin.last_message_id("news") is None
        ...         message_id = await producer.send(b"extra")
        ...         await admin.last_message_id("news") == message_id
        ...         await admin.message_id_at("news", 0.0) == await producer.send(b"more")
        ...         [stored] = await admin.read_entry("news", await producer.send(b"even more"))
        ...         [stored] = await admin.examine_message("news", "latest", 1)
        ...         "readers" in await admin.subscriptions("news")
        ...         await admin.create_subscription("news", "audit", stargate.MessageId.earliest)
        ...         await admin.ensure_subscription("news", "audit")
        ...         await admin.delete_subscription("news", "audit")
        ...         await admin.seek("news", "readers", stargate.MessageId.earliest)
        ...         await admin.skip("news", "readers", 1)
        ...         await admin.skip_all("news", "readers")
        ...         await admin.expire_messages("news", "readers", 3600)
        ...         await admin.expire_messages_until("news", "readers", message_id)
        ...         await admin.expire_all_messages("news", timedelta(hours=1))
        ...         await admin.peek_entry("news", "readers", 1) is None
        ...         message_id = await producer.send(b"last")
        ...         [stored.message.data for stored in await admin.peek("news", "readers", 10)]
        ...         await admin.set_subscription_properties("news", "readers", {"owner": "anna"})
        ...         await admin.subscription_properties("news", "readers")
        ...         await admin.analyze_backlog("news", "readers")
        ...         schema = Schema("JSON", '{"type": "record", "name": "News", "fields": []}')
        ...         await admin.test_schema_compatibility("news", schema)
        ...         await admin.upload_schema("news", schema)
        ...         await admin.schema("news", version=0)
        ...         await admin.schemas("news")
        ...         await admin.delete_schema("news")
        >>> asyncio.run(main())
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def _ask(self, operation: str, *arguments: str | None) -> Any:
        return await self._client._bound().run(self._client._native.admin_async, operation, list(arguments))

    async def request(self, method: str, path: str, body: str | None = None) -> Answer:
        """Send a request that has no method here; `body` is JSON text.

        A path that does not begin with `/` is one below `/admin/v2/`. Raise as the other methods do, on every status
        but 2xx.
        """
        return _answer(await self._ask("request", method, path, body))

    async def clusters(self) -> list[str]:
        """Return the names of the clusters that this one knows, its own included."""
        found: list[str] = json.loads(await self._ask("clusters"))
        return found

    async def broker_version(self) -> str:
        """Return the version of Pulsar that a broker runs."""
        found: str = json.loads(await self._ask("broker_version"))
        return found

    async def check_health(self) -> None:
        """Ask a broker to write a message and to read it again; raise if it cannot. It may take seconds."""
        await self._ask("check_health")

    async def tenants(self) -> list[str]:
        """Return the names of the tenants."""
        found: list[str] = json.loads(await self._ask("tenants"))
        return found

    async def tenant(self, name: str) -> TenantInfo:
        """Return what a tenant is allowed."""
        return TenantInfo._from_json(await self._ask("tenant", name))

    async def create_tenant(self, name: str, info: TenantInfo | None = None) -> None:
        """Make a tenant; raise `BusyError` if there is one of this name."""
        await self._ask("create_tenant", name, (info or TenantInfo())._to_json())

    async def update_tenant(self, name: str, info: TenantInfo) -> None:
        """Replace what a tenant is allowed."""
        await self._ask("update_tenant", name, info._to_json())

    async def delete_tenant(self, name: str) -> None:
        """Delete a tenant that has no namespaces."""
        await self._ask("delete_tenant", name)

    async def ensure_tenant(self, name: str, info: TenantInfo | None = None) -> bool:
        """Make a tenant unless it is there, and give whether it was made. One that is there stays as it is."""
        found: bool = json.loads(await self._ask("ensure_tenant", name, (info or TenantInfo())._to_json()))
        return found

    async def namespaces(self, tenant: str) -> list[str]:
        """Return the names of a tenant's namespaces. It is one answer of the broker, however many."""
        found: list[str] = json.loads(await self._ask("namespaces", tenant))
        return found

    async def namespace_policies(self, namespace: str) -> NamespacePolicies:
        """Return what is set for a namespace."""
        return NamespacePolicies._from_json(await self._ask("namespace_policies", namespace))

    async def create_namespace(self, namespace: str, bundles: int | None = None) -> None:
        """Make a namespace, divided into so many bundles, or into as many as the broker likes."""
        await self._ask("create_namespace", namespace, None if bundles is None else _number("bundles", bundles))

    async def delete_namespace(self, namespace: str) -> None:
        """Delete a namespace that has no topics."""
        await self._ask("delete_namespace", namespace)

    async def ensure_namespace(self, namespace: str) -> bool:
        """Make a namespace unless it is there, and give whether it was made."""
        found: bool = json.loads(await self._ask("ensure_namespace", namespace))
        return found

    async def retention(self, namespace: str) -> Retention | None:
        """Return the retention that is set."""
        return _retention(await self._ask("retention", namespace))

    async def set_retention(self, namespace: str, retention: Retention) -> None:
        """Set the retention; it may not be less than a backlog quota."""
        await self._ask(
            "set_retention",
            namespace,
            _number("time_in_minutes", retention.time_in_minutes, -1),
            _number("size_in_mb", retention.size_in_mb, -1),
        )

    async def remove_retention(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        await self._ask("remove_retention", namespace)

    async def message_ttl(self, namespace: str) -> float | None:
        """Return the time to live that is set, in seconds."""
        return _seconds_or_none(await self._ask("message_ttl", namespace))

    async def set_message_ttl(self, namespace: str, ttl: Seconds) -> None:
        """Set after how long a message counts as acknowledged, whether it is or not; whole seconds, 0 for never."""
        await self._ask("set_message_ttl", namespace, _whole_seconds("ttl", ttl))

    async def remove_message_ttl(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        await self._ask("remove_message_ttl", namespace)

    async def deduplication(self, namespace: str) -> bool | None:
        """Give whether deduplication is set, and to what."""
        found: bool | None = json.loads(await self._ask("deduplication", namespace))
        return found

    async def set_deduplication(self, namespace: str, enabled: bool) -> None:
        """Let the broker drop messages that a producer sent before, or not."""
        await self._ask("set_deduplication", namespace, _flag(enabled))

    async def remove_deduplication(self, namespace: str) -> None:
        """Let the broker's default hold again."""
        await self._ask("remove_deduplication", namespace)

    async def backlog_quotas(self, namespace: str) -> list[BacklogQuota]:
        """Return the backlog quotas that are set."""
        return _quotas(await self._ask("backlog_quotas", namespace))

    async def set_backlog_quota(self, namespace: str, quota: BacklogQuota) -> None:
        """Set the backlog quota of its kind; it may not be more than the retention."""
        await self._ask("set_backlog_quota", namespace, quota.kind, _number("limit", quota.limit, -1), quota.policy)

    async def remove_backlog_quota(self, namespace: str, kind: BacklogQuotaKind) -> None:
        """Let the broker's default hold again."""
        await self._ask("remove_backlog_quota", namespace, kind)

    async def topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Return the full names of the topics of a namespace, each partition by itself, in no order.

        With `persistent=False`, those that the broker does not store. It is one answer of the broker, however many
        there are; `walk_topics` takes the namespaces of a tenant, or of all, one by one.
        """
        found: list[str] = json.loads(await self._ask("topics", namespace, _flag(persistent)))
        return found

    async def partitioned_topics(self, namespace: str, *, persistent: bool = True) -> list[str]:
        """Return the full names of the topics with partitions of a namespace."""
        found: list[str] = json.loads(await self._ask("partitioned_topics", namespace, _flag(persistent)))
        return found

    async def walk_topics(self, tenant: str | None = None) -> AsyncIterator[str]:
        """Return all topics of a tenant, or of all tenants, each partition by itself.

        It asks for the next namespace when the topics of one have been taken. What is deleted meanwhile is left out.
        """
        for name in await self.tenants() if tenant is None else [tenant]:
            for namespace in await self._listed(self.namespaces, name):
                for persistent in (True, False):
                    for topic in await self._listed(self.topics, namespace, persistent=persistent):
                        yield topic

    async def _listed(self, ask: Callable[..., Awaitable[list[str]]], *arguments: str, **options: bool) -> list[str]:
        try:
            return await ask(*arguments, **options)
        except NotFoundError:
            return []

    async def create_topic(self, topic: str) -> None:
        """Make a topic without partitions; raise `BusyError` if there is one of this name."""
        await self._ask("create_topic", topic)

    async def create_partitioned_topic(self, topic: str, partitions: int) -> None:
        """Make a topic with partitions; raise `BusyError` if there is one of this name."""
        await self._ask("create_partitioned_topic", topic, _number("partitions", partitions))

    async def ensure_topic(self, topic: str) -> bool:
        """Make a topic without partitions unless there is one of this name, and give whether it was made."""
        found: bool = json.loads(await self._ask("ensure_topic", topic))
        return found

    async def ensure_partitioned_topic(self, topic: str, partitions: int) -> bool:
        """Make a topic with so many partitions, or add to those that it has, and give whether anything had to be done.

        Raise `InvalidArgumentError` if there is one of this name without partitions.
        """
        found: bool = json.loads(await self._ask("ensure_partitioned_topic", topic, _number("partitions", partitions)))
        return found

    async def grow_partitions(self, topic: str, partitions: int) -> None:
        """Add partitions to those that a topic has, up to `partitions`; they cannot become fewer.

        Which key goes to which partition changes with it.
        """
        await self._ask("grow_partitions", topic, _number("partitions", partitions))

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, 0 for one without; raise `NotFoundError` when it does not exist."""
        found: int = json.loads(await self._ask("partitions", topic))
        return found

    async def delete_topic(self, topic: str, *, force: bool = False) -> None:
        """Delete a topic with all its partitions, messages and subscriptions.

        One that somebody is connected to raises `BusyError`, unless `force` disconnects them. A client that reconnects
        creates the topic again, where brokers create topics by themselves.
        """
        await self._ask("delete_topic", topic, _flag(force))

    async def terminate_topic(self, topic: str) -> list[MessageId | None]:
        """End a topic: nothing can be published any more, and what is there can be read.

        Give the last message of the topic, or of each of its partitions in their order; `None` for one without
        messages.
        """
        ids: list[MessageId | None] = await self._ask("terminate_topic", topic)
        return ids

    async def compact_topic(self, topic: str) -> None:
        """Begin the compaction of a topic: of each key only the last message remains for those who read compacted.

        Raise `BusyError` while one runs.
        """
        await self._ask("compact_topic", topic)

    async def compaction_status(self, topic: str) -> CompactionStatus:
        """Return how far a compaction is. Of a topic with partitions each is to be asked by itself."""
        return CompactionStatus._from_json(await self._ask("compaction_status", topic))

    async def unload_topic(self, topic: str) -> None:
        """Let the broker close a topic; the next use loads it again, maybe on another broker."""
        await self._ask("unload_topic", topic)

    async def truncate_topic(self, topic: str) -> None:
        """Acknowledge everything for all subscriptions, and delete what is stored, retained or not.

        The ledger that is being written stays.
        """
        await self._ask("truncate_topic", topic)

    async def topic_stats(self, topic: str) -> TopicStats:
        """Return the statistics of a topic; of one with partitions those of all together, and of each."""
        return TopicStats._from_json(await self._ask("topic_stats", topic))

    async def internal_stats(self, topic: str) -> InternalStats:
        """Return how the broker stores a topic, or each of its partitions."""
        return InternalStats._from_json(await self._ask("internal_stats", topic))

    async def last_message_id(self, topic: str) -> MessageId | None:
        """Return the id of the last message; `None` when the topic has none.

        Not for topics with partitions, but for each.
        """
        return _first(await self._ask("last_message_id", topic))

    async def message_id_at(self, topic: str, time: datetime | float) -> MessageId | None:
        """Return the id of the first message that was published at `time` or later.

        If there is none, of the place after the last one. Not for topics with partitions, but for each.
        """
        return _first(await self._ask("message_id_at", topic, _time("time", time)))

    async def read_entry(self, topic: str, message_id: MessageId) -> list[StoredMessage]:
        """Return the messages of the entry that holds a message: itself, or the batch that it is in."""
        return _stored(await self._ask("read_entry", topic, message_id.to_base64()))

    async def examine_message(
        self, topic: str, start: Literal["earliest", "latest"] = "latest", position: int = 1
    ) -> list[StoredMessage] | None:
        """Return the messages of the entry at `position`, counted from 1 at the first or the last that is stored.

        `None` when the topic has none. Not for topics with partitions, but for each.
        """
        return _stored_or_none(await self._ask("examine_message", topic, start, _number("position", position)))

    async def subscriptions(self, topic: str) -> list[str]:
        """Return the names of the subscriptions of a topic, of all its partitions together."""
        found: list[str] = json.loads(await self._ask("subscriptions", topic))
        return found

    async def create_subscription(
        self, topic: str, subscription: str, start: Position = MessageId.latest, *, after: bool = False
    ) -> None:
        """Make a subscription that begins at a position, and the topic too where brokers make topics by themselves.

        With `after`, behind the message of that id. Raise `BusyError` if there is one of this name.
        """
        await self._ask("create_subscription", topic, subscription, _position("start", start, after))

    async def ensure_subscription(
        self, topic: str, subscription: str, start: Position = MessageId.latest, *, after: bool = False
    ) -> bool:
        """Make a subscription unless it is there, and give whether it was made.

        One that is there stays where it is.
        """
        found: bool = json.loads(
            await self._ask("ensure_subscription", topic, subscription, _position("start", start, after))
        )
        return found

    async def delete_subscription(self, topic: str, subscription: str, *, force: bool = False) -> None:
        """Delete a subscription.

        One with consumers raises `BusyError`, unless `force` disconnects them; those of this library reconnect and
        create it again.
        """
        await self._ask("delete_subscription", topic, subscription, _flag(force))

    async def seek(self, topic: str, subscription: str, to: Position, *, after: bool = False) -> None:
        """Move a subscription: its next message is the one at `to`, or with `after` the one behind it.

        Consumers that are connected are disconnected by the broker, and those of this library connect again by
        themselves. On a topic with partitions the ends and a time move all of them, and an id moves the partition that
        it belongs to. A batch comes whole: at any message of it, and after any but the last, begins with its first.
        """
        await self._ask("seek", topic, subscription, _position("to", to, after))

    async def skip(self, topic: str, subscription: str, count: int) -> None:
        """Skip, for a subscription, its next `count` entries; a batch is one. Not for topics with partitions."""
        await self._ask("skip", topic, subscription, _number("count", count))

    async def skip_all(self, topic: str, subscription: str) -> None:
        """Skip, for a subscription, everything that is stored."""
        await self._ask("skip_all", topic, subscription)

    async def expire_messages(self, topic: str, subscription: str, older_than: Seconds) -> bool:
        """Acknowledge everything older than so many whole seconds for a subscription, after the answer.

        Give `False` when the broker does not begin, because nothing is old enough or it is at it already.
        """
        found: bool = json.loads(
            await self._ask("expire_messages", topic, subscription, _whole_seconds("older_than", older_than))
        )
        return found

    async def expire_messages_until(self, topic: str, subscription: str, message_id: MessageId) -> bool:
        """As `expire_messages`, up to a message and with it. Not for topics with partitions."""
        found: bool = json.loads(await self._ask("expire_messages_until", topic, subscription, message_id.to_base64()))
        return found

    async def expire_all_messages(self, topic: str, older_than: Seconds) -> bool:
        """As `expire_messages`, for all subscriptions of a topic."""
        limit = _whole_seconds("older_than", older_than)
        found: bool = json.loads(await self._ask("expire_all_messages", topic, limit))
        return found

    async def peek_entry(self, topic: str, subscription: str, position: int) -> list[StoredMessage] | None:
        """Return the messages of the entry at `position` among those that a subscription has not acknowledged.

        It is counted from 1. They stay as they are. `None` past the end. Not for topics with partitions, but for each.
        """
        return _stored_or_none(await self._ask("peek_entry", topic, subscription, _number("position", position)))

    async def peek(self, topic: str, subscription: str, count: int = 1) -> list[StoredMessage]:
        """Return the next messages that a subscription has not acknowledged, and leave them; one request an entry."""
        return _stored(await self._ask("peek", topic, subscription, _number("count", count)))

    async def subscription_properties(self, topic: str, subscription: str) -> dict[str, str]:
        """Return the properties of a subscription."""
        found: dict[str, str] = json.loads(await self._ask("subscription_properties", topic, subscription))
        return found

    async def set_subscription_properties(self, topic: str, subscription: str, properties: Mapping[str, str]) -> None:
        """Replace the properties of a subscription."""
        await self._ask("set_subscription_properties", topic, subscription, json.dumps(dict(properties)))

    async def analyze_backlog(self, topic: str, subscription: str) -> BacklogAnalysis:
        """Let the broker read the backlog of a subscription and count what is in it; that can take long."""
        return BacklogAnalysis._from_json(await self._ask("analyze_backlog", topic, subscription))

    async def schema(self, topic: str, version: int | None = None) -> Schema:
        """Return a version of the schema of a topic, or the newest; raise `NotFoundError` if there is none."""
        wanted = None if version is None else _number("version", version)
        return Schema._from_json(json.loads(await self._ask("schema", topic, wanted)))

    async def schemas(self, topic: str) -> list[Schema]:
        """Return all versions of the schema of a topic, the oldest first."""
        return [Schema._from_json(raw) for raw in json.loads(await self._ask("schemas", topic))]

    async def upload_schema(self, topic: str, schema: Schema) -> int:
        """Upload a schema as the next version of the schema of a topic, and return its version.

        One that the topic has already keeps its version. Raise `InvalidArgumentError` if it is not compatible, or not a
        schema of its type.
        """
        found: int = json.loads(await self._ask("upload_schema", topic, schema._to_json()))
        return found

    async def delete_schema(self, topic: str) -> None:
        """Delete all versions of the schema of a topic."""
        await self._ask("delete_schema", topic)

    async def test_schema_compatibility(self, topic: str, schema: Schema) -> SchemaCompatibility:
        """Return whether a schema may become the next version of the schema of a topic; change nothing."""
        return SchemaCompatibility._from_json(await self._ask("test_schema_compatibility", topic, schema._to_json()))
