"""The mock broker in the wheel, and what the library does when a broker misbehaves."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import stargate
from stargate.testing import MockBroker


def test_the_mock_stores_what_is_sent_and_delivers_what_it_has(pulsar_mock: MockBroker) -> None:
    with stargate.Client(pulsar_mock.url) as client, client.producer("t") as producer:
        sent = producer.send(b"a", key="k", properties={"p": "1"}, event_time=12.5)
        stored = pulsar_mock.messages("t")
        assert [(m.data, m.key, m.properties, m.event_time and m.event_time.timestamp(), m.id) for m in stored] == [
            (b"a", "k", {"p": "1"}, 12.5, sent)
        ]
        pulsar_mock.publish("t", b"b", key="x")
        with client.consumer("t", "s", initial_position="earliest") as consumer:
            for data in (b"a", b"b"):
                message = consumer.receive(timeout=10)
                assert message.data == data
                consumer.ack(message)
            pulsar_mock.wait("ack", topic="t", at_least=2)
        assert pulsar_mock.backlog("t", "s") == 0
    assert {request.op for request in pulsar_mock.requests()} >= {"connect", "send", "receive", "ack"}


def test_every_accepted_message_is_stored_across_dropped_connections(pulsar_mock: MockBroker) -> None:
    with stargate.Client(pulsar_mock.url, backoff_min=0.001) as client, client.producer("t") as producer:
        pulsar_mock.fault("send", "no-receipt", count=3)
        futures = []
        for number in range(500):
            futures.append(producer.send_nowait(b"%d" % number))
            if number % 100 == 50:
                pulsar_mock.drop_connections()
        # Once the receipts that do not come are all in the past, so that nothing waits for them.
        pulsar_mock.wait("send", at_least=3)
        pulsar_mock.drop_connections()
        producer.flush(timeout=20)
        assert all(isinstance(future.result(), stargate.MessageId) for future in futures)
        assert producer.stats().reconnects > 0
    numbers = [int(message.data) for message in pulsar_mock.messages("t")]
    # At least once, and in order when repetitions are left out.
    assert list(dict.fromkeys(numbers)) == list(range(500))


def test_a_handler_goes_on_after_an_outage(pulsar_mock: MockBroker) -> None:
    seen, both = [], threading.Event()

    def work(message: stargate.Message) -> None:
        seen.append(message.data)
        if len(set(seen)) == 2:
            both.set()

    with stargate.Client(pulsar_mock.url, backoff_min=0.001) as client:
        client.consume("t", "s", work)
        pulsar_mock.publish("t", b"before")
        pulsar_mock.wait("ack")
        pulsar_mock.down()
        pulsar_mock.publish("t", b"after")
        pulsar_mock.up()
        assert both.wait(20)


def test_asyncio_goes_on_after_an_outage(pulsar_mock: MockBroker) -> None:
    async def main() -> None:
        async with (
            stargate.AsyncClient(pulsar_mock.url, backoff_min=0.001) as client,
            client.producer("t") as producer,
            client.reader("t", starting_message="earliest") as reader,
        ):
            await producer.send(b"before")
            assert (await reader.receive(timeout=10)).data == b"before"
            pulsar_mock.drop_connections()
            await producer.send(b"after")
            assert (await reader.receive(timeout=20)).data == b"after"

    asyncio.run(main())


def test_a_failure_that_cannot_heal_ends_the_handler_with_its_reason(pulsar_mock: MockBroker) -> None:
    with stargate.Client(pulsar_mock.url, backoff_min=0.001) as client:
        consumer = client.consume("t", "s", lambda _: None)
        pulsar_mock.fault("connect", "http:403", count=None)
        pulsar_mock.drop_connections()
        with pytest.raises(stargate.AuthorizationError):
            consumer.wait(timeout=20)
        consumer.close()


def is_refused(handle: Any) -> bool:
    try:
        handle.wait_connected(timeout=20)
    except stargate.AuthenticationError:
        return True
    return False


async def is_refused_async(handle: Any) -> bool:
    try:
        await handle.wait_connected(timeout=20)
    except stargate.AuthenticationError:
        return True
    return False


def test_closing_what_has_ended_raises_nothing(pulsar_mock: MockBroker) -> None:
    with (
        stargate.Client(pulsar_mock.url, backoff_min=0.001) as client,
        client.producer("t") as producer,
        client.consumer("t", "s") as consumer,
        client.reader("t") as reader,
    ):
        pulsar_mock.fault("connect", "http:401", topic="t", count=3)
        pulsar_mock.drop_connections()
        for ending in (producer, consumer, reader):
            while not is_refused(ending):
                pass
        with pytest.raises(stargate.AuthenticationError):
            producer.send(b"x")
        producer.close(timeout=0)


def test_nor_does_it_with_asyncio(pulsar_mock: MockBroker) -> None:
    async def main() -> None:
        async with (
            stargate.AsyncClient(pulsar_mock.url, backoff_min=0.001) as client,
            client.producer("t") as producer,
            client.consumer("t", "s") as consumer,
            client.reader("t") as reader,
        ):
            pulsar_mock.fault("connect", "http:401", topic="t", count=3)
            pulsar_mock.drop_connections()
            for ending in (producer, consumer, reader):
                while not await is_refused_async(ending):
                    pass
            with pytest.raises(stargate.AuthenticationError):
                await producer.send(b"x")
            await producer.close(timeout=0)

    asyncio.run(main())


def test_a_terminated_topic_ends(pulsar_mock: MockBroker) -> None:
    pulsar_mock.publish("t", b"last")
    pulsar_mock.terminate("t")
    with stargate.Client(pulsar_mock.url) as client, client.reader("t", starting_message="earliest") as reader:
        assert reader.receive(timeout=10).data == b"last"
        assert reader.is_end_of_topic(timeout=10)
        with pytest.raises(stargate.TopicTerminatedError), client.producer("t") as producer:
            producer.send(b"more")


def test_a_token_is_needed_where_there_are_tokens() -> None:
    with MockBroker(token="good") as broker:
        for token in (None, "bad"):
            refused = pytest.raises(stargate.AuthenticationError)
            with stargate.Client(broker.url, auth_token=token) as client, refused:
                client.producer("t")
        with stargate.Client(broker.url, token_supplier=lambda: "good") as client, client.producer("t") as producer:
            producer.send(b"x")


def test_headers_reach_the_server() -> None:
    authorization = ("Authorization", "Bearer good")
    with MockBroker(token="good") as broker:
        for headers in ("X-Other: 1\nAuthorization: Bearer good", dict([authorization]), [authorization, ("X-A", "b")]):
            with stargate.Client(broker.url, headers=headers) as client, client.producer("t") as producer:
                producer.send(b"x")
        with stargate.Client(broker.url, headers_supplier=lambda: [authorization]) as client:
            with client.producer("t") as producer:
                producer.send(b"x")
            assert client.admin().clusters() == ["standalone"]


@pytest.mark.parametrize(
    "headers", [{"Host": "x"}, {"X-Key": "a\nb"}, {"X-Key": 1}, [("X-Key",)], {"X Key": "x"}, "nothing", 7]
)
def test_headers_that_cannot_be_sent_are_refused(headers: Any) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match="header"):
        stargate.Client("ws://localhost", headers=headers)


def test_a_headers_supplier_that_fails_is_the_error() -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("the vault is shut")

    with (
        MockBroker() as broker,
        stargate.Client(broker.url, headers_supplier=broken) as client,
        pytest.raises(stargate.AuthenticationError, match=r"the headers function failed: .*vault"),
    ):
        client.producer("t")


def test_mistakes_in_a_script_are_named(pulsar_mock: MockBroker) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match="unknown fault"):
        pulsar_mock.fault("send", "explode")
    with pytest.raises(stargate.NotFoundError, match="no topic"):
        pulsar_mock.messages("nowhere")
