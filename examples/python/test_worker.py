"""Tests of `worker.py`, which turns orders into bills with asyncio: nothing is lost when its broker is not well."""

import asyncio
import contextlib
import json

import worker

from stargate.testing import MockBroker

ORDER = json.dumps({"price": 5, "count": 2})


async def work_until(mock: MockBroker, orders_done: int) -> None:
    """Run the worker until so many orders are acknowledged."""
    running = asyncio.create_task(worker.main(mock.url))
    await mock.wait_async("ack", at_least=orders_done, topic="orders", timeout=20)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def bills(mock: MockBroker) -> list[int]:
    return [json.loads(message.data)["amount"] for message in mock.messages("bills")]


def test_each_order_gets_a_bill(pulsar_mock: MockBroker) -> None:
    for number in range(3):
        pulsar_mock.publish("orders", ORDER, key=f"customer {number}")
    asyncio.run(work_until(pulsar_mock, orders_done=3))
    assert bills(pulsar_mock) == [10, 10, 10]
    assert {message.key for message in pulsar_mock.messages("bills")} == {f"customer {number}" for number in range(3)}
    assert pulsar_mock.backlog("orders", "billing") == 0


def test_an_order_whose_bill_is_refused_comes_again(pulsar_mock: MockBroker) -> None:
    pulsar_mock.publish("orders", ORDER)
    pulsar_mock.fault("send", "send-error:8:no room", topic="bills")
    asyncio.run(work_until(pulsar_mock, orders_done=1))
    assert pulsar_mock.count("nack", topic="orders") == 1
    assert bills(pulsar_mock) == [10]


def test_what_is_no_order_is_skipped(pulsar_mock: MockBroker) -> None:
    pulsar_mock.publish("orders", b"a love letter")
    pulsar_mock.publish("orders", ORDER)
    asyncio.run(work_until(pulsar_mock, orders_done=2))
    assert bills(pulsar_mock) == [10]
