"""Starts the threads that Python creates for the library."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable


def start(name: str, target: Callable[..., object], *args: Any) -> threading.Thread:
    """Start a daemon thread; raise `InternalError` if the system has no more threads."""
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise InternalError(f"the thread {name!r} could not be started: {error}; a limit may be reached") from error
    return thread
