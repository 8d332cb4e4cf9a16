"""An Apache Pulsar client over Pulsar's WebSocket API.

with stargate.Client("ws://localhost:8080") as client:
    with client.producer("orders") as producer:
        producer.send(b"one pizza", key="customer 7")

    def work(message):
        print(message.data)
        return stargate.ACK

    client.consume("orders", "billing", work).run_until_interrupted()

Times are in seconds, or `timedelta`. Options are keyword arguments; `docs/configuration.md` lists them. Errors are
subclasses of `StargateError`. The logger is `logging.getLogger("stargate")`.
"""

from ._native import Message, MessageId, __version__
from ._options import ConnectionOptions, ConsumerOptions, ProducerOptions, ReaderOptions
from .admin import Admin
from .aio import (
    AsyncAdmin,
    AsyncClient,
    AsyncConsumer,
    AsyncMessageHandler,
    AsyncProducer,
    AsyncReader,
    AsyncSupervisor,
    produce_async,
)
from .client import Client
from .encryption import CryptoKeyReader, EncryptionKeyInfo, PemKeyReader
from .errors import (
    AuthenticationError,
    AuthorizationError,
    BrokerError,
    BusyError,
    ClosedError,
    ConnectError,
    CryptoError,
    EndOfTopicError,
    ForkedError,
    InternalError,
    InterruptedError,
    InvalidArgumentError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadError,
    ProtocolError,
    QueueFullError,
    StargateError,
    TimeoutError,
    TooBigError,
    TopicTerminatedError,
    WouldDeadlockError,
)
from .handler import ACK, CONTINUE, NACK, MessageHandler, Outcome, ReconsumeLater
from .producer import OutgoingMessage, Producer, produce
from .receiver import Consumer, Reader
from .state import ConnectionState, StateChange, Stats
from .supervisor import RegistryKey, Supervisor, registry_key

__all__ = [
    "ACK",
    "CONTINUE",
    "NACK",
    "Admin",
    "AsyncAdmin",
    "AsyncClient",
    "AsyncConsumer",
    "AsyncMessageHandler",
    "AsyncProducer",
    "AsyncReader",
    "AsyncSupervisor",
    "AuthenticationError",
    "AuthorizationError",
    "BrokerError",
    "BusyError",
    "Client",
    "ClosedError",
    "ConnectError",
    "ConnectionOptions",
    "ConnectionState",
    "Consumer",
    "ConsumerOptions",
    "CryptoError",
    "CryptoKeyReader",
    "EncryptionKeyInfo",
    "EndOfTopicError",
    "ForkedError",
    "InternalError",
    "InterruptedError",
    "InvalidArgumentError",
    "Message",
    "MessageHandler",
    "MessageId",
    "NotFoundError",
    "Outcome",
    "OutcomeUnknownError",
    "OutgoingMessage",
    "PayloadError",
    "PemKeyReader",
    "Producer",
    "ProducerOptions",
    "ProtocolError",
    "QueueFullError",
    "Reader",
    "ReaderOptions",
    "ReconsumeLater",
    "RegistryKey",
    "StargateError",
    "StateChange",
    "Stats",
    "Supervisor",
    "TimeoutError",
    "TooBigError",
    "TopicTerminatedError",
    "WouldDeadlockError",
    "__version__",
    "produce",
    "produce_async",
    "registry_key",
]
