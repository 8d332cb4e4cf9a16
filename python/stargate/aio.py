"""The same for asyncio: the same names, arguments and behaviour, with `await` and `async` where there is a wait.

    async with stargate.AsyncClient("ws://localhost:8080") as client:
        async with client.producer("orders") as producer, client.consumer("orders", "billing") as consumer:
            await producer.send(b"one pizza")
            async for message in consumer:
                await consumer.ack(message)

No call takes a thread: what is done comes to the event loop through a pipe, many at a time. A client belongs to the
event loop in which it was first used. What is said of the classes of `stargate` holds here too; below is what differs.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

from . import _events, _native
from ._bridge import Bridge
from ._convert import Headers, Payload, Seconds, count, extras, lines_of, place, seconds
from ._handle import Handle
from ._native import MessageId
from ._tasks import AsyncHandler, AsyncMessageHandler, Tasks, settled
from .aio_admin import AsyncAdmin
from .client import split_keys, split_options, topics_of
from .errors import ClosedError, InvalidArgumentError, TimeoutError
from .handler import MessageHandler, ReconsumeLater, maker
from .producer import OutgoingMessage, packed_all, produce_arguments
from .state import Stats

__all__ = ["AsyncClient", "AsyncConsumer", "AsyncMessageHandler", "AsyncProducer", "AsyncReader", "Opening"]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from ._native import Message
    from ._options import ConnectionOptions, ConsumerOptions, ProducerOptions, ReaderOptions
    from ._tasks import AnyHandler
    from .client import Topics
    from .errors import StargateError

import builtins

# After this many messages without a wait, others get their turn.
_TURN = 64
# How many messages `send_many` makes ready at a time.
_LOT = 64


class _Handle(Handle):
    """What is closed by awaiting."""

    async def close(self, timeout: Seconds = 10.0) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


H = TypeVar("H", bound=_Handle)


class Opening(Generic[H]):
    """A producer, consumer or reader to come: `await` it, or enter it with `async with`, which also closes it."""

    def __init__(self, opening: Coroutine[Any, Any, H]) -> None:
        self._opening = opening
        self._opened: H | None = None

    def __await__(self) -> Generator[Any, Any, H]:
        return self._opening.__await__()

    async def __aenter__(self) -> H:
        self._opened = await self._opening
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


class AsyncProducer(_Handle):
    """Sends messages to one topic. Made by `AsyncClient.producer`; see `stargate.Producer`.

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
        timeout: Seconds | None = None,
    ) -> MessageId:
        """Send a message, wait until the broker has stored it, and return where; see `stargate.Producer.send`.

        Of concurrent sends the messages are stored in the order in which the sends began. A send that is cancelled
        while it waits for room is as if it had never been made; later the message is on its way and cannot be called
        back. Which of the two it was is in a note of the `CancelledError`.
        """
        bridge = self._client._bound()
        packed = extras(key, properties, event_time, deliver_at, deliver_after, replication_clusters)
        future: asyncio.Future[MessageId] = bridge.loop.create_future()
        operation = self._native.send_async(payload, packed, seconds(timeout), bridge.events, future)
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
    ) -> asyncio.Future[MessageId]:
        """Begin to send a message and return a future of its id, for many messages in flight.

        It waits for nothing, not even for room: await the futures now and then, or what waits piles up here. To cancel
        the future does not call the message back.
        """
        bridge = self._client._bound()
        packed = extras(key, properties, event_time, deliver_at, deliver_after, replication_clusters)
        future: asyncio.Future[MessageId] = bridge.loop.create_future()
        self._native.send_async(payload, packed, None, bridge.events, future)
        return future

    async def send_many(self, messages: Iterable[Payload | OutgoingMessage]) -> Sequence[MessageId | StargateError]:
        """Send messages in their order, many in flight at a time, and wait for all receipts.

        Return a list with, for each message and in the same order, its id or the error that it ended with. It has no
        timeout of its own; see `stargate.Producer.send_many`.
        """
        bridge = self._client._bound()
        items = list(packed_all(messages))
        receipts = _native.Receipts(len(items))
        for first in range(0, len(items), _LOT):
            await bridge.run(self._native.accept_async, receipts, first, items[first : first + _LOT])
        results: list[MessageId | StargateError] = await bridge.run(self._native.receipts_async, receipts)
        return results

    async def flush(self, timeout: Seconds | None = None) -> None:
        """Wait until every message accepted before has ended, well or not."""
        await _within(timeout, f"flush {self.topic}", self._client._bound().run(self._native.flush_async))

    async def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be."""
        waiting = self._client._bound().run(self._native.wait_connected_async)
        await _within(timeout, f"connect to {self.topic}", waiting)

    @property
    def is_connected(self) -> bool:
        """Whether it is connected now."""
        return self._native.is_connected()

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats._from_json(self._native.stats())

    async def close(self, timeout: Seconds = 10.0, *, flush: bool = True) -> None:
        """Accept no more messages, wait until those in flight have ended, and close the connection.

        What is not done within `timeout` ends with an error, and then this raises `TimeoutError`. With `flush=False`
        nothing is waited for, and nothing raised. May be called more than once.
        """
        if self._ended:
            return
        self._closed = True
        limit = (seconds(timeout) or 0.0) if flush else 0.0
        try:
            await self._bridge.run(self._native.close_async, limit)
        except TimeoutError:
            self._ended = True
            if flush:
                raise
        self._ended = True

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed

    def __repr__(self) -> str:
        return f"<AsyncProducer of {self.topic}{' closed' if self._closed else ''}>"


class AsyncReceiver(_Handle):
    """Receives the messages of a topic: by a handler, or by waiting for them. The two exclude each other."""

    def __init__(self, client: AsyncClient, native: _native.Consumer | _native.Reader) -> None:
        self._client = client
        self._received: _native.Consumer | _native.Reader = native
        self._bridge = client._bound()
        self._tasks: Tasks | None = None
        self._in_a_row = 0
        self._open()

    @property
    def topic(self) -> str:
        """The full name of the topic; of several, the first; for a pattern, a name that stands for it."""
        return self._received.topic()

    async def receive(self, timeout: Seconds | None = None) -> Message:
        """Wait for the next message, for `timeout` seconds or without limit; raise `TimeoutError` when none came.

        A receive that is cancelled loses no message: the next one gets it.
        """
        bridge = self._client._bound()
        limit = seconds(timeout)
        messages = await self._at_hand() or await bridge.receive(self._received, 1, 1, limit)
        if not messages:
            raise TimeoutError(f"receive from {self.topic}: not done within {limit} s", topic=self.topic)
        return messages[0]

    async def _at_hand(self) -> list[Message]:
        """Take a message that is here, or none; after a few in a row others of the loop have their turn."""
        messages = self._received.try_receive(1)
        self._in_a_row = (self._in_a_row + 1) % _TURN if messages else 0
        if messages and self._in_a_row == 0:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                self._received.put_back(messages)
                raise
        return messages

    async def receive_many(self, max_messages: int, timeout: Seconds | None = None) -> Sequence[Message]:
        """Wait until there are `max_messages` or the time is over, and return a list of what is there.

        An empty list is no error. Without a timeout it waits until there are that many. One that is cancelled loses no
        message. See `stargate.Consumer.receive_many`.
        """
        wanted = count("max_messages", max_messages)
        return await self._client._bound().receive(self._received, wanted, wanted, seconds(timeout))

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Give message after message, until it is closed. An error that ends it is raised."""
        while True:
            try:
                message = await self.receive()
            except ClosedError:
                return
            yield message

    async def listen(
        self, handler: AsyncHandler, init_args: Sequence[Any] = (), init_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Run a handler on every message, in as many tasks of the event loop as the option `processors` says.

        As `stargate.Consumer.listen`, with an `AsyncMessageHandler` or an `async def` function. A `MessageHandler` and
        a plain function may be used too, and must not block, since they run in the event loop.
        """
        make = maker(handler, (MessageHandler, AsyncMessageHandler), tuple(init_args), dict(init_kwargs or {}))

        async def prepared() -> AnyHandler:
            instance, initialised = make()
            await settled(initialised)
            made: AnyHandler = instance
            return made

        tasks = Tasks(self, self._received, self._client._bound())
        await tasks.start(prepared)
        self._tasks = tasks

    async def wait(self, timeout: Seconds | None = None) -> None:
        """Wait until the handler has ended: because of a close, or of an error, which is raised.

        Raise `TimeoutError` if it still runs when the time is over.
        """
        if self._tasks is None:
            raise ClosedError(f"wait for {self.topic}: there is no handler")
        if not await self._tasks.wait(seconds(timeout)):
            raise TimeoutError(f"wait for {self.topic}: the handler still runs", topic=self.topic)
        if self._tasks.error is not None:
            raise self._tasks.error

    async def run_until_interrupted(self) -> None:
        """Wait for the handler's end, or until this task is cancelled as Ctrl-C does in `asyncio.run`, and close."""
        try:
            await self.wait()
        finally:
            await self.close()

    async def is_end_of_topic(self, timeout: Seconds | None = None) -> bool:
        """Ask whether the topic was terminated and nothing is left of it."""
        asking = self._client._bound().run(self._received.is_end_of_topic_async)
        return bool(await _within(timeout, f"ask the end of {self.topic}", asking))

    async def seek(self, to: MessageId | datetime | float, *, after: bool = False) -> None:
        """Go to another place in the topic; see `stargate.Consumer.seek`."""
        await self._client._bound().run(self._received.seek_async, *place(to, after))

    async def last_message_ids(self) -> Sequence[MessageId]:
        """Return the ids of the last messages of the topic, one for each partition that has any."""
        ids: list[MessageId] = await self._client._bound().run(self._received.last_message_ids_async)
        return ids

    async def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be."""
        waiting = self._client._bound().run(self._received.wait_connected_async)
        await _within(timeout, f"connect to {self.topic}", waiting)

    @property
    def is_connected(self) -> bool:
        """Whether it is connected now, with all of its connections."""
        return self._received.is_connected()

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats._from_json(self._received.stats())

    async def close(self, timeout: Seconds = 10.0) -> None:
        """Let handlers finish the message they have, send what is to be acknowledged, and close the connections.

        See `stargate.Consumer.close`. A handler that still runs when the time is over is cancelled.
        """
        self._closed = True
        deadline = time.monotonic() + (seconds(timeout) or 0.0)
        late = self._tasks is not None and not await self._tasks.stop(max(0.0, deadline - time.monotonic()))
        try:
            await self._bridge.run(self._received.close_async, max(0.0, deadline - time.monotonic()))
        finally:
            if late:
                raise TimeoutError(f"close {self.topic}: a handler still ran, and was cancelled", topic=self.topic)

    def _stop_soon(self) -> None:
        if self._tasks is not None:
            self._tasks.stop_soon()

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.topic}{' closed' if self._closed else ''}>"


class AsyncConsumer(AsyncReceiver):
    """Takes part in a subscription. Made by `AsyncClient.consumer`; see `stargate.Consumer`.

    Examples:
        >>> import asyncio
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         consumer = await client.consumer("orders", "billing", pull_mode=True, negative_ack_delay=0.1)
        ...         await consumer.wait_connected(timeout=5)
        ...         await consumer.permit(5)
        ...         async with client.producer("orders") as producer:
        ...             await producer.send_many(["a", "b", "c", "d", "e"])
        ...         await consumer.ack(await consumer.receive(timeout=5))
        ...         await consumer.ack_cumulative((await consumer.receive_many(2, timeout=5))[-1])
        ...         async for message in consumer:
        ...             await consumer.nack(message)  # it is redelivered
        ...             break
        ...         print(await consumer.is_end_of_topic(timeout=5), consumer.stats().received > 3)
        ...         await consumer.unsubscribe(timeout=5)
        ...
        ...         handling = await client.consumer("orders", "handler")
        ...         await handling.listen(lambda message: print(message.data))
        ...         try:
        ...             await handling.wait(timeout=0.01)
        ...         except TimeoutError:
        ...             await handling.close(timeout=5)
        ...         await handling.run_until_interrupted()  # returns, since it is closed
        ...
        ...         retrying = await client.consumer(
        ...             "news", "s", subscription_type="shared", enable_retry=True, initial_position="earliest"
        ...         )
        ...         async with client.producer("news") as producer:
        ...             await producer.send("later")
        ...         await retrying.reconsume_later(await retrying.receive(timeout=5), 0.0)
        ...         assert (await retrying.receive(timeout=5)).reconsume_times == 1
        ...         await retrying.seek(stargate.MessageId.latest)
        ...         assert await retrying.backlog() == 0 and len(await retrying.last_message_ids()) == 1
        >>> asyncio.run(main())
        False True
    """

    def __init__(self, client: AsyncClient, native: _native.Consumer) -> None:
        super().__init__(client, native)
        self._native = native

    @property
    def subscription(self) -> str:
        """The name of the subscription."""
        return self._native.subscription()

    async def ack(self, message: Message | MessageId) -> None:
        """Acknowledge a message, or one by its id; see `stargate.Consumer.ack`. It does not wait."""
        if isinstance(message, MessageId):
            self._native.ack_id(message)
        else:
            self._native.ack(message)

    async def ack_cumulative(self, message: Message | MessageId) -> None:
        """Acknowledge a message and all before it; see `stargate.Consumer.ack_cumulative`. It does not wait."""
        if isinstance(message, MessageId):
            self._native.ack_cumulative_id(message)
        else:
            self._native.ack_cumulative(message)

    async def nack(self, message: Message | MessageId) -> None:
        """Ask for a message, or one by its id, to be delivered again after the option `negative_ack_delay`."""
        if isinstance(message, MessageId):
            self._native.nack_id(message)
        else:
            self._native.nack(message)

    async def reconsume_later(self, message: Message, delay: Seconds) -> None:
        """Have a message again after `delay` seconds; see `stargate.Consumer.reconsume_later`."""
        length = seconds(ReconsumeLater(delay).delay) or 0.0
        await self._client._bound().run(self._native.reconsume_later_async, message, length)

    async def backlog(self) -> int:
        """Return the number of messages that the subscription has not acknowledged; see `stargate.Consumer.backlog`."""
        count: int = await self._client._bound().run(self._native.backlog_async)
        return count

    async def permit(self, messages: int) -> None:
        """In pull mode, ask for more messages than the window gives by itself, on each connection."""
        self._native.permit(count("messages", messages))

    async def unsubscribe(self, timeout: Seconds = 10.0) -> None:
        """Delete the subscription and close the consumer; raise if other consumers are on the subscription."""
        await self._client._bound().run(self._native.unsubscribe_async, seconds(timeout) or 0.0)
        await self.close(timeout)


class AsyncReader(AsyncReceiver):
    """Reads a topic from a position, without a subscription. Made by `AsyncClient.reader`; see `stargate.Reader`.

    Examples:
        >>> import asyncio
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         async with client.producer("orders") as producer:
        ...             first, second, third = await producer.send_many(["a", "b", "c"])
        ...         reader = await client.reader("orders", starting_message=first)
        ...         await reader.wait_connected(timeout=5)
        ...         print([message.data for message in await reader.receive_many(2, timeout=5)])
        ...         try:
        ...             await reader.receive(timeout=0.01)
        ...         except TimeoutError:
        ...             print(await reader.is_end_of_topic(timeout=5), reader.stats().received)
        ...         assert [third] == await reader.last_message_ids() and not await reader.has_message_available()
        ...         await reader.seek(second)
        ...         print([message.data async for message in reader.until_caught_up()])
        ...         await reader.close(timeout=5)
        ...
        ...         handling = await client.reader("orders", starting_message=second)
        ...         await handling.listen(lambda message: print(message.data))
        ...         await mock.wait_async("receive", at_least=3)
        ...         try:
        ...             await handling.wait(timeout=0.01)
        ...         except TimeoutError:
        ...             await handling.close(timeout=5)
        ...         await handling.run_until_interrupted()  # returns, since it is closed
        >>> asyncio.run(main())
        [b'b', b'c']
        False 2
        [b'b', b'c']
        b'c'
    """

    def __init__(self, client: AsyncClient, native: _native.Reader) -> None:
        super().__init__(client, native)
        self._native = native

    async def has_message_available(self) -> bool:
        """Ask whether there is a message that the application has not taken yet. Uses Pulsar's REST API."""
        more: bool = await self._client._bound().run(self._native.has_message_available_async)
        return more

    async def until_caught_up(self) -> AsyncIterator[Message]:
        """Read up to the end as it is when this begins; see `stargate.Reader.until_caught_up`."""
        bridge = self._client._bound()
        await bridge.run(self._native.mark_end_async)
        while not self._native.is_caught_up():
            taken = await self._at_hand() or await bridge.take(self._native, self._native.receive_before_end_async)
            if not taken:
                return
            yield taken[0]


class AsyncClient(_Handle):
    """The way to a Pulsar cluster, for asyncio; see `stargate.Client`.

    What `producer`, `consumer` and `reader` give is awaited, or entered with `async with`.

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
        pairs, listener = split_options(options)
        tokens = None if token_supplier is None else (_events.tokens(), token_supplier)
        headers = None if headers_supplier is None else (_events.tokens(), lines_of(headers_supplier))
        self._native = _native.Client(url, pairs, _events.events(), listener, tokens, headers)
        self._receivers: weakref.WeakSet[AsyncReceiver] = weakref.WeakSet()
        self._bridge: Bridge | None = None
        self._open()
        _events.close_at_exit(self)

    @property
    def url(self) -> str:
        """The URL, without anything secret."""
        return self._native.url()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def stats(self) -> Stats:
        """Return the counters of all that was opened through it, what is closed included."""
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
        """Give Pulsar's REST API; see `stargate.Client.admin`."""
        return AsyncAdmin(self)

    async def close(self, timeout: Seconds = 10.0) -> None:
        """Close everything that was opened through this client, in the way of each.

        Raise `TimeoutError` for what is not done within `timeout` seconds. May be called more than once.
        """
        bridge = self._bound()
        self._closed = True
        limit = seconds(timeout) or 0.0
        deadline = time.monotonic() + limit
        receivers = list(self._receivers)
        for receiver in receivers:
            receiver._stop_soon()
        outcomes = await asyncio.gather(*(receiver.close(limit) for receiver in receivers), return_exceptions=True)
        await bridge.run(self._native.close_async, max(0.0, deadline - time.monotonic()))
        _events.closed(self)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _bound(self) -> Bridge:
        """Return the bridge to the loop that runs, which is always the same."""
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


async def produce_async(
    url: str,
    messages: Payload | OutgoingMessage | Iterable[Payload | OutgoingMessage],
    **options: Unpack[ProducerOptions],
) -> Sequence[MessageId | StargateError]:
    """Send messages to a producer URL over a connection of their own; see `stargate.produce`.

    When it is cancelled the connection is closed at once, and each message may be stored or not.

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


T = TypeVar("T")


async def _within(timeout: Seconds | None, operation: str, waiting: Coroutine[Any, Any, T]) -> T:
    """Wait for something, and raise our own error when the time is over."""
    try:
        limit = seconds(timeout)
    except InvalidArgumentError:
        waiting.close()
        raise
    deadline = asyncio.timeout(limit)
    try:
        async with deadline:
            return await waiting
    except TimeoutError:
        raise
    except builtins.TimeoutError:
        if not deadline.expired():
            raise
        raise TimeoutError(f"{operation}: not done within {limit} s") from None
