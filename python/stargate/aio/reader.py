"""The reader for asyncio; see `stargate.receiver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .receiver import AsyncReceiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .. import _native
    from .._native import Message
    from .client import AsyncClient


class AsyncReader(AsyncReceiver):
    """Reads a topic from a position, without a subscription. Opened by `AsyncClient.reader`; see `stargate.Reader`.

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
        """Return whether there is a message that the application has not received yet. Uses Pulsar's REST API."""
        more: bool = await self._client._bound().run(self._native.has_message_available_async)
        return more

    async def until_caught_up(self) -> AsyncIterator[Message]:
        """Read up to the end at the time of the call; see `stargate.Reader.until_caught_up`."""
        bridge = self._client._bound()
        await bridge.run(self._native.mark_end_async)
        while not self._native.is_caught_up():
            taken = await self._at_hand() or await bridge.take(self._native, self._native.receive_before_end_async)
            if not taken:
                return
            yield taken[0]
