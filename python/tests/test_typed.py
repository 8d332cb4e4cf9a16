"""Payloads as JSON of a type: there and back, what does not fit, and what a handler makes of it."""

from __future__ import annotations

import enum
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Optional, assert_type
from uuid import UUID

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stargate
from conftest import Run, Sender
from stargate import AsyncClient, Client, InvalidArgumentError, Message, PayloadError, typed


class Size(enum.Enum):
    SMALL = "s"
    LARGE = 2


class Crust(enum.StrEnum):
    THIN = "thin"


@dataclass(frozen=True)
class Item:
    pizza: str
    price: float = 8.5
    size: Size = Size.SMALL


@dataclass
class Order:
    customer: str
    items: list[Item]
    by_name: dict[str, Item] = field(default_factory=dict)
    gift: Item | None = None
    parent: Optional[Order] = None  # noqa: UP045
    wanted: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    tip: Decimal = Decimal(0)
    table: int | str = 0
    corner: tuple[int, str] = (0, "")
    path: tuple[int, ...] = ()
    crust: Crust = Crust.THIN
    how: Literal["eat in", "take away"] = "eat in"
    rest: Any = None
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not self.customer:
            raise ValueError("a customer has a name")


class Address(pydantic.BaseModel):
    street: str
    since: datetime
    zip_code: str = pydantic.Field(alias="zipCode")


@dataclass
class Delivery:
    address: Address
    items: list[Item]


AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
ITEMS = st.builds(Item, TEXT, st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(Size))
ORDERS = st.builds(
    Order,
    TEXT.filter(bool),
    st.lists(ITEMS),
    st.dictionaries(TEXT, ITEMS),
    gift=st.none() | ITEMS,
    parent=st.none() | st.builds(Order, st.just("mother"), st.lists(ITEMS)),
    wanted=st.none() | st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    day=st.none() | st.dates(),
    id=st.none() | st.uuids(),
    tip=st.decimals(allow_nan=False),
    table=st.integers() | TEXT,
    corner=st.tuples(st.integers(), TEXT),
    path=st.lists(st.integers()).map(tuple),
    how=st.sampled_from(["eat in", "take away"]),
    rest=JSON,
)


@AT_LEISURE
@given(JSON)
def test_plain_values_come_back(value: object) -> None:
    assert typed.decode(typed.encode(value)) == value
    assert json.loads(typed.encode(value)) == value


@AT_LEISURE
@given(ORDERS)
def test_dataclasses_come_back(order: Order) -> None:
    assert typed.decode(typed.encode(order), Order) == order
    assert typed.decode(typed.encode([order]), list[Order]) == [order]


@AT_LEISURE
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_an_order_or_a_payload_error(data: bytes) -> None:
    try:
        order = typed.decode(data, Order)
    except PayloadError:
        return
    assert isinstance(order, Order)


def test_pydantic_models_come_back() -> None:
    address = Address(street="Via Roma", since=datetime(2026, 1, 1, tzinfo=UTC), zipCode="00100")
    delivery = Delivery(address, [Item("funghi")])
    assert b'"zipCode":"00100"' in typed.encode(address)
    assert typed.decode(typed.encode(address), Address) == address
    assert typed.decode(typed.encode({"a": [address]}), dict[str, list[Address]]) == {"a": [address]}
    assert typed.decode(typed.encode(delivery), Delivery) == delivery
    with pytest.raises(PayloadError, match=r"\$: .*Address street Field required") as caught:
        typed.decode(b'{"since": 0, "zipCode": ""}', Address)
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)
    with pytest.raises(PayloadError, match=r"\$\.address: .*since.*datetime"):
        typed.decode(b'{"address": {"street": "", "since": "x", "zipCode": ""}, "items": []}', Delivery)


MISFITS: list[tuple[bytes, Any, str]] = [
    (b"", Any, "Expecting value"),
    (b"\xff", Any, "utf-8"),
    (b"NaN", float, "NaN is no JSON"),
    (b"[" * 100_000, Any, "recursion"),
    (b"9" * 5000, int, "digits"),
    (b"1" + b"0" * 400, float, r"\$: expected float, got 1000"),
    (b"true", int, r"\$: expected int, got True"),
    (b"1.0", int, r"\$: expected int, got 1.0"),
    (b"1", bool, r"\$: expected bool, got 1"),
    (b"0", None, "expected None, got 0"),
    (b"{}", list[int], r"expected list\[int\], got {}"),
    (b"[]", dict[str, int], r"expected dict\[str, int\], got \[\]"),
    (b'{"a": [1, null]}', dict[str, list[int]], r"\$\.a\[1\]: expected int, got None"),
    (b"[1]", tuple[int, int], r"expected tuple\[int, int\], got \[1\]"),
    (b"[1]", tuple[()], r"expected tuple\[\(\)\], got \[1\]"),
    (b"1.5", int | str, r"expected int \| str, got 1.5"),
    (b"true", Literal[1], r"expected typing.Literal\[1\], got True"),
    (b'"xl"', Size, "expected Size, got 'xl'"),
    (b"2.0", Size, "expected Size, got 2.0"),
    (b'"noon"', datetime, "expected datetime, got 'noon'"),
    (b'"1"', Item, r"\$: expected Item, got '1'"),
    (b'"x"', Decimal, "expected Decimal, got 'x'"),
    (b"1", Decimal, "expected Decimal, got 1"),
    (b'"x"', UUID, "expected UUID, got 'x'"),
    (b'{"items": []}', Order, r"\$: Order needs 'customer', and it is missing"),
    (b'{"customer": "", "items": []}', Order, r"\$: a customer has a name"),
    (b'{"customer": "a", "items": [{"pizza": 1}]}', Order, r"\$\.items\[0\]\.pizza: expected str, got 1"),
    (b'{"customer": "a", "items": [], "gift": {}}', Order, r"\$\.gift: Item needs 'pizza'"),
]


