"""What `make bench` measures: the clients, and the cells that they run side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "target/release"
CLIENTS_FOLDER = Path(__file__).resolve().parent / "clients"
PYTHON = str(ROOT / "target/bench/venv/bin/python")

SMOKE, QUICK, FULL = 0, 1, 2


@dataclass(frozen=True)
class Client:
    """A program that runs a workload: all of them take the same arguments and print the same JSON."""

    command: tuple[str, ...]
    about: str
    options: tuple[str, ...] = ()
    binary: bool = False  # speaks Pulsar's binary protocol, to another port


def _python(program: str) -> tuple[str, ...]:
    return (PYTHON, str(CLIENTS_FOLDER / program))


CLIENTS = {
    "stargate Rust": Client((str(BUILT / "bench-stargate"),), "this library, its Rust API"),
    "raw loop": Client(
        (str(BUILT / "bench-raw"),),
        "tokio-tungstenite with nothing around it; acknowledgements after all that was ready",
    ),
    "raw loop, hundred": Client(
        (str(BUILT / "bench-raw"),), "the same; acknowledgements by the hundred, or after 1 ms", ("--api", "hundred")
    ),
    "raw loop, gather": Client(
        (str(BUILT / "bench-raw"),), "the same; it sleeps for 1 ms after each read and its answers", ("--api", "gather")
    ),
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
    topic: str = ""

    def arguments(self) -> list[str]:
        """The command line of a client, the server apart."""
        arguments = ["--size", str(self.size), "--window", str(self.window), "--connections", str(self.connections)]
        return arguments + [f"--{flag}" for flag in ("batched", "shared", "pull") if getattr(self, flag)]


@dataclass(frozen=True)
class Row:
    """One client in a cell, perhaps with a workload that differs from the others'."""

    client: str
    workload: Workload
    variant: str = ""

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.client + (f", {self.variant}" if self.variant else "")


@dataclass(frozen=True)
class Cell:
    """Clients that run in turn, round after round, and are compared with each other."""

    name: str
    title: str
    place: str  # sink or broker
    rows: tuple[Row, ...]
    level: int  # the smallest mode that has it


def _cell(place: str, name: str, title: str, workload: Workload, clients: list[str], level: int = FULL) -> Cell:
    rows = [Row(client, workload) for client in clients]
    return Cell(f"{place}: {name}", title, place, tuple(rows), level)


def bytes_text(size: int) -> str:
    """100 B, 1 KiB, 64 KiB."""
    return f"{size // 1024} KiB" if size >= 1024 else f"{size} B"


def window_for(size: int) -> int:
    """As many in flight as others allow by default; fewer of the large."""
    return 1000 if size <= 1024 else 100


STARGATE = ["stargate Rust"]
SIZES = (100, 1024, 65536)


def cells() -> list[Cell]:
    """Every cell of the matrix, in the order in which they run."""
    found = []
    for size in SIZES:
        text, window = bytes_text(size), window_for(size)
        found += [
            _cell("sink", f"send {text}", "send", Workload("send", size, window), [*STARGATE, "raw loop"], QUICK),
            _cell(
                "sink", f"receive {text}", "receive", Workload("receive", size, window), [*STARGATE, "raw loop"], QUICK
            ),
        ]
    return found
