"""The tables of a benchmark, in Markdown, and which targets are met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from cells import CLIENTS

Summary = dict[str, Any]
OURS = "stargate Rust"

# Key in a run, column, and how to print it.
COLUMNS = [
    ("rate", "messages/s", "{:,.0f}"),
    ("mb", "MB/s", "{:,.1f}"),
    ("cpu", "CPU s per million", "{:,.2f}"),
    ("peak_mb", "peak MB", "{:,.1f}"),
    ("p50", "p50 ms", "{:,.2f}"),
    ("p99", "p99 ms", "{:,.2f}"),
    ("consumers", "consumers", "{:,.0f}"),
    ("resident_mb", "resident MB", "{:,.1f}"),
    ("threads", "threads", "{:,.0f}"),
    ("idle_percent", "CPU %", "{:,.2f}"),
]
GROWN = ("grown_mb", "grown MB", "{:,.2f}")


def good(runs: list[dict[str, Any]], key: str) -> list[float]:
    """Return the values of one key over the runs that have it."""
    return [run[key] for run in runs if key in run]


# ---- tables ----


def table(name: str, cell: dict[str, Any]) -> str:
    """Return one cell: a row for each client."""
    runs = cell["runs"]
    columns = [column for column in COLUMNS if any(good(client, column[0]) for client in runs.values())]
    columns += [GROWN] if "long" in name else []
    compared = len(runs) > 1 and OURS in runs
    heads = ["client", *(head for _, head, _ in columns), *([f"{OURS} is"] if compared else [])]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for client, its in runs.items():
        fields = [client]
        for key, _, form in columns:
            values = good(its, key)
            fields.append(form.format(median(values)) if values else "-")
            if key in ("rate", "cpu") and len(values) > 1:
                fields[-1] += f" ({form.format(min(values))} to {form.format(max(values))})"
        if compared:
            rate, cpu = ratio(cell, OURS, client), ratio(cell, OURS, client, "cpu")
            same = client == OURS or rate is None or cpu is None
            fields.append("" if same else f"{rate:.2f}x as fast, {cpu:.2f}x the CPU")
        errors = [run["error"] for run in its if "error" in run]
        fields[0] += f" (failed {len(errors)} of {len(its)}: {errors[0]})" if errors else ""
        lines.append(f"| {' | '.join(fields)} |")
    return "\n".join(lines)


def ratio(cell: dict[str, Any], one: str, other: str, key: str = "rate") -> float | None:
    """`one`'s value over `other`'s: the median over the rounds in which both ran."""
    runs = cell["runs"]
    pairs = zip(runs.get(one, []), runs.get(other, []), strict=False)
    found = [a[key] / b[key] for a, b in pairs if a.get(key) and b.get(key)]
    return median(found) if found else None


# ---- targets ----


class Target(NamedTuple):
    """What is wanted, and what was measured: several numbers where it must hold for several."""

    what: str
    bound: float
    at_least: bool
    measured: list[tuple[str, float]]

    def met(self) -> bool | None:
        """Return whether all of the numbers are good; None without any."""
        good = [value >= self.bound if self.at_least else value <= self.bound for _, value in self.measured]
        return all(good) if good else None

    def row(self) -> str:
        """Return one line of the table."""
        sign = "at least" if self.at_least else "at most"
        numbers = "; ".join(f"{name} {value:.2f}".strip() for name, value in self.measured) or "-"
        met = {None: "not measured", True: "met", False: "**not met**"}[self.met()]
        return f"| {self.what} | {sign} {self.bound:g} | {numbers} | {met} |"

    def plain(self) -> dict[str, Any]:
        """Return the entry of the summary."""
        return {**self._asdict(), "met": self.met()}


def targets(summary: Summary) -> list[Target]:
    """Return the targets of the project, with what the summary says about each."""
    cells = summary["cells"]

    def ratios(*wanted: tuple[str, str, str, str], key: str = "rate") -> list[tuple[str, float]]:
        """Name to print, cell, and the two clients."""
        found = [(name, ratio(cells.get(cell, {"runs": {}}), one, other, key)) for name, cell, one, other in wanted]
        return [(name, value) for name, value in found if value is not None]

    def values(cell: str, client: str, key: str, change: Callable[[float], float] = float) -> list[float]:
        its = good(cells.get(cell, {"runs": {}})["runs"].get(client, []), key)
        return [change(median(its))] if its else []

    def against_best(name: str, cell: str, peers: tuple[str, ...]) -> list[tuple[str, float]]:
        """Against the best of the peers."""
        found = ratios(*((f"{name} ({peer})", cell, OURS, peer) for peer in peers))
        return [min(found, key=lambda pair: pair[1])] if found else []

    def sink_cpu(size: str) -> list[tuple[str, float]]:
        return [
            (f"{role} {language}", value)
            for role in ("send", "receive")
            for language in ("Rust", "C")
            for value in values(f"sink: {role} {size}", f"stargate {language}", "cpu")
        ]

    def python_more(size: str) -> list[tuple[str, float]]:
        return [
            (f"{role} {size}{way}", python - rust)
            for role in ("send", "receive")
            for way in ("", ", views")
            for python in values(f"sink: {role} {size}", f"stargate Python{way}", "cpu")
            for rust in values(f"sink: {role} {size}", OURS, "cpu")
        ]

    python_peers = ("websocket-client", "websocket-client, skip", "websockets")
    raw = ("raw loop", "raw loop, hundred", "raw loop, gather")
    sizes = ("100 B", "1 KiB", "64 KiB")
    send = "broker: send 100 B"
    alone = "broker: one at a time, 100 B"
    against_raw = [
        number
        for role in ("send", "receive")
        for size in sizes
        for number in against_best(f"{role} {size}", f"broker: {role} {size}", raw)
    ]
    latency = [(part, value) for part in ("p50", "p99") for _, value in ratios(("", alone, OURS, "raw loop"), key=part)]
    peaks = [
        (f"{role} {size}", value - queued)
        for size, queued in (("100 B", 0.1), ("1 KiB", 1.0))
        for role in ("send", "receive")
        for value in values(f"sink: {role} {size}", OURS, "peak_mb")
    ]
    long = ("sink: send 100 B, long", "sink: receive 1 KiB, long")
    grown = [(cell.removeprefix("sink: "), value) for cell in long for value in values(cell, OURS, "grown_mb")]
    idle = "sink: 1,000 idle consumers"
    connections, sleepy = "broker: receive 100 B, connections", "broker: receive 100 B, cores that sleep"

    def plain(numbers: list[float]) -> list[tuple[str, float]]:
        return [("", number) for number in numbers]

    return [
        Target("send 100 B, times websocket-client", 5, True, ratios(("", send, OURS, "websocket-client"))),
        Target(
            "send 100 B with server batching, times websocket-client without",
            6,
            True,
            ratios(("", send, f"{OURS}, batched", "websocket-client")),
        ),
        Target(
            "send 100 B, times the official C++ client unbatched", 1, True, ratios(("", send, OURS, "pulsar-client"))
        ),
        *(
            Target(
                f"receive + ack {size}, times the best Python WebSocket client",
                bound,
                True,
                against_best("", f"broker: receive {size}", python_peers),
            )
            for size, bound in (("100 B", 1.3), ("1 KiB", 1.3), ("64 KiB", 1.5))
        ),
        Target(
            "the same from a topic of batches",
            1,
            True,
            against_best("", "broker: receive 100 B, sent in batches", python_peers),
        ),
        Target("the same at 100 B, cores that sleep", 1, True, against_best("", sleepy, python_peers)),
        *(
            Target(
                f"receive over 4 connections, times over 1, {cores}",
                2,
                True,
                ratios(("", cell, f"{OURS}, 4 connections", OURS)),
            )
            for cores, cell in (("cores awake", connections), ("cores that sleep", sleepy))
        ),
        Target("on the broker, times the raw loop", 0.95, True, against_raw),
        Target("latency with one in flight, times the raw loop's", 1.05, False, latency),
        *(
            Target(f"sink/source {size}, CPU s per million", bound, False, sink_cpu(size))
            for size, bound in (("100 B", 0.8), ("1 KiB", 1.2), ("64 KiB", 30))
        ),
        Target(
            "sink/source, CPU s per million of Python more than Rust",
            1,
            False,
            [number for size in sizes for number in python_more(size)],
        ),
        Target("peak MB at 100 B and 1 KiB, less 1,000 queued payloads", 8, False, peaks),
        Target("MB grown over ten seconds at full speed", 1, False, grown),
        Target("1,000 consumers in one process, MB", 64, False, plain(values(idle, OURS, "resident_mb"))),
        Target("their threads", 16, False, plain(values(idle, OURS, "threads"))),
        Target("their CPU % when idle", 1, False, plain(values(idle, OURS, "idle_percent"))),
    ]


def targets_table(summary: Summary) -> str:
    """Which targets are met."""
    lines = ["| what | target | measured | |", "|---|---|---|---|", *(target.row() for target in targets(summary))]
    return "\n".join(lines)


# ---- all of it ----


def markdown(summary: Summary) -> str:
    """Return the targets, then every cell."""
    machine = summary["machine"]
    used = {name.split(",")[0] for cell in summary["cells"].values() for name in cell["runs"]}
    used |= {name for cell in summary["cells"].values() for name in cell["runs"]}
    parts = [
        f"{machine['cores']} cores ({machine['cpu']}), load {machine['load']} before it began, {machine['date']}; "
        f"mode {summary['mode']}, {summary['rounds']} rounds. Numbers are medians of the rounds, with the lowest and "
        "the highest; ratios are medians of the ratios of each round.",
        "### Targets",
        targets_table(summary),
        "### Clients",
        "\n".join(f"- {name}: {client.about}." for name, client in CLIENTS.items() if name in used),
    ]
    for name, cell in summary["cells"].items():
        parts += [f"### {name[0].upper()}{name[1:]}", table(name, cell)]
    return "\n\n".join(parts) + "\n"


BEGIN, END = "<!-- begin: make bench -->", "<!-- end: make bench -->"


def write_into(document: Path, text: str) -> None:
    """Put the tables between the markers of a document."""
    before, rest = document.read_text().split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}")
