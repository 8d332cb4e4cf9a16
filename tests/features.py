#!/usr/bin/env python3
"""Checks that every test named in docs/features.md exists, and every one that `ctest -R` in docs/c.md would run.

Closes with `features: N passed, N failed`.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Where tests are, and how one begins.
PLACES = [
    ("core/src/**/*.rs", r"fn (\w+)\("),
    ("core/tests/*.rs", r"fn (\w+)\("),
    ("cli/tests/*.rs", r"fn (\w+)\("),
    ("tests/scenarios/**/*.rs", r"fn (\w+)\("),
    ("tests/gateways/*.rs", r"fn (\w+)\("),
    ("tests/c/*.c", r"TEST\((\w+)\)"),
    ("tests/cpp/*.cpp", r"TEST\((\w+)\)"),
    ("python/tests/*.py", r"def (test_\w+)\("),
    ("tests/interop/*.py", r"def (test_\w+)\("),
    ("tests/proxies/*.py", r"def (test_\w+)\("),
    ("tests/command/*.py", r"def (test_\w+)\("),
]

# The section of the packages, and where their tests are, a place for each column.
PACKAGES = "## In Go, Node.js, Java, Ruby and Elixir\n"
COLUMNS = [
    "bindings/go/**/*_test.go",
    "bindings/node/test/*.js",
    "bindings/java/src/test/**/*.java",
    "bindings/ruby/test/*.rb",
    "bindings/elixir/test/**/*.exs",
]


def packages(section: str) -> tuple[int, list[str]]:
    """Return how many tests the section of the packages names, and those that their column's language does not have."""
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", section, re.MULTILINE)
    texts = ["".join(f"{path.name}\n{path.read_text()}" for path in ROOT.glob(place)) for place in COLUMNS]
    named = [(name, text) for row in rows for name, text in zip(row.strip("`").split("` | `"), texts, strict=True)]
    return len(named), [name for name, text in named if name not in text]


def main() -> int:
    """Compare what is named with what is there."""
    before, _, after = (ROOT / "docs/features.md").read_text().partition(PACKAGES)
    section, _, after = after.partition("\n## ")
    page = before + after
    named = {name for name in re.findall(r"`([a-z0-9_]{15,})`", page) if "_" in name}
    there = {
        name
        for pattern, test in PLACES
        for path in ROOT.glob(pattern)
        for name in re.findall(test, path.read_text(encoding="utf-8"))
    }
    missing = sorted(named - there)
    # Some tests get their names from CMake: the examples, and those that are written from the headers.
    ctest = there | set(re.findall(r"\w+", (ROOT / "tests/c/CMakeLists.txt").read_text()))
    parts = set(re.findall(r"-R (\w+)`", (ROOT / "docs/c.md").read_text()))
    missing += sorted(part for part in parts if not any(part in name for name in ctest))
    named |= parts
    count, lacking = packages(section)
    missing += lacking
    for name in missing:
        print(f"docs/features.md or docs/c.md names a test that does not exist: {name}", file=sys.stderr)
    print(f"features: {len(named) + count - len(missing)} passed, {len(missing)} failed")
    return 1 if missing or not named or not count else 0


if __name__ == "__main__":
    sys.exit(main())
