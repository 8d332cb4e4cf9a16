"""The producer: sends messages to one topic."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from . import _events, _native
from ._convert import Extras, Payload, Seconds, extras, option_pairs, required_seconds, seconds
from ._handle import SyncHandle
from .errors import InvalidArgumentError, TimeoutError
from .state import Stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ._native import MessageId
    from ._options import ProducerOptions
    from .client import Client
    from .errors import StargateError


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for `send_many`, where a payload alone is not enough; the fields are the arguments of `send`.

    Examples:
        >>> order = stargate.OutgoingMessage(b"one pizza", key="anna", properties={"size": "l"})
        >>> [message_id] = producer.send_many([order])
    """

    payload: Payload
    key: str | None = None
    properties: Mapping[str, str] | None = None
    event_time: datetime | float | None = None
    deliver_at: datetime | float | None = None
    deliver_after: Seconds | None = None
    replication_clusters: Iterable[str] | None = None
    disable_replication: bool = False

    def _packed(self) -> Payload | tuple[Payload, Extras]:
        packed = extras(
            self.key,
            self.properties,
            self.event_time,
            self.deliver_at,
            self.deliver_after,
            self.replication_clusters,
            self.disable_replication,
        )
        return self.payload if packed is None else (self.payload, packed)


def packed_all(
    messages: Iterable[Payload | OutgoingMessage],
) -> Iterator[Payload | tuple[Payload, Extras]]:
    """Return several messages as the native half takes them."""
    if isinstance(messages, _ONE):
        raise InvalidArgumentError(f"messages: expected several messages, got one: {messages!r:.100}; see send")
    return (packed(message) for message in messages)


def packed(message: Payload | OutgoingMessage) -> Payload | tuple[Payload, Extras]:
    """Return a message as the native half takes it."""
    return message._packed() if isinstance(message, OutgoingMessage) else message


_ONE = (bytes, bytearray, memoryview, str, OutgoingMessage)
"""The types that are one message, and not several."""


