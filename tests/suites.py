#!/usr/bin/env python3
"""Runs every test there is, and closes with how many passed and failed.

`make test` builds the library and the wheel and then comes here. What needs no broker runs first; then a plain and a
secure broker are started, and the rest runs against them. `suites.py NAME...` runs only those of these names.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python")

Counts = tuple[int, int]


def cargo_counts(text: str) -> Counts:
    """Count the results of all test programs of a `cargo test`."""
    found = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed", text, re.MULTILINE)
    return sum(int(passed) for passed, _ in found), sum(int(failed) for _, failed in found)


def pytest_counts(text: str) -> Counts:
    """Count the results in pytest's closing line. Everything a test needs is here, so a skipped test failed."""
    closing = text.strip().splitlines()[-1] if text.strip() else ""
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", closing)}
    passed = numbers.pop("passed", 0)
    return passed, sum(numbers.values())


def ctest_counts(text: str) -> Counts:
    """Count the results in ctest's closing line."""
    found = re.search(r"(\d+) tests failed out of (\d+)", text)
    return (int(found[2]) - int(found[1]), int(found[1])) if found else (0, 0)


def unittest_counts(text: str) -> Counts:
    """Count the results in unittest's closing lines."""
    ran = re.search(r"^Ran (\d+) tests?", text, re.MULTILINE)
    failed = sum(int(number) for number in re.findall(r"(?:failures|errors)=(\d+)", text))
    return (int(ran[1]) - failed, failed) if ran else (0, 0)


