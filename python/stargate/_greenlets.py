"""Supports gevent and eventlet: where threads are greenlets, every wait lets the other greenlets run."""

from __future__ import annotations

import select
import sys
import time

from . import _native


def are_used() -> bool:
    """Return whether gevent or eventlet replaced threads by greenlets.

    If so, the native half waits in the patched `select` from now on.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        patched = gevent.is_module_patched("select")
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        patched = eventlet.is_monkey_patched("select")
    else:
        return False
    if not patched:
        raise RuntimeError("threads are monkey-patched and select is not: patch both, or neither")
    _native.wait_in(_readable)
    return True


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor is readable, at most for a time; return whether it is."""
    if descriptor < 0:
        time.sleep(seconds)
        return False
    return bool(select.select([descriptor], [], [], seconds)[0])
