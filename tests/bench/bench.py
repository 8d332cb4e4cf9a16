#!/usr/bin/env python3
"""Runs stargate and its peers in turn under the same workloads, and writes down how they compare.

    bench.py [--mode smoke|quick|full] [--rounds N] [--only WORDS] [--place sink|broker] [--list]

`make bench` builds everything and comes here. A cell is one workload; its clients run A, B, C, A, B, C ..., so that
whatever else the machine does hurts all alike, and are compared round by round. On the sink/source server there is no
broker in the way, and the server has a core of its own: there the processor time of the client counts. On the real
broker, which this starts, the rates count.

target/bench/summary.json has every run; target/bench/report.md has the tables, and which targets are met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import report
from cells import BUILT, CLIENTS, FULL, QUICK, ROOT, SMOKE, Cell, Row, cells

sys.path.insert(0, str(ROOT / "tests/pulsar"))
import credentials

FOLDER = ROOT / "target/bench"
SUMMARY = FOLDER / "summary.json"
REPORT = FOLDER / "report.md"

MODES = {"smoke": SMOKE, "quick": QUICK, "full": FULL}
# Rounds, and seconds of warm-up and of measurement for each run.
SETTINGS = {SMOKE: (1, 0.05, 0.2), QUICK: (3, 0.2, 0.5), FULL: (5, 0.3, 1.0)}
RUN_SECONDS = 60

Run = dict[str, Any]


def main() -> int:
    """Measure, and write it down; 1 if a client failed."""
    arguments = parse()
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in cells() if cell.level <= MODES[arguments.mode] and arguments.place in ("", cell.place)]
    wanted = [cell for cell in wanted if all(word in cell.name for word in arguments.only)]
    if arguments.list:
        for cell in wanted:
            print(f"{cell.name:<40} {', '.join(row.name for row in cell.rows)}")
        return 0
    bench = Bench(arguments)
    on_sink = [cell for cell in wanted if cell.place == "sink"]
    if on_sink:
        with sink() as servers:
            for cell in on_sink:
                bench.measure(cell, servers, pinned=True)
    summary = bench.save()
    print(report.markdown(summary))
    REPORT.write_text(report.markdown(summary))
    return 1 if bench.failed else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="full")
    parser.add_argument("--rounds", type=int, default=0, help="instead of those of the mode")
    parser.add_argument("--only", nargs="*", default=[], help="cells whose names have all of these words")
    parser.add_argument("--place", choices=("sink", "broker"), default="")
    parser.add_argument("--list", action="store_true", help="print the cells and their clients")
    return parser.parse_args()


class Bench:
    """The runs of one call."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.mode = arguments.mode
        rounds, self.warmup, self.seconds = SETTINGS[MODES[arguments.mode]]
        self.rounds = arguments.rounds or rounds
        self.cells: dict[str, Any] = {}
        self.failed = False

    def measure(self, cell: Cell, servers: dict[str, str], pinned: bool = False) -> None:
        """Run every client of a cell in turn, round after round."""
        runs: dict[str, list[Run]] = {row.name: [] for row in cell.rows}
        print(f"{cell.name}: {', '.join(runs)}", file=sys.stderr)
        for _ in range(self.rounds):
            for row in cell.rows:
                run = self.run(row, servers, pinned)
                runs[row.name].append(run)
                if "error" in run:
                    self.failed = True
                    print(f"  {row.name}: {run['error']}", file=sys.stderr)
        self.cells[cell.name] = {"title": cell.title, "place": cell.place, "runs": runs}
        self.save()

    def run(self, row: Row, servers: dict[str, str], pinned: bool) -> Run:
        """Run one client once."""
        client, workload = CLIENTS[row.client], row.workload
        url = servers["binary" if client.binary else "wss" if workload.tls else "ws"]
        command = [*client.command, workload.role, *client.options]
        command += [*workload.arguments(), "--url", url, "--topic", workload.topic or f"bytes-{workload.size}"]
        command += ["--warmup", str(self.warmup), "--seconds", str(self.seconds)]
        if workload.tls:
            command += ["--ca", servers["ca"]]
        try:
            done = subprocess.run(
                on_core(1, command) if pinned else command,
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"not ended after {RUN_SECONDS} s"}
        if done.returncode != 0 or not done.stdout.strip():
            said = done.stderr.strip().splitlines()
            return {"error": f"status {done.returncode}: {said[-1] if said else 'nothing said'}"}
        return json.loads(done.stdout.splitlines()[-1])

    def save(self) -> dict[str, Any]:
        """Write what there is so far, so that an end before the end loses nothing."""
        summary = {
            "mode": self.mode,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "machine": machine(),
            "cells": self.cells,
        }
        SUMMARY.write_text(json.dumps(summary, indent=1))
        return summary


def on_core(core: int, command: list[str]) -> list[str]:
    """The command, held to one core where there are several and Linux's tool for it."""
    several = (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(core), *command] if several and Path("/usr/bin/taskset").exists() else command


@contextlib.contextmanager
def sink() -> Iterator[dict[str, str]]:
    """The sink/source server for as long as it is needed."""
    security = FOLDER / "security"
    if not (security / "server.pem").exists():
        security.mkdir(parents=True, exist_ok=True)
        credentials.make_certificates(security)
    command = [str(BUILT / "bench-sink"), str(security / "server.pem"), str(security / "server.key")]
    with subprocess.Popen(on_core(0, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        servers = {"ca": str(security / "ca.pem")}
        servers |= {name: process.stdout.readline().strip() for name in ("ws", "wss")}
        try:
            yield servers
        finally:
            process.stdin.close()


def machine() -> dict[str, Any]:
    """What it ran on."""
    cpu = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "cpu": names[0] if names else "",
        "load": os.getloadavg()[0],
        "date": time.strftime("%F"),
    }


if __name__ == "__main__":
    sys.exit(main())
