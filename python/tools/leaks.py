"""Look for leaks: open and close many times, and move many messages through the mock broker.

python tools/leaks.py [--cycles 10000] [--messages 10000000]

Memory, descriptors and threads after a tenth of it are compared with those at the end; the exit status is 1 if anything
has grown. The broker is in this process; what is measured is the client, in a process of its own. Half of all is done
with threads, half with asyncio.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import stargate
from stargate.testing import MockBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is sent on one topic, before the broker may forget it.
LOT = 250_000
PAYLOAD = b"x" * 100
# What the allocator may keep: arenas of its own and of threads, not a byte for each cycle or message.
MAX_GROWTH_KIB = 4096


class Usage(NamedTuple):
    """What a process uses."""

    kib: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return f"{self.kib:,} KiB, {self.descriptors} descriptors, {self.threads} threads"


def usage() -> Usage:
    """Give what this process uses, once what it has let go is back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4
    return Usage(resident, *(len(list(Path("/proc/self", kind).iterdir())) for kind in ("fd", "task")))


def settled() -> Usage:
    """Give what this process uses once no more threads and descriptors have gone for a second."""
    now, since = usage(), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        before, now = now, usage()
        if now[1:] != before[1:]:
            since = time.monotonic()
    return now


def cycle(url: str) -> None:
    """Open everything there is, use it, and close it."""
    with stargate.Client(url) as client:
        handled = threading.Event()
        client.consume("cycles", "s", lambda _: handled.set())
        with client.producer("cycles") as producer, client.reader("cycles") as reader:
            producer.send(PAYLOAD)
            reader.receive(timeout=30)
        assert handled.wait(30)


async def cycle_with_asyncio(url: str) -> None:
    """Run `cycle` for asyncio."""
    async with stargate.AsyncClient(url) as client:
        handled = asyncio.Event()

        async def handle(_: stargate.Message) -> None:
            handled.set()

        await client.consume("cycles", "s", handle)
        async with client.producer("cycles") as producer, client.reader("cycles") as reader:
            await producer.send(PAYLOAD)
            await reader.receive(timeout=30)
        await asyncio.wait_for(handled.wait(), 30)


def lot(url: str, topic: str, count: int) -> None:
    """Send messages and have a handler acknowledge them."""
    left, done = count, threading.Event()

    def handle(_: stargate.Message) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    with stargate.Client(url) as client, client.producer(topic) as producer:
        client.consume(topic, "s", handle, initial_position="earliest")
        for _ in range(0, count, 1000):
            failed = [r for r in producer.send_many([PAYLOAD] * 1000) if isinstance(r, stargate.StargateError)]
            assert not failed
        assert done.wait(120)


async def lot_with_asyncio(url: str, topic: str, count: int) -> None:
    """Run `lot` for asyncio."""
    async with stargate.AsyncClient(url) as client, client.producer(topic) as producer:

        async def receive() -> None:
            async with client.consumer(topic, "s", initial_position="earliest") as consumer:
                for _ in range(count):
                    await consumer.ack(await consumer.receive(timeout=120))

        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            for _ in range(0, count, 1000):
                await producer.send_many([PAYLOAD] * 1000)


def work(url: str, cycles: int, messages: int) -> None:
    """Do it all, and print what is used in between; each line is a phase, how much is done, and the usage."""

    def tell(phase: str, done: int) -> None:
        gc.collect()
        loop.run(asyncio.sleep(0.05))  # the loop handles the end of its clients at its next turn
        print(phase, done, *settled(), flush=True)
        sys.stdin.readline()  # the broker forgets the topic of a lot

    with asyncio.Runner() as loop:
        kinds: list[Callable[[], object]] = [lambda: cycle(url), lambda: loop.run(cycle_with_asyncio(url))]
        for done in range(1, cycles + 1):
            kinds[done % 2]()
            if done == max(2, cycles // 10):
                tell("cycles", done)
        if cycles:
            tell("cycles", cycles)
        count = min(LOT, max(1000, messages // 10))
        for number in range(messages // count):
            topic = f"lot-{number}"
            if number % 2:
                loop.run(lot_with_asyncio(url, topic, count))
            else:
                lot(url, topic, count)
            tell(topic, (number + 1) * count)


def measured(arguments: argparse.Namespace) -> Iterator[tuple[str, int, Usage]]:
    """Run `work` in a process of its own, and give what it tells."""
    with MockBroker() as broker:
        command = [sys.executable, __file__, "--url", broker.url]
        command += ["--cycles", str(arguments.cycles), "--messages", str(arguments.messages)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdin
            assert worker.stdout
            for line in worker.stdout:
                phase, *numbers = line.split()
                done, kib, descriptors, threads = map(int, numbers)
                if phase != "cycles":
                    broker.delete_topic(phase)
                broker.clear_requests()
                yield phase, done, Usage(kib, descriptors, threads)
                print(file=worker.stdin, flush=True)
        if worker.returncode:
            sys.exit(f"the worker ended with status {worker.returncode}")


def main() -> int:
    """Compare the first tenth with the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.url:
        work(arguments.url, arguments.cycles, arguments.messages)
        return 0
    begun = time.monotonic()
    told: dict[str, list[tuple[int, Usage]]] = {"cycles": [], "messages": []}
    for phase, done, now in measured(arguments):
        told["cycles" if phase == "cycles" else "messages"].append((done, now))
    grown = False
    for what, rows in told.items():
        if not rows:
            continue
        late = rows[-1]
        early = next(row for row in rows if row[0] * 10 >= late[0])
        grew = late[1].kib - early[1].kib > MAX_GROWTH_KIB
        grew |= late[1].descriptors > early[1].descriptors or late[1].threads > early[1].threads
        grown |= grew
        for done, now in (early, late):
            print(f"after {done:,} {what}: {now}")
        print(f"{what}: {'GROWN' if grew else 'level'}")
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
