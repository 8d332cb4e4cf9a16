"""What the interoperability tests share: the same broker seen by stargate and by the official client.

They need a real broker: PULSAR_URL and PULSAR_BINARY_URL, as `tests/pulsar/pulsar.py run` sets them.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pulsar
import pytest
import stargate

PATIENCE = 20


@pytest.fixture(scope="session")
def ours() -> Iterator[stargate.Client]:
    with stargate.Client(os.environ["PULSAR_URL"]) as client:
        yield client


@pytest.fixture(scope="session")
def theirs() -> Iterator[pulsar.Client]:
    """Yield the official client, over the binary protocol; it logs problems only."""
    logger = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    client = pulsar.Client(os.environ["PULSAR_BINARY_URL"], logger=logger)
    yield client
    client.close()


@pytest.fixture
def topic() -> str:
    return f"persistent://public/default/interop-{uuid.uuid4().hex}"


class Native:
    """What the tests ask of the official client, with a deadline."""

    def __init__(self, client: pulsar.Client) -> None:
        self.client = client

    def consumer(self, topic: str, subscription: str = "native", **options: object) -> pulsar.Consumer:
        options.setdefault("initial_position", pulsar.InitialPosition.Earliest)
        return self.client.subscribe(topic, subscription, **options)

    def receive(self, consumer: pulsar.Consumer, count: int) -> list[pulsar.Message]:
        messages = []
        for _ in range(count):
            message = consumer.receive(timeout_millis=PATIENCE * 1000)
            consumer.acknowledge(message)
            messages.append(message)
        return messages

    def read(self, topic: str, count: int, **options: object) -> list[pulsar.Message]:
        """Return the first messages of a topic."""
        consumer = self.consumer(topic, f"read-{uuid.uuid4().hex}", **options)
        messages = self.receive(consumer, count)
        consumer.close()
        return messages

    def send(self, topic: str, *payloads: bytes, **options: object) -> None:
        """Send with a producer of its own; a batching one puts all into one batch."""
        producer = self.client.create_producer(topic, **options)
        for payload in payloads:
            producer.send_async(payload, callback=lambda result, _: None)
        producer.flush()
        producer.close()


@pytest.fixture
def native(theirs: pulsar.Client) -> Native:
    return Native(theirs)


def take(consumer: stargate.Consumer, count: int) -> list[stargate.Message]:
    """Receive and acknowledge `count` messages."""
    messages = []
    for _ in range(count):
        message = consumer.receive(timeout=PATIENCE)
        consumer.ack(message)
        messages.append(message)
    return messages
