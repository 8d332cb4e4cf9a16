"""The producer for asyncio; see `stargate.producer`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Unpack

from .. import _native
from .._bridge import Bridge
from .._convert import Payload, Seconds, extras, required_seconds, seconds
from ..errors import TimeoutError
from ..producer import OutgoingMessage, packed_all, produce_arguments
from ..state import Stats
from ._handle import AsyncHandle, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from .._native import MessageId
    from .._options import ProducerOptions
    from ..errors import StargateError
    from .client import AsyncClient

# How many messages `send_many` makes ready at a time.
_BATCH = 64


class AsyncProducer(AsyncHandle):
    """Sends messages to one topic. Opened by `AsyncClient.producer`; see `stargate.Producer`.

    Examples:
        >>> import asyncio
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         producer = await client.producer("orders", lazy=True)
        ...         await producer.wait_connected(timeout=5)
        ...         await asyncio.gather(*(producer.send(f"pizza {number}") for number in range(10)))
        ...         future = producer.send_nowait(b"one more")
        ...         await producer.flush(timeout=5)
        ...         print(await future == max(await producer.send_many([b"a", b"b"])))
        ...         print(producer.stats().receipts)
        ...         await producer.close(timeout=5)
        >>> asyncio.run(main())
        False
        13
    """

    def __init__(self, client: AsyncClient, native: _native.Producer) -> None:
        self._client = client
        self._native = native
        self._bridge = client._bound()
        self._ended = False
        self._open()

    @property
    def topic(self) -> str:
        """The full name of the topic."""
        return self._native.topic()

    async def send(
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
        """Send a message, wait until the broker has stored it, and return its id; see `stargate.Producer.send`.

        The messages of concurrent sends are stored in the order in which the sends began. A send that is cancelled
        while it waits for room sends nothing; a later cancellation cannot withdraw the message. A note of the
        `CancelledError` says which of the two happened.
        """
        bridge = self._client._bound()
        packed = extras(
            key, properties, event_time, deliver_at, deliver_after, replication_clusters, disable_replication
        )
        future: asyncio.Future[MessageId] = bridge.loop.create_future()
        operation = self._native.send_async(payload, packed, seconds(timeout), (bridge.events, future))
        try:
            return await future
        except asyncio.CancelledError as cancelled:
            withdrawn = operation is not None and operation.cancel()
            what = "was not sent" if withdrawn else "was accepted before, and may be stored"
            cancelled.add_note(f"stargate: the message to {self.topic} {what}")
            raise

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
    ) -> asyncio.Future[MessageId]:
        """Begin to send a message and return a future of its id, for many messages in flight.

        It does not wait, not even for room: await the futures now and then, or waiting messages pile up. Cancelling the
        future does not withdraw the message.
        """
        bridge = self._client._bound()
        packed = extras(
            key, properties, event_time, deliver_at, deliver_after, replication_clusters, disable_replication
        )
        future: asyncio.Future[MessageId] = bridge.loop.create_future()
        self._native.send_async(payload, packed, None, (bridge.events, future))
        # The bridge is what sets it, also when nobody keeps the client.
        future.add_done_callback(lambda _, _bridge=bridge: None)  # type: ignore[misc]
        return future

    async def send_many(self, messages: Iterable[Payload | OutgoingMessage]) -> Sequence[MessageId | StargateError]:
        """Send messages in their order, many in flight at a time, and wait for all receipts.

        Return a list with the id of each message, or the error that it ended with, in the same order. It has no timeout
        of its own; see `stargate.Producer.send_many`.
        """
        bridge = self._client._bound()
        items = list(packed_all(messages))
        receipts = _native.Receipts(len(items))
        for first in range(0, len(items), _BATCH):
            await bridge.run(self._native.accept_async, receipts, first, items[first : first + _BATCH])
        results: list[MessageId | StargateError] = await bridge.run(self._native.receipts_async, receipts)
        return results

    async def flush(self, timeout: Seconds | None = None) -> None:
        """Wait until every message accepted before has its receipt or has failed."""
        await within(timeout, f"flush {self.topic}", self._client._bound().run(self._native.flush_async))

    async def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be."""
        waiting = self._client._bound().run(self._native.wait_connected_async)
        await within(timeout, f"connect to {self.topic}", waiting)

    @property
    def is_connected(self) -> bool:
        """Whether it is connected now."""
        return self._native.is_connected()

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats._from_json(self._native.stats())

    async def close(self, timeout: Seconds = 10.0, *, flush: bool = True) -> None:
        """Accept no more messages, wait until those in flight have ended, and close the connection.

        Messages that have not ended within `timeout` end with an error, and then this raises `TimeoutError`. With
        `flush=False` it neither waits nor raises. May be called more than once.
        """
        limit = required_seconds(timeout)
        if self._ended:
            return
        self._closed = True
        try:
            await self._bridge.run(self._native.close_async, limit if flush else 0.0)
        except TimeoutError:
            self._ended = True
            if flush:
                raise
        self._ended = True

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed

    def __repr__(self) -> str:
        return f"<AsyncProducer of {self.topic}{' closed' if self._closed else ''}>"


async def produce_async(
    url: str,
    messages: Payload | OutgoingMessage | Iterable[Payload | OutgoingMessage],
    **options: Unpack[ProducerOptions],
) -> Sequence[MessageId | StargateError]:
    """Send messages to a producer URL over a connection of their own; see `stargate.produce`.

    If it is cancelled, it closes the connection at once, and each message may be stored or not.

    Examples:
        >>> import asyncio
        >>> url = "ws://localhost:8080/ws/v2/producer/persistent/public/default/orders"
        >>> [first, second] = asyncio.run(stargate.produce_async(url, [b"one pizza", b"two pizzas"]))
    """
    arguments = produce_arguments(url, messages, options)
    try:
        results: list[MessageId | StargateError] = await Bridge().run(_native.produce_async, *arguments)
    except asyncio.CancelledError as cancelled:
        cancelled.add_note("stargate: produce was cancelled; each of its messages may be stored or not")
        raise
    return results
