"""Failures: each names what was being done, to what, and why."""

from __future__ import annotations

import asyncio
import builtins
import pickle
import socket
import time
from collections.abc import Sequence
from typing import Any

import pytest

import stargate
from stargate import Client, errors
from stargate._native import error_kinds


def test_there_is_one_class_for_each_kind_of_the_core() -> None:
    special = {"end_of_topic": "EndOfTopicError", "would_deadlock": "WouldDeadlockError"}
    classes = {kind.__name__: kind for kind in errors.StargateError.__subclasses__()}
    for name, code, retriable in error_kinds():
        kind = classes.pop(special.get(name, name.title().replace("_", "") + "Error"))
        assert (kind.code, kind.retriable) == (code, retriable)
        assert getattr(stargate, kind.__name__) is kind
        assert isinstance(errors._make(code, "x", None, None, None, retriable), kind)
    assert not classes


@pytest.mark.parametrize("kind", [errors.StargateError, *errors.StargateError.__subclasses__()])
def test_errors_can_be_pickled(kind: type[errors.StargateError]) -> None:
    error = kind("why", topic="t", broker_text="words", http_status=409)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "why"
    assert (again.topic, again.broker_text, again.http_status) == ("t", "words", 409)


def test_errors_are_the_builtin_ones_too() -> None:
    assert issubclass(stargate.TimeoutError, builtins.TimeoutError)
    assert issubclass(stargate.ConnectError, ConnectionError)
    assert issubclass(stargate.InvalidArgumentError, ValueError)


def test_a_wrong_host_is_named() -> None:
    with Client("ws://no-such-host.invalid:8080") as client:
        begun = time.monotonic()
        with pytest.raises(stargate.ConnectError, match=r"no-such-host\.invalid"):
            client.producer("t", connect_timeout=5)
        assert time.monotonic() - begun < 10


def test_a_port_nobody_listens_on_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused = pytest.raises(stargate.ConnectError, match=rf"127\.0\.0\.1:{port}.*refused")
        with Client(f"ws://127.0.0.1:{port}") as client, refused:
            client.consumer("t", "s")


def test_a_missing_namespace_is_named(client: Client) -> None:
    with pytest.raises(stargate.NotFoundError, match="public/no-such-namespace") as caught:
        client.producer("persistent://public/no-such-namespace/t")
    assert caught.value.topic == "persistent://public/no-such-namespace/t"
    assert caught.value.http_status == 404
    assert not caught.value.retriable


def test_an_exclusive_subscription_in_use_is_busy(client: Client, topic: str) -> None:
    with client.consumer(topic, "s"), pytest.raises(stargate.BusyError, match=topic) as caught:
        client.consumer(topic, "s")
    assert caught.value.http_status == 409
    assert caught.value.retriable


def test_a_message_over_the_limit_is_refused_and_the_next_is_sent(client: Client, topic: str) -> None:
    with client.producer(topic) as producer:
        with pytest.raises(stargate.TooBigError, match=topic):
            producer.send(b"x" * 2_000_000)
        with pytest.raises(stargate.TooBigError):
            producer.send_nowait(b"x" * 2_000_000)
        results = producer.send_many([b"small", b"x" * 2_000_000, b"small"])
        assert [type(result) for result in results] == [stargate.MessageId, stargate.TooBigError, stargate.MessageId]


# What `send_many` cannot convert, and what its error names.
UNFIT: list[Any] = [
    ("\ud800", "surrogates not allowed"),
    (None, "a payload is bytes"),
    (stargate.OutgoingMessage(b"x", key="\ud800"), "surrogates not allowed"),
    (stargate.OutgoingMessage(b"x", properties={"a": "\ud800"}), "surrogates not allowed"),
]


@pytest.mark.parametrize(("unfit", "why"), UNFIT)
def test_a_message_that_cannot_be_sent_leaves_the_others_of_send_many(
    client: Client, pulsar_url: str, topic: str, unfit: Any, why: str
) -> None:
    def check(results: Sequence[object]) -> None:
        [first, refused, last] = results
        assert isinstance(first, stargate.MessageId)
        assert isinstance(refused, stargate.InvalidArgumentError)
        assert why in str(refused)
        assert isinstance(last, stargate.MessageId)

    async def main() -> None:
        async with stargate.AsyncClient(pulsar_url) as other, other.producer(topic) as producer:
            check(await producer.send_many([b"c", unfit, b"d"]))

    with client.consumer(topic, "s") as consumer:
        with client.producer(topic) as producer:
            check(producer.send_many([b"a", unfit, b"b"]))
        asyncio.run(main())
        assert [message.data for message in consumer.receive_many(4, timeout=20)] == [b"a", b"b", b"c", b"d"]


