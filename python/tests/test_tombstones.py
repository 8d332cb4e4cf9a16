"""Reading up to the end of a topic that ends with a message without a value."""

from __future__ import annotations

import asyncio
import itertools

import pytest

import stargate
from stargate.testing import MockBroker

SOON = 0.1


def fill(mock: MockBroker) -> stargate.MessageId:
    """One message and a tombstone; the id of that."""
    mock.publish("t", b"first")
    return mock.publish("t", None)


def test_reading_to_the_end_ends_at_a_tombstone_that_is_skipped() -> None:
    with MockBroker() as mock, stargate.Client(mock.url) as client:
        fill(mock)
        skipping = client.reader("t", starting_message="earliest", skip_tombstones=True, tombstone_check_interval=SOON)
        assert [message.data for message in skipping.until_caught_up()] == [b"first"]


def test_reading_to_the_end_fails_at_a_tombstone_that_is_not_skipped() -> None:
    with MockBroker() as mock, stargate.Client(mock.url) as client:
        tombstone = fill(mock)
        reader = client.reader("t", starting_message="earliest", tombstone_check_interval=SOON)
        stored = reader.until_caught_up()
        assert next(stored).data == b"first"
        with pytest.raises(stargate.BrokerError, match="skip_tombstones or a seek"):
            next(stored)
        reader.seek(tombstone, after=True)
        assert list(reader.until_caught_up()) == []


def test_reading_to_the_end_with_asyncio_ends_or_fails_at_a_tombstone() -> None:
    async def main(mock: MockBroker) -> None:
        tombstone = fill(mock)
        async with stargate.AsyncClient(mock.url) as client:
            skipping = await client.reader(
                "t", starting_message="earliest", skip_tombstones=True, tombstone_check_interval=SOON
            )
            assert [message.data async for message in skipping.until_caught_up()] == [b"first"]
            reader = await client.reader("t", starting_message="earliest", tombstone_check_interval=SOON)
            stored = reader.until_caught_up()
            assert (await anext(stored)).data == b"first"
            with pytest.raises(stargate.BrokerError, match="skip_tombstones or a seek"):
                await anext(stored)
            await reader.seek(tombstone, after=True)
            assert [message async for message in reader.until_caught_up()] == []

    with MockBroker() as mock:
        asyncio.run(main(mock))


def test_a_wait_for_the_end_that_is_cancelled_loses_nothing() -> None:
    read: list[int] = []

    async def go_on(reader: stargate.AsyncReader) -> None:
        async for message in reader.until_caught_up():
            number = int(message.data)
            read.append(number)

    async def main(mock: MockBroker) -> None:
        async with stargate.AsyncClient(mock.url) as client:
            reader = await client.reader(
                "t", starting_message="earliest", queue_size=2, skip_tombstones=True, tombstone_check_interval=SOON
            )
            for number in range(100):
                mock.publish("t", str(number))
            mock.publish("t", None)
            for patience in itertools.count(1):
                # Cancelled at any moment; the longer, the further it gets.
                going = asyncio.ensure_future(go_on(reader))
                finished, _ = await asyncio.wait([going], timeout=patience / 2000)
                if finished:
                    return going.result()
                going.cancel()
                await asyncio.wait([going])
            return None

    with MockBroker() as mock:
        asyncio.run(asyncio.wait_for(main(mock), 60))
    assert read == list(range(100))
