#!/usr/bin/env python3
"""What the command `stargate` adds to the library: rates beside the library's own, start-up time and size.

    command.py [MESSAGES] [ROUNDS]    500,000 messages of 100 B and 5 alternating rounds, on the mock broker
    command.py --memory [GB]          its resident memory while it sends and reads so much (10), on the bench's sink

Takes the release builds of the command (`make cli`) and of the programs of the bench (`make bench-build`), and
prints a table in Markdown. A rate is messages divided by the time of the whole process, its start included. A median
below 0.7 of the library's, a start-up above 20 ms or more than 8 MB when stripped fail the run, and so does memory that
grows by more than a tenth after the first tenth of the bytes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RELEASE = Path(__file__).resolve().parent.parent.parent / "target/release"
COMMAND, LIBRARY, SINK = (str(RELEASE / name) for name in ("stargate", "bench-stargate", "bench-sink"))
SIZE = 100
DEFAULTS = [500_000, 5]


def seconds(arguments: list[str]) -> float:
    """Run a program to its end, its output thrown away; return how long it took."""
    begun = time.monotonic()
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def rounds(messages: int, count: int) -> dict[str, list[float]]:
    """Send and read with the command and with the library in turns; return messages a second of each."""
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        lines.write_text("".join(f"{number:0{SIZE}}\n" for number in range(messages)))
        for number in range(count):
            # A broker for each round, so that none holds the messages of the rounds before it.
            with subprocess.Popen([COMMAND, "mock", "--port", "0"], stdout=subprocess.PIPE, text=True) as mock:
                assert mock.stdout
                url = mock.stdout.readline().split()[-1]
                at = ["--url", url]
                limit = ["--limit", str(messages)]
                programs = [
                    ("produce", [COMMAND, *at, "produce", "lines", "-l", str(lines)]),
                    ("library sends", [LIBRARY, "fill", *at, "--topic", "filled", *limit]),
                    ("read", [COMMAND, *at, "read", "lines", "-e"]),
                    ("library reads", [LIBRARY, "read", *at, "--topic", "filled", *limit]),
                ]
                sends, reads = programs[:2], programs[2:]
                for name, arguments in programs if number % 2 == 0 else [*reversed(sends), *reversed(reads)]:
                    rates.setdefault(name, []).append(messages / seconds(arguments))
                mock.terminate()
    return rates


def resident(process: subprocess.Popen[bytes], moved: Iterator[int], total: int) -> tuple[int, int]:
    """Return the most memory, in KiB, until a tenth of the bytes has moved and until all have."""
    most = [0, 0]
    for count in moved:
        status = Path(f"/proc/{process.pid}/status").read_text()
        late = int(count > total // 10)
        most[late] = max(most[late], int(status.split("VmRSS:")[1].split()[0]))
    return most[0], most[1]


def memory(gigabytes: int) -> int:
    """Send and read so much, print the table, and compare the end with the beginning."""
    line = b"x" * 1023 + b"\n"
    block = line * 1024
    blocks = gigabytes * 1024
    status = 0
    print("| | memory in the first tenth, MB | until the end, MB |\n|---|---|---|")
    with subprocess.Popen([SINK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sink:
        assert sink.stdout and sink.stdin
        at = ["--url", sink.stdout.readline().strip(), "-q"]

        def sent(process: subprocess.Popen[bytes]) -> Iterator[int]:
            assert process.stdin
            for number in range(blocks):
                process.stdin.write(block)
                yield number

        def received(process: subprocess.Popen[bytes]) -> Iterator[int]:
            assert process.stdout
            for number in range(blocks):
                process.stdout.read(len(block))
                yield number

        for name, moved, arguments in [
            ("produce", sent, ["produce", "bytes-1023"]),
            ("read", received, ["read", "bytes-1024", "-f", "%s"]),
        ]:
            command = [COMMAND, *at, *arguments]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                early, late = resident(process, moved(process), blocks)
                print(f"| {name} {gigabytes} GB | {early / 1024:.1f} | {late / 1024:.1f} |", flush=True)
                status |= late > early * 1.1
                if name == "read":
                    process.terminate()
        sink.stdin.close()
    return int(status)


def main() -> int:
    """Measure, print the table, and compare it with the targets."""
    if sys.argv[1:2] == ["--memory"]:
        return memory(int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    given = [int(argument) for argument in sys.argv[1:]]
    messages, count = [*given, *DEFAULTS[len(given) :]]
    rates = {name: statistics.median(all_of_it) for name, all_of_it in rounds(messages, count).items()}
    start = statistics.median(seconds([COMMAND, "version"]) for _ in range(51)) * 1000
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, COMMAND], check=True)
        size = Path(stripped.name).stat().st_size / 1e6
    sending, reading = rates["produce"] / rates["library sends"], rates["read"] / rates["library reads"]
    print("| | the command | the library | ratio |\n|---|---|---|---|")
    print(f"| lines sent a second | {rates['produce']:,.0f} | {rates['library sends']:,.0f} | {sending:.2f} |")
    print(f"| messages read a second | {rates['read']:,.0f} | {rates['library reads']:,.0f} | {reading:.2f} |")
    print(f"\nstart-up {start:.1f} ms, {size:.2f} MB stripped")
    return 0 if sending >= 0.7 and reading >= 0.7 and start < 20 and size < 8 else 1


if __name__ == "__main__":
    sys.exit(main())
