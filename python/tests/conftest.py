"""What the tests share: a broker, a client of it, and topics nobody else uses."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

import stargate
from stargate.testing import MockBroker


@pytest.fixture(scope="session")
def pulsar_url() -> Iterator[str]:
    """The URL of a running broker: the one at PULSAR_URL, or a mock broker."""
    if url := os.environ.get("PULSAR_URL"):
        yield url
    else:
        with MockBroker() as broker:
            yield broker.url


@pytest.fixture
def client(pulsar_url: str) -> Iterator[stargate.Client]:
    with stargate.Client(pulsar_url) as client:
        yield client


@pytest.fixture
def topic() -> str:
    return f"persistent://public/default/py-{uuid.uuid4().hex}"


class Sender:
    """Sends to topics, each time with a producer of its own."""

    def __init__(self, client: stargate.Client) -> None:
        self._client = client

    def __call__(self, topic: str, *messages: stargate.OutgoingMessage | bytes | str) -> list[stargate.MessageId]:
        with self._client.producer(topic) as producer:
            ids = []
            for result in producer.send_many(messages):
                assert isinstance(result, stargate.MessageId)
                ids.append(result)
            return ids


@pytest.fixture
def send(client: stargate.Client) -> Sender:
    return Sender(client)
