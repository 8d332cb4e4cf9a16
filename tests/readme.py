#!/usr/bin/env python3
"""Runs the programs of README.md, docs/admin.md and docs/delivery.md as printed, against the broker at PULSAR_URL.

The pieces of C in docs/ are compiled; those in Rust are compiled by a doc test.

Closes with `readme: N passed, N failed`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = Path(os.environ.get("STARGATE_LIB_DIR", ROOT / "target/release"))
# What programs that take no argument have for a URL.
PRINTED_URL = "ws://localhost:8080"


def programs(page: str, language: str) -> list[str]:
    """Return the code blocks of one language."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_c(folder: Path, source: str, url: str) -> subprocess.CompletedProcess[str]:
    """Compile C99 with the strictest of settings, and run."""
    return compile_and_run(folder, [os.environ.get("CC", "cc"), "-std=c99"], "program.c", source, url)


def run_cpp(folder: Path, source: str, url: str) -> subprocess.CompletedProcess[str]:
    """Compile C++17 with the same settings, and run."""
    return compile_and_run(folder, [os.environ.get("CXX", "c++"), "-std=c++17"], "program.cpp", source, url)


def compile_and_run(
    folder: Path, compiler: list[str], name: str, source: str, url: str
) -> subprocess.CompletedProcess[str]:
    """Build a whole program, and run it."""
    (folder / name).write_text(source)
    flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{ROOT / 'include'}", f"-L{LIBRARY}"]
    command = [*compiler, name, *flags, f"-Wl,-rpath,{LIBRARY}", "-lstargate", "-o", "program"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run(["./program", url], cwd=folder, check=False, capture_output=True, text=True, timeout=60)


# A function in a piece of C: on one line, or up to a brace at the beginning of a line.
FUNCTION = re.compile(r"^static .*\}$|^static .*\n\{\n(?:[^}\n].*\n|\n)*\}$", re.MULTILINE)

# What the pieces of C in docs/ take as given.
GIVEN = """\
#include <stargate.h>
#include <stargate_mock.h>
#include <stdio.h>
#include <sys/epoll.h>

extern stargate_client *client;
extern stargate_producer *producer;
extern stargate_consumer *consumer;
extern stargate_reader *reader;
extern stargate_message *message;
extern stargate_mock *mock;
extern stargate_error *error;
extern int32_t made;
extern int fd, epoll;
extern struct epoll_event event;
extern struct app { stargate_consumer *consumer; } *app;
extern void *new_state();
extern int check(), free_state(), place_order(), report(), work();
"""


def compile_c(folder: Path, source: str, _: str) -> subprocess.CompletedProcess[str]:
    """Compile a piece of C: the functions in it as they are, and the rest as the body of another."""
    functions = FUNCTION.findall(source)
    body = FUNCTION.sub("", source)
    (folder / "piece.c").write_text("\n".join([GIVEN, *functions, "int piece(void)", "{", body, "return 0;", "}\n"]))
    command = [os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Werror", f"-I{ROOT / 'include'}", "-fsyntax-only"]
    return subprocess.run([*command, "piece.c"], cwd=folder, check=False, capture_output=True, text=True)


def run_python(folder: Path, source: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run with the wheel that is installed in .venv, and with this broker's URL for the printed one."""
    (folder / "program.py").write_text(source.replace(PRINTED_URL, url))
    command = [str(ROOT / ".venv/bin/python"), "-W", "error", "program.py", url]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)


def run_pytest(folder: Path, source: str, _: str) -> subprocess.CompletedProcess[str]:
    """Run as a user's own test, with the wheel that is installed in .venv."""
    (folder / "test_orders.py").write_text(source)
    command = [str(ROOT / ".venv/bin/python"), "-m", "pytest", "-q", "-W", "error"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=60)


def main() -> int:
    """Run all; 1 if any failed."""
    url = os.environ["PULSAR_URL"]
    expected = [
        ("README.md", "c", run_c, ["received one pizza"]),
        *(
            (f"docs/{page}.md", "c", compile_c, [])
            for page in ("c", "coming-from-pulsar-c", "delivery", "testing", "admin")
        ),
        ("README.md", "cpp", run_cpp, ["received one pizza"]),
        ("README.md", "python", run_python, ["stored as"]),
        ("README.md", "py", run_pytest, ["1 passed"]),
        ("docs/admin.md", "python", run_python, ["backlog: 1 of 1", "after the seek: 0", "shop/sales/orders"]),
        ("docs/delivery.md", "python", run_python, ["waiting: 3", "b'entry 8'", "stored: 10"]),
    ]
    passed = failed = 0
    for page, language, run, lines in expected:
        found = programs(page, language)
        assert found, f"{page} has no program in {language}"
        for source in found:
            with tempfile.TemporaryDirectory() as folder:
                done = run(Path(folder), source, url)
            print(done.stdout, done.stderr, sep="", end="")
            if done.returncode == 0 and all(line in done.stdout for line in lines):
                passed += 1
            else:
                print(f"the {language} program of {page} failed with status {done.returncode}", file=sys.stderr)
                failed += 1
    print(f"readme: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
