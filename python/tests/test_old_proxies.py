"""What the WebSocket proxies of Pulsar 3 lack, and what the library does there; the mock plays one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import stargate
from stargate import Client
from stargate.testing import MockBroker

PUBLIC = Path(__file__).parent.parent.parent / "tests" / "keys" / "rsa.pub.pem"


@pytest.fixture
def old_client() -> Iterator[Client]:
    with MockBroker(pulsar_version="3.0.0") as mock, Client(mock.url) as client:
        assert client.admin().broker_version() == "3.0.0"
        yield client


def test_a_new_subscription_begins_where_it_should(old_client: Client) -> None:
    with old_client.producer("t") as producer:
        producer.send(b"earlier")
    with old_client.consumer("t", "s", initial_position="earliest") as consumer:
        assert consumer.receive(timeout=10).data == b"earlier"


def test_several_topics_are_refused_with_the_version_that_has_them(old_client: Client) -> None:
    with pytest.raises(stargate.NotFoundError, match=r"need a WebSocket proxy of Pulsar 4\.0"):
        old_client.consumer(["t", "u"], "s")


@pytest.mark.skipif(not PUBLIC.exists(), reason="not in the source tree")
def test_encryption_is_refused_with_the_version_that_has_it(old_client: Client) -> None:
    with pytest.raises(stargate.BrokerError, match=r"encryption_key needs a WebSocket proxy of Pulsar 4\.0"):
        old_client.producer("t", encryption_key="billing", encryption_public_key_file=PUBLIC)
