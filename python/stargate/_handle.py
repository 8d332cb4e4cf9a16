"""The base of handles, which emit a `ResourceWarning` if nobody closes them."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Handle:
    """A handle that is open until it is closed, in the process that opened it."""

    # As long as `__init__` has not come to its end, there is nothing to close.
    _closed = True
    _pid = 0

    def _open(self) -> None:
        self._pid = os.getpid()
        self._closed = False

    def _abandoned(self) -> bool:
        """Return whether to warn that nobody closed it."""
        return not self._closed

    def __del__(self) -> None:
        # In a forked child it belongs to the parent, whose business it is.
        if self._abandoned() and self._pid == os.getpid():
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)


class SyncHandle(Handle):
    """A handle that a `with` block closes."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
