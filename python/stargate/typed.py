"""Payloads as JSON, of a type: `encode` makes bytes of a value, `decode` makes the value of a message again.

    producer.send(typed.encode(Order("margherita", 2)))
    order = typed.decode(consumer.receive(), Order)

They take and give bytes, so everything that sends or receives goes with them, with asyncio or without.

Types: `None`, `bool`, `int`, `float`, `str`, `list`, `tuple`, `dict` with keys of `str`, dataclasses, enums by their
values, `Literal`, unions (the first that fits) and models of pydantic 2 (under their aliases), in each other; as text
`datetime` and `date` (ISO 8601), `UUID` and `Decimal`. Others are refused with `InvalidArgumentError`. Nothing is
converted: `"1"` is no `int` and `true` is no number; an `int` is a `float`, though. A field that is missing takes its
default; what a dataclass has no field for is ignored.
"""

from __future__ import annotations

import dataclasses
import json
import reprlib
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, NoReturn, TypeVar, overload
from uuid import UUID

from ._native import Message
from .errors import InvalidArgumentError, PayloadError

__all__ = ["decode", "encode"]

T = TypeVar("T")

_FROM_TEXT: dict[object, Any] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
}


class _MisfitError(Exception):
    """What did not fit: the place and the reason."""


def encode(value: object) -> bytes:
    """Return a value as JSON in UTF-8; `InvalidArgumentError` names what has no form in JSON.

    Examples:
        >>> from dataclasses import dataclass
        >>> from stargate import typed
        >>> @dataclass
        ... class Order:
        ...     pizza: str
        ...     count: int = 1
        >>> typed.encode([Order("margherita", 2), None])
        b'[{"pizza":"margherita","count":2},null]'
        >>> typed.encode({"pizza": [1, b"bytes"]})
        Traceback (most recent call last):
        stargate.errors.InvalidArgumentError: $.pizza[1]: a bytes has no form in JSON
    """
    try:
        if hasattr(type(value), "model_dump_json"):
            return _dump(value)
        plain = _plain(value, "$")
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:  # NaN; half a surrogate pair; a list that holds itself
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"the value has no form in JSON: {error}") from error


@overload
def decode(source: Message | bytes, kind: type[T]) -> T: ...
@overload
def decode(source: Message | bytes, kind: object = Any) -> Any: ...
def decode(source: Message | bytes, kind: object = Any) -> Any:
    """Read a message, or its content, as a value of a type; without a type as whatever JSON it is.

    `PayloadError` names what does not fit. A handler that lets it pass costs the message a negative acknowledgement, as
    every failing handler does; see `MessageHandler.on_error`. Type checkers know what comes of a class or of
    `list[Order]`; of `Order | None` they may not.

    Examples:
        >>> from dataclasses import dataclass
        >>> from stargate import typed
        >>> @dataclass
        ... class Order:
        ...     pizza: str
        ...     count: int = 1
        >>> _ = producer.send(typed.encode(Order("margherita", 2)), key="anna")
        >>> typed.decode(consumer.receive(timeout=5), Order)
        Order(pizza='margherita', count=2)
        >>> typed.decode(b'[{"pizza": "funghi"}]', list[Order])
        [Order(pizza='funghi', count=1)]
        >>> typed.decode(b'[{"pizza": "funghi", "count": "two"}]', list[Order])
        Traceback (most recent call last):
        stargate.errors.PayloadError: the content is not what was expected: $[0].count: expected int, got 'two'
    """
    message = source if isinstance(source, Message) else None
    data = source.data if isinstance(source, Message) else source
    if not isinstance(data, bytes | bytearray):
        raise InvalidArgumentError(f"source: expected a Message or bytes, got {data!r}")
    try:
        if isinstance(kind, type) and hasattr(kind, "model_validate_json"):
            return _validate(kind, data, "$")
        return _build(_parse(data), kind, "$")
    except (_MisfitError, RecursionError) as error:
        name = f"the content of message {message.id} of {message.topic}" if message is not None else "the content"
        text = f"{name} is not what was expected: {error}"
        about = (message.topic, message.id) if message is not None else (None, None)
        raise PayloadError(text, topic=about[0], message_id=about[1], data=data) from error.__cause__


def _dump(model: Any) -> bytes:
    content: str = model.model_dump_json(by_alias=True)
    return content.encode()


