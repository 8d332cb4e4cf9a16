"""The same for asyncio: the same names, arguments and behaviour, with `await` and `async` where there is a wait.

    async with stargate.AsyncClient("ws://localhost:8080") as client:
        async with client.producer("orders") as producer, client.consumer("orders", "billing") as consumer:
            await producer.send(b"one pizza")
            async for message in consumer:
                await consumer.ack(message)

No call takes a thread: what is done comes to the event loop through a pipe, many at a time. A client belongs to the
event loop in which it was first used. What is said of the classes of `stargate` holds here too; below is what differs.
"""

from .._tasks import AsyncHandler, AsyncMessageHandler
from ._handle import Opening
from .admin import AsyncAdmin
from .client import AsyncClient
from .consumer import AsyncConsumer
from .producer import AsyncProducer, produce_async
from .reader import AsyncReader
from .receiver import AsyncReceiver
from .supervisor import AsyncSupervisor

__all__ = [
    "AsyncAdmin",
    "AsyncClient",
    "AsyncConsumer",
    "AsyncHandler",
    "AsyncMessageHandler",
    "AsyncProducer",
    "AsyncReader",
    "AsyncReceiver",
    "AsyncSupervisor",
    "Opening",
    "produce_async",
]
