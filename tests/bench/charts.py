#!/usr/bin/env python3
"""The charts of docs/performance.md, drawn from the tables of docs/benchmarks.md.

    charts.py            draw them
    charts.py --check    1 if the drawn ones show other numbers than the tables

`make bench DOCS=1` writes the tables and then draws. As the page with the numbers is the source, the charts cannot show
anything else.
"""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
TABLES = ROOT / "docs/benchmarks.md"
FOLDER = ROOT / "docs/images"

# Client to column to median.
Table = dict[str, dict[str, float]]


class Chart(NamedTuple):
    """One picture: a group of bars for each table."""

    file: str
    title: str
    column: str
    # Heading of the group, and the section of the page.
    groups: list[tuple[str, str]]
    clients: list[str]


# Name in the tables, name in the charts, and the kind that gives the colour.
CLIENTS = {
    "stargate Rust": ("stargate, Rust", "ours"),
    "stargate Rust, batched": ("stargate, Rust, batched by the proxy", "ours"),
    "stargate C": ("stargate, C", "ours"),
    "stargate Python": ("stargate, Python", "ours"),
    "websockets": ("websockets (Python)", "peer"),
    "websocket-client": ("websocket-client (Python)", "peer"),
    "websocket-client, skip": ("websocket-client (Python)", "peer"),
    "raw loop, gather": ("bare loop, no reconnect (Rust)", "peer"),
    "raw loop": ("bare loop, no reconnect (Rust)", "peer"),
    "pulsar-client": ("pulsar-client (C++, port 6650)", "binary"),
    "pulsar-rs": ("pulsar (Rust, port 6650)", "binary"),
}
COLOURS = {"ours": "#2563eb", "peer": "#9ca3af", "binary": "#d97706"}
LEGEND = {"ours": "stargate", "peer": "other WebSocket clients", "binary": "binary protocol"}

RECEIVING = ["stargate Rust", "stargate Python", "raw loop, gather", "websockets", "websocket-client, skip"]
SENDING = ["stargate Rust, batched", "stargate Rust", "stargate Python", "raw loop", "websockets", "websocket-client"]
CHARTS = [
    Chart(
        "receive",
        "Receive and acknowledge through a broker, messages/s",
        "messages/s",
        [(size, f"Broker: receive {size}") for size in ("100 B", "1 KiB", "64 KiB")],
        [*RECEIVING, "pulsar-client"],
    ),
    Chart(
        "send",
        "Send to a broker, 1,000 in flight (100 of 64 KiB), messages/s",
        "messages/s",
        [(size, f"Broker: send {size}") for size in ("100 B", "1 KiB", "64 KiB")],
        [*SENDING, "pulsar-client", "pulsar-rs"],
    ),
    Chart(
        "processor-time",
        "Processor time of the client, seconds for a million messages of 1 KiB",
        "CPU s per million",
        [("send", "Broker: send 1 KiB"), ("receive", "Broker: receive 1 KiB")],
        ["stargate Rust", "stargate Python", "raw loop", "websockets", "websocket-client, skip", "pulsar-client"],
    ),
]

WIDTH, LABELS, BARS, ROW = 720, 250, 370, 22


def tables(page: str) -> dict[str, Table]:
    """Return the tables of a page by their headings."""
    found: dict[str, Table] = {}
    for section in page.split("\n### ")[1:]:
        heading, *lines = section.splitlines()
        rows = [[field.strip() for field in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        if not rows or rows[0][0] != "client":
            continue
        names = rows[0]
        found[heading] = {
            row[0]: {
                name: number for name, field in zip(names, row, strict=False) if (number := median(field)) is not None
            }
            for row in rows[2:]
        }
    return found


def median(field: str) -> float | None:
    """Return the number that a field begins with."""
    number = re.match(r"[\d,]+(?:\.\d+)?", field)
    return float(number[0].replace(",", "")) if number else None


def shown(value: float) -> str:
    """Return a number as the charts print it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def draw(chart: Chart, cells: dict[str, Table]) -> str:
    """Return a chart as SVG. Each group has a scale of its own, since sizes differ by orders of magnitude."""
    parts: list[str] = []
    kinds: list[str] = []
    y = 52
    for heading, section in chart.groups:
        table = cells[section]
        rows = [(name, table[name][chart.column]) for name in chart.clients if name in table]
        most = max(value for _, value in rows)
        parts.append(f'<text class="group" x="0" y="{y + 14}">{escape(heading)}</text>')
        y += 24
        for name, value in rows:
            label, kind = CLIENTS[name]
            kinds += [kind] if kind not in kinds else []
            width = max(1.0, BARS * value / most)
            parts += [
                f'<text x="{LABELS - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{LABELS}" y="{y + 3}" width="{width:.1f}" height="{ROW - 7}" fill="{COLOURS[kind]}"/>',
                f'<text x="{LABELS + width + 6:.1f}" y="{y + 14}">{shown(value)}</text>',
            ]
            y += ROW
        y += 12
    legend = []
    x = 0
    for kind in kinds:
        legend += [
            f'<rect x="{x}" y="32" width="12" height="12" fill="{COLOURS[kind]}"/>',
            f'<text x="{x + 18}" y="42">{LEGEND[kind]}</text>',
        ]
        x += 40 + 7 * len(LEGEND[kind])
    style = (
        "text{font:13px system-ui,sans-serif;fill:#4b5563}.title{font-weight:600;font-size:15px}.group{font-weight:600}"
        "@media(prefers-color-scheme:dark){text{fill:#d1d5db}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">'
    title = f'<title>{escape(chart.title)}</title><style>{style}</style><text class="title" x="0" y="18">'
    return "\n".join([head, f"{title}{escape(chart.title)}</text>", *legend, *parts, "</svg>", ""])


def pictures() -> dict[Path, str]:
    """Return what each file should hold."""
    cells = tables(TABLES.read_text())
    return {FOLDER / f"{chart.file}.svg": draw(chart, cells) for chart in CHARTS}


def write() -> None:
    """Draw all charts."""
    for path, text in pictures().items():
        path.write_text(text)


def main() -> int:
    """Draw, or compare."""
    if sys.argv[1:] != ["--check"]:
        write()
        return 0
    stale = [path.name for path, text in pictures().items() if not path.exists() or path.read_text() != text]
    for name in stale:
        print(f"docs/images/{name} does not show the numbers of docs/benchmarks.md: {__file__}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
