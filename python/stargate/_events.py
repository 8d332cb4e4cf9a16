"""Passes events of the library's threads to Python: one daemon thread takes them in batches.

No thread of the library runs Python. Finished futures, log records, changes of state and requests for a token wait in a
queue of the native half. The threads here, which Python created, take them from it. They are started with the first
client, belong to one process, and end at the exit of the interpreter, after the clients were closed.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from . import _greenlets, _native, _threads
from .encryption import EncryptionKeyInfo
from .errors import InvalidArgumentError
from .state import StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from .encryption import CryptoKeyReader

logger = logging.getLogger("stargate")

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}

# How long the exit of the interpreter waits for the clients that nobody closed, in seconds; for all of them together.
EXIT_TIMEOUT = 2.0

# How long `catch_up` waits for a callback of the application, in seconds.
_CATCH_UP = 1.0


class Closable(Protocol):
    """A handle to close at exit."""

    def _close_at_exit(self, timeout: float) -> None:
        """Close it within a time."""


class _Dispatcher:
    """A queue and the thread that reads it."""

    def __init__(self, name: str) -> None:
        # A greenlet waits for a pipe, a thread for the queue itself.
        self.queue = _native.Events(pipe=_greenlets.are_used())
        self.thread = _threads.start(name, _serve, self.queue)

    def stop(self, timeout: float) -> None:
        """End the thread, after it has handled what is queued."""
        self.queue.close()
        if self.thread is not threading.current_thread():
            self.thread.join(timeout)


# Emptied in a forked child, where these threads do not exist.
_dispatchers: dict[str, _Dispatcher] = {}
_live: weakref.WeakSet[Closable] = weakref.WeakSet()


def events() -> _native.Events:
    """Return the queue of this process for futures, log records and changes of state."""
    return _dispatcher("stargate-events").queue


class _Mark:
    """A place in the queue, as a future."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def done(self) -> bool:
        return False

    def set_result(self, _: None) -> None:
        self.told.set()


def catch_up() -> None:
    """Wait briefly until all events so far have reached Python, so that the futures of finished operations are set.

    A callback of the application may occupy the thread and wait for this very caller, so the wait has a limit.
    """
    dispatcher = _dispatchers.get("stargate-events")
    if dispatcher is not None and dispatcher.thread is not threading.current_thread():
        mark = _Mark()
        dispatcher.queue.mark(mark)
        mark.told.wait(_CATCH_UP)


def tokens() -> _native.Events:
    """Return the queue for tokens: on a thread of its own, since a connection waits for the answer."""
    return _dispatcher("stargate-tokens").queue


def keys() -> _native.Events:
    """Return the queue for keys of encryption: on a thread of its own, since a connection waits for the answer."""
    return _dispatcher("stargate-keys").queue


def close_at_exit(handle: Closable) -> None:
    """Close `handle` at the exit of the interpreter if it still exists then."""
    _live.add(handle)


def closed(handle: Closable) -> None:
    """Undo `close_at_exit`."""
    _live.discard(handle)


def _dispatcher(name: str) -> _Dispatcher:
    found = _dispatchers.get(name)
    if found is None:
        # Without a lock: while the thread starts, another greenlet may come here and would wait for it forever.
        made = _Dispatcher(name)
        found = _dispatchers.setdefault(name, made)
        if found is not made:
            made.stop(0.0)
    return found


def _serve(queue: _native.Events) -> None:
    while (batch := queue.wait(60.0)) is not None:
        for kind, *event in batch:
            try:
                _TELL[kind](*event)
            except BaseException:
                logger.exception("a callback failed")
        # What it held must not live until the next batch comes.
        batch.clear()
        event = []


def _done(future: Any, value: object, error: BaseException | None) -> None:
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _log(level: int, target: str, text: str) -> None:
    logger.log(_LEVELS[level], "%s: %s", target, text)


def _state(listener: Callable[[StateChange], object], change: tuple[Any, ...], _: None) -> None:
    listener(StateChange(*change))


def _token(supplier: Callable[[], str], answer: _native.TokenAnswer, name: str) -> None:
    try:
        token: object = supplier()
        if not isinstance(token, str):
            answer.give(None, f"it gave {type(token).__name__} instead of str")
        else:
            answer.give(token)
    except BaseException as error:
        logger.exception("%s failed", name)
        answer.give(None, str(error) if isinstance(error, InvalidArgumentError) else repr(error))


def _key(reader: CryptoKeyReader, answer: _native.KeyAnswer, wanted: tuple[str, dict[str, str] | None]) -> None:
    name, metadata = wanted
    try:
        info: object = reader.public_key(name) if metadata is None else reader.private_key(name, metadata)
        if not isinstance(info, EncryptionKeyInfo):
            answer.give(None, {}, f"the key reader gave {type(info).__name__} instead of EncryptionKeyInfo")
        else:
            answer.give(info.key, info.metadata)
    except BaseException as error:
        logger.exception("the key reader failed")
        answer.give(None, {}, f"the key reader failed: {error!r}")


_TELL: dict[str, Callable[..., None]] = {
    "done": _done,
    "log": _log,
    "state": _state,
    "token": _token,
    "key": _key,
}


@atexit.register
def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_TIMEOUT
    for handle in list(_live):
        try:
            handle._close_at_exit(max(0.0, deadline - time.monotonic()))
        except Exception as error:
            logger.warning("at exit: %s", error)
    for dispatcher in list(_dispatchers.values()):
        dispatcher.stop(1.0)


def _in_the_child() -> None:
    global _live
    _dispatchers.clear()
    _live = weakref.WeakSet()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_the_child)
