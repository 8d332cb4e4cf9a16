"""The same for asyncio: the same names, arguments and behaviour, with `await` and `async` where there is a wait.

    async with stargate.AsyncClient("ws://localhost:8080") as client:
        async with client.producer("orders") as producer, client.consumer("orders", "billing") as consumer:
            await producer.send(b"one pizza")
            async for message in consumer:
                await consumer.ack(message)

No call takes a thread: results reach the event loop through a pipe, many at a time. A client belongs to the event loop
in which it was first used. The documentation of the classes of `stargate` applies here too; the docstrings here
describe the differences.
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
