"""An Apache Pulsar client over Pulsar's WebSocket API.

with stargate.Client("ws://localhost:8080") as client:
    with client.producer("orders") as producer:
        producer.send(b"one pizza", key="customer 7")

    def work(message):
        print(message.data)
        return stargate.ACK

    client.consume("orders", "billing", work).run_until_interrupted()

Times are in seconds, or `timedelta`. Options are keyword arguments; `docs/CONFIGURATION.md` lists them. Errors are
subclasses of `StargateError`. The logger is `logging.getLogger("stargate")`.
"""

from ._native import Message, MessageId, __version__
from .client import Client
from .errors import (
    AuthenticationError,
    AuthorizationError,
    BrokerError,
    BusyError,
    ClosedError,
    ConnectError,
    EndOfTopicError,
    ForkedError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    QueueFullError,
    StargateError,
    TimeoutError,
    TooBigError,
    TopicTerminatedError,
    WouldDeadlockError,
)
from .handler import ACK, CONTINUE, NACK, MessageHandler, Outcome
from .producer import OutgoingMessage, Producer
from .receiver import Consumer, Reader
from .state import ConnectionState, StateChange, Stats

__all__ = [
    "ACK",
    "CONTINUE",
    "NACK",
    "AuthenticationError",
    "AuthorizationError",
    "BrokerError",
    "BusyError",
    "Client",
    "ClosedError",
    "ConnectError",
    "ConnectionState",
    "Consumer",
    "EndOfTopicError",
    "ForkedError",
    "InternalError",
    "InvalidArgumentError",
    "Message",
    "MessageHandler",
    "MessageId",
    "NotFoundError",
    "Outcome",
    "OutcomeUnknownError",
    "OutgoingMessage",
    "Producer",
    "ProtocolError",
    "QueueFullError",
    "Reader",
    "StargateError",
    "StateChange",
    "Stats",
    "TimeoutError",
    "TooBigError",
    "TopicTerminatedError",
    "WouldDeadlockError",
    "__version__",
]
