"""A mock Pulsar broker, to test your own application with: a real socket, everything in memory, and faults on request.

    from stargate.testing import MockBroker

    with MockBroker() as mock:
        mock.publish("orders", b"one pizza")
        mock.fault("connect", "http:503", topic="orders")  # the next connection to this topic is refused
        run_the_application(mock.url)
        mock.wait("ack", topic="orders")
        assert mock.backlog("orders", "billing") == 0

With pytest the fixture `pulsar_mock` gives a fresh one to each test. `docs/testing.md` has the operations, the faults,
and what the mock does not do. This module may change in a minor version; the CHANGELOG says so then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from . import _native
from ._convert import Payload, Seconds, extras, seconds
from ._handle import SyncHandle
from ._native import MessageId
from .errors import InvalidArgumentError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["MockBroker", "Operation", "Request", "StoredMessage"]

Operation = Literal[
    "connect",
    "send",
    "ack",
    "nack",
    "permit",
    "receive",
    "ping",
    "close",
    "unsubscribe",
    "end_of_topic",
    "http",
    "disconnect",
]
"""What a client or the broker does: where a fault can happen, and what `MockBroker.wait` waits for."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the broker stored it.

    Examples:
        >>> message_id = producer.send(b"one pizza", key="anna")
        >>> stored = mock.messages("news")[0]
        >>> (stored.data, stored.key, stored.sequence_id)
        (b'one pizza', 'anna', 0)
    """

    topic: str
    """The full name of the topic; of a partitioned one, the partition."""
    id: MessageId
    """Its position."""
    data: bytes
    """The content."""
    key: str | None
    """The key."""
    properties: dict[str, str]
    """The application's properties."""
    event_time: datetime | None
    """The time that the application gave it, in UTC."""
    publish_time: datetime
    """When it was stored, in UTC."""
    deliver_at: datetime | None
    """Before this, in UTC, shared and key_shared subscriptions do not deliver it."""
    producer_name: str
    """The name of its producer, given or generated."""
    sequence_id: int
    """The sequence id that the broker keeps for it."""
    batch: tuple[int, int] | None
    """Its place in its batch and the batch's size, where it came in one."""
    is_null: bool
    """Whether it is a null value, which only native clients can send; the data are empty then."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a client did or got.

    Examples:
        >>> message_id = producer.send(b"one pizza")
        >>> request = mock.requests("send")[0]
        >>> (request.op, request.topic, request.role)
        ('send', 'persistent://public/default/news', 'producer')
    """

    at: float = field(compare=False)
    """Seconds since the broker was started."""
    op: Operation
    """What it was."""
    topic: str
    """The full name of the topic; for a consumer of many, what it asked for; for `http`, the path."""
    role: Literal["producer", "consumer", "reader", "admin"]
    """Who it was."""
    connection: int
    """Which connection, counted from 1."""
    detail: str
    """The status of an upgrade, the context of a send, the id of an acknowledgement or a delivery, and the like."""


