"""Pulsar's REST API: what the core's scenarios do not see, the types and how arguments travel."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import stargate
from conftest import Run, Sender
from stargate import (
    Admin,
    AsyncAdmin,
    AsyncClient,
    BusyError,
    Client,
    InternalError,
    InvalidArgumentError,
    MessageId,
    NotFoundError,
)
from stargate.admin import BacklogQuota, Retention, Schema, TenantInfo


@pytest.fixture
def admin(client: Client) -> Admin:
    return client.admin()


@pytest.fixture
def tenant(admin: Admin) -> str:
    name = f"tenant-{uuid.uuid4().hex}"
    assert admin.ensure_tenant(name)
    return name


def backlog(admin: Admin, topic: str) -> int:
    return admin.topic_stats(topic).subscriptions["s"].msg_backlog


def test_tenants_and_namespaces_come_and_go_with_their_policies(admin: Admin, tenant: str) -> None:
    assert admin.clusters() == ["standalone"]
    admin.check_health()
    with pytest.raises(BusyError) as there:
        admin.create_tenant(tenant)
    assert (there.value.http_status, there.value.retriable) == (409, False)
    admin.update_tenant(tenant, TenantInfo(["boss"], ["standalone"]))
    info = admin.tenant(tenant)
    assert info == TenantInfo(["boss"], ["standalone"])
    assert info.raw["adminRoles"] == ["boss"]

    namespace = f"{tenant}/n"
    admin.create_namespace(namespace, bundles=8)
    assert admin.namespaces(tenant) == [namespace]
    assert not admin.ensure_namespace(namespace)
    assert (admin.retention(namespace), admin.message_ttl(namespace), admin.deduplication(namespace)) == (None,) * 3
    quotas = [
        BacklogQuota("destination_storage", 1_000_000, "producer_exception"),
        BacklogQuota("message_age", 7200, "consumer_backlog_eviction"),
    ]
    admin.set_retention(namespace, Retention(60, -1))
    admin.set_message_ttl(namespace, timedelta(hours=1))
    admin.set_deduplication(namespace, True)
    for quota in quotas:
        admin.set_backlog_quota(namespace, quota)
    assert admin.backlog_quotas(namespace) == quotas
    policies = admin.namespace_policies(namespace)
    assert (policies.retention, policies.message_ttl, policies.deduplication) == (Retention(60, -1), 3600.0, True)
    assert (policies.backlog_quotas, policies.bundles) == (quotas, 8)
    assert policies.raw["bundles"]["numBundles"] == 8
    admin.remove_retention(namespace)
    admin.remove_message_ttl(namespace)
    admin.remove_deduplication(namespace)
    for quota in quotas:
        admin.remove_backlog_quota(namespace, quota.kind)
    assert admin.namespace_policies(namespace).backlog_quotas == []
    admin.delete_namespace(namespace)
    admin.delete_tenant(tenant)
    with pytest.raises(NotFoundError):
        admin.tenant(tenant)


def test_topics_come_and_go_and_are_walked_over(admin: Admin, tenant: str) -> None:
    for name in ("a", "b"):
        admin.create_namespace(f"{tenant}/{name}")
    admin.create_topic(f"{tenant}/a/t")
    assert not admin.ensure_topic(f"{tenant}/a/t")
    admin.create_partitioned_topic(f"{tenant}/b/p", 1)
    assert admin.ensure_partitioned_topic(f"{tenant}/b/p", 2)
    admin.grow_partitions(f"{tenant}/b/p", 3)
    assert (admin.partitions(f"{tenant}/b/p"), admin.partitions(f"{tenant}/a/t")) == (3, 0)
    admin.create_topic(f"non-persistent://{tenant}/b/fleeting")
    assert admin.topics(f"{tenant}/b", persistent=False) == [f"non-persistent://{tenant}/b/fleeting"]
    assert admin.partitioned_topics(f"{tenant}/b") == [f"persistent://{tenant}/b/p"]
    walked = list(admin.walk_topics(tenant))
    assert len(walked) == 5
    assert set(walked) <= set(admin.walk_topics())
    assert list(admin.walk_topics(f"nobody-{tenant}")) == []
    assert admin.terminate_topic(f"{tenant}/b/p") == [None] * 3
    for topic in (f"{tenant}/a/t", f"{tenant}/b/p", f"non-persistent://{tenant}/b/fleeting"):
        admin.delete_topic(topic, force=True)
    assert list(admin.walk_topics(tenant)) == []


def test_a_subscription_is_moved_and_looked_at(admin: Admin, send: Sender, topic: str) -> None:
    ids = send(topic, *(stargate.OutgoingMessage(str(n), key=f"k{n}", properties={"n": str(n)}) for n in range(4)))
    assert admin.last_message_id(topic) == ids[-1]
    assert admin.message_id_at(topic, datetime(2020, 1, 1, tzinfo=UTC)) == ids[0]
    admin.create_subscription(topic, "s", MessageId.earliest)
    assert not admin.ensure_subscription(topic, "s")
    steps: list[tuple[Callable[[], object], int]] = [
        (lambda: admin.skip(topic, "s", 1), 3),
        (lambda: admin.skip_all(topic, "s"), 0),
        (lambda: admin.seek(topic, "s", MessageId.earliest), 4),
        (lambda: admin.seek(topic, "s", ids[1]), 3),
        (lambda: admin.seek(topic, "s", ids[1], after=True), 2),
        (lambda: admin.seek(topic, "s", MessageId.latest), 0),
        (lambda: admin.seek(topic, "s", 1e9), 4),
        (lambda: admin.seek(topic, "s", datetime.now(UTC) - timedelta(minutes=5)), 4),
    ]
    for step, expected in steps:
        step()
        assert backlog(admin, topic) == expected
    peeked = admin.peek(topic, "s", 10)
    assert [stored.message.id for stored in peeked] == ids
    first = peeked[0]
    assert (first.message.data, first.message.key, first.message.properties) == (b"0", "k0", {"n": "0"})
    assert (first.sequence_id, first.is_null, first.is_encrypted) == (0, False, False)
    assert first.producer_name
    assert first.message.publish_time is not None
    assert [stored.message.id for stored in admin.peek_entry(topic, "s", 4) or []] == [ids[3]]
    assert admin.peek_entry(topic, "s", 5) is None
    [examined] = admin.examine_message(topic, "earliest", 2) or []
    [read] = admin.read_entry(topic, ids[1])
    assert examined.message.data == read.message.data == b"1"
    assert admin.analyze_backlog(topic, "s").messages == 4
    admin.set_subscription_properties(topic, "s", {"a": "b"})
    assert admin.subscription_properties(topic, "s") == {"a": "b"}
    stats = admin.topic_stats(topic)
    assert stats.raw["subscriptions"]["s"]["msgBacklog"] == stats.subscriptions["s"].msg_backlog == 4
    internal = admin.internal_stats(topic)
    assert (internal.number_of_entries, list(internal.cursors)) == (4, ["s"])
    assert admin.expire_messages_until(topic, "s", ids[0])
    admin.delete_subscription(topic, "s")
    assert admin.subscriptions(topic) == []


def test_a_schema_has_versions(admin: Admin, topic: str) -> None:
    with pytest.raises(NotFoundError, match="Schema not found"):
        admin.schema(topic)
    first, second = record("id"), record("id", "note")
    assert admin.upload_schema(topic, Schema("AVRO", first, {"owner": "anna"})) == 0
    assert admin.upload_schema(topic, Schema("AVRO", second)) == 1
    assert [schema.version for schema in admin.schemas(topic)] == [0, 1]
    assert admin.schema(topic, 0) == Schema("AVRO", first, {"owner": "anna"}, 0)
    assert admin.schema(topic).definition == second
    assert admin.test_schema_compatibility(topic, Schema("AVRO", first)).strategy == "FULL"
    refused = admin.test_schema_compatibility(topic, Schema("STRING"))
    assert (refused.compatible, "exists schema type AVRO" in refused.reason) == (False, True)
    with pytest.raises(InvalidArgumentError, match="exists schema type AVRO"):
        admin.upload_schema(topic, Schema("STRING"))
    admin.delete_schema(topic)
    assert admin.schemas(topic) == []


def record(*fields: str) -> str:
    return json.dumps(
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": name, "type": ["null", "int"], "default": None} for name in fields],
        }
    )


def test_statistics_name_who_is_connected(admin: Admin, client: Client, topic: str) -> None:
    with client.producer(topic, name=f"maker-{topic[-8:]}"), client.consumer(topic, "s", name="me"):
        stats = admin.topic_stats(topic)
    assert [publisher.producer_name for publisher in stats.publishers] == [f"maker-{topic[-8:]}"]
    subscription = stats.subscriptions["s"]
    assert (subscription.kind, subscription.is_durable) == ("Exclusive", True)
    assert [consumer.consumer_name for consumer in subscription.consumers] == ["me"]
    with pytest.raises(NotFoundError, match="read the statistics"):
        admin.topic_stats(f"{topic}-none")


def test_what_cannot_be_sent_is_an_error_that_names_it(admin: Admin, topic: str) -> None:
    mistakes: list[tuple[Callable[[], object], str]] = [
        (lambda: admin.create_partitioned_topic(topic, True), "partitions"),
        (lambda: admin.create_partitioned_topic(topic, -1), "partitions"),
        (lambda: admin.seek(topic, "s", datetime(2020, 1, 1)), "time zone"),  # that is the mistake
        (lambda: admin.seek(topic, "s", 1.0, after=True), "after"),
        (lambda: admin.seek(topic, "s", -1.0), "1970"),
        (lambda: admin.expire_messages(topic, "s", -1), "older_than"),
        (lambda: admin.create_namespace("one"), "tenant/namespace"),
        (lambda: admin.skip(topic, "", 1), "subscription"),
        (lambda: admin.request("SPY ON", "x"), "HTTP method"),
        (lambda: admin.request("PUT", "tenants/x", "{"), "400"),
        (lambda: admin.set_backlog_quota("a/b", BacklogQuota("age", 1, "producer_exception")), "message_age"),  # type: ignore[arg-type]
        (lambda: admin.set_backlog_quota("a/b", BacklogQuota("message_age", 1, "drop")), "producer_exception"),  # type: ignore[arg-type]
    ]
    for mistake, words in mistakes:
        with pytest.raises((InvalidArgumentError, stargate.BrokerError), match=words):
            mistake()


def test_a_closed_client_has_no_admin(pulsar_url: str) -> None:
    client = Client(pulsar_url)
    admin = client.admin()
    client.close()
    with pytest.raises(stargate.ClosedError):
        admin.clusters()


def test_asyncio_has_the_same(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        async with AsyncClient(pulsar_url) as client:
            admin: AsyncAdmin = client.admin()
            assert await admin.ensure_topic(topic)
            async with client.producer(topic) as producer:
                first, second = [await producer.send(data) for data in ("a", "b")]
            await admin.create_subscription(topic, "s", first, after=True)
            peeked = await admin.peek(topic, "s", 5)
            assert [(stored.message.id, stored.message.data) for stored in peeked] == [(second, b"b")]
            assert (await admin.topic_stats(topic)).subscriptions["s"].msg_backlog == 1
            assert await admin.last_message_id(topic) == second
            walked = [name async for name in admin.walk_topics("public")]
            assert topic in walked
            with pytest.raises(NotFoundError):
                await admin.subscriptions(f"{topic}-none")
            answers = await asyncio.gather(*(admin.partitions(topic) for _ in range(20)))
            assert answers == [0] * 20
            await admin.delete_topic(topic, force=True)

    run(main())


def test_the_methods_are_those_of_the_class_for_asyncio() -> None:
    tool = Path(__file__).parent.parent / "tools" / "generate_admin.py"
    if not tool.exists():
        pytest.skip("not in the source tree")
    subprocess.run([sys.executable, tool, "--check"], check=True)


def test_an_operation_that_the_table_does_not_have_is_named(client: Client) -> None:
    with pytest.raises(InternalError, match='there is no operation "fly_away"'):
        client._native.admin("fly_away", [])
    with pytest.raises(InternalError, match="create topic: there are too few arguments"):
        client._native.admin("create_topic", [])
    with pytest.raises(InvalidArgumentError, match="create topic: expected text, got None"):
        client._native.admin("create_topic", [None])


def test_every_operation_of_the_table_is_a_method() -> None:
    table = (Path(__file__).parent.parent / "src" / "admin.rs").read_text()
    operations = set(re.findall(r"^    (\w+)\([\w, ]*\) => ", table, re.MULTILINE))
    methods = {name for name in vars(Admin) if not name.startswith("_")}
    assert len(operations) > 60
    assert operations <= methods
