"""The supervisor for asyncio; see `stargate.supervisor`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from .. import _registry
from .._convert import Seconds, required_seconds
from .._registry import Component, Part, Registry, RegistryKey, listener, logger
from ..errors import ClosedError, StargateError
from .client import AsyncClient
from .consumer import AsyncConsumer
from .producer import AsyncProducer
from .reader import AsyncReader

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_Handle = AsyncProducer | AsyncConsumer | AsyncReader


class AsyncSupervisor(Registry[_Handle]):
    """As `stargate.Supervisor`, with the same configuration, for asyncio.

    Await it, or enter it with `async with`; it opens nothing before. Handlers are those of `AsyncConsumer.listen`. It
    belongs to the event loop in which it was opened; `AsyncSupervisor.find` gives it anywhere in that loop.

    Examples:
        >>> import asyncio
        >>> async def bill(message):
        ...     print("billing", message.data)
        >>> config = {
        ...     "name": "shop",
        ...     "host": "localhost:8080",
        ...     "producer": {"topic": "orders"},
        ...     "consumer": {"topic": "orders", "subscription": "billing", "handler": bill},
        ... }
        >>> async def main():
        ...     async with stargate.AsyncSupervisor(config) as shop:
        ...         key = stargate.registry_key("public", "default", "orders", name="shop")
        ...         await stargate.AsyncSupervisor.find("shop").producer(key).send(b"one pizza")
        ...         audit = await shop.add("reader", {"topic": "orders", "starting_message": "earliest"})
        ...         print((await shop.reader(audit).receive(timeout=5)).data)
        ...         await mock.wait_async("ack")
        ...         billing = shop.consumer(shop.keys()[0])
        ...         print(billing.subscription)
        ...         await shop.close(timeout=5)  # the end of the block does it too
        >>> asyncio.run(main())
        billing b'one pizza'
        b'one pizza'
        billing
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._clients: dict[str, AsyncClient] = {}
        self._restarts: dict[RegistryKey, asyncio.Task[None]] = {}

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._start().__await__()

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _start(self) -> Self:
        if not self._closed:
            return self
        self._claim_name()
        self._loop = asyncio.get_running_loop()
        self._closed = False
        try:
            self._clients[self._url] = AsyncClient(self._url, **self._options)
            for component, part in self._configured:
                await self.add(component, part)
        except BaseException:
            with contextlib.suppress(StargateError):
                await self.close(0)
            raise
        return self

    async def add(self, component: Component, config: Mapping[str, Any]) -> RegistryKey:
        """Open another component and supervise it; see `stargate.Supervisor.add`."""
        if self._closed:
            raise ClosedError(f"add a {component}: the supervisor {self._name!r} is not open")
        part = self._register(component, config)
        try:
            failure = self._opened(part, await self._open(part))
        except BaseException:
            self._forget(part)
            raise
        if failure is not None:
            self._begin_restart(part.key, part.generation, failure)
        return part.key

    def producer(self, key: RegistryKey) -> AsyncProducer:
        """Return the producer under a key, as it is now; see `stargate.Supervisor.producer`."""
        return self._find(key, "producer", AsyncProducer)

    def consumer(self, key: RegistryKey) -> AsyncConsumer:
        """Return the consumer under a key, as it is now; see `producer`."""
        return self._find(key, "consumer", AsyncConsumer)

    def reader(self, key: RegistryKey) -> AsyncReader:
        """Return the reader under a key, as it is now; see `producer`."""
        return self._find(key, "reader", AsyncReader)

    async def close(self, timeout: Seconds = 10.0) -> None:
        """Stop restarting, and close everything that it holds; its name can then be used again.

        May be called more than once.
        """
        if self._closed or self._pid != os.getpid():
            return
        limit = required_seconds(timeout)
        self._closed = True
        receivers = [receiver for client in self._clients.values() for receiver in client._receivers]
        if not any(receiver._postpones(partial(self._close, limit)) for receiver in receivers):
            await self._close(limit)

    async def _close(self, limit: float) -> None:
        try:
            restarts = list(self._restarts.values())
            for restart in restarts:
                restart.cancel()
            await asyncio.gather(*restarts, return_exceptions=True)
            closing = (client.close(limit) for client in self._clients.values())
            outcomes = await asyncio.gather(*closing, return_exceptions=True)
        finally:
            self._free_name()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _open(self, part: Part[_Handle]) -> _Handle:
        url = part.url or self._url
        if url not in self._clients:
            self._clients[url] = AsyncClient(url, **self._options)
        client, key = self._clients[url], part.key
        loop, me = self._loop, weakref.ref(self)

        # Called on a thread of stargate.
        def failed(*failure: Any) -> None:
            with contextlib.suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(_failed, me, *failure)

        options = {**part.options, "on_state": listener(part, failed)}
        if key.component == "producer":
            return await client.producer(key.topic, **options)
        handle = await (
            client.consumer(key.topic, key.subscription or "", **options)
            if key.component == "consumer"
            else client.reader(key.topic, **options)
        )
        if part.handler is not None:
            try:
                await handle.listen(part.handler, part.init_args, part.init_kwargs)
            except BaseException:
                await handle.close(0)
                raise
        return handle

    def _begin_restart(self, key: RegistryKey, generation: int, error: StargateError) -> None:
        running = self._restarts.get(key)
        if running is not None and not running.done():
            # It may be news of the handle that is being opened.
            running.add_done_callback(lambda _: self._begin_restart(key, generation, error))
            return
        part = self._failed_part(key, generation, error)
        if part is not None and not self._closed:
            name = f"stargate-supervisor-{self._name}"
            self._restarts[key] = self._loop.create_task(self._restart(part), name=name)

    async def _restart(self, part: Part[_Handle]) -> None:
        """Reopen a component until it is open or has failed too often."""
        try:
            while part.handle is not None and self._may_restart(part):
                # It has failed, and what it has to say was said.
                with contextlib.suppress(StargateError):
                    await part.handle.close(0)
                await asyncio.sleep(_registry.RESTART_AFTER)
                try:
                    self._restarted(part, await self._open(part))
                except StargateError as again:
                    self._failed_again(part, again)
                else:
                    return
        except Exception:
            logger.exception("a restart failed")


def _failed(reference: weakref.ref[AsyncSupervisor], *failure: Any) -> None:
    supervisor = reference()
    if supervisor is not None:
        supervisor._begin_restart(*failure)
