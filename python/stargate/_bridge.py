"""Between the library's threads and an event loop.

An operation is started with a future of the loop. When it is done, the library puts future and value in a queue and
writes one byte to a pipe, if nothing was waiting there yet. The loop finds the pipe readable, takes all that has
gathered, and sets the futures: in its own thread, with no thread or executor in between. Loops that cannot watch a pipe
get a daemon thread that waits in their place, and calls them once for each batch.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from collections.abc import Callable


class Bridge:
    """The queue of one event loop; made in that loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.events = _native.Events(pipe=True)
        self._closed = False
        self._drained = threading.Event()
        try:
            self.loop.add_reader(self.events.fileno(), self._drain, True)
        except NotImplementedError:
            self.events = _native.Events()
            loop = weakref.ref(self.loop)
            waiting = threading.Thread(target=self._wait, args=(loop,), name="stargate-loop", daemon=True)
            waiting.start()

    def check(self) -> None:
        """Raise if another loop runs than the one that this belongs to."""
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError("the client belongs to another event loop; open one in each loop")

    async def run(self, start: Callable[..., _native.Operation], *args: object) -> Any:
        """Start an operation and wait for it; a cancelled wait ends the operation too."""
        future: asyncio.Future[Any] = self.loop.create_future()
        operation = start(*args, self.events, future)
        try:
            return await future
        except asyncio.CancelledError:
            operation.cancel()
            raise

    async def receive(
        self, receiver: _native.Consumer | _native.Reader, least: int, most: int, timeout: float | None
    ) -> list[_native.Message]:
        """Receive messages. Those that a cancelled wait had already been given go back."""
        future: asyncio.Future[list[_native.Message]] = self.loop.create_future()
        operation = receiver.receive_async(least, most, timeout, self.events, future)
        try:
            return await future
        except asyncio.CancelledError:
            if not operation.cancel():
                if not future.cancelled() and future.exception() is None:
                    # The cancellation came between the result and the task's turn.
                    receiver.put_back(future.result())
                # Otherwise they are in the queue, which puts back what nobody waits for; at once, to keep the order.
                self._drain(readable=False)
            raise

    def close(self) -> None:
        """Watch no more."""
        if self._closed:
            return
        self._closed = True
        if not self.loop.is_closed() and self.events.fileno() >= 0:
            self.loop.remove_reader(self.events.fileno())
        self.events.close()
        self._drained.set()

    def _drain(self, readable: bool) -> None:
        # Nothing else than futures is told to this queue, and done ones were left out.
        for _, future, value, error in self.events.drain(readable):
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)
        self._drained.set()

    def _wait(self, loop: weakref.ref[asyncio.AbstractEventLoop]) -> None:
        while self.events.ready(60.0) and not self._closed:
            alive = loop()
            if alive is None or alive.is_closed():
                return
            self._drained.clear()
            try:
                alive.call_soon_threadsafe(self._drain, False)
            except RuntimeError:  # It was closed meanwhile.
                return
            del alive
            self._drained.wait()
