#!/usr/bin/env python3
"""Compares the transcripts of every language with those in tests/scenarios/table, on the mock and at PULSAR_URL.

    tests/transcripts.py [LANGUAGE...] [--only SCENARIO] [--record]
    tests/transcripts.py --program PROGRAM [--only SCENARIO]

Without a language it takes all, and leaves out those whose tools are not on this machine. The README of the table says
what the scenarios are. `--record` writes the transcripts with the language that is given. `--program` compares those of
a program that is built already.
"""

import argparse
import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from languages import environment

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/scenarios/table"
PYTHON = os.environ.get("PYTHON", str(ROOT / ".venv/bin/python"))
SECONDS = 60


class Language(NamedTuple):
    """An interpreter: the tool that it needs, the shell command that builds it, and the command that runs it."""

    name: str
    tool: str
    build: str
    command: list[str]


# The library that all but Rust and Python load; `make library` builds it.
LIBRARY = os.environ.get("STARGATE_LIB_DIR", str(ROOT / "target/release"))
os.environ.setdefault("STARGATE_LIBRARY", f"{LIBRARY}/libstargate.so")
CARGO = "cargo build -q -p stargate-core --features mock --example scenario"
CMAKE = f"cmake -S tests/c -B target/transcripts -DSTARGATE_LIB_DIR='{LIBRARY}' >target/transcripts.log"
CMAKE += " && cmake --build target/transcripts --target {} >>target/transcripts.log"
MIX = "cd bindings/elixir && MIX_ENV=test mix compile >../../target/transcripts.elixir.log"
EBIN = "bindings/elixir/_build/test/lib/stargate/ebin"

GO = "go build -C bindings/go -o ../../target/transcripts/scenario-go ./internal/scenario/command"
JAVAC = "javac -nowarn --release 22 -d target/transcripts/java "
JAVAC += "$(find bindings/java/src/main/java/stargate bindings/java/src/test/java/stargate/scenario -name '*.java')"
JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED"]
JAVA += ["-cp", "target/transcripts/java", "stargate.scenario.Scenario"]

LANGUAGES = [
    Language("rust", "cargo", CARGO, ["target/debug/examples/scenario"]),
    Language("c", "cmake", CMAKE.format("scenario"), ["target/transcripts/scenario"]),
    Language("c++", "cmake", CMAKE.format("scenario_cpp"), ["target/transcripts/cpp/scenario_cpp"]),
    Language("python", PYTHON, "", [PYTHON, "python/tests/scenario.py"]),
    Language("go", "go", GO, ["target/transcripts/scenario-go"]),
    Language(
        "node",
        "npm",
        "npm install --silent --no-save --prefix bindings/node",
        ["node", "bindings/node/test/scenario.js"],
    ),
    Language("elixir", "mix", MIX, ["elixir", "-pa", EBIN, "bindings/elixir/test/scenario.exs"]),
    Language("ruby", "ruby", "", ["ruby", "-w", "bindings/ruby/test/scenario.rb"]),
    Language("java", "javac", JAVAC, JAVA),
]


def scenarios(pattern: str) -> list[Path]:
    """Return the scenarios whose name contains a text."""
    return [path for path in sorted(TABLE.glob("*.scenario")) if pattern in path.stem]


def runs(paths: list[Path]) -> list[tuple[Path, list[str]]]:
    """Return each scenario with the URL that it runs at: none for the mock, then that of a real broker."""
    url = os.environ.get("PULSAR_URL")
    real = [(path, [url]) for path in paths if url and "\non any\n" in path.read_text("ascii")]
    return [(path, []) for path in paths] + real


def difference(language: Language, path: Path, url: list[str]) -> str:
    """Carry out a scenario and return how its transcript differs; nothing if it does not."""
    try:
        run = subprocess.run([*language.command, str(path), *url], cwd=ROOT, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not end within {SECONDS} seconds"
    if run.returncode != 0:
        return f"it ended with status {run.returncode}: {run.stderr.decode(errors='replace').strip()}"
    expected = path.with_suffix(".transcript").read_bytes()
    if run.stdout == expected:
        return ""
    lines = [text.decode("ascii", "backslashreplace").splitlines() for text in (expected, run.stdout)]
    return "\n".join(difflib.unified_diff(*lines, "expected", language.name, lineterm="", n=2))


def compare(language: Language, paths: list[Path]) -> tuple[int, int]:
    """Compare all transcripts of a language, and return how many passed and failed."""
    passed = failed = 0
    for path, url in runs(paths):
        what = f"{language.name} {path.stem}{' at a real broker' if url else ''}"
        if text := difference(language, path, url):
            failed += 1
            print(f"not ok {what}\n{text}", flush=True)
        else:
            passed += 1
            print(f"ok {what}", flush=True)
    return passed, failed


def record(language: Language, paths: list[Path]) -> None:
    """Write the transcripts again."""
    for path in paths:
        run = subprocess.run([*language.command, str(path)], cwd=ROOT, capture_output=True, timeout=SECONDS, check=True)
        path.with_suffix(".transcript").write_bytes(run.stdout)


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [language.name for language in LANGUAGES]
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help=", ".join(names))
    parser.add_argument("--only", default="", metavar="SCENARIO", help="those with this in their name")
    parser.add_argument("--record", action="store_true", help="write the transcripts again")
    parser.add_argument("--program", help="an interpreter to take instead of those of the languages")
    given = parser.parse_args()
    os.environ.update(environment(Path(os.environ["STARGATE_LIBRARY"])))
    if given.program:
        return report(*compare(Language(Path(given.program).name, "", "", [given.program]), scenarios(given.only)))
    if unknown := set(given.languages) - {*names, "all"}:
        parser.error(f"there is no interpreter for {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    every = not set(given.languages) - {"all"}
    passed = failed = 0
    for language in LANGUAGES:
        if not every and language.name not in given.languages:
            continue
        if shutil.which(language.tool) is None:
            print(f"left out {language.name}: there is no {language.tool}")
            failed += not every
            continue
        subprocess.run(language.build, cwd=ROOT, check=True, shell=True)
        if given.record:
            record(language, scenarios(given.only))
        more = compare(language, scenarios(given.only))
        passed, failed = passed + more[0], failed + more[1]
    return report(passed, failed)


def report(passed: int, failed: int) -> int:
    """Print how many passed and failed, and return the exit status."""
    print(f"transcripts: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
