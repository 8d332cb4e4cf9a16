"""What the application gives, as what the native half takes."""

from __future__ import annotations

import enum
import json
import os
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from . import _native
from ._native import MessageId
from .errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Seconds = float | timedelta
"""A time in seconds, or as `timedelta`."""

Payload = bytes | bytearray | memoryview | str
"""The content of a message; text is sent as UTF-8."""

Extras = tuple[str | None, dict[str, str] | None, int | None, int | None, int | None, list[str] | None]
"""What goes with a payload, as the native half takes it."""


def seconds(value: Seconds | None) -> float | None:
    """Give a time in seconds; `None` stays `None`, which waits for ever."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"timeout: expected seconds as a number or a timedelta, got {value!r}") from None


def extras(
    key: str | None,
    properties: Mapping[str, str] | None,
    event_time: datetime | float | None,
    deliver_at: datetime | float | None,
    deliver_after: Seconds | None,
    replication_clusters: Iterable[str] | None,
) -> Extras | None:
    """Give what goes with a payload; `None` if nothing does."""
    given = (key, properties, event_time, deliver_at, deliver_after, replication_clusters)
    if all(value is None for value in given):
        return None
    if isinstance(replication_clusters, str):
        raise InvalidArgumentError("replication_clusters: expected several names, got one text")
    return (
        key,
        None if properties is None else dict(properties),
        epoch_millis("event_time", event_time),
        epoch_millis("deliver_at", deliver_at),
        _millis("deliver_after", deliver_after),
        None if replication_clusters is None else list(replication_clusters),
    )


def epoch_millis(name: str, value: datetime | float | None) -> int | None:
    """Give a time in milliseconds since 1970 UTC; `None` stays `None`."""
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgumentError(
                f"{name}: {value!r} has no time zone; use datetime.now(timezone.utc) or the like"
            )
        value = value.timestamp()
    return round(value * 1000)


def place(to: MessageId | datetime | float, after: bool) -> tuple[str, bool, int | None]:
    """Give a place in a topic as the native half takes it."""
    if isinstance(to, MessageId):
        return to._starting(), after, None
    if after:
        raise InvalidArgumentError("after: expected a message id to be after")
    return "", False, epoch_millis("to", to)


def _millis(name: str, value: Seconds | None) -> int | None:
    length = seconds(value)
    if length is None:
        return None
    if not 0 <= length < 1e15:
        raise InvalidArgumentError(f"{name}: expected seconds of 0 or more, got {value!r}")
    return round(length * 1000)


# ---- options ----


@cache
def option_table() -> dict[str, dict[str, Any]]:
    """Give the core's table of options, by key and by each other word for a key."""
    table: dict[str, dict[str, Any]] = {}
    for row in json.loads(_native.describe_options()):
        for key in (row["key"], *row["aliases"]):
            table[key] = row
    return table


def option_pairs(options: Mapping[str, object]) -> list[tuple[str, str]]:
    """Give options as texts, as the core takes them. An option that is `None` counts as not given."""
    return [(key, _option_text(key, value)) for key, value in options.items() if value is not None]


def _option_text(key: str, value: object) -> str:  # noqa: PLR0911 - one return a type
    row = option_table().get(key)
    if row is None:
        return str(value)  # The core's answer names the nearest key.
    if isinstance(value, enum.Enum):
        value = value.value
    match row["type"], value:
        case "bool", bool():
            return "true" if value else "false"
        case "millis", timedelta() | int() | float() if not isinstance(value, bool):
            return _option_millis(row, value)
        case "int", int() if not isinstance(value, bool):
            return str(value)
        case "float", int() | float() if not isinstance(value, bool):
            return str(value)
        case "path", str() | os.PathLike():
            return os.fspath(value)
        case "position", _native.MessageId():
            return value._starting()
        case "text" | "secret" | "choice" | "position", str():
            return value
    expected = "seconds as a number or a timedelta" if row["type"] == "millis" else row["range"]
    # A secret of the wrong type is a secret all the same.
    got = type(value).__name__ if row["type"] == "secret" else repr(value)
    raise InvalidArgumentError(f"option {key!r}: expected {expected}, got {got}")


def _option_millis(row: dict[str, Any], value: Seconds) -> str:
    length = value.total_seconds() if isinstance(value, timedelta) else float(value)
    shortest, longest, or_zero = row["min"], row["max"], row["or_zero"]
    millis = length * 1000
    if shortest <= millis <= longest or (or_zero and millis == 0):
        return str(round(millis))
    zero = "0 (off) or " if or_zero else ""
    raise InvalidArgumentError(
        f"option {row['key']!r}: expected {zero}{shortest / 1000:g} to {longest / 1000:g} seconds, got {value!r}"
    )