class MockBroker(SyncHandle):
    """A Pulsar broker at 127.0.0.1, for tests. It starts at once, on a thread of its own, and ends with `close`.

    Topics are `name`, `tenant/namespace/name` or full names; `public/default` is there from the start. Everything that
    cannot be done raises a `StargateError`: `NotFoundError` for a missing topic, subscription or namespace,
    `InvalidArgumentError` for what makes no sense. All methods may be called from any thread; but for `wait` they take
    a moment at most, so that asyncio tests can call them too.

    `token` (one or several) is what clients have to show, `forbidden_token` what is known and may do nothing (403).
    `basic_user` with `basic_password` is a user of HTTP Basic authentication. With `oauth2_client_id` and
    `oauth2_client_secret` the broker is an OAuth2 issuer too, at `oauth2_issuer_url`, and accepts its tokens: those for
    `oauth2_audience` if that is given. They are valid for `oauth2_token_life` seconds.
    With `tls_certificates` and `tls_key`, files in PEM, it serves TLS and nothing else; client certificates of
    `tls_client_ca` are as good as a token. `max_text_size` (bytes of a message on the wire), `idle_timeout` and
    `ping_interval` (seconds) and `auto_create_topics` are as Pulsar's settings. `pulsar_version` is the version that it
    plays. Before 4 it lacks what those WebSocket proxies lack: consumers of several topics, encryption on the client,
    and the initial position of a subscription. With `websocket_compression=False` it declines the compression that
    clients offer.

    Examples:
        >>> from stargate.testing import MockBroker
        >>> with MockBroker(token="secret") as mock, stargate.Client(mock.url, auth_token="secret") as client:
        ...     message_id = client.producer("orders").send(b"one pizza")
        ...     [message.data for message in mock.messages("orders")]
        [b'one pizza']
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | Iterable[str] = (),
        forbidden_token: str | Iterable[str] = (),
        basic_user: str | None = None,
        basic_password: str | None = None,
        oauth2_client_id: str | None = None,
        oauth2_client_secret: str | None = None,
        oauth2_audience: str | None = None,
        oauth2_token_life: Seconds = 3600.0,
        tls_certificates: str | os.PathLike[str] | None = None,
        tls_key: str | os.PathLike[str] | None = None,
        tls_client_ca: str | os.PathLike[str] | None = None,
        max_text_size: int = 1_048_576,
        idle_timeout: Seconds = 300.0,
        ping_interval: Seconds | None = None,
        auto_create_topics: bool = True,
        pulsar_version: str = "4.0.8",
        websocket_compression: bool = True,
    ) -> None:
        if not 0 <= port <= 65535:
            raise InvalidArgumentError(f"port: expected 0 (any free one) to 65535, got {port}")
        if max_text_size < 1:
            raise InvalidArgumentError(f"max_text_size: expected at least 1 byte, got {max_text_size}")
        tls = None
        if tls_certificates is not None and tls_key is not None:
            client_ca = None if tls_client_ca is None else os.fspath(tls_client_ca)
            tls = (os.fspath(tls_certificates), os.fspath(tls_key), client_ca)
        elif tls_certificates is not None or tls_key is not None or tls_client_ca is not None:
            raise InvalidArgumentError("TLS needs both tls_certificates and tls_key")
        user = _both(("basic_user", basic_user), ("basic_password", basic_password))
        client = _both(("oauth2_client_id", oauth2_client_id), ("oauth2_client_secret", oauth2_client_secret))
        if client is None and oauth2_audience is not None:
            raise InvalidArgumentError("oauth2_audience needs oauth2_client_id")
        self._native = _native.MockBroker(
            port,
            _several(token),
            _several(forbidden_token),
            [] if user is None else [user],
            None
            if client is None
            else (*client, oauth2_audience, seconds(oauth2_token_life, "oauth2_token_life") or 0.0),
            tls,
            max_text_size,
            seconds(idle_timeout, "idle_timeout"),
            seconds(ping_interval, "ping_interval"),
            auto_create_topics,
            pulsar_version,
            websocket_compression,
        )
        self._open()

    @property
    def url(self) -> str:
        """The service URL, `ws://127.0.0.1:PORT`, or `wss://` with TLS: what your application connects to."""
        return self._native.url()

    @property
    def http_url(self) -> str:
        """The URL of the REST API, `http://127.0.0.1:PORT`, or `https://` with TLS."""
        return self._native.http_url()

    @property
    def oauth2_issuer_url(self) -> str:
        """The URL of the OAuth2 issuer that it is with `oauth2_client_id`, for the option of the same name."""
        return self._native.oauth2_issuer_url()

    @property
    def port(self) -> int:
        """The port it listens on; `close` gives it back."""
        return self._native.port()

    # what is in the broker

    def publish(
        self,
        topic: str,
        payload: Payload | None,
        *,
        key: str | None = None,
        properties: Mapping[str, str] | None = None,
        event_time: datetime | float | None = None,
        deliver_after: Seconds | None = None,
    ) -> MessageId:
        """Store a message as if a producer had sent it, and return where.

        The topic is created if need be; of a partitioned one the key picks the partition. The arguments are those of
        `Producer.send`; a payload of `None` is a null value, which only native clients can send.

        Examples:
            >>> message_id = mock.publish("news", b"one pizza", key="anna")
            >>> consumer.receive(timeout=5).key
            'anna'
        """
        packed = extras(key, properties, event_time, None, deliver_after, None)
        _, texts, event_millis, _, delay_millis, _ = packed or (None,) * 6
        message = (payload, key, texts or {}, event_millis or 0, delay_millis or 0)
        return MessageId.from_base64(self._native.publish(topic, [message]))

    def publish_batch(self, topic: str, payloads: Iterable[Payload]) -> MessageId:
        """Store messages as one batch, as native clients send them, and return where the first of them is.

        Examples:
            >>> first = mock.publish_batch("news", [b"a", b"b"])
            >>> [message.data for message in consumer.receive_many(2, timeout=5)]
            [b'a', b'b']
        """
        batch: list[tuple[Payload | None, str | None, dict[str, str], int, int]] = []
        batch.extend((payload, None, {}, 0, 0) for payload in payloads)
        if len(batch) < 2:
            raise InvalidArgumentError("publish_batch needs two messages or more; publish takes one")
        return MessageId.from_base64(self._native.publish(topic, batch))

    def messages(self, topic: str) -> list[StoredMessage]:
        """Return everything that a topic holds, acknowledged or not: partition after partition, in order.

        Raise `NotFoundError` for a topic that nobody has created or used.

        Examples:
            >>> ids = producer.send_many([b"a", b"b"])
            >>> [message.data for message in mock.messages("news")]
            [b'a', b'b']
        """
        return [_stored(*row) for row in self._native.messages(topic)]

    def backlog(self, topic: str, subscription: str) -> int:
        """Count what a subscription has not acknowledged, all partitions together; a batch counts as one.

        Acknowledgements are on their way for a moment: `wait("ack")` first.

        Examples:
            >>> ids = producer.send_many([b"a", b"b"])
            >>> mock.backlog("news", "readers")
            2
        """
        return self._native.backlog(topic, subscription)

    def create_partitioned(self, topic: str, partitions: int) -> None:
        """Create a partitioned topic, or give one more partitions.

        Examples:
            >>> mock.create_partitioned("orders", 4)
            >>> round_robin = client.producer("orders", routing_mode="round_robin")
        """
        if not 1 <= partitions <= 10_000:
            raise InvalidArgumentError(f"partitions: expected 1 to 10000, got {partitions}")
        self._native.create_partitioned(topic, partitions)

    def create_subscription(self, topic: str, subscription: str, *, earliest: bool = False) -> None:
        """Create a durable subscription at the end of a topic, or at its beginning.

        So messages can wait for a consumer that has not come yet. The topic is created if need be.

        Examples:
            >>> mock.create_subscription("orders", "billing")
            >>> message_id = mock.publish("orders", b"one pizza")
            >>> client.consumer("orders", "billing").receive(timeout=5).data
            b'one pizza'
        """
        self._native.create_subscription(topic, subscription, earliest)

    def create_namespace(self, namespace: str) -> None:
        """Create a namespace, `tenant/namespace`, and its tenant.

        Examples:
            >>> mock.create_namespace("shop/eu")
            >>> producer = client.producer("shop/eu/orders")
        """
        self._native.create_namespace(namespace)

    def set_deduplication(self, namespace: str, on: bool = True) -> None:
        """Have a namespace, such as `public/default`, drop messages whose sequence id it has seen, or not.

        Examples:
            >>> mock.set_deduplication("public/default")
            >>> once = client.producer("orders", name="till-1", effectively_once=True)
        """
        self._native.set_deduplication(namespace, on)

    def terminate(self, topic: str) -> None:
        """End a topic: nothing more can be sent, and consumers learn that it has ended once they have everything.

        Examples:
            >>> mock.terminate("news")
            >>> producer.send(b"too late")
            Traceback (most recent call last):
                ...
            stargate.errors.TopicTerminatedError: ...
        """
        self._native.terminate(topic)

    def delete_topic(self, topic: str) -> None:
        """Delete a topic by force. Connected clients are not notified, and the next message to it creates it again.

        Examples:
            >>> message_id = mock.publish("orders", b"one pizza")
            >>> mock.delete_topic("orders")
        """
        self._native.delete_topic(topic)

    # what goes wrong

    def fault(self, op: Operation, fault: str, topic: str | None = None, count: int | None = 1) -> None:
        """Script a fault for the next `count` times that `op` happens on `topic`; `None`: without limit, on any topic.

        Faults come first in, first out. The table of operations and faults is in `docs/testing.md`; names that do not
        exist, and faults that mean nothing at an operation, raise `InvalidArgumentError` with those that do. For the
        operation `http` the topic is a path of the REST API.

        Examples:
            >>> mock.fault("send", "no-receipt", count=2)  # the next two messages are stored and not confirmed
            >>> mock.fault("send", "close:1011")  # and at the third the connection is closed
            >>> mock.faults_left
            3
        """
        if count is not None and count < 1:
            raise InvalidArgumentError(f"count: expected 1 or more, or None for no limit, got {count}")
        self._native.fault(op, fault, topic, count)

    @property
    def faults_left(self) -> int:
        """How many faults have not happened yet."""
        return self._native.faults_left()

    def clear_faults(self) -> None:
        """Forget the faults that have not happened yet.

        Examples:
            >>> mock.fault("connect", "http:503", topic="orders", count=None)
            >>> mock.clear_faults()
            >>> producer = client.producer("orders")
        """
        self._native.clear_faults()

    def down(self) -> None:
        """Take the broker down: connections are dropped and new ones refused. All that it holds and its port stay.

        Examples:
            >>> mock.down()
            >>> client.producer("orders", connect_timeout=1)
            Traceback (most recent call last):
                ...
            stargate.errors.ConnectError: ...
        """
        self._native.set_up(False)

    def up(self) -> None:
        """Take the broker up again, on the same port.

        Examples:
            >>> mock.down()
            >>> future = producer.send_nowait(b"waits for the broker")
            >>> mock.up()
            >>> message_id = future.result(timeout=10)
        """
        self._native.set_up(True)

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Have the broker down inside a `with` block, and up again after it.

        Examples:
            >>> with mock.outage():
            ...     future = producer.send_nowait(b"waits for the broker")
            >>> message_id = future.result(timeout=10)
        """
        self.down()
        try:
            yield
        finally:
            self.up()

    def drop_connections(self, topic: str | None = None) -> int:
        """Drop the connections about a topic, or all, without a close frame, and return their number.

        Examples:
            >>> mock.drop_connections("news")
            3
        """
        return self._native.drop_connections(topic)

    # what clients did

    def wait(self, op: Operation, at_least: int = 1, topic: str | None = None, timeout: Seconds | None = 5.0) -> None:
        """Wait until `op` has happened `at_least` times on `topic`, or on any; so tests need no sleep.

        It counts from the start, or from the last `clear_requests`. Raise `stargate.TimeoutError` if it does not happen
        within `timeout` seconds. In a coroutine use `wait_async`: this would keep the application from running.

        Examples:
            >>> future = producer.send_nowait(b"one pizza")
            >>> mock.wait("send", topic="news")
        """
        _check(at_least)
        if not self._native.wait(op, topic, at_least, seconds(timeout)):
            raise self._late(op, at_least, topic, timeout)

    async def wait_async(
        self, op: Operation, at_least: int = 1, topic: str | None = None, timeout: Seconds | None = 5.0
    ) -> None:
        """Wait as `wait` does, while the event loop goes on.

        Examples:
            >>> import asyncio
            >>> async def main():
            ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
            ...         producer = await client.producer("orders")
            ...         future = producer.send_nowait(b"one pizza")
            ...         await mock.wait_async("send", topic="orders")
            ...         await future
            >>> asyncio.run(main())
        """
        _check(at_least)
        limit = seconds(timeout)
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            # In slices, so that a cancelled wait leaves no thread behind for long.
            left = 0.05 if deadline is None else max(0.0, min(0.05, deadline - time.monotonic()))
            if await asyncio.to_thread(self._native.wait, op, topic, at_least, left):
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise self._late(op, at_least, topic, timeout)

    def _late(self, op: Operation, at_least: int, topic: str | None, timeout: Seconds | None) -> TimeoutError:
        place = "" if topic is None else f" on {topic}"
        happened = self._native.count(op, topic)
        times = "once" if happened == 1 else f"{happened} times"
        return TimeoutError(
            f"mock broker: {op}{place} happened {times} within {seconds(timeout)} s, not {at_least}", topic=topic
        )

    def count(self, op: Operation, topic: str | None = None) -> int:
        """Count how often something has happened on a topic, or on any, since the start or `clear_requests`.

        Examples:
            >>> ids = producer.send_many([b"a", b"b"])
            >>> mock.count("send", topic="news")
            2
        """
        return self._native.count(op, topic)

    def requests(self, op: Operation | None = None) -> list[Request]:
        """Return what clients did and got, in order; at most the last 100,000. With `op`, only those.

        Examples:
            >>> [request.role for request in mock.requests("connect")]
            ['producer', 'consumer', 'reader']
        """
        rows = (Request(*row) for row in self._native.requests())  # type: ignore[arg-type] # the names are the core's
        return [row for row in rows if op is None or row.op == op]

    def clear_requests(self) -> None:
        """Empty that log, and count from zero again.

        Examples:
            >>> mock.clear_requests()
            >>> mock.count("connect")
            0
        """
        self._native.clear_requests()

    @property
    def connections(self) -> int:
        """How many connections of producers, consumers and readers are open."""
        return self._native.connections()

    # its end

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """End the broker and every connection to it. What it held can still be read.

        Examples:
            >>> from stargate.testing import MockBroker
            >>> other = MockBroker()
            >>> other.close()
            >>> other.closed
            True
        """
        self._closed = True
        self._native.stop()

    def __repr__(self) -> str:
        return f"<MockBroker at {self.url}{' closed' if self._closed else ''}>"


