#!/usr/bin/env python3
"""Runs the main job in Rust, C and Python: produce 1,000 messages, consume them with a handler, read them again.

On the mock broker, or with PULSAR=real on a real one that is started for it, or on the one at PULSAR_URL. `make demo`
has built everything before.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"


def build() -> list[tuple[str, list[str]]]:
    """Build the examples; their names and commands."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "stargate-core", "--example", "demo"], check=True)
    program = TARGET / "demo-c"
    library = TARGET / "release"
    compiler = os.environ.get("CC", "cc")
    source = str(ROOT / "examples/c/demo.c")
    flags = ["-std=c99", "-Wall", "-Wextra", f"-I{ROOT / 'include'}", f"-L{library}", f"-Wl,-rpath,{library}"]
    subprocess.run([compiler, *flags, source, "-lstargate", "-lpthread", "-o", str(program)], check=True)
    return [
        ("Rust", [str(TARGET / "release/examples/demo")]),
        ("C", [str(program)]),
        ("Python", [str(ROOT / ".venv/bin/python"), str(ROOT / "examples/python/demo.py")]),
    ]


def run_all(programs: list[tuple[str, list[str]]], url: str) -> int:
    """Run each program against `url`; how many failed."""
    failed = 0
    for name, command in programs:
        status = subprocess.run([*command, url], check=False, timeout=300).returncode
        if status != 0:
            print(f"{name}: failed with status {status}", file=sys.stderr)
            failed += 1
    print(f"demo: {len(programs) - failed} of {len(programs)} programs did the whole job on {url}")
    return failed


def main() -> int:
    """Find or start a broker, run the programs on it."""
    os.chdir(ROOT)
    programs = build()
    if url := os.environ.get("PULSAR_URL"):
        return 1 if run_all(programs, url) else 0
    if os.environ.get("PULSAR") == "real":
        launcher = [sys.executable, "tests/pulsar/pulsar.py", "run", "--", sys.executable, __file__]
        return subprocess.run(launcher, check=False).returncode
    mock = [
        "cargo",
        "run",
        "--quiet",
        "--release",
        "-p",
        "stargate-core",
        "--features",
        "mock",
        "--bin",
        "stargate-mock",
    ]
    with subprocess.Popen(
        [*mock, "--", "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as broker:
        assert broker.stdin and broker.stdout
        url = broker.stdout.readline().strip()
        failed = run_all(programs, url)
        broker.stdin.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
