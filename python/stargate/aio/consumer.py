"""The consumer for asyncio; see `stargate.receiver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._convert import Seconds, count, required_seconds
from .._native import MessageId
from ..handler import ReconsumeLater
from .receiver import AsyncReceiver

if TYPE_CHECKING:
    from .. import _native
    from .._native import Message
    from .client import AsyncClient


class AsyncConsumer(AsyncReceiver):
    """Consumes the messages of a subscription. Opened by `AsyncClient.consumer`; see `stargate.Consumer`.

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
        """Request redelivery of a message, or of one by its id, after the option `negative_ack_delay`."""
        if isinstance(message, MessageId):
            self._native.nack_id(message)
        else:
            self._native.nack(message)

    async def reconsume_later(self, message: Message, delay: Seconds) -> None:
        """Schedule redelivery of a message after `delay` seconds; see `stargate.Consumer.reconsume_later`."""
        length = required_seconds(ReconsumeLater(delay).delay)
        await self._client._bound().run(self._native.reconsume_later_async, message, length)

    async def backlog(self) -> int:
        """Return the number of messages that the subscription has not acknowledged; see `stargate.Consumer.backlog`."""
        count: int = await self._client._bound().run(self._native.backlog_async)
        return count

    async def permit(self, messages: int) -> None:
        """In pull mode, request this many messages beyond the window, on each connection."""
        self._native.permit(count("messages", messages))

    async def unsubscribe(self, timeout: Seconds = 10.0) -> None:
        """Delete the subscription and close the consumer; raise if other consumers are on the subscription."""
        await self._client._bound().run(self._native.unsubscribe_async, required_seconds(timeout))
        await self.close(timeout)