def test_options_that_are_not_acceptable_are_named(pulsar_url: str) -> None:
    refused = stargate.InvalidArgumentError
    with Client(pulsar_url) as client:
        with pytest.raises(refused, match=r"nearest is \"processors\" \(see docs/configuration.md#processors\)$"):
            client.consumer("t", "s", procesors=2)  # type: ignore[call-arg]
        with pytest.raises(refused, match=r"no option \"batching\"; the nearest is \"batch_enabled\""):
            client.producer("t", batching=True)  # type: ignore[call-arg]
        with pytest.raises(
            refused,
            match=r"'send_timeout': expected 0 \(off\) or 0.001 to 2.14748e\+06 seconds, got -1 \(see .*t\)$",
        ):
            client.producer("t", send_timeout=-1)
        with pytest.raises(refused, match=r"a number or a timedelta, got '1s' \(see docs/.*#send_timeout\)$"):
            client.producer("t", send_timeout="1s")  # type: ignore[arg-type]
        with pytest.raises(refused, match=r"'lazy': expected true or false, got 1 \(see docs/configuration.md#lazy\)$"):
            client.producer("t", lazy=1)  # type: ignore[arg-type]
        with pytest.raises(refused, match=r"\": expected one of exclusive, .* got \"sharde\" \(see docs/.*_type\)$"):
            client.consumer("t", "s", subscription_type="sharde")  # type: ignore[arg-type]
        with pytest.raises(refused, match="'processors': expected a whole number from 1 to 1024, got True"):
            client.consumer("t", "s", processors=True)
        with pytest.raises(refused, match=r"\"queue_size\" applies to consumer, reader and not to .*#queue_size\)$"):
            client.producer("t", queue_size=5)  # type: ignore[call-arg]
        with pytest.raises(refused, match="expected a name that is not empty"):
            client.producer("")
    with pytest.raises(refused, match="mqtt"):
        Client("mqtt://localhost:1883")


def test_arguments_that_are_not_acceptable_are_named(client: Client, topic: str) -> None:
    from datetime import datetime

    refused = stargate.InvalidArgumentError
    with client.producer(topic) as producer, client.reader(topic) as reader:
        with pytest.raises(refused, match=r"event_time: .* has no time zone"):
            producer.send(b"x", event_time=datetime(2026, 1, 1))
        with pytest.raises(refused, match="deliver_at and deliver_after exclude each other"):
            producer.send(b"x", deliver_at=time.time(), deliver_after=1)
        with pytest.raises(refused, match="timeout: expected seconds"):
            producer.send(b"x", timeout=-1)
        with pytest.raises(refused, match="timeout: expected seconds"):
            reader.receive(timeout=float("nan"))
        with pytest.raises(refused, match="timeout: expected seconds as a number"):
            reader.receive(timeout="soon")  # type: ignore[arg-type]
        with pytest.raises(refused):
            stargate.MessageId.from_bytes(b"nonsense")


def test_a_timeout_names_the_topic_and_the_time(client: Client, topic: str) -> None:
    with client.reader(topic) as reader:
        begun = time.monotonic()
        with pytest.raises(stargate.TimeoutError, match=rf"receive from {topic}: not done within 0.2 s"):
            reader.receive(timeout=0.2)
        assert 0.19 < time.monotonic() - begun < 1


def test_a_closed_handle_says_so(client: Client, topic: str) -> None:
    consumer, producer = client.consumer(topic, "s"), client.producer(topic)
    client.close()
    with pytest.raises(stargate.ClosedError, match=topic):
        producer.send(b"x")
    with pytest.raises(stargate.ClosedError, match=topic):
        consumer.receive()
    with pytest.raises(stargate.ClosedError):
        client.producer(topic)
    client.close()
    consumer.close()
    producer.close()
