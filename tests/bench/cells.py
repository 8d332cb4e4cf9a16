"""What `make bench` measures: the clients, and the cells that they run side by side."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / os.environ.get("BENCH_PROGRAMS", "target/release")
CLIENTS_FOLDER = Path(__file__).resolve().parent / "clients"
LANGUAGES_FOLDER = ROOT / "target/bench/languages"
PYTHON = str(ROOT / "target/bench/venv/bin/python")

# The modes. The smoke test, which no broker, package or C compiler is needed for, has cells of its own; the full mode
# has those of the quick one and more.
SMOKE, QUICK, FULL = 0, 1, 2


@dataclass(frozen=True)
class Client:
    """A program that runs a workload: all of them take the same arguments and print the same JSON."""

    command: tuple[str, ...]
    about: str
    options: tuple[str, ...] = ()
    optional: bool = False  # left out where its program is not there
    binary: bool = False  # speaks Pulsar's binary protocol, to another port

    def is_here(self) -> bool:
        """Return whether it can run, unless a run is to fail without it."""
        return not self.optional or Path(self.command[0]).exists()


def _python(program: str) -> tuple[str, ...]:
    return (PYTHON, str(CLIENTS_FOLDER / program))


def _language(program: str, about: str, binary: bool = False) -> Client:
    """Return a client that `build_languages.py` builds where its language is."""
    return Client((str(LANGUAGES_FOLDER / program),), about, optional=True, binary=binary)


RAW = (str(BUILT / "bench-raw"),)

CLIENTS = {
    "stargate Rust": Client((str(BUILT / "bench-stargate"),), "this library: `enqueue`, `receive_many`"),
    "stargate Rust, listen": Client(
        (str(BUILT / "bench-stargate"),), "the same, receiving with a handler", ("--api", "listen")
    ),
    "stargate C": Client(
        (str(ROOT / "target/bench/stargate-c"),),
        "this library's C API: `stargate_producer_send_async`, `stargate_consumer_receive_many`",
    ),
    "stargate Python": Client(_python("stargate_sync.py"), "this library's wheel: `send_many`, `receive_many`"),
    "stargate Python, futures": Client(
        _python("stargate_sync.py"), "the same, sending with `send_nowait`", ("--api", "futures")
    ),
    "stargate Python, views": Client(
        _python("stargate_sync.py"), "the same, receiving with `memoryview(message)`, not `data`", ("--api", "views")
    ),
    "stargate asyncio": Client(_python("stargate_asyncio.py"), "the wheel's asyncio API"),
    "raw loop": Client(
        RAW, "tokio-tungstenite with nothing of a library around it; acknowledgements after all that was ready"
    ),
    "raw loop, hundred": Client(
        RAW, "the same; acknowledgements by the hundred, or when nothing came for 1 ms", ("--api", "hundred")
    ),
    "raw loop, gather": Client(
        RAW, "the same; it sleeps for 1 ms after all that was ready and its acknowledgements", ("--api", "gather")
    ),
    "raw loop, tokio-websockets": Client(
        RAW, "the raw loop on that crate instead of tokio-tungstenite", ("--api", "tokio-websockets")
    ),
    "websocket-client": Client(_python("websocket_client.py"), "Python's `websocket-client`, as it comes"),
    "websocket-client, skip": Client(
        _python("websocket_client.py"), "the same with `skip_utf8_validation`", ("--api", "skip")
    ),
    "websockets": Client(_python("websockets_asyncio.py"), "Python's `websockets`, asyncio, no compression"),
    "pulsar-client": Client(
        _python("pulsar_client.py"), "the official C++ client through its Python API; binary protocol", binary=True
    ),
    "pulsar-rs": Client(
        (str(BUILT / "bench-pulsar-rs"),), "the crate `pulsar`; binary protocol", optional=True, binary=True
    ),
    "stargate Go": _language("stargate-go", "this library's Go package: `SendAsync`, `ReceiveMany`"),
    "gorilla/websocket": _language(
        "gorilla-websocket", "Go's `gorilla/websocket`, with `encoding/json`; one write for all that was ready"
    ),
    "pulsar-client-go": _language("pulsar-client-go", "the official Go client; binary protocol", binary=True),
    "stargate Java": _language("stargate-java", "this library's Java package: `sendAsync`, `receiveMany`"),
    "java.net.http": _language("jdk-websocket", "the JDK's `java.net.http.WebSocket`; a write for each message"),
    "pulsar-client-java": _language("pulsar-client-java", "the official Java client; binary protocol", binary=True),
    "stargate Node": _language("stargate-node", "this library's Node package: `send`, the async iterator"),
    "ws": _language("ws", "Node's `ws`, with `JSON`; one write for all that was ready"),
}


@dataclass(frozen=True)
class Workload:
    """What a client does; the fields are its arguments."""

    role: str
    size: int
    window: int = 1000
    connections: int = 1
    batched: bool = False
    shared: bool = False
    pull: bool = False
    tls: bool = False
    # On the broker, what a topic to receive from was filled with: batches or not.
    from_batches: bool = False

    def arguments(self) -> list[str]:
        """Return the command line of a client, the server and the topic apart."""
        arguments = ["--size", str(self.size), "--window", str(self.window), "--connections", str(self.connections)]
        return arguments + [f"--{flag}" for flag in ("batched", "shared", "pull") if getattr(self, flag)]


@dataclass(frozen=True)
class Row:
    """One client in a cell, with the workload of the cell or a variant of it."""

    client: str
    workload: Workload
    variant: str = ""

    @property
    def name(self) -> str:
        """Return its name in the tables."""
        return self.client + (f", {self.variant}" if self.variant else "")


@dataclass(frozen=True)
class Cell:
    """Clients that run in turn, round after round, and are compared with each other."""

    name: str
    place: str  # sink or broker
    rows: tuple[Row, ...]
    level: int  # the mode that it begins to belong to
    rounds: int = 0  # if not 0, fewer than those of the mode
    seconds: float = 0.0  # instead of those of the mode
    warmup: float = 0.0  # at least, for what is compiled while it runs
    sleepy: bool = False  # on the broker: cores that have nothing to do may sleep


# A client's name, or the name with what its workload has different and what to call that.
Entry = str | tuple[str, str, dict[str, Any]]


def _cell(name: str, workload: Workload, entries: list[Entry], level: int = FULL, **settings: Any) -> Cell:
    rows = []
    for entry in entries:
        client, variant, changes = (entry, "", {}) if isinstance(entry, str) else entry
        rows.append(Row(client, replace(workload, **changes), variant))
    return Cell(name, name.split(":")[0], tuple(rows), level, **settings)


RUST, C, PYTHON_SYNC = "stargate Rust", "stargate C", "stargate Python"
BATCHED: dict[str, Any] = {"batched": True}
FOUR: dict[str, Any] = {"connections": 4}
# Of each language the package of this library, a WebSocket client, and the official client if it can be installed.
LANGUAGES = (
    ("stargate Go", "gorilla/websocket", "pulsar-client-go"),
    ("stargate Java", "java.net.http", "pulsar-client-java"),
    ("stargate Node", "ws"),
)


def _languages(place: str) -> list[Cell]:
    """Return the cells of the languages, in which Rust and C are what to compare with."""
    clients = [RUST, C, *(client for language in LANGUAGES for client in language)]
    clients = [client for client in clients if place == "broker" or not CLIENTS[client].binary]
    batched = [client for client in clients if client.startswith(("stargate", "pulsar-client")) and client != C]
    in_batches: list[Entry] = [(client, "batched", BATCHED) for client in batched if place == "broker"]
    return [
        _cell(f"{place}: send 100 B, languages", Workload("send", 100), [*clients, *in_batches], rounds=3, warmup=1.5),
        _cell(f"{place}: receive 100 B, languages", Workload("receive", 100), [*clients], rounds=3, warmup=1.5),
    ]


def sink_cells() -> list[Cell]:
    """No broker in the way."""
    smoke = [Workload(role, 100) for role in ("send", "receive", "read")] + [
        Workload("receive", 1024, tls=True, pull=True)
    ]
    raw: list[Entry] = ["raw loop", "raw loop, tokio-websockets"]
    found = [_cell(f"sink: smoke {number}", work, [RUST, *raw], SMOKE) for number, work in enumerate(smoke)]
    for text, size, window in (("100 B", 100, 1000), ("1 KiB", 1024, 1000), ("64 KiB", 65536, 100)):
        ours: list[Entry] = [RUST, C, PYTHON_SYNC]
        views: list[Entry] = ["stargate Python, views"] if size > 1024 else []
        found += [
            _cell(f"sink: send {text}", Workload("send", size, window), [*ours, *raw], QUICK),
            _cell(f"sink: receive {text}", Workload("receive", size, window), [*ours, *views, *raw], QUICK),
        ]
    ways: list[Entry] = [RUST, "stargate Rust, listen", "stargate asyncio", "websockets", "websocket-client, skip"]
    more: list[Entry] = ["stargate Python, futures", "stargate asyncio", "websockets", "websocket-client"]
    return [
        *found,
        _cell("sink: send 100 B, other ways", Workload("send", 100), [RUST, *more]),
        _cell("sink: receive 100 B, other ways", Workload("receive", 100), ways),
        _cell("sink: read 100 B", Workload("read", 100), [RUST, PYTHON_SYNC, "raw loop"]),
        _cell("sink: receive 100 B, pull mode", Workload("receive", 100, pull=True), [RUST, C, "raw loop"]),
        _cell(
            "sink: send 100 B, connections",
            Workload("send", 100),
            [RUST, (RUST, "4 connections", FOUR), ("raw loop", "4 connections", FOUR)],
        ),
        _cell(
            "sink: receive 100 B, connections",
            Workload("receive", 100, shared=True),
            [RUST, (RUST, "4 connections", FOUR), ("raw loop", "4 connections", FOUR)],
        ),
        _cell("sink: send 1 KiB, TLS", Workload("send", 1024, tls=True), [RUST, "raw loop", "websocket-client"]),
        _cell("sink: receive 1 KiB, TLS", Workload("receive", 1024, tls=True), [RUST, "raw loop", "websockets"]),
        *_languages("sink"),
        _cell("sink: send 100 B, long", Workload("send", 100), [RUST], rounds=1, seconds=10.0),
        _cell("sink: receive 1 KiB, long", Workload("receive", 1024), [RUST], rounds=1, seconds=10.0),
        _cell(
            "sink: 1,000 idle consumers", Workload("idle", 100, connections=1000), [RUST], QUICK, rounds=1, seconds=3.0
        ),
    ]


def broker_cells() -> list[Cell]:
    """Return the real broker."""
    wc: Entry = "websocket-client"
    gather: Entry = "raw loop, gather"
    python_peers: list[Entry] = ["websocket-client, skip", "websockets"]
    batched: list[Entry] = [(client, "batched", BATCHED) for client in (RUST, "raw loop", "websocket-client")]
    official_batched: list[Entry] = [(client, "batched", BATCHED) for client in ("pulsar-client", "pulsar-rs")]
    # What was sent keeps the broker busy for a while after, the more so what is large.
    return [
        _cell(
            "broker: receive 100 B",
            Workload("receive", 100),
            [
                RUST,
                C,
                PYTHON_SYNC,
                "raw loop",
                gather,
                "raw loop, hundred",
                *python_peers,
                "pulsar-client",
                "pulsar-rs",
            ],
            QUICK,
        ),
        _cell(
            "broker: receive 100 B, connections",
            Workload("receive", 100, shared=True),
            [RUST, (RUST, "4 connections", FOUR), ("raw loop, gather", "4 connections", FOUR)],
            QUICK,
        ),
        _cell(
            "broker: receive 100 B, cores that sleep",
            Workload("receive", 100, shared=True),
            [RUST, (RUST, "4 connections", FOUR), gather, "raw loop", *python_peers],
            QUICK,
            sleepy=True,
        ),
        _cell("broker: receive 100 B, pull mode", Workload("receive", 100, pull=True), [RUST, gather]),
        _cell("broker: read 100 B", Workload("read", 100), [RUST, gather]),
        _cell(
            "broker: receive 100 B, sent in batches",
            Workload("receive", 100, from_batches=True),
            [RUST, gather, *python_peers, "pulsar-client"],
        ),
        _cell(
            "broker: receive 1 KiB",
            Workload("receive", 1024),
            [RUST, PYTHON_SYNC, "raw loop", gather, *python_peers, wc],
        ),
        _cell("broker: receive 1 KiB, TLS", Workload("receive", 1024, tls=True), [RUST, gather, "websockets"]),
        _cell(
            "broker: receive 64 KiB",
            Workload("receive", 65536, 100),
            [RUST, "raw loop", gather, *python_peers, "pulsar-client"],
        ),
        _cell(
            "broker: send 100 B",
            Workload("send", 100),
            [
                RUST,
                C,
                PYTHON_SYNC,
                "raw loop",
                wc,
                "websockets",
                "pulsar-client",
                "pulsar-rs",
                *batched,
                *official_batched,
            ],
            QUICK,
        ),
        _cell("broker: send 1 KiB", Workload("send", 1024), [RUST, "raw loop", wc, "websockets", "pulsar-client"]),
        _cell(
            "broker: one at a time, 100 B",
            Workload("send", 100, 1),
            [RUST, C, PYTHON_SYNC, "raw loop", wc, "pulsar-client"],
            QUICK,
        ),
        _cell(
            "broker: send 100 B, connections",
            Workload("send", 100),
            [RUST, (RUST, "4 connections", FOUR), ("raw loop", "4 connections", FOUR)],
        ),
        _cell("broker: send 1 KiB, TLS", Workload("send", 1024, tls=True), [RUST, "raw loop", wc]),
        _cell("broker: send 64 KiB", Workload("send", 65536, 100), [RUST, "raw loop", wc, "pulsar-client"]),
        *_languages("broker"),
    ]


def cells(mode: int) -> list[Cell]:
    """Return the cells of a mode, in the order in which they run."""
    matrix = [*sink_cells(), *broker_cells()]
    return [cell for cell in matrix if (cell.level == SMOKE if mode == SMOKE else SMOKE < cell.level <= mode)]
