#!/usr/bin/env python3
"""Runs stargate and its peers in turn under the same workloads, and writes down how they compare.

    bench.py [--mode smoke|quick|full] [--rounds N] [--only WORD...] [--clients NAME...] [--place sink|broker]
             [--add] [--list] [--write-docs]

`make bench` builds everything and comes here. A cell is one workload; its clients run A, B, C, then C, B, A, and so on,
so that whatever else the machine does hurts all alike, and are compared round by round. On the sink/source server there
is no broker in the way, and the server has a core of its own: there the processor time of the client counts. On the
real broker, which this starts unless PULSAR_URL names one, the rates count. There the cores are kept awake, but for the
cells that are named otherwise, and what there is to receive comes from the broker's memory.

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
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import charts
import report
from cells import BUILT, CLIENTS, FULL, QUICK, ROOT, SMOKE, Cell, Row, Workload, cells

sys.path.insert(0, str(ROOT / "tests/pulsar"))
import credentials

FOLDER = ROOT / "target/bench"
SUMMARY = FOLDER / "summary.json"
DOCUMENT = ROOT / "docs/benchmarks.md"

MODES = {"smoke": SMOKE, "quick": QUICK, "full": FULL}
# Rounds, and seconds of warm-up and of measurement for each run on either server.
SETTINGS = {
    SMOKE: (1, {"sink": (0.02, 0.1)}),
    QUICK: (3, {"sink": (0.1, 0.3), "broker": (0.2, 0.5)}),
    FULL: (5, {"sink": (0.2, 0.5), "broker": (0.3, 0.9)}),
}
RUN_SECONDS = 60
# How many messages there are to receive on the broker; no client is through with them before its time is over, but some
# on the binary protocol.
STORED = {100: 120_000, 1024: 60_000, 65536: 3_500}
STORED_IN_BATCHES = 150_000
# The broker is a virtual machine that compiles what is used; before that it is several times slower.
BROKER_WARMUP_SECONDS = 30.0
# A topic that a consumer of `fill` is at the beginning of stays in the broker's memory. Otherwise it would read it from
# its own storage again for each client, which takes more of the cores than all that is to be measured.
BROKER = ("--memory", "1g", "--set", "managedLedgerCacheSizeMB=600", "--set", "cacheEvictionByMarkDeletedPosition=true")
BROKER += ("--set", "managedLedgerCacheEvictionTimeThresholdMillis=100000000")
BROKER += ("--set", "managedLedgerCursorBackloggedThreshold=100000000")

Run = dict[str, Any]
Servers = dict[str, str]


def main() -> int:
    """Measure, and write it down; 1 if a client failed."""
    arguments = parse()
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in cells(MODES[arguments.mode]) if arguments.place in ("", cell.place)]
    wanted = [cell for cell in wanted if all(word in cell.name for word in arguments.only)]
    if arguments.list:
        for cell in wanted:
            print(f"{cell.name}: {'; '.join(row.name for row in cell.rows)}")
        return 0
    bench = Bench(arguments)
    bench.save()
    bench.measure_on("sink", wanted, sink)
    if any(cell.place == "broker" for cell in wanted) and "PULSAR_URL" not in os.environ:
        launcher = [sys.executable, str(ROOT / "tests/pulsar/pulsar.py"), "run", "--tls", *BROKER, "--"]
        again = [sys.executable, *sys.argv, "--place", "broker", "--add"]
        return subprocess.run([*launcher, *again], check=False).returncode
    bench.measure_on("broker", wanted, broker)
    if arguments.mode == "smoke":
        return bench.close_smoke()
    summary = bench.save(closing=True)
    text = report.markdown(summary)
    (FOLDER / "report.md").write_text(text)
    print(text)
    if arguments.write_docs:
        report.write_into(DOCUMENT, text)
        charts.write()
    return 1 if bench.failed else 0


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="full")
    parser.add_argument("--rounds", type=int, default=0, help="instead of those of the mode")
    parser.add_argument("--only", nargs="*", default=[], help="cells whose names have all of these words")
    parser.add_argument("--clients", nargs="*", default=[], help="clients whose names begin with one of these")
    parser.add_argument("--place", choices=("sink", "broker"), default="")
    parser.add_argument("--add", action="store_true", help="keep the other cells that the summary has")
    parser.add_argument("--list", action="store_true", help="print the cells and their clients")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help=f"put the tables into {DOCUMENT.relative_to(ROOT)}, and draw the charts",
    )
    return parser.parse_args()


class Bench:
    """The runs of one call, and those that were there before."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.mode = arguments.mode
        self.clients = tuple(arguments.clients)
        rounds, self.times = SETTINGS[MODES[arguments.mode]]
        self.rounds = arguments.rounds or rounds
        self.begun = machine()
        self.cells: dict[str, Any] = {}
        self.filled: dict[str, int] = {}
        self.keepers: list[subprocess.Popen[str]] = []
        self.failed = False
        if arguments.add and SUMMARY.exists():
            before = json.loads(SUMMARY.read_text())
            self.cells, self.begun = before["cells"], before["machine"]

    def measure_on(self, place: str, wanted: list[Cell], serve: Any) -> None:
        """Run the cells that belong to one of the servers, if there are any."""
        here = [cell for cell in wanted if cell.place == place]
        if here:
            with serve() as servers:
                if place == "broker":
                    self.warm_up(servers)
                for cell in here:
                    with awake() if place == "broker" and not cell.sleepy else contextlib.nullcontext():
                        self.measure(cell, servers)
                self.let_go()

    def measure(self, cell: Cell, servers: Servers) -> None:
        """Run every client of a cell in turn, round after round."""
        rows = [row for row in cell.rows if not self.clients or row.name.startswith(self.clients)]
        absent = {row.client for row in rows if not CLIENTS[row.client].is_here()}
        if absent:
            print(f"{cell.name}: left out, for they are not built: {'; '.join(sorted(absent))}", file=sys.stderr)
        rows = [row for row in rows if row.client not in absent]
        if any(row.workload.tls for row in rows) and not servers.get("wss"):
            print(f"{cell.name}: left out, the broker has no TLS port", file=sys.stderr)
            return
        warmup, seconds = self.times[cell.place]
        warmup = max(warmup, cell.warmup)
        runs: dict[str, list[Run]] = {row.name: [] for row in rows}
        print(f"{cell.name}: {'; '.join(runs)}", file=sys.stderr, flush=True)
        if cell.place == "broker":
            for row in rows:
                self.fill(row.workload, servers)
        for number in range(min(cell.rounds or self.rounds, self.rounds)):
            # There and back, so that nobody always comes after the same neighbour.
            for row in rows if number % 2 == 0 else reversed(rows):
                run = self.run(row, servers, cell.place == "sink", warmup, cell.seconds or seconds)
                runs[row.name].append(run)
                if "error" in run:
                    self.failed = True
                    print(f"  {row.name}: {run['error']}", file=sys.stderr, flush=True)
        self.cells[cell.name] = {"place": cell.place, "size": cell.rows[0].workload.size, "runs": runs}
        self.save()

    def run(self, row: Row, servers: Servers, on_sink: bool, warmup: float, seconds: float) -> Run:
        """Run one client once."""
        client, workload = CLIENTS[row.client], row.workload
        url = servers["binary" if client.binary else "wss" if workload.tls else "ws"]
        topic = f"bytes-{workload.size}" if on_sink else topic_of(workload)
        subscription = f"bench-{time.time_ns()}"
        command = [*client.command, workload.role, *client.options, *workload.arguments()]
        command += ["--url", url, "--topic", topic, "--subscription", subscription]
        command += ["--warmup", str(warmup), "--seconds", str(seconds), "--limit", str(self.filled.get(topic, 0))]
        if workload.tls:
            command += ["--ca", servers["ca"]]
        result = call(on_core(1, command) if on_sink else command)
        if not on_sink and workload.role == "receive":
            delete_subscription(servers["http"], topic, subscription)
        return result

    def warm_up(self, servers: Servers) -> None:
        """Have the broker compile what is to be measured."""
        print("warming the broker up", file=sys.stderr, flush=True)
        for workload in (Workload("send", 100), Workload("send", 100, batched=True), Workload("receive", 100)):
            self.fill(workload, servers)
            end = time.monotonic() + BROKER_WARMUP_SECONDS / (1 if self.mode == "full" else 3) / 3
            while time.monotonic() < end:
                self.run(Row("stargate Rust", workload), servers, False, 0.0, 2.0)

    def fill(self, workload: Workload, servers: Servers) -> None:
        """Put messages into the topic of a workload that receives, unless they are there, and keep them there."""
        topic = topic_of(workload)
        if workload.role not in ("receive", "read") or topic in self.filled:
            return
        count = STORED_IN_BATCHES if workload.from_batches else STORED[workload.size]
        count = count if self.mode == "full" else count // 2
        command = [str(BUILT / "bench-stargate"), "fill", "--url", servers["ws"], "--topic", topic]
        command += ["--size", str(workload.size), "--limit", str(count)]
        command += ["--batched"] if workload.from_batches else []
        keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.keepers.append(keeper)
        assert keeper.stdout
        if not keeper.stdout.readline():
            sys.exit(f"{topic} could not be filled")
        self.filled[topic] = count

    def let_go(self) -> None:
        """End what keeps the topics."""
        for keeper in self.keepers:
            keeper.communicate()
        self.keepers.clear()

    def save(self, closing: bool = False) -> dict[str, Any]:
        """Write what there is so far, so that an end before the end loses nothing."""
        summary = {"mode": self.mode, "rounds": self.rounds, "machine": self.begun, "cells": self.cells}
        if closing:
            summary["targets"] = [target.plain() for target in report.targets(summary)]
        if self.mode != "smoke":
            SUMMARY.write_text(json.dumps(summary, indent=1))
        return summary

    def close_smoke(self) -> int:
        """Say how many runs went well, as the suites of `make test` do."""
        runs = [run for cell in self.cells.values() for client in cell["runs"].values() for run in client]
        good = sum(run.get("messages", 0) > 0 for run in runs)
        report.markdown(self.save(closing=True))
        print(f"bench: {good} passed, {len(runs) - good} failed")
        return 0 if good == len(runs) else 1


