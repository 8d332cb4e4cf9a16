"""Ids: ordered, hashable, picklable, and the same bytes in every Pulsar client."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stargate import InvalidArgumentError, MessageId


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _id(ledger: int, entry: int, partition: int = -1, batch: int = -1) -> MessageId:
    parts = [b"\x08", _varint(ledger), b"\x10", _varint(entry)]
    if partition >= 0:
        parts += [b"\x18", _varint(partition)]
    if batch >= 0:
        parts += [b"\x20", _varint(batch)]
    return MessageId.from_bytes(b"".join(parts))


ids = st.builds(
    _id,
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.integers(-1, 2**31 - 1),
    st.integers(-1, 2**31 - 1),
)


@given(ids)
def test_an_id_comes_back_from_bytes_text_pickle_and_copy(id_: MessageId) -> None:
    for again in (
        MessageId.from_bytes(bytes(id_)),
        MessageId.from_bytes(id_.to_bytes()),
        MessageId.from_base64(id_.to_base64()),
        pickle.loads(pickle.dumps(id_)),
        copy.deepcopy(id_),
    ):
        assert again == id_
        assert hash(again) == hash(id_)
        assert str(again) == str(id_)


@given(ids, ids)
def test_ids_are_in_the_order_of_the_topic(one: MessageId, other: MessageId) -> None:
    def key(id_: MessageId) -> tuple[int, int]:
        return id_.ledger, id_.entry

    if key(one) != key(other):
        assert (one < other) == (key(one) < key(other))
    assert (one <= other) == (not other < one)
    assert MessageId.earliest < one < MessageId.latest


@given(st.binary(max_size=40))
def test_bytes_that_are_no_id_are_refused(data: bytes) -> None:
    try:
        id_ = MessageId.from_bytes(data)
    except InvalidArgumentError:
        return
    assert MessageId.from_bytes(id_.to_bytes()) == id_


def test_the_ends_of_a_topic_survive_everything_too() -> None:
    for end, text in ((MessageId.earliest, "earliest"), (MessageId.latest, "latest")):
        assert pickle.loads(pickle.dumps(end)) == end
        assert MessageId.from_base64(end.to_base64()) == end
        assert (str(end), repr(end)) == (text, f"MessageId.{text}")
    # As the official client serialises them.
    assert MessageId.earliest.to_bytes() == bytes.fromhex("08ffffffffffffffffff0110ffffffffffffffffff01")


def test_the_parts_and_the_text() -> None:
    id_ = _id(47, 5, batch=3)
    assert (id_.ledger, id_.entry, id_.partition, id_.batch_index) == (47, 5, None, 3)
    assert (str(id_), repr(id_)) == ("47:5:-1:3", "MessageId(47:5:-1:3)")
    assert not id_.is_duplicate
    assert id_ != "47:5:-1:3"
    with pytest.raises(TypeError):
        _ = id_ < 5  # type: ignore[operator]
