"""A pytest of 20 lines: it kills the broker in mid-send, and shows that nothing acknowledged is lost."""

from concurrent.futures import ThreadPoolExecutor

import stargate
from stargate.testing import MockBroker

ORDERS = [f"order {number}" for number in range(5000)]


def send_orders(url: str) -> list[stargate.MessageId]:
    with stargate.Client(url) as client, client.producer("orders") as producer:
        receipts = [producer.send_nowait(order) for order in ORDERS]
        return [receipt.result(timeout=30) for receipt in receipts]


def test_nothing_acknowledged_is_lost(pulsar_mock: MockBroker) -> None:
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send_orders, pulsar_mock.url)
        pulsar_mock.wait("send", at_least=500)
        pulsar_mock.down()
        assert len(pulsar_mock.messages("orders")) < len(ORDERS), "the broker died too late"
        pulsar_mock.up()
        acknowledged = sending.result(timeout=30)
    stored = pulsar_mock.messages("orders")
    assert {message.id for message in stored} >= set(acknowledged)
    assert {message.data.decode() for message in stored} == set(ORDERS)