def program_counts(text: str) -> Counts:
    """Count the results of a script that prints `name: N passed, N failed`."""
    found = re.search(r"(\d+) passed, (\d+) failed", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_counts(text: str) -> Counts:
    """Count the results of scripts that print a line for each check."""
    return len(re.findall(r"^ok ", text, re.MULTILINE)), len(re.findall(r"^not ok ", text, re.MULTILINE))


def wheel_counts(text: str) -> Counts:
    """Count the check of a wheel or sdist, which prints its verdict."""
    return (1, 0) if re.search(r"^stargate-\S+: .* works", text, re.M) else (0, 1)


class Suite(NamedTuple):
    """Tests that one command runs."""

    name: str
    command: list[str]
    counts: Callable[[str], Counts]
    needs_broker: bool = False
    # It builds in folders of its own, so it runs beside the suites that follow it, most of which wait.
    beside: bool = False


FEATURES = "stargate-core/mock,stargate-core/fuzzing"
CARGO_TEST = ["cargo", "test", "--no-fail-fast", "--workspace", "--exclude", "stargate-python", "--features", FEATURES]
# Its programs with no optimisation: whether it works, not how fast.
BENCH_BUILD = "cargo build --manifest-path tests/bench/Cargo.toml --target-dir target"
BENCH_SMOKE = f"{BENCH_BUILD} && BENCH_PROGRAMS=target/debug {sys.executable} tests/bench/bench.py --mode smoke"
# With the same packages and features as above, so that Cargo builds nothing again.
ON_REAL = CARGO_TEST
IGNORED = ["--", "--ignored"]
# A cluster of its own, each fault once. `make cluster` does more, what takes minutes included.
CLUSTER = ["--brokers", "2", "--bookies", "3", "--proxies", "2"]
CLUSTER += ["--set-proxy", "webSocketSessionIdleTimeoutMillis=15000"]
SKIPPED = ["soak", "least_connections", "behind_a_load_balancer", "idle_timeout"]
BOUNDED = [*(word for name in SKIPPED for word in ("--skip", name)), "--test-threads", "1"]
ON_CLUSTER = [sys.executable, "tests/pulsar/pulsar.py", "run", *CLUSTER, "--"]
REAL_TESTS = ["--test", "scenarios", "--test", "table", "--test", "replay", "--test", "security"]
# Two clusters of their own.
REMOTE = [sys.executable, "tests/pulsar/pulsar.py", "run", "--remote", "--"]
# A broker of its own, with an OAuth2 issuer.
OAUTH2 = [sys.executable, "tests/pulsar/pulsar.py", "run", "--basic", "--oauth2", "--"]
# Messages from and to the official client, with the pytest settings of the wheel.
INTEROP = ["-c", "python/pyproject.toml", "--rootdir", ".", "tests/interop", "-q"]

# Through squid, HAProxy with TLS, tinyproxy and microsocks, and from a network where nothing else answers.
PROXIES = ["-c", "python/pyproject.toml", "--rootdir", ".", "tests/proxies", "-q"]

# The command on a pseudo-terminal and through pipes, against the mock or the broker.
COMMAND_BUILD = f"cargo build -q --workspace --exclude stargate-python --features {FEATURES} --bin stargate"
COMMAND = f"{COMMAND_BUILD} && {sys.executable} tests/command/test_command.py"

# The wheel as it would be given to others, apart from its optimisation.
CHECK_WHEEL = f"{PYTHON} python/tools/check_wheel.py"
PORTABLE = f"make wheel-portable PROFILE=demo && {CHECK_WHEEL} --profile demo dist/portable/stargate-*.whl"

# The library without the mock, built for size, seen from outside and then installed and used.
SMALL = "make small && tests/c/check_library.sh target/small && tests/install/run.sh target/small"

SUITES = [
    Suite("rust", CARGO_TEST, cargo_counts),
    Suite("features", [sys.executable, "tests/features.py"], program_counts),
    Suite("wheel", ["sh", "-c", f"{CHECK_WHEEL} dist/stargate-*.whl"], wheel_counts),
    Suite("sdist", [PYTHON, "python/tools/check_sdist.py"], wheel_counts),
    Suite("c-checks", ["tests/c/checks.sh"], program_counts),
    Suite("portable", ["sh", "-c", PORTABLE], wheel_counts, beside=True),
    Suite("small-build", ["make", "small"], lambda _: (1, 0), beside=True),
    Suite("gateways", [sys.executable, "tests/gateways/gateways.py"], cargo_counts),
    Suite("launcher", [sys.executable, "tests/pulsar/test_pulsar.py"], unittest_counts),
    Suite("command", ["sh", "-c", COMMAND], unittest_counts),
    Suite("bench", ["sh", "-c", BENCH_SMOKE], program_counts),
    Suite("cluster", [*ON_CLUSTER, *ON_REAL, "--test", "cluster", *IGNORED, *BOUNDED], cargo_counts),
    Suite("replication", [*REMOTE, *ON_REAL, "--test", "replication", *IGNORED], cargo_counts),
    Suite("oauth2", [*OAUTH2, *ON_REAL, "--test", "oauth2", *IGNORED, "--test-threads", "1"], cargo_counts),
    Suite("languages", [sys.executable, "tests/languages.py"], program_counts),
    Suite("demo-mock", [sys.executable, "tests/demo.py", "--release"], lambda text: demo_counts(text)),
    Suite("rust-real", [*ON_REAL, *REAL_TESTS, *IGNORED], cargo_counts, True),
    Suite("small", ["sh", "-c", SMALL], check_counts, True),
    Suite("c", ["tests/c/run.sh"], ctest_counts, True),
    Suite("python", [PYTHON, "-m", "pytest", "python/tests", "-q"], pytest_counts, True),
    Suite("proxies", ["sh", "-c", f"{COMMAND_BUILD} && {PYTHON} -m pytest {' '.join(PROXIES)}"], pytest_counts),
    Suite("interop", [PYTHON, "-m", "pytest", *INTEROP], pytest_counts, True),
    Suite("command-real", ["sh", "-c", COMMAND], unittest_counts, True),
    Suite("readme", [sys.executable, "tests/readme.py"], program_counts, True),
    Suite("demo-real", [sys.executable, "tests/demo.py", "--release"], lambda text: demo_counts(text), True),
    # Last, because it kills the broker.
    Suite("outages", [*ON_REAL, "--test", "outages", *IGNORED], cargo_counts, True),
]


def demo_counts(text: str) -> Counts:
    """Count each program of the demo as one test."""
    found = re.search(r"demo: (\d+) of (\d+) programs", text)
    return (int(found[1]), int(found[2]) - int(found[1])) if found else (0, 1)


class Outcome(NamedTuple):
    """How a suite went."""

    name: str
    passed: int
    failed: int
    seconds: float


def run(suite: Suite) -> Outcome:
    """Run a suite, its output shown as it comes; that of one beside others at its end, and with less priority."""
    title = f"\n=== {suite.name}: {' '.join(suite.command)}"
    if not suite.beside:
        print(title, flush=True)
    command = ["nice", *suite.command] if suite.beside else suite.command
    begun = time.monotonic()
    lines = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if not suite.beside:
                print(line, end="", flush=True)
            lines.append(line)
    if suite.beside:
        print("".join([f"{title}\n", *lines]), end="", flush=True)
    passed, failed = suite.counts("".join(lines))
    # A suite that ran nothing, or died on the way, has failed whatever it counted.
    if (process.returncode != 0 or passed == 0) and failed == 0:
        failed = 1
    return Outcome(suite.name, passed, failed, time.monotonic() - begun)


def run_all(suites: list[Suite]) -> list[Outcome]:
    """Run suites one after the other, apart from those that run beside the others; return the outcomes in order."""
    with ThreadPoolExecutor(max_workers=1) as aside:
        begun = [aside.submit(run, suite) if suite.beside else run(suite) for suite in suites]
        return [outcome.result() if isinstance(outcome, Future) else outcome for outcome in begun]


def main() -> int:
    """Run the suites that need no broker, then those that do, inside a launcher that starts it."""
    os.chdir(ROOT)
    names = sys.argv[1:]
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        print(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in SUITES)}", file=sys.stderr)
        return 2
    wanted = [suite for suite in SUITES if not names or suite.name in names]
    results = ROOT / "target/test-results.txt"
    inside = os.environ.get("STARGATE_SUITES_INSIDE") == "1"
    if not inside:
        results.parent.mkdir(exist_ok=True)
        results.write_text("")
    outcomes = run_all([suite for suite in wanted if suite.needs_broker == inside])
    with results.open("a") as file:
        file.writelines(f"{o.name} {o.passed} {o.failed} {o.seconds:.0f}\n" for o in outcomes)
    if inside:
        return 0
    broker = [suite.name for suite in wanted if suite.needs_broker]
    status = 0
    if broker:
        launcher = [
            sys.executable,
            "tests/pulsar/pulsar.py",
            "run",
            "--secure",
            "--",
            sys.executable,
            __file__,
            *broker,
        ]
        status = subprocess.run(launcher, env={**os.environ, "STARGATE_SUITES_INSIDE": "1"}, check=False).returncode
    return close(results, len(wanted), status)


def close(results: Path, expected: int, status: int) -> int:
    """Print the table and the closing line."""
    rows = [line.split() for line in results.read_text().splitlines()]
    passed, failed = sum(int(row[1]) for row in rows), sum(int(row[2]) for row in rows)
    print()
    for name, good, bad, seconds in rows:
        print(f"{name:<12} {good:>5} passed {bad:>4} failed {seconds:>6} s")
    if status != 0 or len(rows) != expected:
        print(f"{expected - len(rows)} suites did not run", file=sys.stderr)
        failed += max(1, expected - len(rows))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
