"""Runs handlers, the application's code for each message, on threads that Python created."""

from __future__ import annotations

import enum
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import CO_COROUTINE
from typing import TYPE_CHECKING, Any, TypeAlias

from . import _threads
from ._convert import Seconds, required_seconds
from ._native import Message
from .errors import ClosedError, StargateError

if TYPE_CHECKING:
    from . import _native
    from .receiver import Receiver

_logger = logging.getLogger("stargate")

# How many messages a thread takes at once when it has a lane of its own. What it took, nobody else can do.
BATCH = 64


class Outcome(enum.Enum):
    """What a handler decides about a message.

    Examples:
        >>> stargate.ACK is stargate.Outcome.ACK
        True
    """

    ACK = "ack"
    """It is done: acknowledge it."""
    CONTINUE = "continue"
    """The application acknowledges it later, with `consumer.ack`."""
    NACK = "nack"
    """It failed: the broker redelivers it after `negative_ack_delay`."""


@dataclass(frozen=True, slots=True)
class ReconsumeLater:
    """A result of a handler that schedules redelivery after a time in seconds, as `Consumer.reconsume_later` does.

    The consumer needs the option `enable_retry`. Without it, or when the copy cannot be stored, it counts as `NACK`.

    Examples:
        >>> def work(message):
        ...     return stargate.ReconsumeLater(60.0 * 2**message.reconsume_times)
    """

    delay: Seconds = 0.0
    """After this many seconds, or a `timedelta`."""

    def __post_init__(self) -> None:
        required_seconds(self.delay, "delay")


Decision: TypeAlias = Outcome | ReconsumeLater
"""What a handler returns, besides `None` for `ACK`."""

ACK = Outcome.ACK
CONTINUE = Outcome.CONTINUE
NACK = Outcome.NACK


