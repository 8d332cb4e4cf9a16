#!/usr/bin/env python3
"""Looks whether every test that docs/features.md names is there, and every one that `ctest -R` of docs/c.md is to run.

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
    ("tests/scenarios/*.rs", r"fn (\w+)\("),
    ("tests/gateways/*.rs", r"fn (\w+)\("),
    ("tests/c/*.c", r"TEST\((\w+)\)"),
    ("tests/cpp/*.cpp", r"TEST\((\w+)\)"),
    ("python/tests/*.py", r"def (test_\w+)\("),
    ("tests/interop/*.py", r"def (test_\w+)\("),
    ("tests/proxies/*.py", r"def (test_\w+)\("),
]


def main() -> int:
    """Compare what is named with what is there."""
    page = (ROOT / "docs/features.md").read_text()
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
    for name in missing:
        print(f"docs/features.md or docs/c.md names a test that does not exist: {name}", file=sys.stderr)
    print(f"features: {len(named) - len(missing)} passed, {len(missing)} failed")
    return 1 if missing or not named else 0


if __name__ == "__main__":
    sys.exit(main())
