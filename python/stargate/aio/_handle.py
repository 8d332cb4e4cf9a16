"""The base of the classes for asyncio, which are awaited to open and to close."""

from __future__ import annotations

import asyncio
import builtins
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._convert import Seconds, seconds
from .._handle import Handle
from ..errors import InvalidArgumentError, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import TracebackType


class AsyncHandle(Handle):
    """A handle whose close is awaited."""

    async def close(self, timeout: Seconds = 10.0) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


H = TypeVar("H", bound=AsyncHandle)


class Opening(Generic[H]):
    """A handle that is being opened: `await` it, or enter it with `async with`, which also closes it."""

    def __init__(self, opening: Coroutine[Any, Any, H]) -> None:
        self._opening = opening
        self._opened: H | None = None

    def __await__(self) -> Generator[Any, Any, H]:
        return self._opening.__await__()

    async def __aenter__(self) -> H:
        self._opened = await self._opening
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.close()


T = TypeVar("T")


async def within(timeout: Seconds | None, operation: str, waiting: Coroutine[Any, Any, T]) -> T:
    """Wait for an awaitable, and raise the `TimeoutError` of stargate when the time is over."""
    try:
        limit = seconds(timeout)
    except InvalidArgumentError:
        waiting.close()
        raise
    deadline = asyncio.timeout(limit)
    try:
        async with deadline:
            return await waiting
    except TimeoutError:
        raise
    except builtins.TimeoutError:
        if not deadline.expired():
            raise
        raise TimeoutError(f"{operation}: not done within {limit} s") from None
