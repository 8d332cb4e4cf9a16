"""What every Python client of the benchmark shares: as `src/lib.rs` has it for those in Rust."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import deque
from pathlib import Path

POOL_BYTES = 1 << 21
CHECK = 16
SAMPLES = 1 << 15


def arguments() -> argparse.Namespace:
    """Return the workload that the client was asked for; the names are explained in `src/lib.rs`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("send", "receive", "read"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--topic", default="bytes-100")
    parser.add_argument("--subscription", default="bench")
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--ca")
    parser.add_argument("--api", default="")
    for flag in ("batched", "shared", "pull"):
        parser.add_argument(f"--{flag}", action="store_true")
    return parser.parse_args()


def websocket_url(workload: argparse.Namespace) -> str:
    """Return the URL of the workload's endpoint, query parameters included."""
    topic = f"persistent/public/default/{workload.topic}"
    if workload.role == "send":
        batching = "batchingEnabled=true&batchingMaxMessages=1000&batchingMaxPublishDelay=1"
        return f"{workload.url}/ws/v2/producer/{topic}?{batching if workload.batched else ''}"
    queue = f"receiverQueueSize={workload.window}"
    if workload.role == "read":
        return f"{workload.url}/ws/v2/reader/{topic}?messageId=earliest&{queue}"
    shared = "&subscriptionType=Shared" if workload.shared else ""
    query = f"subscriptionInitialPosition=Earliest&{queue}{shared}"
    return f"{workload.url}/ws/v2/consumer/{topic}/{workload.subscription}?{query}"


class Payloads:
    """Random payloads, made beforehand so that making them is not measured: many different ones, again and again."""

    def __init__(self, size: int) -> None:
        self._payloads = [os.urandom(size) for _ in range(min(1000, POOL_BYTES // size))]

    def __getitem__(self, number: int) -> bytes:
        return self._payloads[number % len(self._payloads)]


class Meter:
    """Counts messages, leaves those of the warm-up out, and says when it is enough."""

    def __init__(self, workload: argparse.Namespace) -> None:
        self._workload = workload
        self._total = 0
        self._unchecked = 0
        self._first = 0.0
        self._begin: tuple[float, int, float, int] | None = None
        self._end: tuple[float, int, float, int] | None = None
        self._latencies: deque[float] = deque(maxlen=SAMPLES)
        # With one in flight every message is timed, with many one in sixteen.
        self.timed = 1 if workload.window == 1 else 16

    def done(self, messages: int) -> bool:
        """Count messages that were sent and confirmed, or received; whether to go on."""
        self._total += messages
        self._unchecked += messages
        limit = self._workload.limit
        last = 0 < limit <= self._total
        if self._unchecked < CHECK and not last and self._total > CHECK:
            return True
        self._unchecked = 0
        now = time.monotonic()
        self._first = self._first or now
        if self._begin is None:
            if now - self._first >= self._workload.warmup or 0 < limit <= self._total * 5:
                self._latencies.clear()
                self._begin = self._sample()
        elif now - self._begin[0] >= self._workload.seconds or last:
            self._end = self._sample()
        return self._end is None

    def latency(self, seconds: float) -> None:
        """Note how long one message took."""
        self._latencies.append(seconds)

    def _sample(self) -> tuple[float, int, float, int]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return time.monotonic(), self._total, usage.ru_utime + usage.ru_stime, status_kib("VmRSS")

    def report(self) -> None:
        """Print one JSON object to the standard output."""
        if self._begin is None or self._end is None:
            sys.exit("the workload ended in the warm-up")
        seconds, messages, cpu, grown = (end - begin for begin, end in zip(self._begin, self._end, strict=True))
        result = {
            "messages": messages,
            "seconds": seconds,
            "rate": messages / seconds,
            "mb": messages * self._workload.size / seconds / 1e6,
            "cpu": cpu / messages * 1e6,
            "peak_mb": status_kib("VmHWM") / 1024,
            "grown_mb": grown / 1024,
        }
        if self._latencies:
            ordered = sorted(self._latencies)
            result |= {f"p{part}": ordered[len(ordered) * part // 100] * 1000 for part in (50, 99)}
        print(json.dumps(result), flush=True)


def status_kib(name: str) -> int:
    """Return a number of /proc/self/status; 0 where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
