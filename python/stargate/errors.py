"""Defines the exceptions of stargate: one class for each kind of failure, all subclasses of `StargateError`.

The text of each names the operation, the topic and the reason. All can be pickled. The classes follow the kinds of the
core one by one, and so do the numbers in `code`, which are also those of the C library.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ._native import MessageId


class StargateError(Exception):
    """The base class of every error of this library.

    `code` is the number of its kind, the same in every language. `retriable` says whether the same call may succeed
    later with nothing changed. `topic` is the full name of the topic concerned, `broker_text` the server's own words,
    `http_status` the status with which it refused the connection; each is `None` where it does not apply.
    """

    code: ClassVar[int] = 0
    retriable: bool = False

    topic: str | None
    broker_text: str | None
    http_status: int | None

    def __init__(
        self,
        message: str = "",
        *,
        topic: str | None = None,
        broker_text: str | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.topic = topic
        self.broker_text = broker_text
        self.http_status = http_status

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[object, ...]:
        return _remake, (type(self), str(self), self.topic, self.broker_text, self.http_status, self.retriable)


class TimeoutError(StargateError, builtins.TimeoutError):
    """The timeout expired. A message that was already written may still be stored."""

    code = 1
    retriable = True


class ClosedError(StargateError):
    """The handle was closed, by the caller or by an error reported earlier."""

    code = 2


class EndOfTopicError(StargateError):
    """The topic was terminated and everything in it has been read."""

    code = 3


class InterruptedError(StargateError):
    """The receive was interrupted; it took no message."""

    code = 4


class InvalidArgumentError(StargateError, ValueError):
    """An argument or an option was invalid; nothing was done."""

    code = -1


class ConnectError(StargateError, ConnectionError):
    """No host could be reached, or a connection broke and could not be restored."""

    code = -2
    retriable = True


class AuthenticationError(StargateError):
    """The server did not accept the client's identity (HTTP 401, or TLS)."""

    code = -3


class AuthorizationError(StargateError):
    """The server knows the client's identity and refuses the operation (HTTP 403)."""

    code = -4


class NotFoundError(StargateError):
    """The tenant, the namespace or the topic does not exist (HTTP 404)."""

    code = -5


class BusyError(StargateError):
    """Another client holds the subscription or the producer name, or the object to create exists already (HTTP 409)."""

    code = -6
    retriable = True


class QueueFullError(StargateError):
    """As many messages are in flight as `max_pending_msg` or `max_pending_bytes` allow."""

    code = -7
    retriable = True


class TooBigError(StargateError):
    """The message is larger than the server's limit for one frame or one message."""

    code = -8


class BrokerError(StargateError):
    """The broker refused or failed the operation; its own words are in `broker_text`."""

    code = -9
    retriable = True


class ProtocolError(StargateError):
    """The peer sent something that is not Pulsar's WebSocket API."""

    code = -10


class PayloadError(ProtocolError, ValueError):
    """The content of a message does not fit the requested type; the text says what does not fit, and where.

    `data` is the content, `message_id` the message's id, or `None` where `stargate.typed.decode` was given bytes.
    """

    data: bytes
    message_id: MessageId | None

    def __init__(
        self,
        message: str = "",
        *,
        topic: str | None = None,
        broker_text: str | None = None,
        http_status: int | None = None,
        data: bytes = b"",
        message_id: MessageId | None = None,
    ) -> None:
        super().__init__(message, topic=topic, broker_text=broker_text, http_status=http_status)
        self.data = data
        self.message_id = message_id

    def __reduce__(self) -> tuple[object, ...]:
        return *super().__reduce__(), {"data": self.data, "message_id": self.message_id}


class OutcomeUnknownError(StargateError):
    """The connection broke after the message was written and before its receipt: it may be stored or not."""

    code = -11
    retriable = True


class TopicTerminatedError(StargateError):
    """The topic was terminated: nothing can be published to it any more."""

    code = -12


class ForkedError(StargateError):
    """The handle belongs to the process before `fork`; open a new client in the child."""

    code = -13


class WouldDeadlockError(StargateError):
    """Waiting here could never end: this thread would have to do the work that it waits for."""

    code = -14


class CryptoError(StargateError):
    """A key of end-to-end encryption could not be fetched or used, or a payload could not be encrypted or decrypted."""

    code = -15


class InternalError(StargateError):
    """A fault of the library itself; please report it."""

    code = -99


_BY_CODE: dict[int, type[StargateError]] = {kind.code: kind for kind in StargateError.__subclasses__()}


def _remake(
    kind: type[StargateError],
    text: str,
    topic: str | None,
    broker_text: str | None,
    http_status: int | None,
    retriable: bool,
) -> StargateError:
    error = kind(text, topic=topic, broker_text=broker_text, http_status=http_status)
    if error.retriable != retriable:  # Of what may pass in general the server said that it will not.
        error.retriable = retriable
    return error


def _make(
    code: int, text: str, topic: str | None, broker_text: str | None, http_status: int | None, retriable: bool
) -> StargateError:
    """Return the exception for an error of the core; the native half calls it."""
    return _remake(_BY_CODE.get(code, InternalError), text, topic, broker_text, http_status, retriable)