class MessageHandler:
    """The base class of handlers. Each processor has an instance of its own, used by one thread only.

    Examples:
        State is kept in the instance:

        >>> class Billing(stargate.MessageHandler):
        ...     def init(self, discount):
        ...         self.discount = discount
        ...
        ...     def handle_message(self, message):
        ...         print("price", int(message.data) - self.discount)
        ...         return stargate.ACK
        ...
        ...     def on_error(self, message, error):
        ...         return stargate.ACK if isinstance(error, ValueError) else stargate.NACK
        >>> consumer.listen(Billing, init_kwargs={"discount": 2})
    """

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Prepare the instance, on its own thread. The arguments are the `init_args` and `init_kwargs` of `listen`."""

    def handle_message(self, message: Message) -> Decision | None:
        """Handle one message and return what becomes of it; `None` counts as `ACK`. It may block."""
        raise NotImplementedError

    def on_error(self, message: Message, error: BaseException) -> Decision | None:  # noqa: ARG002 - for overriding
        """Return what becomes of a message whose `handle_message` raised; `None` counts as `NACK`.

        The error is already in the log, with its traceback.
        """
        return NACK


Handler: TypeAlias = type[MessageHandler] | MessageHandler | Callable[[Message], Decision | None]
"""A class, of which each processor has an instance; or an instance or a function, which all processors share."""


class _Function(MessageHandler):
    """A handler that is a plain function."""

    def __init__(self, function: Callable[[Message], Decision | None]) -> None:
        self._function = function

    def handle_message(self, message: Message) -> Decision | None:
        return self._function(message)


def maker(
    handler: Any, base: type | tuple[type, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[], tuple[Any, Any]]:
    """Return the function that makes the handler of one processor, and with it what its `init` returned.

    `base` is what classes of handlers inherit from.
    """
    if isinstance(handler, type):
        if not issubclass(handler, base):
            raise TypeError(f"{handler.__name__} does not inherit from MessageHandler, as a class of handlers does")
        made = handler

        def make() -> tuple[Any, Any]:
            instance: Any = made()
            return instance, instance.init(*args, **kwargs)

        return make
    if args or kwargs:
        raise TypeError("init_args and init_kwargs are for a class of handlers; an instance or a function takes none")
    if isinstance(handler, base):
        return lambda: (handler, None)
    if not callable(handler):
        raise TypeError(f"a handler is a MessageHandler or a function of one message; got {handler!r}")
    function = _Function(handler)
    return lambda: (function, None)


def refuse_async(handler: object) -> None:
    """Raise if a handler needs an event loop; threads have none."""
    function = getattr(handler, "handle_message", handler)
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & CO_COROUTINE:
        raise TypeError("an async handler needs an event loop: use AsyncClient, or a handler without async")


_Make: TypeAlias = Callable[[], tuple[MessageHandler, Any]]


class Processors:
    """The running processors of one consumer or reader: what those on threads and those as tasks have in common."""

    def __init__(self, owner: object, native: _native.Consumer | _native.Reader, current: Callable[[], object]) -> None:
        # Lives as long as its processors do, also when the application keeps no reference to it.
        self._owner = owner
        self._native = native
        # The running thread or task.
        self._current = current
        self._stopping = False
        self._present: set[object] = set()
        self._closes: list[Callable[[], Any]] = []

    def stop_soon(self) -> None:
        """Stop giving messages to the handlers."""
        self._stopping = True
        self._native.stop_work()

    def postpone(self, close: Callable[[], Any]) -> bool:
        """Postpone a close until all handlers have finished their messages; return false if no handler calls it."""
        if self._current() not in self._present:
            return False
        self._closes.append(close)
        self.stop_soon()
        return True

    def _leave(self, processor: object) -> list[Callable[[], Any]]:
        """Note that a processor has ended; return the closes that it is to do if it is the last one."""
        self._present.discard(processor)
        if self._present:
            return []
        closes, self._closes = self._closes, []
        return closes

    def _is_stopping(self) -> bool:
        return self._stopping


class Workers(Processors):
    """Processors on daemon threads, which do not keep the interpreter from its exit; that ends them in order."""

    def __init__(self, owner: Receiver, native: _native.Consumer | _native.Reader, make: _Make) -> None:
        """Start the threads, and wait until each has created its handler; raise what any of them raised."""
        super().__init__(owner, native, threading.current_thread)
        self.error: StargateError | None = None
        processors, self._lanes = native.begin_work()
        # Before a handler runs, which may close its consumer.
        owner._workers = self
        # With a lane of its own a thread takes from nobody what it takes in advance.
        self._batch = BATCH if processors == self._lanes else 1
        made: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # Not Thread.join: in Python 3.11 a join that Ctrl-C ends takes the thread for finished.
        self._ended = [threading.Event() for _ in range(processors)]
        self._threads: list[threading.Thread] = []
        failures: list[BaseException] = []
        try:
            for number in range(processors):
                self._threads.append(_threads.start(f"stargate-handler-{number}", self._run, number, make, made))
        except StargateError as refused:
            failures.append(refused)
        failures += [failure for _ in self._threads if (failure := made.get()) is not None]
        if failures:
            self.stop(time.monotonic())
            owner._workers = None
            raise failures[0]

    def stop(self, deadline: float) -> bool:
        """Let every handler finish its message until `deadline` (monotonic); return whether all did.

        It does not wait for the handler that calls it.
        """
        self.stop_soon()
        return self._wait(deadline)

    def wait(self, timeout: float | None) -> bool:
        """Wait until all handlers have ended; return whether they did."""
        return self._wait(None if timeout is None else time.monotonic() + timeout)

    def _wait(self, deadline: float | None) -> bool:
        done = True
        for thread, ended in zip(self._threads, self._ended, strict=False):
            if thread is not threading.current_thread():
                done &= ended.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return done

    def _run(self, number: int, make: _Make, made: queue.SimpleQueue[BaseException | None]) -> None:
        thread = threading.current_thread()
        self._present.add(thread)
        try:
            self._serve(number, make, made)
        finally:
            self._ended[number].set()
            for close in self._leave(thread):
                try:
                    close()
                except Exception:
                    _logger.exception("a close that a handler called failed")

    def _serve(self, number: int, make: _Make, made: queue.SimpleQueue[BaseException | None]) -> None:
        try:
            handler, _ = make()
        except BaseException as failure:
            made.put(failure)
            return
        made.put(None)
        lane = number % self._lanes
        message: Message | None
        while not self._stopping:
            try:
                messages = self._native.take_work(lane, self._batch)
            except StargateError as error:
                self._failed_with(error)
                return
            for message in messages:
                if self._is_stopping():
                    return
                settle(self._native, message, self._outcome(handler, message))
            # What it held must not live until the next message comes.
            messages.clear()
            message = None

    def _outcome(self, handler: MessageHandler, message: Message) -> Decision:
        try:
            return checked(handler.handle_message(message))
        except BaseException as failure:
            return self._failed(handler, message, failure)

    def _failed(self, handler: MessageHandler, message: Message, failure: BaseException) -> Decision:
        self._native.count_handler_error()
        _logger.error("the handler failed on %r", message, exc_info=failure)
        try:
            outcome = handler.on_error(message, failure)
        except BaseException:
            _logger.exception("on_error failed on %r", message)
            return NACK
        return outcome if isinstance(outcome, Decision) else NACK

    def _failed_with(self, error: StargateError) -> None:
        if self._stopping or isinstance(error, ClosedError):
            return
        if self.error is None:
            self.error = error
            _logger.error("the handlers ended: %s", error)


def settle(native: _native.Consumer | _native.Reader, message: Message, decision: Decision) -> None:
    """Report to the native half what a handler decided."""
    if isinstance(decision, ReconsumeLater):
        native.settle(message, "reconsume_later", required_seconds(decision.delay))
    else:
        native.settle(message, decision.value)


def checked(outcome: object) -> Decision:
    """Return the outcome that a handler returned, or raise."""
    if outcome is None:
        return ACK
    if isinstance(outcome, Decision):
        return outcome
    raise TypeError(f"handle_message returned {outcome!r}; expected ACK, CONTINUE, NACK, ReconsumeLater or None")
