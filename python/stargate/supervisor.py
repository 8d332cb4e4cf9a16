"""A named set of producers, consumers and readers: found by key, and each restarted by itself when it fails.

Connections reconnect by themselves. What a supervisor opens again is what ended with an error that does not heal, such
as a namespace that was deleted or a token that was refused. What fails too often stays down, and the others do not
notice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, TypeVar

from ._convert import Seconds, seconds
from .client import Client
from .errors import BusyError, InvalidArgumentError, NotFoundError, StargateError
from .producer import Producer
from .receiver import Consumer, Reader

if TYPE_CHECKING:
    from .state import StateChange

logger = logging.getLogger("stargate")

Component: TypeAlias = Literal["producer", "consumer", "reader"]
"""What a supervisor holds."""

_COMPONENTS: tuple[Component, ...] = ("producer", "consumer", "reader")

# The wait before a component that failed is opened again, in seconds.
_RESTART_AFTER = 0.5

_Handle = Producer | Consumer | Reader
_H = TypeVar("_H", Producer, Consumer, Reader)


@dataclass(frozen=True, slots=True, order=True)
class RegistryKey:
    """The name under which a supervisor holds a producer, consumer or reader; made by `registry_key`."""

    supervisor: str
    """The name of the supervisor."""
    component: Component
    """What it is."""
    topic: str
    """The full name of the topic."""
    subscription: str | None = None
    """The subscription of a consumer; without it a key finds the consumer of a topic that has only one."""

    def __str__(self) -> str:
        on = f" on {self.subscription}" if self.subscription else ""
        return f"{self.component} of {self.topic}{on} in supervisor {self.supervisor!r}"

    def _finds(self, other: RegistryKey) -> bool:
        subscription = self.subscription is None or self.subscription == other.subscription
        return (self.component, self.topic) == (other.component, other.topic) and subscription


def registry_key(
    tenant: str,
    namespace: str,
    topic: str,
    *,
    name: str = "default",
    component: Component = "producer",
    persistence: Literal["persistent", "non-persistent"] = "persistent",
    subscription: str | None = None,
) -> RegistryKey:
    """Give the key of what the supervisor `name` holds for a topic."""
    if component not in _COMPONENTS:
        raise InvalidArgumentError(f"component: expected one of {', '.join(_COMPONENTS)}, got {component!r}")
    return RegistryKey(name, component, f"{persistence}://{tenant}/{namespace}/{topic}", subscription)


@dataclass
class _Part:
    """One component: how to open it, and what is open now."""

    key: RegistryKey
    open: Callable[[_Part], _Handle]
    handle: _Handle | None = None
    error: StargateError | None = None
    # Which opening of it is the present one; news of earlier ones is old.
    generation: int = 0
    restarts: deque[float] = field(default_factory=deque)


# The supervisors of the process by name. In a forked child the handles are the parent's, and its names are free.
_supervisors: weakref.WeakValueDictionary[str, Supervisor] = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Supervisor:
    """Holds producers, consumers and readers, and restarts those that fail.

        config = {
            "name": "shop", "host": ["localhost:8080"], "protocol": "ws", "ping_interval": 20,
            "producer": {"topic": "orders"},
            "consumer": {"topic": "orders", "subscription": "billing", "handler": Billing, "processors": 4},
        }
        with Supervisor(config) as shop:
            shop.producer(registry_key("public", "default", "orders", name="shop")).send(b"one pizza")

    `host` is `"name:port"` or a list of them, `protocol` is `ws` (the default) or `wss`, `name` is unique in the
    process and `default` when not given. A component that fails more than `max_restarts` times (3) within `max_seconds`
    (5) stays down. `producer`, `consumer` and `reader` are one mapping or a list of them. Each names its `topic` in
    full, or with `tenant`, `namespace` and `persistence`, a consumer also its `subscription`, and may have a `host` and
    `protocol` of its own; a consumer or reader may have a `handler`, with `init_args` and `init_kwargs`. Everything
    else, there and in `query_params`, is an option; those at the top are inherited by all. When one of them cannot be
    opened, none stays.
    """

    _closed = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        fields = dict(config)
        self._name = _text(fields.pop("name", "default"), "name")
        self._max_restarts = _count(fields.pop("max_restarts", 3), "max_restarts")
        self._max_seconds = _count(fields.pop("max_seconds", 5), "max_seconds")
        parts = [
            (component, part) for component in _COMPONENTS for part in _listed(fields.pop(component, []), component)
        ]
        url = _url(fields)
        if url is None:
            raise InvalidArgumentError(
                'supervisor configuration: host is missing: expected "name:port" or a list of them'
            )
        self._options = fields
        self._client = Client(url, **fields)
        self._clients: dict[str, Client] = {url: self._client}
        self._pid = os.getpid()
        self._parts: dict[RegistryKey, _Part] = {}
        self._guard = threading.Lock()
        self._failures: SimpleQueue[tuple[_Part, int, StargateError] | None] = SimpleQueue()
        with _lock:
            held = _supervisors.get(self._name)
            if held is not None and held._pid == os.getpid():
                self._client.close(0)
                raise BusyError(
                    f"start supervisor: there is a supervisor {self._name!r} already: close it, or choose another name"
                )
            _supervisors[self._name] = self
        self._closed = False
        # It holds the queue and not the supervisor, which may go while it waits.
        watcher = threading.Thread(
            target=_watch,
            args=(self._failures, weakref.ref(self)),
            name=f"stargate-supervisor-{self._name}",
            daemon=True,
        )
        watcher.start()
        self._watcher = watcher
        try:
            for component, part in parts:
                self.add(component, part)
        except BaseException:
            self.close(0)
            raise

    @staticmethod
    def find(name: str = "default") -> Supervisor:
        """Give the running supervisor of this name; raise `NotFoundError` if there is none."""
        found = _supervisors.get(name)
        if found is None or found._pid != os.getpid():
            raise NotFoundError(f"there is no supervisor {name!r}")
        return found

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def keys(self) -> list[RegistryKey]:
        """Give the keys of all that it holds."""
        with self._guard:
            return sorted(self._parts, key=str)

    def add(self, component: Component, config: Mapping[str, Any]) -> RegistryKey:
        """Open one component more and supervise it; `config` is as under its name in the configuration."""
        fields = dict(config)
        topic = _topic(fields)
        subscription = fields.pop("subscription", None)
        if component == "consumer":
            subscription = _text(subscription, "subscription")
        elif subscription is not None:
            raise InvalidArgumentError(f"{component} of {topic}: a {component} has no subscription")
        client = self._client_for(fields)
        handler, args, kwargs = (fields.pop(name, None) for name in ("handler", "init_args", "init_kwargs"))
        if component == "producer" and handler is not None:
            raise InvalidArgumentError(f"producer of {topic}: a producer has no handler")
        listener = fields.pop("on_state", None)
        options = {**_mapping(fields.pop("query_params", {}), "query_params"), **fields}

        def open_part(part: _Part) -> _Handle:
            opening = {**options, "on_state": self._listener(part, listener)}
            if component == "producer":
                return client.producer(topic, **opening)
            handle = (
                client.consumer(topic, subscription, **opening)
                if component == "consumer"
                else client.reader(topic, **opening)
            )
            if handler is not None:
                try:
                    handle.listen(handler, args or (), kwargs)
                except BaseException:
                    handle.close(0)
                    raise
            return handle

        key = RegistryKey(self._name, component, topic, subscription)
        part = _Part(key, open_part)
        with self._guard:
            if key in self._parts:
                raise BusyError(f"there is a {key} already")
            self._parts[key] = part
        try:
            part.handle = open_part(part)
        except BaseException:
            with self._guard:
                del self._parts[key]
            raise
        return key

    def producer(self, key: RegistryKey) -> Producer:
        """Give the producer under a key, as it is now; after a restart it is another one.

        Raise `NotFoundError`, or the error of a producer that is down.
        """
        return self._handle(key, "producer", Producer)

    def consumer(self, key: RegistryKey) -> Consumer:
        """Give the consumer under a key, as it is now; see `producer`."""
        return self._handle(key, "consumer", Consumer)

    def reader(self, key: RegistryKey) -> Reader:
        """Give the reader under a key, as it is now; see `producer`."""
        return self._handle(key, "reader", Reader)

    def close(self, timeout: Seconds = 10.0) -> None:
        """Restart nothing any more and close all that it holds; its name is free again.

        May be called more than once.
        """
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        deadline = time.monotonic() + (seconds(timeout) or 0.0)
        self._failures.put(None)
        late: Exception | None = None
        try:
            for client in self._clients.values():
                try:
                    client.close(max(0.0, deadline - time.monotonic()))
                except StargateError as error:
                    late = late or error
        finally:
            with _lock:
                if _supervisors.get(self._name) is self:
                    del _supervisors[self._name]
            if self._watcher is not threading.current_thread():
                self._watcher.join(max(1.0, deadline - time.monotonic()))
        if late is not None:
            raise late

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Supervisor {self._name!r} of {len(self._parts)} components{' closed' if self._closed else ''}>"

    def _client_for(self, fields: dict[str, Any]) -> Client:
        url = _url(fields)
        if url is None:
            return self._client
        if url not in self._clients:
            self._clients[url] = Client(url, **self._options)
        return self._clients[url]

    def _listener(self, part: _Part, listener: Callable[[StateChange], object] | None) -> Callable[[StateChange], None]:
        failures, generation = self._failures, part.generation

        def told(change: StateChange) -> None:
            if change.state == "failed" and change.error is not None:
                failures.put((part, generation, change.error))
            if listener is not None:
                listener(change)

        return told

    def _handle(self, key: RegistryKey, component: Component, kind: type[_H]) -> _H:
        wanted = RegistryKey(key.supervisor, component, key.topic, key.subscription)
        with self._guard:
            found = [part for held, part in self._parts.items() if wanted._finds(held)]
        if not found:
            raise NotFoundError(f"there is no {wanted}")
        if len(found) > 1:
            raise InvalidArgumentError(f"there is more than one {wanted}: name the subscription")
        if found[0].error is not None:
            raise found[0].error
        handle = found[0].handle
        if not isinstance(handle, kind):
            raise NotFoundError(f"the {wanted} is being opened")
        return handle

    def _restart(self, part: _Part, generation: int, error: StargateError) -> None:
        """Open a component again, until it is open or has failed too often."""
        if generation != part.generation or part.handle is None:
            return
        part.generation += 1
        part.error = error
        while not self._closed:
            logger.error("%s failed: %s", part.key, error)
            now = time.monotonic()
            while part.restarts and now - part.restarts[0] >= self._max_seconds:
                part.restarts.popleft()
            if len(part.restarts) >= self._max_restarts:
                logger.error("%s stays down after %d restarts", part.key, len(part.restarts))
                return
            part.restarts.append(now)
            # It has failed, and what it has to say was said.
            with contextlib.suppress(StargateError):
                part.handle.close(0)
            time.sleep(_RESTART_AFTER)
            try:
                part.handle = part.open(part)
            except StargateError as again:
                error = part.error = again
            else:
                part.error = None
                logger.warning("%s was restarted", part.key)
                return


def _watch(failures: SimpleQueue[tuple[_Part, int, StargateError] | None], reference: weakref.ref[Supervisor]) -> None:
    while (failure := failures.get()) is not None:
        supervisor = reference()
        if supervisor is None:
            return
        try:
            supervisor._restart(*failure)
        except Exception:
            logger.exception("a restart failed")
        del supervisor


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{name}: expected a text that is not empty, got {value!r}")
    return value


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidArgumentError(f"{name}: expected a whole number of 0 or more, got {value!r}")
    return value


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidArgumentError(f"{name}: expected a mapping, got {value!r}")
    return value


def _listed(value: object, name: str) -> Sequence[Mapping[str, Any]]:
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return [_mapping(part, name) for part in parts]


def _url(fields: dict[str, Any]) -> str | None:
    protocol, host = fields.pop("protocol", None), fields.pop("host", None)
    if host is None:
        if protocol is not None:
            raise InvalidArgumentError("protocol needs host: give both")
        return None
    hosts = [host] if isinstance(host, str) else list(host) if isinstance(host, Sequence) else []
    if not hosts:
        raise InvalidArgumentError(f'host: expected "name:port" or a list of them, got {host!r}')
    return f"{protocol or 'ws'}://{','.join(_text(one, 'host') for one in hosts)}"


def _topic(fields: dict[str, Any]) -> str:
    topic = _text(fields.pop("topic", None), "topic")
    parts = {name: fields.pop(name, None) for name in ("persistence", "tenant", "namespace")}
    if "/" in topic:
        if any(part is not None for part in parts.values()):
            raise InvalidArgumentError("a full topic name excludes tenant, namespace and persistence")
        return topic if "://" in topic else f"persistent://{topic}"
    namespace = f"{parts['tenant'] or 'public'}/{parts['namespace'] or 'default'}"
    return f"{parts['persistence'] or 'persistent'}://{namespace}/{topic}"
