"""Arguments that mean nothing raise `InvalidArgumentError` with the name of the parameter, in both worlds."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

import stargate
from stargate import Client
from stargate.testing import MockBroker

NO_TIMES = [math.nan, math.inf, -math.inf, 1e18, -1.0, "5", b"5", True, 10**400, object()]
NO_MOMENTS = [math.nan, math.inf, 1e18, -1e18, "now", True, 10**400, datetime(2026, 1, 1)]
NO_PROPERTIES = [{"a": 1}, {"a": None}, {1: "a"}, {"a": b"b"}, "a=b", [("a", "b")]]
NO_COUNTS = [-1, 2**64, 1.5, "3", True, None]

# A close always has a limit.
no_limit: Any = None


def bad_calls(handles: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Every call with an argument that means nothing, and the name that its error begins with."""
    producer, consumer, reader, _ = handles
    calls: list[tuple[str, Callable[[], Any]]] = []
    for value in NO_TIMES:
        calls += [
            ("timeout", partial(producer.send, b"x", timeout=value)),
            ("timeout", partial(producer.flush, value)),
            ("timeout", partial(consumer.receive, value)),
            ("timeout", partial(consumer.receive_many, 1, value)),
            ("timeout", partial(reader.wait_connected, value)),
            ("deliver_after", partial(producer.send, b"x", deliver_after=value)),
        ]
    for value in NO_MOMENTS:
        calls += [
            ("event_time", partial(producer.send, b"x", event_time=value)),
            ("deliver_at", partial(producer.send_nowait, b"x", deliver_at=value)),
            ("to", partial(consumer.seek, value)),
        ]
    for properties in NO_PROPERTIES:
        bad: Any = properties
        calls += [("properties", partial(producer.send, b"x", properties=bad))]
        calls += [("properties", partial(producer.send_many, [b"y", stargate.OutgoingMessage(b"x", properties=bad)]))]
    for count in NO_COUNTS:
        calls += [("max_messages", partial(reader.receive_many, count, 0.1))]
        calls += [("messages", partial(consumer.permit, count))]
    for one in ("text", b"bytes", bytearray(b"x"), stargate.OutgoingMessage(b"x")):
        calls += [("messages", partial(producer.send_many, one))]
    calls += [
        ("to", partial(consumer.seek, None)),
        ("to", partial(reader.seek, None)),
        ("key", partial(producer.send, b"x", key=1)),
        ("replication_clusters", partial(producer.send, b"x", replication_clusters=[1])),
        ("replication_clusters", partial(producer.send, b"x", replication_clusters=1)),
        ("disable_replication", partial(producer.send, b"x", replication_clusters=["a"], disable_replication=True)),
        ("timeout", partial(producer.close, "soon")),
        *(("timeout", partial(handle.close, None)) for handle in handles),
        ("timeout", partial(consumer.unsubscribe, None)),
    ]
    return calls


def test_the_parameter_is_named(pulsar_mock: MockBroker, topic: str) -> None:
    with (
        Client(pulsar_mock.url) as client,
        client.producer(topic) as producer,
        client.consumer(topic, "s", pull_mode=True) as consumer,
        client.reader(topic) as reader,
    ):
        for name, call in bad_calls((producer, consumer, reader, client)):
            with pytest.raises(stargate.InvalidArgumentError, match=f"^{name}"):
                call()
        with stargate.Supervisor({"host": pulsar_mock.url.removeprefix("ws://"), "name": topic}) as supervisor:
            with pytest.raises(stargate.InvalidArgumentError, match=r"^timeout"):
                supervisor.close(no_limit)
            assert stargate.Supervisor.find(topic) is supervisor
        producer.send(b"x", timeout=timedelta(seconds=5), event_time=datetime.now(UTC))
        assert len(pulsar_mock.messages(topic)) == 1


def test_the_parameter_is_named_with_asyncio(pulsar_mock: MockBroker, topic: str) -> None:
    async def run() -> None:
        async with (
            stargate.AsyncClient(pulsar_mock.url) as client,
            client.producer(topic) as producer,
            client.consumer(topic, "s", pull_mode=True) as consumer,
            client.reader(topic) as reader,
        ):
            for name, call in bad_calls((producer, consumer, reader, client)):
                with pytest.raises(stargate.InvalidArgumentError, match=f"^{name}"):
                    await call()
            config = {"host": pulsar_mock.url.removeprefix("ws://"), "name": topic}
            async with stargate.AsyncSupervisor(config) as supervisor:
                with pytest.raises(stargate.InvalidArgumentError, match=r"^timeout"):
                    await supervisor.close(no_limit)
                assert stargate.AsyncSupervisor.find(topic) is supervisor
            await producer.send(b"x", timeout=timedelta(seconds=5), event_time=1.5)
            assert len(pulsar_mock.messages(topic)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("value", NO_TIMES)
def test_a_delay_and_an_option_are_named(pulsar_mock: MockBroker, value: Any) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match=r"^delay"):
        stargate.ReconsumeLater(value)
    with pytest.raises(stargate.InvalidArgumentError, match="'connect_timeout'"):
        Client(pulsar_mock.url, connect_timeout=value)


@pytest.mark.parametrize("value", NO_COUNTS[:-1])
def test_counts_of_the_administration_are_named(pulsar_mock: MockBroker, value: Any) -> None:
    with Client(pulsar_mock.url) as client:
        with pytest.raises(stargate.InvalidArgumentError, match="partitions"):
            client.admin().create_partitioned_topic("t", value)
        with pytest.raises(stargate.InvalidArgumentError, match="count"):
            client.admin().skip("t", "s", value)
