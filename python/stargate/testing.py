"""A mock broker for the tests of applications: on a real socket, with scripted faults, and nothing to install.

    def test_a_bill_survives_an_outage(pulsar_mock):  # the fixture of the pytest plugin in this package
        with stargate.Client(pulsar_mock.url) as client, client.producer("bills") as producer:
            pulsar_mock.fault("send", "no-receipt")
            pulsar_mock.drop_connections()
            producer.send(b"a bill")
        assert pulsar_mock.messages("bills")[-1].data == b"a bill"

It speaks Pulsar's WebSocket API and the part of its REST API that this library needs, and keeps everything in memory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from . import _native
from ._convert import Seconds, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from ._native import MessageId


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the broker stored it."""

    topic: str
    """The full name of the topic, or of the partition."""
    id: MessageId
    """Its position."""
    data: bytes | None
    """The content; `None` is a null value, which other clients can send."""
    key: str | None
    """The key."""
    properties: dict[str, str]
    """The application's properties."""
    event_time_ms: int
    """Milliseconds since 1970 UTC; 0 is none."""
    producer_name: str
    """The name of the producer, given or generated."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that happened at the broker."""

    at_ms: float
    """When, in milliseconds since the start."""
    op: str
    """What: connect, send, ack, nack, permit, receive, ping, close, unsubscribe, end_of_topic, http or disconnect."""
    topic: str
    """The full name of the topic; for the REST API, the path."""
    role: str
    """`producer`, `consumer`, `reader` or `admin`."""
    connection: int
    """Number of the connection, counted from 1."""
    detail: str
    """More: the status of an upgrade, the id of the message acknowledged or delivered."""


class MockBroker:
    """A broker that lives in this process. Close it, or use it in a `with` statement.

    `port` 0 is any free one. With `tokens`, one of them is needed. `max_text_size` is the largest frame in bytes.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tokens: Sequence[str] = (),
        max_text_size: int = 1_048_576,
        auto_create_topics: bool = True,
    ) -> None:
        self._native = _native.Mock(port, list(tokens), max_text_size, auto_create_topics)

    @property
    def url(self) -> str:
        """The URL for `stargate.Client`."""
        return self._native.url()

    @property
    def http_url(self) -> str:
        """The URL of the REST API."""
        return self._native.http_url()

    def publish(
        self, topic: str, data: bytes | None, *, key: str | None = None, properties: Mapping[str, str] | None = None
    ) -> MessageId:
        """Store a message as if a producer had sent it; the topic is created if need be."""
        return self._native.publish(topic, data, key, dict(properties or {}))

    def messages(self, topic: str) -> list[StoredMessage]:
        """Give everything a topic holds, acknowledged or not, in order."""
        return [StoredMessage(*message) for message in self._native.messages(topic)]

    def backlog(self, topic: str, subscription: str) -> int:
        """Give how many entries a subscription has not acknowledged; a batch is one entry."""
        return self._native.backlog(topic, subscription)

    def create_namespace(self, namespace: str) -> None:
        """Create a namespace, `tenant/namespace`; `public/default` is there."""
        self._native.create_namespace(namespace)

    def create_partitioned(self, topic: str, partitions: int) -> None:
        """Create a partitioned topic."""
        self._native.create_partitioned(topic, partitions)

    def terminate(self, topic: str) -> None:
        """End a topic: nothing more can be sent to it."""
        self._native.terminate(topic)

    def fault(self, op: str, fault: str, *, topic: str | None = None, count: int | None = 1) -> None:
        """Do something wrong the next `count` times, or always, that `op` happens on `topic`, or on any.

        `op` is one of those of `Request`. `fault` is `http:503`, `send-error:2`, `close:1011`, `delay:200`, `drop`,
        `drop-after`, `reset`, `half-frame`, `garbage`, `binary`, `no-context`, `wrong-context`, `no-receipt`,
        `duplicate`, `lost-ack`, `no-pong` or `stall`. First in, first out. An error says which faults fit.
        """
        self._native.fault(op, fault, topic, count)

    @property
    def faults_left(self) -> int:
        """How many faults have not happened yet."""
        return self._native.faults_left()

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet."""
        self._native.clear_faults()

    def take_down(self) -> None:
        """Drop all connections and refuse new ones. Data and port stay."""
        self._native.set_up(False)

    def bring_up(self) -> None:
        """Accept connections again."""
        self._native.set_up(True)

    def drop_connections(self, topic: str | None = None) -> int:
        """Drop the connections about a topic, or all, without a close frame; give their number."""
        return self._native.drop_connections(topic)

    def requests(self) -> list[Request]:
        """Give what happened, in order; at most the last 100,000."""
        return [Request(**request) for request in json.loads(self._native.requests())]

    def clear_requests(self) -> None:
        """Forget what happened, and count from zero again."""
        self._native.clear_requests()

    def wait(self, op: str, *, topic: str | None = None, at_least: int = 1, timeout: Seconds = 10.0) -> bool:
        """Wait until `op` has happened `at_least` times; whether it did before the time was over."""
        return self._native.wait(op, topic, at_least, round((seconds(timeout) or 0.0) * 1000))

    @property
    def connections(self) -> int:
        """How many WebSocket sessions are open."""
        return self._native.connections()

    def close(self) -> None:
        """End the broker and every connection to it. May be called more than once."""
        self._native.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MockBroker at {self.url}>"
