"""The client for asyncio; see `stargate.client`."""

from __future__ import annotations

import asyncio
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from .. import _events
from .._bridge import Bridge
from .._convert import Headers, Seconds, required_seconds
from ..client import native_client, split_keys, split_options, topics_of
from ..state import Stats
from ._handle import AsyncHandle, Opening
from .admin import AsyncAdmin
from .consumer import AsyncConsumer
from .producer import AsyncProducer
from .reader import AsyncReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._options import ConnectionOptions, ConsumerOptions, ProducerOptions, ReaderOptions
    from .._tasks import AsyncHandler
    from ..client import Topics
    from .receiver import AsyncReceiver


class AsyncClient(AsyncHandle):
    """A client of a Pulsar cluster, for asyncio; see `stargate.Client`.

    Await the results of `producer`, `consumer` and `reader`, or enter them with `async with`.

    Examples:
        >>> import asyncio
        >>> async def bill(message):
        ...     print("billing", message.data)
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         consumer = await client.consume("orders", "billing", bill)
        ...         async with client.producer("orders") as producer:
        ...             await producer.send(b"one pizza")
        ...         async with client.reader("orders", starting_message="earliest") as reader:
        ...             print((await reader.receive(timeout=5)).data)
        ...         audit = await client.consumer("orders", "audit")
        ...         await mock.wait_async("ack")
        ...         print(client.stats().acked)
        ...         await client.admin().skip_all("orders", "audit")
        ...         await client.close(timeout=5)  # the end of the block does it too
        >>> asyncio.run(main())
        billing b'one pizza'
        b'one pizza'
        1
    """

    def __init__(
        self,
        url: str,
        *,
        token_supplier: Callable[[], str] | None = None,
        headers_supplier: Callable[[], Headers] | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        self._native = native_client(url, token_supplier, headers_supplier, options)
        self._receivers: weakref.WeakSet[AsyncReceiver] = weakref.WeakSet()
        self._bridge: Bridge | None = None
        self._open()
        _events.close_at_exit(self)

    @property
    def url(self) -> str:
        """The URL, without secrets."""
        return self._native.url()

    @property
    def proxy(self) -> str | None:
        """The proxy that WebSockets go through, such as `http://squid:3128`, without user and password; None if none.

        Of several hosts some may be reached directly; a `StateChange` has the proxy of each connection.
        """
        return self._native.proxy()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def stats(self) -> Stats:
        """Return the sum of the counters of all handles that it opened, closed ones included."""
        return Stats._from_json(self._native.stats())

    def producer(self, topic: str, **options: Unpack[ProducerOptions]) -> Opening[AsyncProducer]:
        """Open a producer, and wait for its connection unless `lazy` is set; see `stargate.Client.producer`."""

        async def opening() -> AsyncProducer:
            keys, rest = split_keys(options)
            pairs, listener = split_options(rest)
            native = await self._bound().run(self._native.producer_async, topic, pairs, listener, keys)
            return AsyncProducer(self, native)

        return Opening(opening())

    def consumer(self, topic: Topics, subscription: str, **options: Unpack[ConsumerOptions]) -> Opening[AsyncConsumer]:
        """Open a consumer, and wait for its connection unless `lazy` is set; see `stargate.Client.consumer`."""
        return Opening(self._consumer(topic, subscription, options))

    def consume(
        self,
        topic: Topics,
        subscription: str,
        handler: AsyncHandler,
        init_args: Sequence[Any] = (),
        init_kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> Opening[AsyncConsumer]:
        """Open a consumer and run a handler on its messages; see `AsyncConsumer.listen`."""

        async def opening() -> AsyncConsumer:
            consumer = await self._consumer(topic, subscription, options)
            try:
                await consumer.listen(handler, init_args, init_kwargs)
            except BaseException:
                await consumer.close()
                raise
            return consumer

        return Opening(opening())

    async def _consumer(self, topic: Topics, subscription: str, options: ConsumerOptions) -> AsyncConsumer:
        keys, rest = split_keys(options)
        pairs, listener = split_options(rest)
        topics, pattern = topics_of(topic)
        start = self._native.consumer_async
        native = await self._bound().run(start, topics, pattern, subscription, pairs, listener, keys)
        consumer = AsyncConsumer(self, native)
        self._receivers.add(consumer)
        return consumer

    def reader(self, topic: str, **options: Unpack[ReaderOptions]) -> Opening[AsyncReader]:
        """Open a reader, and wait for its connection unless `lazy` is set; see `stargate.Client.reader`."""

        async def opening() -> AsyncReader:
            pairs, listener = split_options(options)
            reader = AsyncReader(self, await self._bound().run(self._native.reader_async, topic, pairs, listener))
            self._receivers.add(reader)
            return reader

        return Opening(opening())

    def admin(self) -> AsyncAdmin:
        """Return Pulsar's REST API; see `stargate.Client.admin`."""
        return AsyncAdmin(self)

    async def close(self, timeout: Seconds = 10.0) -> None:
        """Close everything that was opened through this client.

        Raise `TimeoutError` if that takes longer than `timeout` seconds. May be called more than once. For a call in a
        handler see `stargate.Client.close`.
        """
        bridge = self._bound()
        limit = required_seconds(timeout)
        self._closed = True
        deadline = time.monotonic() + limit
        receivers = list(self._receivers)
        for receiver in receivers:
            receiver._stop_soon()
        if any(receiver._postpones(partial(self.close, limit)) for receiver in receivers):
            return
        outcomes = await asyncio.gather(*(receiver.close(limit) for receiver in receivers), return_exceptions=True)
        await bridge.run(self._native.close_async, max(0.0, deadline - time.monotonic()))
        _events.closed(self)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _bound(self) -> Bridge:
        """Return the bridge to the running loop, which is always the same."""
        if self._bridge is None:
            self._bridge = Bridge()
        else:
            self._bridge.check()
        return self._bridge

    def _close_at_exit(self, timeout: float) -> None:
        self._closed = True
        self._native.close(timeout)

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.url}{' closed' if self._closed else ''}>"
