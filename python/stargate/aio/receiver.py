"""The base of consumers and readers for asyncio; see `stargate.receiver`."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from .._convert import Seconds, count, place, required_seconds, seconds
from .._tasks import AsyncHandler, AsyncMessageHandler, Tasks, settled
from ..errors import ClosedError, TimeoutError
from ..handler import MessageHandler, maker
from ..state import Stats
from ._handle import AsyncHandle, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from .. import _native
    from .._native import Message, MessageId
    from .._tasks import AnyHandler
    from .client import AsyncClient

# After this many messages without a wait, others get their turn.
_TURN = 64


class AsyncReceiver(AsyncHandle):
    """Receives the messages of a topic, with a handler or by calls; the two exclude each other."""

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
        """Wait for the next message, for `timeout` seconds or without limit; raise `TimeoutError` if none arrives.

        A cancelled receive loses no message: the next call returns it.
        """
        bridge = self._client._bound()
        limit = seconds(timeout)
        messages = await self._at_hand() or await bridge.receive(self._received, 1, 1, limit)
        if not messages:
            raise TimeoutError(f"receive from {self.topic}: not done within {limit} s", topic=self.topic)
        return messages[0]

    async def _at_hand(self) -> list[Message]:
        """Take a message that has arrived, or none; after a few in a row it yields to other tasks of the loop."""
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
        """Wait for `max_messages` or until the time is over, and return a list of those that arrived.

        An empty list is no error. Without a timeout it waits for that many. A cancelled call loses no message. See
        `stargate.Consumer.receive_many`.
        """
        wanted = count("max_messages", max_messages)
        return await self._client._bound().receive(self._received, wanted, wanted, seconds(timeout))

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Return message after message, until it is closed. An error that ends it is raised."""
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

        As `stargate.Consumer.listen`, with an `AsyncMessageHandler` or an `async def` function. A `MessageHandler` or a
        plain function also works, and must not block, because it runs in the event loop.
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
        """Wait until the handler has ended, by a close or by an error, which it raises.

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
        """Return whether the topic was terminated and everything in it has been acknowledged or read."""
        asking = self._client._bound().run(self._received.is_end_of_topic_async)
        return bool(await within(timeout, f"ask the end of {self.topic}", asking))

    async def seek(self, to: MessageId | datetime | float, *, after: bool = False) -> None:
        """Move to another position in the topic; see `stargate.Consumer.seek`."""
        await self._client._bound().run(self._received.seek_async, *place(to, after))

    async def last_message_ids(self) -> Sequence[MessageId]:
        """Return the ids of the last messages of the topic, one for each partition that has any."""
        ids: list[MessageId] = await self._client._bound().run(self._received.last_message_ids_async)
        return ids

    async def wait_connected(self, timeout: Seconds | None = None) -> None:
        """Wait until it is connected; raise the error that ended it if it cannot be."""
        waiting = self._client._bound().run(self._received.wait_connected_async)
        await within(timeout, f"connect to {self.topic}", waiting)

    @property
    def is_connected(self) -> bool:
        """Whether all of its connections are up now."""
        return self._received.is_connected()

    def stats(self) -> Stats:
        """Return the counters."""
        return Stats._from_json(self._received.stats())

    async def close(self, timeout: Seconds = 10.0) -> None:
        """Let handlers finish their messages, send the acknowledgements, and close the connections.

        See `stargate.Consumer.close`. A handler that still runs when the time is over is cancelled.
        """
        limit = required_seconds(timeout)
        self._closed = True
        if self._postpones(partial(self.close, limit)):
            return
        deadline = time.monotonic() + limit
        late = self._tasks is not None and not await self._tasks.stop(max(0.0, deadline - time.monotonic()))
        try:
            await self._bridge.run(self._received.close_async, max(0.0, deadline - time.monotonic()))
        finally:
            if late:
                raise TimeoutError(f"close {self.topic}: a handler still ran, and was cancelled", topic=self.topic)

    def _postpones(self, close: Callable[[], Awaitable[None]]) -> bool:
        """Postpone a close that one of its handlers calls; return whether it is one."""
        return self._tasks is not None and self._tasks.postpone(close)

    def _stop_soon(self) -> None:
        if self._tasks is not None:
            self._tasks.stop_soon()

    def _abandoned(self) -> bool:
        return super()._abandoned() and not self._client.closed

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.topic}{' closed' if self._closed else ''}>"
