"""The client of a cluster, which opens producers, consumers and readers."""

from __future__ import annotations

import re
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from . import _events, _native
from ._convert import Headers, Seconds, bad_option, lines_of, option_pairs, required_seconds
from ._handle import SyncHandle
from .admin import Admin
from .errors import InvalidArgumentError
from .producer import Producer
from .receiver import Consumer, Reader, Receiver
from .state import Stats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._options import ConnectionOptions, ConsumerOptions, ProducerOptions, ReaderOptions
    from .encryption import CryptoKeyReader
    from .handler import Handler

Topics: TypeAlias = str | Sequence[str] | re.Pattern[str]
"""What a consumer subscribes to: a topic, several, or every persistent topic whose name matches a pattern."""


class Client(SyncHandle):
    """A client of a Pulsar cluster. Creating one opens no connection; each producer, consumer and reader has its own.

    `url` is `ws://host:port` or `wss://host:port`; separate several hosts by commas. The options are
    `ConnectionOptions`; everything that the client opens inherits them. Many threads may use a client at once.

    `token_supplier` returns a token. It is called at each connect, on a thread of stargate, and replaces `auth_token`.
    `headers_supplier` returns headers, a mapping or pairs of names and values. It is called at each connect and at each
    request to the REST API.

    Examples:
        >>> with stargate.Client("ws://localhost:8080") as client, client.producer("orders") as producer:
        ...     message_id = producer.send(b"one pizza")
    """

    def __init__(
        self,
        url: str,
        *,
        token_supplier: Callable[[], str] | None = None,
        headers_supplier: Callable[[], Headers] | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        self._native = native_client(url, token_supplier, headers_supplier, options)
        self._receivers: weakref.WeakSet[Receiver] = weakref.WeakSet()
        self._open()
        _events.close_at_exit(self)

    @property
    def url(self) -> str:
        """The URL, without secrets."""
        return self._native.url()

    @property
    def proxy(self) -> str | None:
        """The proxy that WebSockets go through, such as `http://squid:3128`, without user and password; None if none.

        Of several hosts some may be reached directly; a `StateChange` has the proxy of each connection.
        """
        return self._native.proxy()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def stats(self) -> Stats:
        """Return the sum of the counters of all handles that it opened, closed ones included.

        Examples:
            >>> producer.send(b"x").ledger >= 0
            True
            >>> client.stats().receipts
            1
        """
        return Stats._from_json(self._native.stats())

    def producer(self, topic: str, **options: Unpack[ProducerOptions]) -> Producer:
        """Open a producer with `ProducerOptions`, and wait for its connection unless `lazy` is set.

        `topic` is `name`, `tenant/namespace/name` or `persistent://tenant/namespace/name`. Raise the error of the first
        attempt to connect, or `InvalidArgumentError` for an option that the table or the server refuses.

        Examples:
            >>> producer = client.producer("orders", send_timeout=5, max_pending_msg=500)
            >>> producer.topic
            'persistent://public/default/orders'
        """
        keys, rest = split_keys(options)
        pairs, listener = split_options(rest)
        return Producer(self, self._native.producer(topic, pairs, listener, keys))

    def consumer(self, topic: Topics, subscription: str, **options: Unpack[ConsumerOptions]) -> Consumer:
        """Open a consumer with `ConsumerOptions`, and wait for its connection unless `lazy` is set.

        `topic` is one topic, a list of them, or a compiled regular expression for all persistent topics whose name
        matches it, now and later. The subscription is created when it does not exist.

        Examples:
            >>> consumer = client.consumer("orders", "billing", subscription_type="shared")
            >>> consumer.subscription
            'billing'
            >>> several = client.consumer(["orders", "returns"], "audit")
        """
        keys, rest = split_keys(options)
        pairs, listener = split_options(rest)
        topics, pattern = topics_of(topic)
        consumer = Consumer(self, self._native.consumer(topics, pattern, subscription, pairs, listener, keys))
        self._receivers.add(consumer)
        return consumer

    def consume(
        self,
        topic: Topics,
        subscription: str,
        handler: Handler,
        init_args: Sequence[Any] = (),
        init_kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> Consumer:
        """Open a consumer and run a handler on its messages; see `Consumer.listen`.

        Examples:
            >>> def bill(message):
            ...     print("billing", message.data)
            >>> consumer = client.consume("orders", "billing", bill, subscription_type="shared", processors=4)
        """
        consumer = self.consumer(topic, subscription, **options)
        try:
            consumer.listen(handler, init_args, init_kwargs)
        except BaseException:
            consumer.close()
            raise
        return consumer

    def reader(self, topic: str, **options: Unpack[ReaderOptions]) -> Reader:
        """Open a reader with `ReaderOptions`, and wait for its connection unless `lazy` is set.

        The option `starting_message` is `MessageId.earliest`, `MessageId.latest` (the default), or the id of the
        message after which it begins.

        Examples:
            >>> reader = client.reader("news", starting_message=stargate.MessageId.earliest)
        """
        pairs, listener = split_options(options)
        reader = Reader(self, self._native.reader(topic, pairs, listener))
        self._receivers.add(reader)
        return reader

    def admin(self) -> Admin:
        """Return Pulsar's REST API: tenants, namespaces, topics and subscriptions.

        Examples:
            >>> client.admin().ensure_topic("invoices")
            True
        """
        return Admin(self)

    def close(self, timeout: Seconds = 10.0) -> None:
        """Close everything that was opened through this client.

        Raise `TimeoutError` if that takes longer than `timeout` seconds. May be called more than once. Called in a
        handler, it returns at once: the rest happens when the handlers of that consumer have finished their messages.

        Examples:
            >>> client.close(timeout=5)
            >>> client.closed
            True
        """
        limit = required_seconds(timeout)
        self._closed = True
        deadline = time.monotonic() + limit
        receivers = list(self._receivers)
        for receiver in receivers:
            receiver._stop_soon()
        if any(receiver._postpones(partial(self.close, limit)) for receiver in receivers):
            return
        late: Exception | None = None
        for receiver in receivers:
            try:
                receiver.close(max(0.0, deadline - time.monotonic()))
            except Exception as error:
                late = late or error
        self._native.close(max(0.0, deadline - time.monotonic()))
        _events.catch_up()
        _events.closed(self)
        if late is not None:
            raise late

    def _close_at_exit(self, timeout: float) -> None:
        self.close(timeout)

    def __repr__(self) -> str:
        return f"<Client of {self.url}{' closed' if self._closed else ''}>"


_Listener: TypeAlias = tuple[_native.Events, Callable[..., object]] | None


_Keys: TypeAlias = "tuple[_native.Events, CryptoKeyReader] | None"


def native_client(
    url: str,
    token_supplier: Callable[[], str] | None,
    headers_supplier: Callable[[], Headers] | None,
    options: Mapping[str, Any],
) -> _native.Client:
    """Create the native half of a client."""
    pairs, listener = split_options(options)
    tokens = None if token_supplier is None else (_events.tokens(), token_supplier)
    headers = None if headers_supplier is None else (_events.tokens(), lines_of(headers_supplier))
    return _native.Client(url, pairs, _events.events(), listener, tokens, headers)


def split_keys(options: Mapping[str, Any]) -> tuple[_Keys, dict[str, Any]]:
    """Return the key reader of end-to-end encryption, and the other options."""
    rest = dict(options)
    reader = rest.pop("crypto_key_reader", None)
    if reader is None:
        return None, rest
    if not (callable(getattr(reader, "public_key", None)) and callable(getattr(reader, "private_key", None))):
        expected = "an object with the methods public_key and private_key"
        raise bad_option("crypto_key_reader", f"expected {expected}, got {reader!r}")
    return (_events.keys(), reader), rest


def split_options(options: Mapping[str, Any]) -> tuple[list[tuple[str, str]], _Listener]:
    """Return the options of the table as texts, and the listener."""
    rest = dict(options)
    listener = rest.pop("on_state", None)
    return option_pairs(rest), None if listener is None else (_events.events(), listener)


def topics_of(topic: Topics) -> tuple[list[str], bool]:
    """Return topics as the native half takes them, and whether they are a pattern."""
    if isinstance(topic, str):
        return [topic], False
    if isinstance(topic, re.Pattern):
        return [_java_pattern(topic)], True
    return list(topic), False


def _java_pattern(pattern: re.Pattern[str]) -> str:
    """Return a compiled pattern as the broker reads it, with its flags before the name of the topic."""
    if pattern.flags & re.VERBOSE:
        raise InvalidArgumentError(
            "topic: the broker's patterns have no re.VERBOSE; write it without spaces and comments"
        )
    text = re.sub(r"^\(\?[aimsu]+\)", "", pattern.pattern)
    flags = "".join(letter for flag, letter in ((re.I, "i"), (re.M, "m"), (re.S, "s")) if pattern.flags & flag)
    if not flags:
        return text
    namespace = re.match(r"(?:[a-z-]+://)?[^/]+/[^/]+/", text)
    at = namespace.end() if namespace else 0
    return f"{text[:at]}(?{flags}){text[at:]}"
