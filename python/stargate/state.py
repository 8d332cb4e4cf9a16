"""What a handle reports: changes of its connections' state, and counters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .errors import StargateError

ConnectionState = Literal["connecting", "connected", "disconnected", "closed", "failed", "stalled"]
"""The state of a connection. Stalled: the server sends no more; the error says why."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """The argument of a function given as `on_state`."""

    state: ConnectionState
    """The new state."""
    topic: str
    """The full name of the topic."""
    host: str
    """The host of the connection, as `name:port`."""
    session: int
    """Which of the handle's connections it is; 0 when it has one."""
    error: StargateError | None
    """Why, when disconnected, failed or stalled."""
    retry_in: float | None
    """After how many seconds the next attempt follows, when disconnected."""
    proxy: str | None = None
    """The proxy of the connection, such as `http://squid:3128`, without its user; None for a direct one."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The counters of a producer, consumer or reader at one moment; counts are since it was opened."""

    sent: int
    """Messages written for the first time."""
    resent: int
    """Messages written again after a disconnect."""
    receipts: int
    """Sends that ended with a receipt."""
    send_errors: int
    """Sends that ended with an error."""
    in_flight: int
    """Messages accepted and not ended: a gauge."""
    received: int
    """Messages received, redeliveries included."""
    received_bytes: int
    """Payload bytes received."""
    sent_bytes: int
    """Payload bytes accepted for sending."""
    acked: int
    """Messages whose acknowledgement was sent."""
    nacked: int
    """Messages whose negative acknowledgement was sent."""
    acks_dropped: int
    """Acknowledgements that were not sent, because they could no longer count."""
    covered: int
    """Messages redelivered at or below a cumulative acknowledgement: acknowledged at once, and not delivered."""
    undecryptable: int
    """Messages received that could not be decrypted."""
    redelivered: int
    """Messages received with a redelivery count above zero."""
    unacked: int
    """Messages of the present connections delivered and not acknowledged: a gauge."""
    permits: int
    """In pull mode, messages requested and not delivered yet: a gauge."""
    queued: int
    """Received messages that wait for the application: a gauge."""
    queued_bytes: int
    """The bytes of their frames: a gauge."""
    retry_letters: int
    """Copies of messages stored in the retry letter topic by `reconsume_later`."""
    dead_letters: int
    """Copies stored in the dead letter topic by the library, after too many calls of `reconsume_later`."""
    handler_errors: int
    """Handlers that failed."""
    stalls: int
    """How often the server's window was full of messages that the application holds unacknowledged."""
    tombstones: int
    """Messages without a value (tombstones) found to have stopped the server's delivery."""
    connections: int
    """Connections made."""
    reconnects: int
    """Connections made after the first of each session."""
    malformed: int
    """Frames that do not belong to the protocol."""
    unexpected: int
    """Frames that belong to the protocol and to no request, such as a second receipt."""
    proxied_connections: int
    """Connections made through a proxy."""
    compressed_connections: int
    """Connections on which the server agreed to `websocket_compression`."""
    wire_received_bytes: int
    """Bytes read from the connections: WebSocket frames, after compression and before TLS."""
    wire_sent_bytes: int
    """Bytes written to the connections."""
    last_pong_ms: int
    """Milliseconds since 1970 UTC of the last pong, 0 before the first."""

    @classmethod
    def _from_json(cls, text: str) -> Stats:
        return cls(**json.loads(text))
