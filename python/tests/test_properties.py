"""What holds for every input: options, payloads, properties and times."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stargate
from stargate import InvalidArgumentError, OutgoingMessage, _convert, _native

# A broker takes milliseconds and not microseconds, and a fixture of the session may serve all examples.
ON_A_BROKER = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TABLE: dict[str, dict[str, Any]] = {row["key"]: row for row in json.loads(_native.describe_options())}
NUMBERS = sorted(key for key, row in TABLE.items() if row["type"] in {"int", "millis"})
CHOICES = sorted(key for key, row in TABLE.items() if row["type"] == "choice")

# What UTF-8 can say: a lone surrogate cannot be sent.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
payloads = st.binary(max_size=1000) | text
zones = st.integers(-14 * 60 + 1, 14 * 60 - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# From 1 ms after 1970, since 0 stands for "none" on the wire.
moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31), timezones=zones)


def view(data: bytes) -> memoryview:
    return memoryview(data)


def as_bytes(payload: bytes | bytearray | memoryview | str) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)


@given(st.sampled_from(NUMBERS), st.data())
def test_a_number_within_the_range_of_an_option_is_accepted_exactly(key: str, data: st.DataObject) -> None:
    row = TABLE[key]
    number = data.draw(st.integers(row["min"], row["max"]))
    if row["type"] == "int":
        assert _convert.option_pairs({key: number}) == [(key, str(number))]
        return
    for value in (number / 1000, timedelta(milliseconds=number)):
        assert _convert.option_pairs({key: value}) == [(key, str(number))]


@given(st.sampled_from(NUMBERS), st.data())
def test_a_number_out_of_the_range_of_an_option_is_refused_by_name(key: str, data: st.DataObject) -> None:
    row = TABLE[key]
    low = st.integers(max_value=row["min"] - 1).filter(lambda number: not (row.get("or_zero") and number == 0))
    number = data.draw(low | st.integers(min_value=row["max"] + 1))
    value = number / 1000 if row["type"] == "millis" and abs(number) < 1e300 else number
    with pytest.raises(InvalidArgumentError, match=key):
        stargate.Client("ws://localhost:8080", **{key: value})  # type: ignore[arg-type]


@given(st.sampled_from(CHOICES), text)
def test_a_word_is_one_of_the_choices_or_refused_by_name(key: str, word: str) -> None:
    if word in TABLE[key]["choices"]:
        return
    with pytest.raises(InvalidArgumentError, match=key):
        stargate.Client("ws://localhost:8080", **{key: word}).close()  # type: ignore[arg-type]


@given(st.from_regex(r"[a-z_]{1,20}", fullmatch=True).filter(lambda name: name not in _convert.option_table()))
def test_an_option_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f'no option "{name}"'):
        stargate.Client("ws://localhost:8080", **{name: "x"})  # type: ignore[arg-type]


@given(st.floats() | st.integers() | st.timedeltas())
def test_seconds_of_any_kind_wait_or_are_refused(value: float | timedelta) -> None:
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if not 0 <= length <= 1e12:
        with pytest.raises(stargate.InvalidArgumentError, match="timeout"):
            _convert.seconds(value)
        return
    number = _convert.seconds(value)
    assert isinstance(number, float)
    if isinstance(value, timedelta):
        assert number == value.total_seconds()
    else:
        assert number == float(value) or math.isnan(number)


@ON_A_BROKER
@given(
    st.lists(
        st.builds(
            OutgoingMessage,
            payloads | payloads.map(as_bytes).map(bytearray) | st.binary().map(view),
            key=st.none() | text.filter(bool),
            properties=st.dictionaries(text.filter(bool), text),
            event_time=st.none() | moments,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_messages_arrive_as_they_were_sent(client: stargate.Client, messages: list[OutgoingMessage]) -> None:
    topic = f"py-{uuid.uuid4().hex}"
    with client.producer(topic) as producer:
        ids = producer.send_many(messages)
    with client.reader(topic, starting_message="earliest") as reader:
        received = reader.receive_many(len(messages), timeout=10)
    assert [message.id for message in received] == list(ids)
    for sent, message in zip(messages, received, strict=True):
        assert message.data == as_bytes(sent.payload)
        assert message.key == sent.key
        assert message.properties == sent.properties
        if sent.event_time is None:
            assert message.event_time is None
        else:
            assert isinstance(sent.event_time, datetime)
            assert message.event_time is not None
            assert message.event_time.tzinfo is UTC
            assert abs(message.event_time - sent.event_time) <= timedelta(milliseconds=1)
