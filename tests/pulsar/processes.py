"""Processes that are found again by the folder they belong to, and end all at once.

A process carries a mark, an argument on its command line that names the folder and its part in it. That is safer than a
recorded process id, which may meanwhile belong to somebody else, and which a launcher killed too early never recorded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def mark(folder: Path, part: str) -> str:
    """Return the first argument of a JVM that is `part` of `folder`."""
    return f"-Dstargate.part={folder}:{part}"


def find(folder: Path, part: str = "") -> list[int]:
    """Return the ids of the living processes of `folder`, or of one part of it."""
    wanted = os.fsencode(mark(folder, part))
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = command_line.read_bytes().split(b"\0")
        except OSError:  # It ended meanwhile.
            continue
        # A process that died but was not yet reaped has no arguments.
        if len(arguments) > 1 and (arguments[1] == wanted if part else arguments[1].startswith(wanted)):
            found.append(int(command_line.parent.name))
    return found


def kill(folder: Path, part: str = "") -> None:
    """Kill -9 them, and return when they are gone. Nothing they hold is worth a slower end."""
    while ids := find(folder, part):
        for process in ids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
