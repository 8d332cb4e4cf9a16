"""What the tests share: a broker, a client of it, and topics nobody else uses."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

import stargate
from stargate.testing import MockBroker

# In the background of a shell Ctrl-C is ignored, and programs started here would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


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


def _no_reader(*_: object) -> None:
    raise NotImplementedError


def thread_loop() -> asyncio.AbstractEventLoop:
    """A loop that cannot watch a pipe, as that of Windows."""
    loop = asyncio.new_event_loop()
    loop.add_reader = loop.remove_reader = _no_reader  # type: ignore[assignment,method-assign]
    return loop


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
    "threads": thread_loop,
}


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine to its end, on each kind of loop."""

    def runner(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param], debug=request.param == "asyncio") as runner:
            runner.run(asyncio.wait_for(main, 60))

    return runner
