#!/usr/bin/env python3
"""Runs the main job in Rust, C and Python: produce 1,000 messages, consume them with a handler, read them again.

    demo.py [--release]

On the mock broker, or with PULSAR=real on a real one that it starts, or on the one at PULSAR_URL. It first builds the
core once, in the profile `demo`, and all three programs on it. With --release it takes what `make library wheel` built,
and the Rust program and the mock as `cargo test` built them.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
PROFILE = "release" if "--release" in sys.argv[1:] else "demo"
BUILT = TARGET / PROFILE
# What only this demo runs: nobody installs it, so a release build of it would be wasted.
PROGRAMS = TARGET / ("debug" if PROFILE == "release" else PROFILE)


class Program(NamedTuple):
    """The demo of one language."""

    language: str
    command: list[str]
    environment: dict[str, str]


def cargo_build(*what: str) -> None:
    """Build; the native half of the wheel has no Python to link with."""
    environment = {**os.environ, "PYO3_BUILD_EXTENSION_MODULE": "1"}
    command = ["cargo", "build", *what]
    subprocess.run(command, check=True, env=environment)


def build() -> list[Program]:
    """Build the mock and the programs; how to run them."""
    programs = ["--example", "demo", "--bin", "stargate-mock"]
    if PROFILE == "release":
        # The packages and features of tests/suites.py, so that Cargo builds nothing again.
        features = "stargate-core/mock,stargate-core/fuzzing"
        cargo_build("--workspace", "--exclude", "stargate-python", "--features", features, *programs)
        python = Program("Python", [str(ROOT / ".venv/bin/python")], {})
    else:
        # In one command, so that Cargo builds the core once for all of them.
        packages = ["-p", "stargate-core", "-p", "stargate-ffi", "-p", "stargate-python", "--lib"]
        cargo_build("--profile", PROFILE, "--features", "stargate-core/mock", *packages, *programs)
        python = Program("Python", [sys.executable], {"PYTHONPATH": str(python_package().parent)})
    return [
        Program("Rust", [str(PROGRAMS / "examples/demo")], {}),
        Program("C", [str(compile_c())], {"LD_LIBRARY_PATH": str(BUILT)}),
        python._replace(command=[*python.command, str(ROOT / "examples/python/demo.py")]),
    ]


def compile_c() -> Path:
    """Compile the program in C against the library, which programs remember by its SONAME."""
    program = TARGET / "demo-c"
    dump = subprocess.run(["objdump", "-p", BUILT / "libstargate.so"], check=True, capture_output=True, text=True)
    soname = next(line.split()[1] for line in dump.stdout.splitlines() if line.split()[:1] == ["SONAME"])
    link(BUILT / soname, Path("libstargate.so"))
    flags = ["-std=c99", "-Wall", "-Wextra", f"-I{ROOT / 'include'}", f"-L{BUILT}"]
    command = [os.environ.get("CC", "cc"), *flags, str(ROOT / "examples/c/demo.c"), "-lstargate", "-lpthread"]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


def python_package() -> Path:
    """Lay out the package as the wheel has it: the modules of the source tree and the native half just built."""
    package = BUILT / "python/stargate"
    package.mkdir(parents=True, exist_ok=True)
    for module in (ROOT / "python/stargate").iterdir():
        if module.suffix != ".so" and module.name != "__pycache__":
            link(package / module.name, module)
    link(package / "_native.abi3.so", BUILT / "lib_native.so")
    return package


def link(path: Path, to: Path) -> None:
    """Make `path` a symbolic link to `to`, whatever it was before."""
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def run_all(programs: list[Program], url: str) -> int:
    """Run each program against `url`; how many failed."""
    failed = 0
    for name, command, environment in programs:
        variables = {**os.environ, **environment}
        status = subprocess.run([*command, url], check=False, timeout=300, env=variables).returncode
        if status != 0:
            print(f"{name}: failed with status {status}", file=sys.stderr)
            failed += 1
    print(f"demo: {len(programs) - failed} of {len(programs)} programs did the whole job on {url}")
    return failed


def main() -> int:
    """Find or start a broker, run the programs on it."""
    os.chdir(ROOT)
    if os.environ.get("PULSAR") == "real" and "PULSAR_URL" not in os.environ:
        launcher = [sys.executable, "tests/pulsar/pulsar.py", "run", "--", sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run(launcher, check=False).returncode
    programs = build()
    if url := os.environ.get("PULSAR_URL"):
        return 1 if run_all(programs, url) else 0
    mock = [str(PROGRAMS / "stargate-mock"), "--until-eof"]
    with subprocess.Popen(mock, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdin and broker.stdout
        url = broker.stdout.readline().strip()
        failed = run_all(programs, url)
        broker.stdin.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