def _plain(value: Any, where: str) -> Any:  # noqa: PLR0911 -- one for each type
    """Return a value as what `json` knows."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InvalidArgumentError(f"{where}: the key {key!r} is no str, and JSON has no others")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if hasattr(type(value), "model_dump_json"):
        return json.loads(_dump(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name), f"{where}.{name}") for name in names}
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise InvalidArgumentError(f"{where}: a {type(value).__name__} has no form in JSON")


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data.decode(), parse_constant=_no_json)
    except ValueError as error:
        raise _MisfitError(str(error)) from error


def _validate(model: Any, data: bytes, where: str) -> Any:
    try:
        return model.model_validate_json(data)
    except ValueError as error:
        raise _MisfitError(f"{where}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _misfit(where: str, kind: object, value: object) -> NoReturn:
    name = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else kind
    raise _MisfitError(f"{where}: expected {name}, got {reprlib.repr(value)}")


def _build(value: Any, kind: Any, where: str) -> Any:  # noqa: PLR0911, PLR0912 -- one for each type
    """Return what `json` read as a value of a type."""
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is Any or origin is object:
        return value
    if origin is typing.Union or origin is types.UnionType:
        return _first(value, kind, where)
    if origin is typing.Literal:
        choices = [choice for choice in arguments if (type(choice), choice) == (type(value), value)]
        return choices[0] if choices else _misfit(where, kind, value)
    if origin in (list, tuple):
        return _sequence(value, kind, origin, arguments, where)
    if origin is dict:
        key, item = arguments or (str, Any)
        if key is not str:
            raise InvalidArgumentError(f"{where}: the keys of {kind} are no str, and JSON has no others")
        if not isinstance(value, dict):
            _misfit(where, kind, value)
        return {name: _build(one, item, f"{where}.{name}") for name, one in value.items()}
    if kind is float and type(value) is int:
        return _of(float, value, kind, where)
    if kind is None or kind in (bool, int, float, str, type(None)):
        return value if type(value) is (type(None) if kind is None else kind) else _misfit(where, kind, value)
    if isinstance(kind, type):
        if make := _FROM_TEXT.get(kind):
            return _of(make, value, kind, where) if isinstance(value, str) else _misfit(where, kind, value)
        if hasattr(kind, "model_validate_json"):
            return _validate(kind, json.dumps(value).encode(), where)
        if dataclasses.is_dataclass(kind):
            return _dataclass(value, kind, where)
        if issubclass(kind, Enum):
            forms = [(_plain(member.value, where), member) for member in kind]
            members = [member for form, member in forms if (type(form), form) == (type(value), value)]
            return members[0] if members else _misfit(where, kind, value)
    raise InvalidArgumentError(f"{where}: JSON cannot be read as {kind!r}; docs/python.md lists what it can be read as")


def _of(make: Any, value: Any, kind: object, where: str) -> Any:
    try:
        return make(value)
    except (ValueError, ArithmeticError):
        _misfit(where, kind, value)


def _first(value: Any, kind: Any, where: str) -> Any:
    others = [one for one in typing.get_args(kind) if one is not type(None)]
    if value is None and len(others) < len(typing.get_args(kind)):
        return None
    for one in others:
        try:
            return _build(value, one, where)
        except _MisfitError:
            if len(others) == 1:  # of an optional value the place within tells more
                raise
    _misfit(where, kind, value)


def _sequence(value: Any, kind: Any, origin: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if not isinstance(value, list):
        _misfit(where, kind, value)
    if origin is list or kind is tuple or Ellipsis in arguments:
        kinds = [arguments[0] if arguments else Any] * len(value)
    else:
        kinds = list(arguments)
    if len(kinds) != len(value):
        _misfit(where, kind, value)
    items = zip(value, kinds, strict=True)
    return origin(_build(item, one, f"{where}[{number}]") for number, (item, one) in enumerate(items))


@lru_cache(maxsize=256)
def _fields(kind: Any) -> list[tuple[dataclasses.Field[Any], Any]]:
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, SyntaxError, AttributeError, TypeError) as error:
        raise InvalidArgumentError(f"the annotations of {kind.__name__} cannot be read: {error}") from error
    return [(field, hints[field.name]) for field in dataclasses.fields(kind) if field.init]


def _dataclass(value: Any, kind: Any, where: str) -> Any:
    if not isinstance(value, dict):
        _misfit(where, kind, value)
    arguments = {}
    for field, hint in _fields(kind):
        if field.name in value:
            arguments[field.name] = _build(value[field.name], hint, f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise _MisfitError(f"{where}: {kind.__name__} needs {field.name!r}, and it is missing")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:  # its own `__post_init__`
        raise _MisfitError(f"{where}: {_line(error)}") from error
