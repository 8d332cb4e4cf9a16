"""A named set of producers, consumers and readers: found by key, and each restarted by itself when it fails.

Connections reconnect by themselves. A supervisor reopens a handle that ended with a permanent error, such as a deleted
namespace or a refused token. It gives up a component that fails too often; the others are not affected.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from . import _registry, _threads
from ._convert import Seconds, required_seconds
from ._registry import Component, Part, Registry, RegistryKey, listener, logger, registry_key
from .client import Client
from .errors import StargateError
from .producer import Producer
from .receiver import Consumer, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Component", "RegistryKey", "Supervisor", "registry_key"]

_Handle = Producer | Consumer | Reader
_Failures: TypeAlias = "queue.SimpleQueue[tuple[RegistryKey, int, StargateError] | None]"


class Supervisor(Registry[_Handle]):
    """Holds producers, consumers and readers, and restarts those that fail.

    At the top, `host` is `"name:port"`, `{"name": port}`, or a list of them; `protocol` is `ws` (the default) or
    `wss`; `name` is unique in the process and `default` when not given. A component that fails more than
    `max_restarts` times (3) within `max_seconds` (5) is given up.

    `producer`, `consumer` and `reader` are one mapping or a list of them. Each names its `topic` in full, or with
    `tenant`, `namespace` and `persistence`, a consumer also its `subscription`. Each may have a `host` and `protocol`
    of its own; a consumer or reader may have a `handler`, with `init_args` and `init_kwargs`.

    Everything else, there and in `query_params`, is an option; those at the top are inherited by all. If one component
    cannot be opened, none stays open.

    Examples:
        >>> config = {
        ...     "name": "shop",
        ...     "host": "localhost:8080",
        ...     "ping_interval": 20,
        ...     "producer": {"topic": "orders"},
        ...     "consumer": {"topic": "orders", "subscription": "billing", "handler": lambda message: None},
        ... }
        >>> key = stargate.registry_key("public", "default", "orders", name="shop")
        >>> with stargate.Supervisor(config) as shop:
        ...     message_id = shop.producer(key).send(b"one pizza")
        ...     audit = shop.add("reader", {"topic": "orders", "starting_message": "earliest"})
        ...     print(shop.reader(audit).receive(timeout=5).data)
        ...     for key in stargate.Supervisor.find("shop").keys():
        ...         print(key)
        ...     billing = shop.consumer(shop.keys()[0])
        b'one pizza'
        consumer of persistent://public/default/orders on billing in supervisor 'shop'
        producer of persistent://public/default/orders in supervisor 'shop'
        reader of persistent://public/default/orders in supervisor 'shop'
        >>> shop.close()  # again does nothing
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._client = Client(self._url, **self._options)
        self._clients: dict[str, Client] = {self._url: self._client}
        try:
            self._claim_name()
        except BaseException:
            self._client.close(0)
            raise
        self._closing = threading.Event()
        self._failures: _Failures = queue.SimpleQueue()
        self._closed = False
        name = f"stargate-supervisor-{self._name}"
        try:
            # It holds the queue and not the supervisor, which may go while it waits.
            self._watcher = _threads.start(name, _watch, self._failures, weakref.ref(self))
        except StargateError:
            self._closed = True
            self._free_name()
            self._client.close(0)
            raise
        try:
            for component, part in self._configured:
                self.add(component, part)
        except BaseException:
            with contextlib.suppress(StargateError):
                self.close(0)
            raise

    def add(self, component: Component, config: Mapping[str, Any]) -> RegistryKey:
        """Open another component and supervise it; `config` is as under its name in the configuration."""
        part = self._register(component, config)
        try:
            failure = self._opened(part, self._open(part))
        except BaseException:
            self._forget(part)
            raise
        if failure is not None:
            self._failures.put((part.key, part.generation, failure))
        return part.key

    def producer(self, key: RegistryKey) -> Producer:
        """Return the producer under a key, as it is now; after a restart it is another one.

        Raise `NotFoundError`, or the error of a producer that failed.
        """
        return self._find(key, "producer", Producer)

    def consumer(self, key: RegistryKey) -> Consumer:
        """Return the consumer under a key, as it is now; see `producer`."""
        return self._find(key, "consumer", Consumer)

    def reader(self, key: RegistryKey) -> Reader:
        """Return the reader under a key, as it is now; see `producer`."""
        return self._find(key, "reader", Reader)

    def close(self, timeout: Seconds = 10.0) -> None:
        """Stop restarting, and close everything that it holds; its name can then be used again.

        May be called more than once.
        """
        if self._closed or self._pid != os.getpid():
            return
        deadline = time.monotonic() + required_seconds(timeout)
        self._closed = True
        self._closing.set()
        self._failures.put(None)
        late: Exception | None = None
        try:
            for client in self._clients.values():
                try:
                    client.close(max(0.0, deadline - time.monotonic()))
                except StargateError as error:
                    late = late or error
        finally:
            self._free_name()
            if self._watcher is not threading.current_thread():
                self._watcher.join(max(1.0, deadline - time.monotonic()))
        if late is not None:
            raise late

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._closed and self._pid == os.getpid():
            self._failures.put(None)

    def _open(self, part: Part[_Handle]) -> _Handle:
        client = self._client
        if part.url is not None:
            if part.url not in self._clients:
                self._clients[part.url] = Client(part.url, **self._options)
            client = self._clients[part.url]
        failures, key = self._failures, part.key
        options = {**part.options, "on_state": listener(part, lambda *failure: failures.put(failure))}
        if key.component == "producer":
            return client.producer(key.topic, **options)
        handle = (
            client.consumer(key.topic, key.subscription or "", **options)
            if key.component == "consumer"
            else client.reader(key.topic, **options)
        )
        if part.handler is not None:
            try:
                handle.listen(part.handler, part.init_args, part.init_kwargs)
            except BaseException:
                handle.close(0)
                raise
        return handle

    def _restart(self, key: RegistryKey, generation: int, error: StargateError) -> None:
        """Reopen a component until it is open or has failed too often."""
        part = self._failed_part(key, generation, error)
        while part is not None and part.handle is not None and not self._closed and self._may_restart(part):
            # It has failed, and what it has to say was said.
            with contextlib.suppress(StargateError):
                part.handle.close(0)
            if self._closing.wait(_registry.RESTART_AFTER):
                return
            try:
                self._restarted(part, self._open(part))
            except StargateError as again:
                self._failed_again(part, again)
            else:
                return


def _watch(failures: _Failures, reference: weakref.ref[Supervisor]) -> None:
    while (failure := failures.get()) is not None:
        supervisor = reference()
        if supervisor is None:
            return
        try:
            supervisor._restart(*failure)
        except Exception:
            logger.exception("a restart failed")
        del supervisor
