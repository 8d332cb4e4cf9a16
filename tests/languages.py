#!/usr/bin/env python3
"""Runs the tests of the bindings: languages.py [--library FILE] [LANGUAGE...]

Each command runs in the root of the repository, with STARGATE_LIBRARY set to the library (target/release by default).
A language whose tools are not on the machine is named and left out. Closes with `languages: N passed, N failed`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = len(json.loads((ROOT / "include/stargate.abi.json").read_text(encoding="utf-8"))["functions"])


class Tool(NamedTuple):
    """A program that a language needs: its name, how to ask for its version, the oldest that will do, its source."""

    name: str
    version: str
    oldest: tuple[int, ...]
    source: str


GO = Tool("go", "go version", (1, 23), "https://go.dev/dl, or `apt install golang` where that is new enough")
NODE = Tool("node", "node --version", (20,), "apt install nodejs npm")
NPM = Tool("npm", "npm --version", (8,), "apt install npm")
JAVAC = Tool("javac", "javac --version", (22,), "a JDK 22 or later, in PATH, JAVA_HOME or /usr/lib/jvm")
MVN = Tool("mvn", "", (), "apt install maven")
RUBY = Tool("ruby", "ruby --version", (3, 1), "apt install ruby")
RUBY_FFI = Tool("ruby -rffi -e 0", "", (), "apt install ruby-ffi")
ELIXIR = Tool("mix", "mix --version", (1, 14), "apt install elixir erlang-dev")
CC = Tool("cc", "", (), "apt install gcc")

RAW = "target/languages"

# A row is a language, what it needs, and its commands. The first are those of its raw layer. The tests of each package
# carry out the scenarios too; tests/transcripts.py does so on a real broker.
LANGUAGES: list[tuple[str, list[Tool], list[str]]] = [
    # The program of docs/bindings.md, for any language.
    (
        "ctypes",
        [],
        [
            "$PYTHON tests/raw/page.py | grep -x 'received: one pizza'",
        ],
    ),
    (
        "go",
        [GO, CC],
        [
            "gofmt -l bindings/go tests/bench/clients/go | (! grep .)",
            "cd bindings/go && go vet ./... && go test -race ./...",
        ],
    ),
    (
        "node",
        [NODE, NPM],
        [
            "npm install --silent --no-save --prefix bindings/node",
            "NODE_PATH=bindings/node/node_modules node tests/raw/load.cjs $STARGATE_LIBRARY",
            "npm run --silent types --prefix bindings/node",
            "node --test bindings/node/test/*.test.js",
        ],
    ),
    (
        "java",
        [JAVAC, MVN],
        [
            f"javac -Xlint:all,-restricted -Werror --release 22 -d {RAW}/java tests/raw/Load.java "
            "bindings/java/src/main/java/stargate/ffi/Abi.java",
            f"java --enable-native-access=ALL-UNNAMED -cp {RAW}/java Load $STARGATE_LIBRARY {FUNCTIONS}",
            "mvn --quiet --batch-mode --file bindings/java verify",
        ],
    ),
    (
        "ruby",
        [RUBY, RUBY_FFI],
        [
            "ruby -w tests/raw/load.rb $STARGATE_LIBRARY",
            "ruby -w bindings/ruby/test/all.rb",
            "ruby -w bindings/ruby/test/outages.rb 5000",
            "ruby -w bindings/ruby/test/leaks.rb 100 5000",
        ],
    ),
    (
        "elixir",
        [ELIXIR, CC],
        [
            f"cc -Wall -Wextra -Werror -Iinclude -o {RAW}/elixir tests/raw/load.c -ldl",
            f"{RAW}/elixir $STARGATE_LIBRARY",
            "cd bindings/elixir && mix format --check-formatted && mix compile --warnings-as-errors && mix test",
            "cd bindings/elixir && mix run examples/worker_test.exs",
        ],
    ),
]


def environment(library: Path) -> dict[str, str]:
    """Return the environment of the commands. A JDK that is new enough comes first in the path."""
    found = {**os.environ, "STARGATE_LIBRARY": str(library), "PYTHON": sys.executable}
    homes = [Path(home) for home in [os.environ.get("JAVA_HOME", "")] if home]
    for home in [*homes, *sorted(Path("/usr/lib/jvm").glob("*"), reverse=True)]:
        at = {**found, "JAVA_HOME": str(home), "PATH": f"{home}/bin:{found['PATH']}"}
        if (home / "bin/javac").exists() and missing(JAVAC, at) is None:
            return at
    return found


def missing(tool: Tool, environment: dict[str, str]) -> str | None:
    """Return why a tool will not do, or None."""
    program, *arguments = tool.name.split()
    where = shutil.which(program, path=environment["PATH"])
    if where is None or (
        arguments and subprocess.run([where, *arguments], capture_output=True, check=False).returncode
    ):
        return f"{tool.name} is not here; {tool.source}"
    if not tool.version:
        return None
    answer = subprocess.run(tool.version, shell=True, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in answer.stdout.splitlines() if re.match(rf"{tool.name}\b|v?\d|Mix", line, re.IGNORECASE)]
    numbers = re.search(r"\d+(\.\d+)*", lines[-1] if lines else "")
    version = tuple(int(part) for part in numbers[0].split(".")) if numbers else ()
    if version < tool.oldest:
        wanted = ".".join(str(part) for part in tool.oldest)
        return f"{tool.name} is {'.'.join(map(str, version)) or 'of an unknown version'}, not {wanted}; {tool.source}"
    return None


def main() -> int:
    """Run the commands of the languages, and count."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--library", type=Path, default=ROOT / "target/release/libstargate.so")
    arguments.add_argument("languages", nargs="*", metavar="LANGUAGE", help=", ".join(row[0] for row in LANGUAGES))
    options = arguments.parse_args()
    unknown = set(options.languages) - {row[0] for row in LANGUAGES}
    if unknown:
        arguments.error(f"no language {', '.join(sorted(unknown))}; there are {', '.join(r[0] for r in LANGUAGES)}")
    if not options.library.exists():
        arguments.error(f"{options.library} does not exist; `make library` builds it")
    at = environment(options.library.resolve())
    (ROOT / RAW).mkdir(parents=True, exist_ok=True)
    passed, failed = 0, 0
    for name, tools, commands in LANGUAGES:
        if options.languages and name not in options.languages:
            continue
        lacking = [reason for tool in tools if (reason := missing(tool, at))]
        if lacking:
            print(f"left out: {name}: {'; '.join(lacking)}", flush=True)
            continue
        for command in commands:
            print(f"=== {name}: {command}", flush=True)
            shell = ["bash", "-o", "pipefail", "-c", command]
            good = subprocess.run(shell, cwd=ROOT, env=at, check=False).returncode == 0
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAILED {name}: {command}", flush=True)
    print(f"languages: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
