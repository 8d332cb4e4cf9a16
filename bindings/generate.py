#!/usr/bin/env python3
"""Writes the raw layer of each language from include/stargate.abi.json: generate.py [--check] [LANGUAGE...]

A raw layer declares what the C library has, in the terms of a language, and nothing else: functions, structs,
callbacks and constants. The package of the language is written by hand on top of it. With --check nothing is written;
1 if a file is not what it would be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from generators import elixir, go, java, node, ruby
from generators.abi import ROOT

FILES: dict[str, dict[str, Callable[[], str]]] = {
    "go": go.FILES,
    "node": node.FILES,
    "java": java.FILES,
    "ruby": ruby.FILES,
    "elixir": elixir.FILES,
}


def main() -> int:
    """Write the files, or compare with what is there."""
    check = "--check" in sys.argv[1:]
    languages = [argument for argument in sys.argv[1:] if argument != "--check"] or list(FILES)
    status = 0
    for language in languages:
        if language not in FILES:
            print(f"generate.py: no language {language}; there are {', '.join(FILES)}", file=sys.stderr)
            return 2
        for name, write in FILES[language].items():
            path = ROOT / "bindings" / language / name
            written = write()
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(written, encoding="utf-8")
            elif not path.exists() or path.read_text(encoding="utf-8") != written:
                print(f"{path.relative_to(ROOT)} is not what include/stargate.abi.json says; run bindings/generate.py")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