@pytest.mark.parametrize(("data", "kind", "reason"), MISFITS, ids=range(len(MISFITS)))
def test_what_does_not_fit_is_named(data: bytes, kind: Any, reason: str) -> None:
    with pytest.raises(PayloadError, match=reason) as caught:
        typed.decode(data, kind)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.data, caught.value.message_id, caught.value.topic) == (data, None, None)


def test_what_has_no_form_in_json_is_refused() -> None:
    circle: list[object] = []
    circle.append(circle)
    refused: list[tuple[object, str]] = [
        (float("nan"), "not JSON compliant"),
        ("\ud800", "surrogates"),
        (circle, "recursion"),
        ({1: "a"}, r"\$: the key 1 is no str"),
        ({"a": [b"x"]}, r"\$\.a\[0\]: a bytes has no form"),
        (Order, r"\$: a type has no form"),
        ({1, 2}, "a set has no form"),
    ]
    for value, reason in refused:
        with pytest.raises(InvalidArgumentError, match=reason):
            typed.encode(value)


def test_a_type_that_json_cannot_be_read_as_is_refused() -> None:
    @dataclass
    class Local:
        item: Nowhere  # type: ignore[name-defined]  # noqa: F821

    kinds: list[tuple[Any, str]] = [
        (bytes, "JSON cannot be read as <class 'bytes'>"),
        (Sequence[int], r"JSON cannot be read as collections.abc.Sequence\[int\]"),
        (dict[int, str], "no str"),
        (Local, "annotations of Local cannot be read: name 'Nowhere'"),
        ([int], "JSON cannot be read as"),
        (bytes | int, "JSON cannot be read as"),
    ]
    for kind, reason in kinds:
        with pytest.raises(InvalidArgumentError, match=reason):
            typed.decode(b"{}", kind)
    with pytest.raises(InvalidArgumentError, match=r"expected a Message or bytes, got '{}'"):
        typed.decode("{}")  # type: ignore[call-overload]


def test_a_value_goes_as_json_and_what_does_not_fit_is_named(client: Client, topic: str) -> None:
    order = Order("anna", [Item("funghi")], wanted=datetime(2026, 1, 1, tzinfo=UTC))
    with client.producer(topic) as producer, client.reader(topic, starting_message="earliest") as reader:
        producer.send(typed.encode(order))
        message_id = producer.send(typed.encode({"customer": "bob", "items": None}))
        assert typed.decode(reader.receive(timeout=10), Order) == order
        message = reader.receive(timeout=10)
    assert typed.decode(message) == {"customer": "bob", "items": None}
    with pytest.raises(PayloadError, match=r"\$\.items: expected list\[.*Item\], got None") as caught:
        typed.decode(message, Order)
    assert f"of message {message_id} of {topic}" in str(caught.value)
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is PayloadError
    assert str(error) == str(caught.value)
    assert (error.data, error.message_id, error.topic) == (message.data, message_id, topic)
    assert error.code == stargate.ProtocolError.code


def test_a_payload_that_does_not_fit_costs_a_nack(client: Client, topic: str, send: Sender) -> None:
    seen: list[object] = []
    done = threading.Event()

    def handle(message: Message) -> stargate.Outcome:
        try:
            seen.append(typed.decode(message, Item))
        except PayloadError as error:
            seen.append(error.data)
            raise
        finally:
            if len(seen) >= 3:
                done.set()
        return stargate.ACK

    with client.consume(topic, "s", handle, subscription_type="shared", negative_ack_delay=0.1):
        send(topic, b'{"pizza": 1}', typed.encode(Item("funghi")))
        assert done.wait(20)
    assert seen.count(b'{"pizza": 1}') > 1
    assert seen.count(Item("funghi")) == 1


def test_with_asyncio_it_is_the_same(pulsar_url: str, topic: str, run: Run) -> None:
    async def main() -> None:
        async with (
            AsyncClient(pulsar_url) as client,
            client.producer(topic) as producer,
            client.reader(topic, starting_message="earliest") as reader,
        ):
            await producer.send(typed.encode(Item("funghi")))
            assert typed.decode(await reader.receive(), Item) == Item("funghi")

    run(main())


def test_type_checkers_know_what_comes() -> None:
    assert_type(typed.decode(b'{"pizza": ""}', Item), Item)
    assert_type(typed.decode(b"[]", list[Item]), list[Item])
    assert_type(typed.decode(b"null"), Any)


def test_pydantic_is_not_needed() -> None:
    program = (
        "import sys; from stargate import typed; typed.decode(typed.encode([1])); assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
