#!/usr/bin/env python3
"""What `websocket_compression` saves and costs: bytes on the wire and processor time of the client for a message.

    compression.py [URL]    a broker at URL, or a mock broker in a process of its own

Prints a table in Markdown. The time is that of this process, Python included: what compression costs is the difference
to the row without it.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import stargate

WARM_UP = 300
# What a message is, its bytes, and how many of them are measured.
KINDS = [("JSON", 200, 6000), ("JSON", 1024, 4000), ("JSON", 16384, 800), ("random", 1024, 4000)]
SETTINGS: dict[str, dict[str, Any]] = {
    "off": {},
    "on": {"websocket_compression": "on"},
    "on, context `reset`": {"websocket_compression": "on", "websocket_compression_context": "reset"},
    "on, level 6": {"websocket_compression": "on", "websocket_compression_level": 6},
}
MOCK = """
import sys
from stargate.testing import MockBroker
with MockBroker(max_text_size=8_000_000) as broker:
    print(broker.url, flush=True)
    sys.stdin.read()
"""


class Cost(NamedTuple):
    """Bytes on the wire and microseconds of processor time for a message."""

    bytes: float
    micros: float


def main() -> None:
    """Measure all kinds of messages with all settings."""
    with broker() as url:
        print("| payload | `websocket_compression` | bytes sent | µs to send | bytes received | µs to receive |")
        print("|---|---|---|---|---|---|")
        for kind, length, count in KINDS:
            payloads = [payload(kind, length) for _ in range(WARM_UP + count)]
            for setting, options in SETTINGS.items():
                topic = f"compression-{random.randrange(1 << 48):x}"
                sent, received = costs(url, topic, options, payloads)
                cells = [f"{kind}, {length:,} B", setting, f"{sent.bytes:,.0f}", f"{sent.micros:.0f}"]
                print("|", " | ".join([*cells, f"{received.bytes:,.0f}", f"{received.micros:.0f}"]), "|", flush=True)


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Give the URL on the command line, or that of a mock broker."""
    if sys.argv[1:]:
        yield sys.argv[1]
        return
    with subprocess.Popen(
        [sys.executable, "-c", MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mock:
        assert mock.stdout is not None
        yield mock.stdout.readline().strip()
        mock.communicate("")


def payload(kind: str, length: int) -> bytes:
    """Make a payload: random bytes, or an order with as many lines as fit."""
    if kind == "random":
        return random.randbytes(length)
    pizzas = ["margherita", "quattro stagioni", "marinara", "capricciosa", "diavola"]
    extras = ["none", "extra cheese", "no onions", "gluten free"]
    order: dict[str, Any] = {"order": f"{random.randrange(1 << 64):016x}", "table": random.randrange(40), "lines": []}
    while len(text := json.dumps(order)) < length:
        line = {"pizza": random.choice(pizzas), "extra": random.choice(extras), "cents": random.randrange(800, 1700)}
        order["lines"].append(line)
    return text.encode()[:length]


def costs(url: str, topic: str, options: dict[str, Any], payloads: list[bytes]) -> tuple[Cost, Cost]:
    """Send and receive the payloads, and give what each direction costs."""
    count = len(payloads) - WARM_UP
    with stargate.Client(url, **options) as client, client.producer(topic) as producer:
        with client.consumer(topic, "s", initial_position="earliest") as consumer:
            send(producer, payloads[:WARM_UP])
            receive(consumer, WARM_UP)
        sent = measured(producer.stats, count, lambda: send(producer, payloads[WARM_UP:]))
        received = measured(client.stats, count, lambda: receive_all(client, topic, count))
    return sent, received


def send(producer: stargate.Producer, payloads: list[bytes]) -> None:
    """Send all, and wait for the receipts."""
    for result in producer.send_many(payloads):
        if isinstance(result, Exception):
            raise result


def receive_all(client: stargate.Client, topic: str, count: int) -> None:
    """Open a consumer, which reads ahead from then on, and receive."""
    with client.consumer(topic, "s") as consumer:
        receive(consumer, count)


def receive(consumer: stargate.Consumer, count: int) -> None:
    """Receive and acknowledge as many."""
    while count > 0:
        messages = consumer.receive_many(min(count, 500), timeout=30)
        for message in messages:
            consumer.ack(message)
        count -= len(messages)


def measured(stats: Callable[[], stargate.Stats], count: int, run: Callable[[], None]) -> Cost:
    """Run it, and give the cost of one of `count` messages."""
    before, begun = stats(), time.process_time()
    run()
    micros = (time.process_time() - begun) * 1e6 / count
    after = stats()
    wire = after.wire_sent_bytes - before.wire_sent_bytes + after.wire_received_bytes - before.wire_received_bytes
    return Cost(wire / count, micros)


if __name__ == "__main__":
    main()