def topic_of(workload: Workload) -> str:
    """Return the topic on the broker."""
    if workload.role in ("receive", "read"):
        return f"stored-{workload.size}{'-in-batches' if workload.from_batches else ''}"
    return f"sent-{workload.size}"


def call(command: list[str]) -> Run:
    """Return what a client measured, or why it did not."""
    try:
        environment = {**os.environ, "STARGATE_LIBRARY": str(BUILT / "libstargate.so")}
        environment["RUST_BACKTRACE"] = "0"  # so that a panic's message is its last line
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not ended after {RUN_SECONDS} s"}
    except OSError as error:
        return {"error": str(error)}
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("note:")]
        return {"error": f"status {done.returncode}: {' '.join(said[-2:]) or 'nothing said'}"}
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {}


def on_core(core: int, command: list[str]) -> list[str]:
    """Return the command, pinned to one core if there are several and `taskset` exists."""
    several = (os.cpu_count() or 1) > 1
    return ["taskset", "-c", str(core), *command] if several and Path("/usr/bin/taskset").exists() else command


@contextlib.contextmanager
def sink() -> Iterator[Servers]:
    """Run the sink/source server inside a `with` block."""
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


@contextlib.contextmanager
def broker() -> Iterator[Servers]:
    """Return the broker that the launcher or the caller started."""
    names = {"ws": "URL", "wss": "WSS_URL", "http": "HTTP_URL", "binary": "BINARY_URL", "ca": "CA_FILE"}
    yield {name: os.environ.get(f"PULSAR_{variable}", "") for name, variable in names.items()}


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep the cores from sleeping, by processes that give way to all others.

    In a virtual machine a core that sleeps takes long to wake, and the thread that wakes it pays for that. The proxy
    hands each message from thread to thread, so it is slow where a core has nothing to do: the less a client needs, the
    slower.
    """
    spin = """if True:
        import os, sys
        os.sched_setaffinity(0, {int(sys.argv[1])})
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        parent = os.getppid()
        while os.getppid() == parent:
            for _ in range(10_000):
                pass
        """
    cores = os.sched_getaffinity(0) if hasattr(os, "SCHED_IDLE") else set()
    spinning = [subprocess.Popen([sys.executable, "-c", spin, str(core)]) for core in sorted(cores)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def delete_subscription(http: str, topic: str, subscription: str) -> None:
    """Have the broker forget a subscription, so that hundreds of them do not slow it down."""
    url = f"{http}/admin/v2/persistent/public/default/{topic}/subscription/{subscription}?force=true"
    request = urllib.request.Request(url, method="DELETE")
    with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(request, timeout=10):
        pass


def machine() -> dict[str, Any]:
    """Return a description of the machine."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    load = round(os.getloadavg()[0], 1)
    return {"cores": os.cpu_count(), "cpu": names[0] if names else "", "load": load, "date": time.strftime("%F")}


if __name__ == "__main__":
    sys.exit(main())
