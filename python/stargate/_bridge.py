"""Connects the library's threads to an event loop.

The caller starts an operation with a future of the loop. When it is done, the library puts future and value in a queue
and writes one byte to a pipe, if the queue was empty. The loop finds the pipe readable, takes everything from the queue
and sets the futures, in its own thread and without an executor. For a loop that cannot watch a pipe, a daemon thread
waits and calls the loop once for each batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from . import _native, _threads

if TYPE_CHECKING:
    from collections.abc import Callable


# Those of all loops.
_bridges: weakref.WeakSet[Bridge] = weakref.WeakSet()


class Bridge:
    """The queue of one event loop, created in that loop.

    It lives as long as it is used or awaited: the loop holds a weak reference.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.events = _native.Events(pipe=True)
        self._pid = os.getpid()
        me = weakref.ref(self)
        try:
            self.loop.add_reader(self.events.fileno(), _drain, me, True)
        except NotImplementedError:
            self.events = _native.Events()
            _threads.start("stargate-loop", _wait, self.events, weakref.ref(self.loop), me)
        for bridge in list(_bridges):
            if bridge.loop.is_closed() and bridge._pid == self._pid:
                # The futures that are left in its queue may be all that keeps it.
                bridge.events.drain(readable=False)
        _bridges.add(self)

    def check(self) -> None:
        """Raise if the running loop is not the one of this bridge."""
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError("the client belongs to another event loop; open one in each loop")

    async def run(self, start: Callable[..., _native.Operation], *args: object) -> Any:
        """Start an operation and wait for it; a cancelled wait ends the operation too."""
        future: asyncio.Future[Any] = self.loop.create_future()
        operation = start(*args, (self.events, future))
        try:
            return await future
        except asyncio.CancelledError:
            operation.cancel()
            raise

    async def receive(
        self, receiver: _native.Consumer | _native.Reader, least: int, most: int, timeout: float | None
    ) -> list[_native.Message]:
        """Receive messages. Those that a cancelled wait had already taken return to the queue."""
        return await self.take(receiver, receiver.receive_async, least, most, timeout)

    async def take(
        self, receiver: _native.Consumer | _native.Reader, start: Callable[..., _native.Operation], *args: object
    ) -> list[_native.Message]:
        """Start an operation that takes messages; those that a cancelled wait had already taken return to the queue."""
        future: asyncio.Future[list[_native.Message]] = self.loop.create_future()
        operation = start(*args, (self.events, future))
        try:
            return await future
        except asyncio.CancelledError:
            if not operation.cancel():
                if not future.cancelled() and future.exception() is None:
                    # The cancellation came between the result and the task's turn.
                    receiver.put_back(future.result())
                # Otherwise they are in the queue, which puts back what nobody waits for; at once, to keep the order.
                self.drain(readable=False)
            raise

    def drain(self, readable: bool) -> None:
        """Set the futures of finished operations; `readable` says that the pipe is readable."""
        # This queue holds only futures. Those that nobody waits for are skipped.
        for _, future, value, error in self.events.drain(readable):
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def __del__(self) -> None:
        if self._pid != os.getpid():
            return
        self.events.close()
        if self.events.fileno() >= 0:
            # Any thread may be the one that collects it. The descriptor stays open until it is watched no more.
            with contextlib.suppress(RuntimeError):  # The loop is closed.
                self.loop.call_soon_threadsafe(_unwatch, self.loop, self.events)


def _drain(reference: weakref.ref[Bridge], readable: bool) -> None:
    bridge = reference()
    if bridge is not None:
        bridge.drain(readable)


def _unwatch(loop: asyncio.AbstractEventLoop, events: _native.Events) -> None:
    loop.remove_reader(events.fileno())


def _wait(events: _native.Events, loop: weakref.ref[asyncio.AbstractEventLoop], bridge: weakref.ref[Bridge]) -> None:
    """Wait for a loop that cannot watch a pipe, until the bridge is gone."""
    drained = threading.Event()

    def drain() -> None:
        _drain(bridge, readable=False)
        drained.set()

    while events.ready(60.0) and bridge() is not None:
        alive = loop()
        if alive is None or alive.is_closed():
            return
        drained.clear()
        with contextlib.suppress(RuntimeError):  # It was closed meanwhile.
            alive.call_soon_threadsafe(drain)
        del alive
        while not drained.wait(1.0):
            alive = loop()
            if alive is None or alive.is_closed():
                return
            del alive
