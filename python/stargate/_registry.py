"""Holds what supervisors share with and without asyncio: configuration, keys, names and the count of restarts."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, TypeVar

from .errors import BusyError, InvalidArgumentError, NotFoundError, StargateError

if TYPE_CHECKING:
    from .state import StateChange

logger = logging.getLogger("stargate")

Component: TypeAlias = Literal["producer", "consumer", "reader"]
"""What a supervisor holds."""

_COMPONENTS: tuple[Component, ...] = ("producer", "consumer", "reader")

# The wait before a component that failed is opened again, in seconds.
RESTART_AFTER = 0.5


@dataclass(frozen=True, slots=True, order=True)
class RegistryKey:
    """The key under which a supervisor holds a producer, consumer or reader; see `registry_key`.

    Examples:
        >>> key = stargate.registry_key("public", "default", "orders", component="consumer", subscription="billing")
        >>> key.topic, key.subscription
        ('persistent://public/default/orders', 'billing')
    """

    supervisor: str
    """The name of the supervisor."""
    component: Component
    """The kind of component."""
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
    """Return the key of the component that the supervisor `name` holds for a topic.

    Examples:
        >>> print(stargate.registry_key("public", "default", "orders", component="reader"))
        reader of persistent://public/default/orders in supervisor 'default'
    """
    if component not in _COMPONENTS:
        raise InvalidArgumentError(f"component: expected one of {', '.join(_COMPONENTS)}, got {component!r}")
    return RegistryKey(name, component, f"{persistence}://{tenant}/{namespace}/{topic}", subscription)


H = TypeVar("H")
K = TypeVar("K")


@dataclass
class Part(Generic[H]):
    """One component: how to open it, and the handle that is open now."""

    key: RegistryKey
    url: str | None
    """Its own servers, if it has some."""
    handler: Any
    init_args: Sequence[Any]
    init_kwargs: Mapping[str, Any] | None
    on_state: Callable[[StateChange], object] | None
    options: dict[str, Any]
    handle: H | None = None
    error: StargateError | None = None
    # Which opening of it is the present one; news of earlier ones is old.
    generation: int = 0
    restarts: deque[float] = field(default_factory=deque)


# The supervisors of the process by name. In a forked child the handles are the parent's, and its names are free.
_supervisors: weakref.WeakValueDictionary[str, Registry[Any]] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _in_the_child() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_the_child)


class Registry(Generic[H]):
    """The components of a supervisor, by key."""

    _closed = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        fields = dict(config)
        self._name = _text(fields.pop("name", "default"), "name")
        self._max_restarts = _count(fields.pop("max_restarts", 3), "max_restarts")
        self._max_seconds = _count(fields.pop("max_seconds", 5), "max_seconds")
        self._configured = [
            (component, part) for component in _COMPONENTS for part in _listed(fields.pop(component, []), component)
        ]
        url = _url(fields)
        if url is None:
            raise InvalidArgumentError(
                'supervisor configuration: host is missing: expected "name:port" or a list of them'
            )
        self._url = url
        self._options = _with_ssl_options(fields)
        self._parts: dict[RegistryKey, Part[H]] = {}
        self._guard = threading.Lock()
        self._pid = os.getpid()

    @classmethod
    def find(cls, name: str = "default") -> Self:
        """Return the running supervisor of this name; raise `NotFoundError` if there is none of this class."""
        found = _supervisors.get(name)
        if found is None or found._pid != os.getpid():
            raise NotFoundError(f"there is no supervisor {name!r}")
        if not isinstance(found, cls):
            raise NotFoundError(f"the supervisor {name!r} is a {type(found).__name__}: use {type(found).__name__}.find")
        return found

    @property
    def name(self) -> str:
        """The name of the supervisor."""
        return self._name

    def keys(self) -> list[RegistryKey]:
        """Return the keys of all components."""
        with self._guard:
            return sorted(self._parts, key=str)

    def _claim_name(self) -> None:
        with _lock:
            held = _supervisors.get(self._name)
            if held is not None and held._pid == os.getpid():
                raise BusyError(
                    f"start supervisor: there is a supervisor {self._name!r} already: close it, or choose another name"
                )
            _supervisors[self._name] = self

    def _free_name(self) -> None:
        with _lock:
            if _supervisors.get(self._name) is self:
                del _supervisors[self._name]

    def _register(self, component: Component, config: Mapping[str, Any]) -> Part[H]:
        """Reserve the key of a component."""
        fields = dict(config)
        topic = _topic(fields)
        subscription = fields.pop("subscription", None)
        if component == "consumer":
            subscription = _text(subscription, "subscription")
        elif subscription is not None:
            raise InvalidArgumentError(f"{component} of {topic}: a {component} has no subscription")
        url = _url(fields)
        if "handler_init_args" in fields:  # as the Elixir library calls it
            if "init_args" in fields:
                raise InvalidArgumentError(f"{component} of {topic}: init_args and handler_init_args are the same")
            fields["init_args"] = fields.pop("handler_init_args")
        handler, args, kwargs = (fields.pop(name, None) for name in ("handler", "init_args", "init_kwargs"))
        if component == "producer" and handler is not None:
            raise InvalidArgumentError(f"producer of {topic}: a producer has no handler")
        listener = fields.pop("on_state", None)
        options = _with_ssl_options({**_mapping(fields.pop("query_params", {}), "query_params"), **fields})
        key = RegistryKey(self._name, component, topic, subscription)
        part: Part[H] = Part(key, url, handler, args or (), kwargs, listener, options)
        with self._guard:
            if key in self._parts:
                raise BusyError(f"there is a {key} already")
            self._parts[key] = part
        return part

    def _forget(self, part: Part[H]) -> None:
        with self._guard:
            del self._parts[part.key]

    def _find(self, key: RegistryKey, component: Component, kind: type[K]) -> K:
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

    def _failed_part(self, key: RegistryKey, generation: int, error: StargateError) -> Part[H] | None:
        """Mark a component as failed and return it; `None` if it was replaced meanwhile, or is still being opened."""
        with self._guard:
            part = self._parts.get(key)
            if part is None or part.generation != generation:
                return None
            part.error = error
            if part.handle is None:
                return None
            part.generation += 1
            return part

    def _opened(self, part: Part[H], handle: H) -> StargateError | None:
        """Note the handle of a new component; return the failure that came before."""
        with self._guard:
            part.handle = handle
            return part.error

    def _may_restart(self, part: Part[H]) -> bool:
        """Count one more restart of a failed component; return whether it may be restarted."""
        logger.error("%s failed: %s", part.key, part.error)
        now = time.monotonic()
        while part.restarts and now - part.restarts[0] >= self._max_seconds:
            part.restarts.popleft()
        if len(part.restarts) >= self._max_restarts:
            logger.error("gave up %s after %d restarts", part.key, len(part.restarts))
            return False
        part.restarts.append(now)
        return True

    def _failed_again(self, part: Part[H], error: StargateError) -> None:
        """Note that a component could not be opened again; what its listener says of that is old news."""
        part.generation += 1
        part.error = error

    def _restarted(self, part: Part[H], handle: H) -> None:
        part.handle, part.error = handle, None
        logger.warning("%s was restarted", part.key)

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self._name!r} of {len(self._parts)} components{' closed' if self._closed else ''}>"


def listener(
    part: Part[Any], failed: Callable[[RegistryKey, int, StargateError], object]
) -> Callable[[StateChange], None]:
    """Return the `on_state` of a component.

    It must not refer to the handle: the handle holds it in the native half, where the garbage collector does not see
    the cycle.
    """
    key, generation, told = part.key, part.generation, part.on_state

    def on_state(change: StateChange) -> None:
        if change.state == "failed" and change.error is not None:
            failed(key, generation, change.error)
        if told is not None:
            told(change)

    return on_state


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
    return f"{protocol or 'ws'}://{','.join(_hosts(host))}"


def _hosts(host: object) -> list[str]:
    """Return the hosts of `"name:port"`, `{"name": port}`, `("name", port)`, or a list of these."""
    if isinstance(host, str) and host:
        return [host]
    if isinstance(host, Mapping) and host:
        return [_with_port(name, port) for name, port in host.items()]
    if isinstance(host, Sequence) and not isinstance(host, str) and host:
        if len(host) == 2 and isinstance(host[0], str) and isinstance(host[1], int):
            return [_with_port(*host)]
        return [one for each in host for one in _hosts(each)]
    raise InvalidArgumentError(f'host: expected "name:port" or a list of them, got {host!r}')


def _with_port(name: object, port: object) -> str:
    if not isinstance(name, str) or not name or not isinstance(port, int) or not 0 < port < 65536:
        raise InvalidArgumentError(f"host: expected a name and a port from 1 to 65535, got {name!r} and {port!r}")
    return f"{name}:{port}"


# The options that Erlang's `ssl` calls otherwise.
_SSL_OPTIONS = {"cacertfile": "tls_ca_file", "certfile": "tls_cert_file", "keyfile": "tls_key_file"}


def _with_ssl_options(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace `ssl_options` by the options of this library."""
    if "ssl_options" not in fields:
        return fields
    options = dict(fields)
    for key, value in _mapping(options.pop("ssl_options"), "ssl_options").items():
        option = "tls_insecure" if key == "verify" else _SSL_OPTIONS.get(key)
        if option is None:
            raise InvalidArgumentError(
                f"ssl_options: there is no {key!r}; there are cacertfile, certfile, keyfile and verify"
            )
        if option in options:
            raise InvalidArgumentError(f"{option} and {key} of ssl_options are the same: give one")
        if key == "verify" and value not in ("verify_peer", "verify_none"):
            raise InvalidArgumentError("ssl_options: verify is verify_peer or verify_none")
        options[option] = value == "verify_none" if key == "verify" else value
    return options


def _topic(fields: dict[str, Any]) -> str:
    topic = _text(fields.pop("topic", None), "topic")
    parts = {name: fields.pop(name, None) for name in ("persistence", "tenant", "namespace")}
    if "/" in topic:
        if any(part is not None for part in parts.values()):
            raise InvalidArgumentError("a full topic name excludes tenant, namespace and persistence")
        return topic if "://" in topic else f"persistent://{topic}"
    namespace = f"{parts['tenant'] or 'public'}/{parts['namespace'] or 'default'}"
    return f"{parts['persistence'] or 'persistent'}://{namespace}/{topic}"
