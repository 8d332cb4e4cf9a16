"""Runs handlers as tasks of an event loop, as `stargate.Consumer` runs them on threads."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ._native import Message
from .errors import ClosedError, StargateError
from .handler import BATCH, NACK, Decision, MessageHandler, Processors, checked, settle

if TYPE_CHECKING:
    from . import _native
    from ._bridge import Bridge

logger = logging.getLogger("stargate")


async def settled(value: Any) -> Any:
    """Await the result of a function of the application, if it is awaitable."""
    return await value if inspect.isawaitable(value) else value


class AsyncMessageHandler:
    """As `stargate.MessageHandler`, for handlers that await. Each processor has an instance of its own.

    Examples:
        >>> import asyncio
        >>> class Billing(stargate.AsyncMessageHandler):
        ...     async def init(self, discount):
        ...         self.discount = discount
        ...
        ...     async def handle_message(self, message):
        ...         await asyncio.sleep(0)
        ...         print("price", int(message.data) - self.discount)
        ...         return stargate.ACK
        ...
        ...     async def on_error(self, message, error):
        ...         return stargate.NACK
        >>> async def main():
        ...     async with stargate.AsyncClient("ws://localhost:8080") as client:
        ...         await client.consume("orders", "billing", Billing, init_args=[2])
        ...         await (await client.producer("orders")).send(b"5")
        ...         await mock.wait_async("ack")
        >>> asyncio.run(main())
        price 3
    """

    async def init(self, *args: Any, **kwargs: Any) -> None:
        """Prepare the instance. The arguments are the `init_args` and `init_kwargs` of `listen`."""

    async def handle_message(self, message: Message) -> Decision | None:
        """Handle one message and return what becomes of it; `None` counts as `ACK`."""
        raise NotImplementedError

    async def on_error(self, message: Message, error: BaseException) -> Decision | None:  # noqa: ARG002 - for overriding
        """Return what becomes of a message whose `handle_message` raised; `None` counts as `NACK`.

        The error is already in the log, with its traceback.
        """
        return NACK


AnyHandler: TypeAlias = AsyncMessageHandler | MessageHandler
AsyncHandler: TypeAlias = (
    type[AnyHandler]
    | AnyHandler
    | Callable[[Message], Awaitable[Decision | None]]
    | Callable[[Message], Decision | None]
)
"""A class, of which each processor has an instance; or an instance or a function, which all processors share."""


class Tasks(Processors):
    """Processors as tasks of an event loop."""

    def __init__(self, owner: object, native: _native.Consumer | _native.Reader, bridge: Bridge) -> None:
        super().__init__(owner, native, asyncio.current_task)
        self._bridge = bridge
        self._tasks: list[asyncio.Task[None]] = []
        self.error: StargateError | None = None

    async def start(self, make: Callable[[], Awaitable[AnyHandler]]) -> None:
        """Create the handlers and start the tasks; raise what creating one of them raised."""
        processors, lanes = self._native.begin_work()
        try:
            handlers = [await make() for _ in range(processors)]
        except BaseException:
            self.stop_soon()
            raise
        # With a lane of its own a task takes from nobody what it takes in advance.
        batch = BATCH if processors == lanes else 1
        self._tasks = [
            self._bridge.loop.create_task(self._run(handler, number % lanes, batch), name=f"stargate-handler-{number}")
            for number, handler in enumerate(handlers)
        ]
        self._present.update(self._tasks)

    async def stop(self, timeout: float) -> bool:
        """Let every handler finish its message, cancel those that do not, and return whether all did.

        It does not wait for the handler that calls it.
        """
        self.stop_soon()
        done = await self.wait(timeout)
        late = [task for task in self._others() if not task.done()]
        for task in late:
            task.cancel()
        if late:
            # A moment for their own clean-up.
            await asyncio.wait(late, timeout=1.0)
        return done

    async def wait(self, timeout: float | None) -> bool:
        """Wait until all handlers have ended; return whether they did."""
        tasks = self._others()
        if not tasks:
            return True
        done, pending = await asyncio.wait(tasks, timeout=timeout)
        for task in done:
            if self.error is None and not task.cancelled() and (failure := task.exception()) is not None:
                self.error = ClosedError(f"the handler ended with {failure!r}")
                self.error.__cause__ = failure
        return not pending

    def _others(self) -> list[asyncio.Task[None]]:
        """Return the tasks without the calling one, and without one that handles no more and is closing."""
        current = asyncio.current_task()
        return [task for task in self._tasks if task is not current and (task in self._present or task.done())]

    async def _run(self, handler: AnyHandler, lane: int, batch: int) -> None:
        task = asyncio.current_task()
        try:
            await self._serve(handler, lane, batch)
        finally:
            closes = self._leave(task)
        for close in closes:
            try:
                await close()
            except Exception:
                logger.exception("a close that a handler called failed")

    async def _serve(self, handler: AnyHandler, lane: int, batch: int) -> None:
        while not self._stopping:
            try:
                messages = await self._bridge.run(self._native.take_work_async, lane, batch)
            except StargateError as error:
                self._failed_with(error)
                return
            for message in messages:
                if self._is_stopping():
                    return
                try:
                    decision = await self._outcome(handler, message)
                except BaseException:
                    # The task ends: the message is redelivered.
                    settle(self._native, message, NACK)
                    raise
                settle(self._native, message, decision)

    def _failed_with(self, error: StargateError) -> None:
        if self._stopping or isinstance(error, ClosedError) or self.error is not None:
            return
        self.error = error
        logger.error("the handlers ended: %s", error)

    async def _outcome(self, handler: AnyHandler, message: Message) -> Decision:
        try:
            return checked(await settled(handler.handle_message(message)))
        except BaseException as failure:
            if _ends_the_task(failure):
                raise
            return await self._failed(handler, message, failure)

    async def _failed(self, handler: AnyHandler, message: Message, failure: BaseException) -> Decision:
        self._native.count_handler_error()
        logger.error("the handler failed on %r", message, exc_info=failure)
        try:
            outcome = await settled(handler.on_error(message, failure))
        except BaseException as again:
            if _ends_the_task(again):
                raise
            logger.exception("on_error failed on %r", message)
            return NACK
        return outcome if isinstance(outcome, Decision) else NACK


def _ends_the_task(failure: BaseException) -> bool:
    """Return whether an exception ends more than the handler that raised it."""
    if isinstance(failure, asyncio.CancelledError):
        task = asyncio.current_task()
        # Otherwise it comes from something else that was cancelled, and that the handler awaited.
        return task is not None and task.cancelling() > 0
    return isinstance(failure, KeyboardInterrupt | SystemExit | GeneratorExit)
