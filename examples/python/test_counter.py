"""Tests of the handler of `demo.py`, without asyncio: a message that was not acknowledged is counted again."""

import threading

import pytest
from demo import Counter

import stargate
from stargate.testing import MockBroker


def test_the_counter_gets_everything_across_an_outage(pulsar_mock: MockBroker) -> None:
    for number in range(10):
        pulsar_mock.publish("numbers", str(number))
    pulsar_mock.create_subscription("numbers", "counting", earliest=True)
    pulsar_mock.fault("receive", "drop", topic="numbers")  # the connection breaks at the first delivery
    with stargate.Client(pulsar_mock.url) as client:
        consumer = client.consume("numbers", "counting", Counter, init_args=[threading.Event()])
        pulsar_mock.wait("ack", at_least=10, topic="numbers")
        with pulsar_mock.outage():
            pulsar_mock.publish("numbers", b"meanwhile")
        pulsar_mock.wait("ack", at_least=11, topic="numbers")
        assert consumer.stats().reconnects == 2
    assert pulsar_mock.backlog("numbers", "counting") == 0


def test_the_reason_why_it_cannot_go_on_is_told(pulsar_mock: MockBroker) -> None:
    pulsar_mock.fault("connect", "http:403", topic="numbers", count=None)
    with stargate.Client(pulsar_mock.url) as client, pytest.raises(stargate.AuthorizationError) as refused:
        client.consume("numbers", "counting", Counter, init_args=[threading.Event()])
    assert refused.value.http_status == 403