class Producer(SyncHandle):
    """Sends messages to one topic. Opened by `Client.producer`; many threads may use it at once.

    Messages of one thread are stored in the order in which they were sent. At most `max_pending_msg` are in flight:
    further sends wait, or raise `QueueFullError` with `when_full="fail"`.

    Examples:
        >>> with client.producer("orders", batch_enabled=True) as producer:
        ...     ids = producer.send_many(f"pizza {number}" for number in range(100))
    """

    def __init__(self, client: Client, native: _native.Producer) -> None:
        self._client = client
        self._native = native
        self._open()
        self._ended = False

    @property
    def topic(self) -> str:
        """The full name of the topic."""
        return self._native.topic()

    def send(
        self,
        payload: Payload,
        *,
        key: str | None = None,
        properties: Mapping[str, str] | None = None,
        event_time: datetime | float | None = None,
        deliver_at: datetime | float | None = None,
        deliver_after: Seconds | None = None,
        replication_clusters: Iterable[str] | None = None,
        disable_replication: bool = False,
        timeout: Seconds | None = None,
    ) -> MessageId:
        """Send a message, wait until the broker has stored it, and return its id.

        `key` decides the partition, and the consumer of a key_shared subscription. `event_time` and `deliver_at` are
        aware datetimes, or seconds since 1970; they are kept to the millisecond. `deliver_at` and `deliver_after` work
        on shared and key_shared subscriptions. `replication_clusters` restricts replication to these clusters;
        `disable_replication` keeps the message in this one. `timeout` in seconds replaces the option `send_timeout`. It
        covers the time from the call to the receipt, reconnects included.

        Raise `TooBigError` for a message over the server's limit, `TimeoutError` when the time is over (the message
        may still be stored), and any other `StargateError` that says why it was not stored.

        Examples:
            >>> where = producer.send(b"one pizza", key="anna", properties={"size": "l"}, timeout=5)
            >>> mock.messages("news")[0].id == where
            True
        """
        packed = extras(
            key, properties, event_time, deliver_at, deliver_after, replication_clusters, disable_replication
        )
        return self._native.send(payload, packed, seconds(timeout))

    def send_nowait(
        self,
        payload: Payload,
        *,
        key: str | None = None,
        properties: Mapping[str, str] | None = None,
        event_time: datetime | float | None = None,
        deliver_at: datetime | float | None = None,
        deliver_after: Seconds | None = None,
        replication_clusters: Iterable[str] | None = None,
        disable_replication: bool = False,
    ) -> Future[MessageId]:
        """Accept a message and return a future of its id, for many messages in flight.

        It waits only for room among those in flight. The future cannot be cancelled, since an accepted message cannot
        be withdrawn. Its callbacks run on a thread of stargate, one after the other.

        Examples:
            >>> futures = [producer.send_nowait(f"pizza {number}") for number in range(100)]
            >>> ids = [future.result(timeout=10) for future in futures]
        """
        future: Future[MessageId] = Future()
        future.set_running_or_notify_cancel()
        packed = extras(
            key, properties, event_time, deliver_at, deliver_after, replication_clusters, disable_replication
        )
        self._native.send_nowait(payload, packed, (_events.events(), future))
        return future

    def send_many(self, messages: Iterable[Payload | OutgoingMessage]) -> Sequence[MessageId | StargateError]:
        """Send messages in their order, many in flight at a time, and wait for all receipts.

        Return a list with the id of each message, or the error that it ended with, in the same order. It does not raise
        for a message that failed, nor for a payload or text that cannot be sent: check the list. Other arguments that
        mean nothing raise before anything is sent. This is the fastest way to send.

        It has no timeout of its own: `send_timeout` applies to each message once there is room for it. If the broker
        does not answer, the call takes that long for every `max_pending_msg` messages.

        Examples:
            >>> for result in producer.send_many([b"one", "two", b"x" * 2_000_000]):
            ...     if isinstance(result, stargate.StargateError):
            ...         print(type(result).__name__)
            TooBigError
        """
        return self._native.send_many(list(packed_all(messages)))

    def flush(self, timeout: Seconds | None = None) -> None:
        """Wait until every message accepted before has its receipt or has failed, and its future is set.

        Examples:
            >>> future = producer.send_nowait(b"one pizza")
            >>> producer.flush(timeout=10)
            >>> future.done()
            True
        """
        self._native.flush(seconds(timeout))
        _events.catch_up()

    def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be.

        Examples:
            >>> lazy = client.producer("orders", lazy=True)
            >>> lazy.wait_connected(timeout=10)
            >>> lazy.is_connected
            True
        """
        self._native.wait_connected(seconds(timeout))

    @property
    def is_connected(self) -> bool:
        """Whether it is connected now."""
        return self._native.is_connected()

    def stats(self) -> Stats:
        """Return the counters.

        Examples:
            >>> ids = producer.send_many([b"one", b"two"])
            >>> producer.stats().receipts
            2
        """
        return Stats._from_json(self._native.stats())

    def close(self, timeout: Seconds = 10.0, *, flush: bool = True) -> None:
        """Accept no more messages, wait until those in flight have ended, and close the connection.

        Messages that have not ended within `timeout` end with an error, and then this raises `TimeoutError`. With
        `flush=False` it neither waits nor raises. May be called more than once.

        Examples:
            >>> future = producer.send_nowait(b"one pizza")
            >>> producer.close(timeout=5)
            >>> future.done()
            True
        """
        limit = required_seconds(timeout)
        if self._ended:
            return
        self._closed = True
        try:
            self._native.close(limit if flush else 0.0)
        except TimeoutError:
            self._ended = True
            if flush:
                raise
        self._ended = True
        _events.catch_up()

    def __repr__(self) -> str:
        return f"<Producer of {self.topic}{' closed' if self._closed else ''}>"

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed


def produce(
    url: str,
    messages: Payload | OutgoingMessage | Iterable[Payload | OutgoingMessage],
    **options: Unpack[ProducerOptions],
) -> Sequence[MessageId | StargateError]:
    """Send messages to a producer URL over a connection of their own, and always close it.

    `url` is `ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic`, with the server's query parameters, if
    any. `options` are those of connections and producers; they override the parameters. Return a list with the id of
    each message, or the error that it ended with. Raise the error of the connection. Many threads may call it at once.

    Examples:
        >>> url = "ws://localhost:8080/ws/v2/producer/persistent/public/default/orders"
        >>> [first, second] = stargate.produce(url, [b"one pizza", b"two pizzas"])
    """
    return _native.produce(*produce_arguments(url, messages, options))


def produce_arguments(
    url: str, messages: Payload | OutgoingMessage | Iterable[Payload | OutgoingMessage], options: ProducerOptions
) -> tuple[str, list[tuple[str, str]], list[Payload | tuple[Payload, Extras]]]:
    """Return the arguments of `produce` as the native half takes them."""
    if isinstance(messages, _ONE):
        messages = [messages]
    if options.get("on_state") is not None:
        raise InvalidArgumentError("produce: on_state is for a handle; there is none here")
    return url, option_pairs(options), [packed(message) for message in messages]
