"""The tables of a benchmark, in Markdown, and which targets are met."""

from __future__ import annotations

from statistics import median
from typing import Any

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
]


def good(runs: list[dict[str, Any]], key: str) -> list[float]:
    """The values of one key over the runs that have it."""
    return [run[key] for run in runs if key in run]


def ratio(cell: dict[str, Any], one: str, other: str, key: str = "rate") -> float | None:
    """How many times `one`'s value `other`'s fits into: the median over the rounds in which both ran."""
    runs = cell["runs"]
    pairs = zip(runs.get(one, []), runs.get(other, []), strict=False)
    found = [a[key] / b[key] for a, b in pairs if a.get(key) and b.get(key)]
    return median(found) if found else None


def table(cell: dict[str, Any]) -> str:
    """One cell: a row for each client."""
    runs = cell["runs"]
    columns = [column for column in COLUMNS if any(good(client, column[0]) for client in runs.values())]
    compared = len(runs) > 1 and OURS in runs
    heads = ["client", *(head for _, head, _ in columns), *(["stargate Rust is"] if compared else [])]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, client in runs.items():
        fields = [name]
        for key, _, form in columns:
            values = good(client, key)
            fields.append(form.format(median(values)) if values else "-")
            if key == "rate" and len(values) > 1:
                fields[-1] += f" ({form.format(min(values))} to {form.format(max(values))})"
        if compared:
            times, cpu = ratio(cell, OURS, name), ratio(cell, OURS, name, "cpu")
            same = name == OURS or times is None or cpu is None
            fields.append("" if same else f"{times:.2f}x as fast, {cpu:.2f}x the CPU")
        lines.append(f"| {' | '.join(fields)} |")
        errors = [run["error"] for run in client if "error" in run]
        if errors:
            lines[-1] += f" failed {len(errors)} of {len(client)}: {errors[0]} |"
    return "\n".join(lines)


def markdown(summary: Summary) -> str:
    """Everything."""
    machine = summary["machine"]
    parts = [
        f"{machine['cores']} cores, {machine['cpu']}, {machine['date']}; mode {summary['mode']}: {summary['rounds']} "
        f"rounds of {summary['seconds']} s after the warm-up, medians (lowest to highest); ratios are medians of those "
        "of each round."
    ]
    for name, cell in summary["cells"].items():
        parts += [f"### {name}", table(cell)]
    return "\n\n".join(parts) + "\n"
