"""Messages from and to the official client, not encrypted."""

from __future__ import annotations

import asyncio
import ctypes
import os
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pulsar
import pytest
import stargate
from conftest import PATIENCE, Native, take

LIBRARY = Path(__file__).parents[2] / "target/release/libstargate.so"
EVENT = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
EVENT_MS = 1_704_164_645_678
PROPERTIES = {"origin": "shop", "ünïcode": "Zürich 🍕", "empty": ""}
PAYLOADS = [b"", b"text", bytes(range(256)), b"compressible " * 5000]

CODECS = {
    "none": pulsar.CompressionType.NONE,
    "lz4": pulsar.CompressionType.LZ4,
    "zlib": pulsar.CompressionType.ZLib,
    "zstd": pulsar.CompressionType.ZSTD,
    "snappy": pulsar.CompressionType.SNAPPY,
}


def test_everything_about_a_message_of_ours_reaches_the_official_client(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    with ours.producer(topic, name="the-producer") as producer:
        sent = producer.send(b"pizza", key="anna ü", properties=PROPERTIES, event_time=EVENT)
    [message] = native.read(topic, 1)
    assert message.data() == b"pizza"
    assert message.partition_key() == "anna ü"
    assert message.properties() == PROPERTIES
    assert message.event_timestamp() == EVENT_MS
    assert message.producer_name() == "the-producer"
    # Both name the message with the same bytes.
    assert stargate.MessageId.from_bytes(message.message_id().serialize()) == sent


def test_everything_about_a_message_of_theirs_reaches_us(ours: stargate.Client, native: Native, topic: str) -> None:
    producer = native.client.create_producer(topic)
    sent = producer.send(b"pizza", properties=PROPERTIES, partition_key="anna ü", event_timestamp=EVENT_MS)
    producer.close()
    with ours.reader(topic, starting_message="earliest") as reader:
        message = reader.receive(timeout=PATIENCE)
    assert message.data == b"pizza"
    assert message.key == "anna ü"
    assert message.properties == PROPERTIES
    assert message.event_time == EVENT
    assert message.id == stargate.MessageId.from_bytes(sent.serialize())


@pytest.mark.parametrize("codec", CODECS)
def test_our_compressed_messages_are_read(ours: stargate.Client, native: Native, topic: str, codec: str) -> None:
    # The C++ client discards an empty message that Pulsar's own proxy, as any Java producer, compressed with zlib.
    payloads = [payload for payload in PAYLOADS if payload or codec != "zlib"]
    with ours.producer(topic, compression_type=codec) as producer:
        producer.send_many(payloads)
    assert [message.data() for message in native.read(topic, len(payloads))] == payloads


@pytest.mark.parametrize("batching", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_their_compressed_messages_are_read(
    ours: stargate.Client, native: Native, topic: str, codec: str, batching: bool
) -> None:
    options = {"batching_enabled": batching, "batching_max_publish_delay_ms": 500}
    native.send(topic, *PAYLOADS, compression_type=CODECS[codec], **options)
    with ours.consumer(topic, "ours", initial_position="earliest") as consumer:
        messages = take(consumer, len(PAYLOADS))
    assert [message.data for message in messages] == PAYLOADS
    assert [message.id.batch_index for message in messages] == (list(range(4)) if batching else [None] * 4)


def test_our_batches_are_read(ours: stargate.Client, native: Native, topic: str) -> None:
    payloads = [b"%d" % number for number in range(100)]
    with ours.producer(topic, batch_enabled=True, batch_max_delay=0.2) as producer:
        ids = producer.send_many(payloads)
    messages = native.read(topic, 100)
    assert [message.data() for message in messages] == payloads
    assert max(message.message_id().batch_index() for message in messages) > 0
    assert [stargate.MessageId.from_bytes(message.message_id().serialize()) for message in messages] == ids


def test_an_id_of_theirs_is_where_a_reader_of_ours_begins_and_the_other_way_round(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    producer = native.client.create_producer(topic)
    ids = [producer.send(b"%d" % number) for number in range(5)]
    producer.close()
    start = stargate.MessageId.from_bytes(ids[1].serialize())
    with ours.reader(topic, starting_message=start) as reader:
        third = reader.receive(timeout=PATIENCE)
        assert third.data == b"2"
    theirs = native.client.create_reader(topic, pulsar.MessageId.deserialize(bytes(third.id)))
    assert theirs.read_next(timeout_millis=PATIENCE * 1000).data() == b"3"
    theirs.close()


def create_partitioned(topic: str, partitions: int) -> None:
    path = topic.replace("://", "/")
    url = f"{os.environ['PULSAR_HTTP_URL']}/admin/v2/{path}/partitions"
    request = urllib.request.Request(url, str(partitions).encode(), {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request, timeout=PATIENCE).close()


@pytest.mark.parametrize("scheme", ["java_string", "murmur3"])
def test_both_find_our_messages_in_the_same_partitions(
    ours: stargate.Client, native: Native, topic: str, scheme: str
) -> None:
    create_partitioned(topic, 4)
    keys = [f"key {number}" for number in range(20)]
    with ours.producer(topic, hashing_scheme=scheme) as producer:
        for key in keys:
            producer.send("ours", key=key)
    # Python cannot choose the official client's hash, so what is compared is where our messages are for both.
    theirs = {message.partition_key(): message.message_id().partition() for message in native.read(topic, 20)}
    with ours.consumer(topic, "ours", initial_position="earliest") as consumer:
        seen = {message.key: message.id.partition for message in take(consumer, 20)}
    assert seen == theirs
    assert len(set(seen.values())) > 1


def test_a_partitioned_topic_of_theirs_is_read_whole_and_in_order_of_the_key(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    create_partitioned(topic, 3)
    producer = native.client.create_producer(topic)
    for number in range(60):
        producer.send(b"%d" % number, partition_key=f"key {number % 7}")
    producer.close()
    with ours.consumer(topic, "ours", initial_position="earliest") as consumer:
        messages = take(consumer, 60)
    assert sorted(int(message.data) for message in messages) == list(range(60))
    for key in {message.key for message in messages}:
        of_key = [int(message.data) for message in messages if message.key == key]
        assert of_key == sorted(of_key)


def test_both_share_a_subscription(ours: stargate.Client, native: Native, topic: str) -> None:
    theirs = native.consumer(topic, "shared", consumer_type=pulsar.ConsumerType.Shared, receiver_queue_size=1)
    with ours.consumer(topic, "shared", subscription_type="shared", queue_size=1) as consumer:
        with ours.producer(topic) as producer:
            producer.send_many(str(number) for number in range(20))
        got = [message.data for message in take(consumer, 5)]
        got += [message.data() for message in native.receive(theirs, 5)]
    theirs.close()
    with ours.consumer(topic, "shared", subscription_type="shared") as consumer:
        got += [message.data for message in take(consumer, 10)]
    assert sorted(map(int, got)) == list(range(20))


def test_our_dead_letters_are_read(ours: stargate.Client, native: Native, topic: str) -> None:
    letters = native.consumer(f"{topic}-sub-DLQ", "letters")
    options = {"subscription_type": "shared", "max_redeliver_count": 1, "negative_ack_delay": 0.1}
    with ours.consumer(topic, "sub", **options) as consumer:
        with ours.producer(topic) as producer:
            producer.send(b"poison", key="anna", properties={"a": "b"})
        for _ in range(2):
            consumer.nack(consumer.receive(timeout=PATIENCE))
        [letter] = native.receive(letters, 1)
    letters.close()
    assert letter.data() == b"poison"
    assert letter.partition_key() == "anna"
    properties = letter.properties()
    assert properties["a"] == "b"
    assert properties["REAL_TOPIC"] == topic


def test_their_dead_letters_are_read(ours: stargate.Client, native: Native, topic: str) -> None:
    dead = f"{topic}-dead-{uuid.uuid4().hex}"
    policy = pulsar.ConsumerDeadLetterPolicy(max_redeliver_count=1, dead_letter_topic=dead)
    theirs = native.consumer(
        topic,
        "sub",
        consumer_type=pulsar.ConsumerType.Shared,
        negative_ack_redelivery_delay_ms=100,
        dead_letter_policy=policy,
    )
    with ours.consumer(dead, "letters", initial_position="earliest") as letters:
        with ours.producer(topic) as producer:
            producer.send(b"poison", key="anna", properties={"a": "b"})
        for _ in range(2):
            theirs.negative_acknowledge(theirs.receive(timeout_millis=PATIENCE * 1000))
        with pytest.raises(pulsar.Timeout):
            theirs.receive(timeout_millis=1000)
        [letter] = take(letters, 1)
    theirs.close()
    assert letter.data == b"poison"
    assert letter.key == "anna"
    assert letter.properties["a"] == "b"
    assert letter.properties["REAL_TOPIC"] == topic


def test_a_delayed_message_of_ours_is_late_for_them(ours: stargate.Client, native: Native, topic: str) -> None:
    theirs = native.consumer(topic, "shared", consumer_type=pulsar.ConsumerType.Shared)
    with ours.producer(topic) as producer:
        producer.send(b"late", deliver_after=1.5)
        producer.send(b"at once")
    assert [message.data() for message in native.receive(theirs, 2)] == [b"at once", b"late"]
    theirs.close()


@pytest.mark.parametrize("batched", [False, True])
def test_tombstones_are_skipped_and_nothing_else(
    ours: stargate.Client, native: Native, topic: str, batched: bool
) -> None:
    producer = native.client.create_producer(topic, batching_enabled=batched)
    for payload in [None, b"first", None, None, b"", b"last"]:
        producer.send(payload)
    producer.close()
    expected = [b"first", b"", b"last"]
    looking: dict[str, float] = {"tombstone_check_interval": 1.0}
    skipping: dict[str, bool] = {"skip_tombstones": True}
    with (
        ours.consumer(topic, "ours", initial_position="earliest", **looking, **skipping) as consumer,
        ours.consumer(topic, "none", initial_position="earliest", **looking) as stopped,
        ours.reader(topic, starting_message="earliest", **looking, **skipping) as reader,
    ):
        got = []
        for _ in expected:
            message = consumer.receive(timeout=2 * PATIENCE)
            got.append(message.data)
            consumer.ack(message)
        assert got == expected
        assert [reader.receive(timeout=2 * PATIENCE).data for _ in expected] == expected
        assert (consumer.stats().tombstones, reader.stats().tombstones) == (3, 3)
        assert stopped.receive_many(1, timeout=1) == []
        assert stopped.stats().tombstones == 1
        assert consumer.backlog() <= 1


def test_tombstones_in_a_partition_are_skipped_and_nothing_else(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    ours.admin().create_partitioned_topic(topic, 3)
    publish(native, f"{topic}-partition-1", [b"a", None, b"b", None, b"c"], batched=False)
    publish(native, f"{topic}-partition-2", [b"other"], batched=False)
    looking: dict[str, float] = {"tombstone_check_interval": 1.0}
    with ours.consumer(topic, "s", initial_position="earliest", skip_tombstones=True, **looking) as consumer:
        got = []
        for _ in range(4):
            message = consumer.receive(timeout=2 * PATIENCE)
            consumer.ack(message)
            got.append(message.data)
        assert sorted(got) == [b"a", b"b", b"c", b"other"]
        assert consumer.stats().tombstones == 2


def test_a_seek_goes_on_behind_a_tombstone_over_which_the_proxy_fell(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    producer = native.client.create_producer(topic)
    producer.send(b"before")
    tombstone = stargate.MessageId.from_bytes(producer.send(None).serialize())
    producer.send(b"behind")
    producer.close()
    with (
        ours.consumer(topic, "ours", initial_position="earliest") as consumer,
        ours.reader(topic, starting_message="earliest") as reader,
    ):
        for receiver in (consumer, reader):
            assert receiver.receive(timeout=PATIENCE).data == b"before"
            assert receiver.receive_many(1, timeout=1) == []
            receiver.seek(tombstone, after=True)
            assert receiver.receive(timeout=PATIENCE).data == b"behind"


SOON = {"starting_message": "earliest", "tombstone_check_interval": 0.5}
ENDINGS = {"last": [b"first", None], "two": [b"first", None, None], "only": [None]}


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_reading_to_the_end_ends_at_tombstones_that_are_skipped(
    ours: stargate.Client, native: Native, topic: str, ending: str, batched: bool
) -> None:
    publish(native, topic, ENDINGS[ending], batched)
    expected = [payload for payload in ENDINGS[ending] if payload is not None]
    with ours.reader(topic, skip_tombstones=True, **SOON) as reader:  # type: ignore[arg-type]
        assert [message.data for message in reader.until_caught_up()] == expected
        reader.seek(stargate.MessageId.earliest)
        assert [message.data for message in reader.until_caught_up()] == expected
        assert not reader.has_message_available()

    async def asynchronously() -> list[bytes]:
        async with stargate.AsyncClient(os.environ["PULSAR_URL"]) as client:
            reader = await client.reader(topic, skip_tombstones=True, **SOON)  # type: ignore[arg-type]
            return [message.data async for message in reader.until_caught_up()]

    assert asyncio.run(asynchronously()) == expected


def test_reading_to_the_end_fails_at_a_tombstone_that_is_not_skipped(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    [_, tombstone] = publish(native, topic, [b"first", None], batched=False)
    with ours.reader(topic, **SOON) as reader:  # type: ignore[arg-type]
        stored = reader.until_caught_up()
        assert next(stored).data == b"first"
        with pytest.raises(stargate.BrokerError, match="skip_tombstones or a seek"):
            next(stored)
        reader.seek(tombstone, after=True)
        assert list(reader.until_caught_up()) == []


@pytest.mark.parametrize("skips", ["true", "false"])
def test_the_loop_of_c_ends_or_fails_at_a_tombstone(native: Native, topic: str, skips: str) -> None:
    publish(native, topic, [b"first", None], batched=False)
    library = ctypes.CDLL(str(LIBRARY))
    client, reader, options, message, error = (ctypes.c_void_p() for _ in range(5))
    library.stargate_options_new.restype = ctypes.c_void_p
    options.value = library.stargate_options_new()
    for key, value in {b"starting_message": b"earliest", b"tombstone_check_interval": b"500"}.items():
        assert library.stargate_options_set(options, key, value, None) == 0
    assert library.stargate_options_set(options, b"skip_tombstones", skips.encode(), None) == 0
    url = os.environ["PULSAR_URL"].encode()
    assert library.stargate_client_new(url, None, ctypes.byref(client), None) == 0
    limit = ctypes.c_int64(PATIENCE * 1000)
    opened = library.stargate_reader_open(client, topic.encode(), options, limit, ctypes.byref(reader), None)
    assert opened == 0
    assert library.stargate_reader_mark_end(reader, limit, None) == 0

    def receive() -> int:
        outcome: int = library.stargate_reader_receive_before_end(
            reader, limit, ctypes.byref(message), ctypes.byref(error)
        )
        return outcome

    assert receive() == 0
    assert message.value
    library.stargate_message_free(message)
    broker_error = -9
    assert receive() == (0 if skips == "true" else broker_error)
    assert not message.value
    library.stargate_error_free(error)
    library.stargate_reader_free(reader)
    library.stargate_client_free(client)
    library.stargate_options_free(options)


def publish(native: Native, topic: str, payloads: list[bytes | None], batched: bool) -> list[stargate.MessageId]:
    """Send with the official client, to which `None` is a tombstone."""
    producer = native.client.create_producer(topic, batching_enabled=batched, batching_max_publish_delay_ms=200)
    if batched:
        for payload in payloads:
            producer.send_async(payload, None)
        producer.flush()
        ids = []
    else:
        ids = [stargate.MessageId.from_bytes(producer.send(payload).serialize()) for payload in payloads]
    producer.close()
    return ids
