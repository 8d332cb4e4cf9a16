"""Converts arguments of the application to those of the native half."""

from __future__ import annotations

import enum
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from . import _native
from ._native import MessageId
from .errors import InvalidArgumentError

Seconds = float | timedelta
"""A time in seconds, or as `timedelta`."""

Payload = bytes | bytearray | memoryview | str
"""The content of a message; text is sent as UTF-8."""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers of requests: names with their values."""

Extras = tuple[str | None, dict[str, str] | None, int | None, int | None, int | None, list[str] | None]
"""What goes with a payload, as the native half takes it."""


_LONGEST = 1e12
"""In seconds; the core supports no longer time."""


def seconds(value: Seconds | None, name: str = "timeout") -> float | None:
    """Return a time in seconds; `None` stays `None`, which waits without limit."""
    if value is None:
        return None
    length = value.total_seconds() if isinstance(value, timedelta) else number(name, value, _A_TIME)
    if not 0 <= length <= _LONGEST:
        raise InvalidArgumentError(f"{name}: expected seconds from 0 to {_LONGEST:g}, got {value!r}")
    return length


def required_seconds(value: Seconds, name: str = "timeout") -> float:
    """Return a time in seconds; refuse `None`, where there is always a limit."""
    length = seconds(value, name)
    if length is None:
        raise InvalidArgumentError(f"{name}: expected {_A_TIME}, got None")
    return length


_A_TIME = "seconds as a number or a timedelta"


def number(name: str, value: object, expected: str = "a number") -> float:
    """Return a finite number; refuse texts and booleans."""
    given = _finite(value)
    if given is None:
        raise InvalidArgumentError(f"{name}: expected {expected}, got {value!r}")
    return given


def _finite(value: object) -> float | None:
    try:
        if not isinstance(value, str | bytes | bytearray | bool):
            given = float(value)  # type: ignore[arg-type]
            return given if math.isfinite(given) else None
    except (TypeError, ValueError, OverflowError):
        pass
    return None


def count(name: str, value: object, least: int = 0) -> int:
    """Return a whole number of `least` or more that fits into 32 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
        raise InvalidArgumentError(f"{name}: expected a whole number from {least} to {_MOST}, got {value!r}")
    return value


_MOST = 2**32 - 1


def text(name: str, value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name}: expected a str, got {value!r}")
    return value


# The name by which Pulsar's clients say that a message is not replicated.
_NO_CLUSTER = ("__local__",)


def extras(
    key: str | None,
    properties: Mapping[str, str] | None,
    event_time: datetime | float | None,
    deliver_at: datetime | float | None,
    deliver_after: Seconds | None,
    replication_clusters: Iterable[str] | None,
    disable_replication: bool = False,
) -> Extras | None:
    """Return what accompanies a payload; `None` if nothing does."""
    if disable_replication:
        if replication_clusters is not None:
            raise InvalidArgumentError("disable_replication excludes replication_clusters: give one of them")
        replication_clusters = _NO_CLUSTER
    given = (key, properties, event_time, deliver_at, deliver_after, replication_clusters)
    if all(value is None for value in given):
        return None
    return (
        None if key is None else text("key", key),
        None if properties is None else _properties(properties),
        epoch_millis("event_time", event_time),
        epoch_millis("deliver_at", deliver_at),
        _millis("deliver_after", deliver_after),
        None if replication_clusters is None else _names("replication_clusters", replication_clusters),
    )


def _properties(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"properties: expected a mapping of str to str, got {given!r}")
    return {
        text("properties: a name", name): value if isinstance(value, str) else text(f"properties[{name!r}]", value)
        for name, value in given.items()
    }


def _names(name: str, given: object) -> list[str]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{name}: expected several names, got {given!r}")
    return [text(f"{name}: a name", one) for one in given]


def epoch_millis(name: str, value: datetime | float | None) -> int | None:
    """Return a time in milliseconds since 1970 UTC; `None` stays `None`."""
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgumentError(
                f"{name}: {value!r} has no time zone; use datetime.now(timezone.utc) or the like"
            )
        value = value.timestamp()
    millis = round(number(name, value, "an aware datetime, or seconds since 1970") * 1000)
    if not _FIRST_MILLIS <= millis <= _LAST_MILLIS:
        raise InvalidArgumentError(f"{name}: expected a time in the years 1 to 9999, got {value!r} seconds since 1970")
    return millis


_FIRST_MILLIS = -62_135_596_800_000
_LAST_MILLIS = 253_402_300_799_999


def place(to: MessageId | datetime | float, after: bool) -> tuple[str, bool, int | None]:
    """Return a position in a topic as the native half takes it."""
    if isinstance(to, MessageId):
        return to._starting(), after, None
    if after:
        raise InvalidArgumentError("after: expected a message id to be after")
    if to is None:
        raise InvalidArgumentError("to: expected a message id, an aware datetime, or seconds since 1970, got None")
    return "", False, epoch_millis("to", to)


def _millis(name: str, value: Seconds | None) -> int | None:
    length = seconds(value, name)
    return None if length is None else round(length * 1000)


# ---- options ----


@cache
def option_table() -> dict[str, dict[str, Any]]:
    """Return the core's table of options by key, and by the other names of each key."""
    table: dict[str, dict[str, Any]] = {}
    for row in json.loads(_native.describe_options()):
        for key in (row["key"], *row["aliases"]):
            table[key] = row
    return table


def option_pairs(options: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return options as the texts that the core takes. An option that is `None` counts as not given."""
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
        case "headers", _ if not isinstance(value, str):
            return header_lines(value)
        case "text" | "secret" | "headers" | "pem" | "choice" | "position", str():
            return value
    expected = _A_TIME if row["type"] == "millis" else row["range"]
    # A secret of the wrong type is a secret all the same.
    got = type(value).__name__ if row["type"] == "secret" else repr(value)
    raise bad_option(key, f"expected {expected}, got {got}")


def bad_option(key: str, why: str) -> InvalidArgumentError:
    """Return the error of an option's value; its text ends with where the option is documented."""
    documented = option_table().get(key, {}).get("key")
    return InvalidArgumentError(
        f"option {key!r}: {why}" + (f" (see docs/configuration.md#{documented})" if documented else "")
    )


def lines_of(supplier: Callable[[], Headers]) -> Callable[[], str]:
    """Return a function that converts the headers of `supplier` for the core."""
    return lambda: header_lines(supplier())


def header_lines(headers: object) -> str:
    """Return headers, a mapping or pairs, as the lines that the core takes."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = []
    for pair in pairs if isinstance(pairs, Iterable) else [None]:
        match pair:
            case (str() as name, str() as value):
                # A line cannot hold a line break; the core refuses the return that stands for it.
                lines.append(f"{name}: {value}".replace("\n", "\r"))
            case _:
                raise bad_option("headers", "expected a mapping or pairs of str to str, or lines of 'Name: value'")
    return "\n".join(lines)


def _option_millis(row: dict[str, Any], value: Seconds) -> str:
    length = value.total_seconds() if isinstance(value, timedelta) else _finite(value)
    if length is None:
        raise bad_option(row["key"], f"expected {_A_TIME}, got {value!r}")
    shortest, longest, or_zero = row["min"], row["max"], row["or_zero"]
    millis = length * 1000
    if shortest <= millis <= longest or (or_zero and millis == 0):
        return str(round(millis))
    zero = "0 (off) or " if or_zero else ""
    raise bad_option(row["key"], f"expected {zero}{shortest / 1000:g} to {longest / 1000:g} seconds, got {value!r}")
