"""Write `stargate/_options.py` from the core's table of options.

python tools/generate_options.py            write it
python tools/generate_options.py --check    fail if it is not as it would be written
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from stargate import _native

TARGET = Path(__file__).parent.parent / "stargate" / "_options.py"

HEAD = '''"""The options of stargate as types of keyword arguments.

Generated from the core's table by `tools/generate_options.py`; do not edit. Times are in seconds, or `timedelta`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from ._native import MessageId
    from .encryption import CryptoKeyReader
    from .state import StateChange

'''

CLASSES = [
    (
        "ConnectionOptions",
        "TypedDict",
        "connection",
        "How connections are made and kept. Given to a client, and inherited by all it opens; each may override them.",
    ),
    ("ProducerOptions", "ConnectionOptions", "producer", "Options of a producer, besides those of its connection."),
    ("ConsumerOptions", "ConnectionOptions", "consumer", "Options of a consumer, besides those of its connection."),
    ("ReaderOptions", "ConnectionOptions", "reader", "Options of a reader, besides those of its connections."),
]

ON_STATE = (
    "    on_state: Callable[[StateChange], object] | None\n"
    '    """Called at each change of state of a connection, on a thread of stargate."""\n'
)

KEY_READER = (
    "    crypto_key_reader: CryptoKeyReader | None\n"
    '    """Where the keys of end-to-end encryption come from, instead of the options that name key files."""\n'
)


def generate() -> str:
    """Return the text of the file."""
    rows = json.loads(_native.describe_options())
    text = HEAD
    for name, base, role, doc in CLASSES:
        text += f'\nclass {name}({base}, total=False):\n    """{doc}"""\n\n'
        if base == "TypedDict":
            text += ON_STATE
        text += "".join(_field(row) for row in rows if role in row["roles"])
        if role in {"producer", "consumer"}:
            text += KEY_READER
        text += "\n"
    return text.rstrip() + "\n"


def _field(row: dict[str, Any]) -> str:
    doc = row["doc"].replace("`{topic}", "`{{topic}").replace("{{", "{")
    if row["type"] == "millis":
        doc += f" Seconds; {_seconds(row)}."
    elif row["type"] in {"int", "float"}:
        doc += f" From {row['min']} to {row['max']}."
    doc += f" Default: {_default(row)}." if row["default"] else ""
    lines = textwrap.wrap(doc, 110, break_on_hyphens=False)
    quoted = '    """' + "\n    ".join(lines) + '"""\n'
    return f"    {row['key']}: {_type(row)} | None\n{quoted}"


def _type(row: dict[str, Any]) -> str:
    if row["type"] == "choice":
        return "Literal[" + ", ".join(json.dumps(word) for word in row["choices"]) + "]"
    return {
        "bool": "bool",
        "int": "int",
        "float": "float",
        "millis": "float | timedelta",
        "path": "str | os.PathLike[str]",
        "position": "MessageId | str",
        "headers": "str | Mapping[str, str] | Iterable[tuple[str, str]]",
    }.get(row["type"], "str")


def _seconds(row: dict[str, Any]) -> str:
    off = "0 turns it off, else " if row["or_zero"] else ""
    return f"{off}{row['min'] / 1000:g} to {row['max'] / 1000:g}"


def _default(row: dict[str, Any]) -> str:
    match row["type"]:
        case "millis":
            return f"{int(row['default']) / 1000:g}"
        case "bool":
            return str(row["default"] == "true")
        case "choice" | "position":
            return json.dumps(row["default"])
    return str(row["default"])


if __name__ == "__main__":
    if "--check" in sys.argv:
        if TARGET.read_text() != generate():
            sys.exit(f"{TARGET.name} is not what the table of options says; run {Path(__file__).name}")
    else:
        TARGET.write_text(generate())
        print(f"wrote {TARGET.name}")
