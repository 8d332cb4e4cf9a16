"""Write the methods of `stargate.Admin` from those of `stargate.AsyncAdmin`.

python tools/generate_admin.py            write them
python tools/generate_admin.py --check    fail if they are not as they would be written
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "stargate"
SOURCE, TARGET = PACKAGE / "aio" / "admin.py", PACKAGE / "admin.py"

FIRST = "    async def request("
MARK = """
    # From here to the end: generated from `aio/admin.py` by `tools/generate_admin.py`; do not edit.

"""

# What is left out, or is another word without asyncio.
WITHOUT_ASYNC = [
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAwaitable\[(.*?\])\]", r"\1"),
]


def generated(source: str, target: str) -> str:
    """Give the text of the target with its methods generated."""
    methods = source[source.index(FIRST) :]
    for pattern, replacement in WITHOUT_ASYNC:
        methods = re.sub(pattern, replacement, methods)
    return target.partition(MARK)[0].rstrip() + "\n" + MARK + methods


def main() -> int:
    """Write the file, or compare it."""
    present = TARGET.read_text()
    wanted = generated(SOURCE.read_text(), present)
    if sys.argv[1:] == ["--check"]:
        if present == wanted:
            return 0
        print(f"{TARGET.name} is not as aio/{SOURCE.name} says: run tools/generate_admin.py", file=sys.stderr)
        return 1
    TARGET.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