def _both(one: tuple[str, str | None], other: tuple[str, str | None]) -> tuple[str, str] | None:
    """Give two arguments that need each other."""
    if one[1] is not None and other[1] is not None:
        return one[1], other[1]
    if one[1] is not None or other[1] is not None:
        raise InvalidArgumentError(f"{one[0]} and {other[0]} need each other: give both or none")
    return None


def _several(tokens: str | Iterable[str]) -> list[str]:
    return [tokens] if isinstance(tokens, str) else list(tokens)


def _check(at_least: int) -> None:
    if at_least < 0:
        raise InvalidArgumentError(f"at_least: expected 0 or more, got {at_least}")


def _stored(
    topic: str,
    id_text: str,
    payload: bytes | None,
    key: str | None,
    properties: dict[str, str],
    event_time: int,
    publish_time: int,
    deliver_at: int,
    producer_name: str,
    sequence_id: int,
    batch: tuple[int, int] | None,
) -> StoredMessage:
    return StoredMessage(
        topic=topic,
        id=MessageId.from_base64(id_text),
        data=payload or b"",
        key=key,
        properties=properties,
        event_time=_moment(event_time) if event_time else None,
        publish_time=_moment(publish_time),
        deliver_at=_moment(deliver_at) if deliver_at else None,
        producer_name=producer_name,
        sequence_id=sequence_id,
        batch=batch,
        is_null=payload is None,
    )


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
