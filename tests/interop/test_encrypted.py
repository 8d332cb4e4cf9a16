"""End-to-end encryption between stargate, over WebSockets, and the official client, over the binary protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pulsar
import pytest
import stargate
from conftest import PATIENCE, Native, take
from test_plain import CODECS, EVENT, EVENT_MS, PAYLOADS, PROPERTIES

TESTS = Path(__file__).parent.parent
KEYS = TESTS / "keys"
PUBLIC, PRIVATE = str(KEYS / "rsa.pub.pem"), str(KEYS / "rsa.pem")

SEALING = {"encryption_key": "billing", "encryption_public_key_file": PUBLIC}
OPENING = {"initial_position": "earliest", "encryption_private_key_file": PRIVATE}


def their_keys() -> pulsar.CryptoKeyReader:
    return pulsar.CryptoKeyReader(PUBLIC, PRIVATE)


@pytest.mark.parametrize("codec", CODECS)
def test_what_we_encrypt_is_read(ours: stargate.Client, native: Native, topic: str, codec: str) -> None:
    with ours.producer(topic, compression_type=codec, **SEALING) as producer:
        for payload in PAYLOADS:
            producer.send(payload, key="anna ü", properties=PROPERTIES, event_time=EVENT)
    messages = native.read(topic, len(PAYLOADS), crypto_key_reader=their_keys())
    assert [message.data() for message in messages] == PAYLOADS
    for message in messages:
        assert message.partition_key() == "anna ü"
        assert message.properties() == PROPERTIES
        assert message.event_timestamp() == EVENT_MS


@pytest.mark.parametrize("batching", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_what_they_encrypt_is_read(
    ours: stargate.Client, native: Native, topic: str, codec: str, batching: bool
) -> None:
    producer = native.client.create_producer(
        topic,
        encryption_key="billing",
        crypto_key_reader=their_keys(),
        compression_type=CODECS[codec],
        batching_enabled=batching,
        batching_max_publish_delay_ms=500,
    )
    options = {"properties": PROPERTIES, "partition_key": "anna ü", "event_timestamp": EVENT_MS}
    for payload in PAYLOADS:
        producer.send_async(payload, lambda result, _: None, **options)
    producer.flush()
    producer.close()
    with ours.consumer(topic, "ours", **OPENING) as consumer:
        messages = take(consumer, len(PAYLOADS))
        assert consumer.stats().undecryptable == 0
    assert [message.data for message in messages] == PAYLOADS
    assert [message.id.batch_index for message in messages] == (list(range(4)) if batching else [None] * 4)
    for message in messages:
        assert (message.key, message.properties, message.event_time) == ("anna ü", PROPERTIES, EVENT)


def test_an_encrypted_batch_of_theirs_is_acknowledged_as_a_whole(
    ours: stargate.Client, native: Native, topic: str
) -> None:
    native.send(
        topic,
        *(b"%d" % number for number in range(5)),
        encryption_key="billing",
        crypto_key_reader=their_keys(),
        batching_enabled=True,
        batching_max_publish_delay_ms=500,
    )
    with ours.consumer(topic, "ours", **OPENING) as consumer:
        take(consumer, 4)
        assert consumer.receive(timeout=PATIENCE).data == b"4"  # and not acknowledged
    with ours.consumer(topic, "ours", **OPENING) as consumer:
        assert [message.data for message in take(consumer, 5)] == [b"0", b"1", b"2", b"3", b"4"]
    with ours.consumer(topic, "ours", **OPENING) as consumer:
        assert consumer.receive_many(1, timeout=0.5) == []


def test_both_encrypt_into_one_topic(ours: stargate.Client, native: Native, topic: str) -> None:
    ours_producer = ours.producer(topic, **SEALING)
    theirs = native.client.create_producer(topic, encryption_key="billing", crypto_key_reader=their_keys())
    for number in range(10):
        ours_producer.send(f"ours {number}")
        theirs.send(b"theirs %d" % number)
    ours_producer.close()
    theirs.close()
    expected = [b"%s %d" % (who, number) for number in range(10) for who in (b"ours", b"theirs")]
    assert [message.data() for message in native.read(topic, 20, crypto_key_reader=their_keys())] == expected
    with ours.consumer(topic, "ours", **OPENING) as consumer:
        assert [message.data for message in take(consumer, 20)] == expected


def test_without_the_key_neither_reads(ours: stargate.Client, native: Native, topic: str) -> None:
    with ours.producer(topic, **SEALING) as producer:
        producer.send(b"one pizza")
    native.send(topic, b"two pizzas", encryption_key="billing", crypto_key_reader=their_keys())
    theirs = native.consumer(topic, "none")
    with pytest.raises(pulsar.Timeout):
        theirs.receive(timeout_millis=500)
    theirs.close()
    wrong = {**OPENING, "encryption_private_key_file": str(KEYS / "other.pem")}
    with ours.consumer(topic, "ours", crypto_failure_action="consume", **wrong) as consumer:
        messages = take(consumer, 2)
    assert b"pizza" not in b"".join(message.data for message in messages)


def test_the_proxy_tells_readers_no_encryption_context(ours: stargate.Client, native: Native, topic: str) -> None:
    """Why readers do not decrypt. When this fails, a later Pulsar has mended it."""
    with ours.producer(topic, **SEALING) as producer:
        producer.send(b"one pizza")
    with ours.reader(topic, starting_message="earliest", crypto_failure_action="consume") as reader:
        message = reader.receive(timeout=PATIENCE)
    assert message.data != b"one pizza"
    assert message.encryption_context is None


def java_client(what: str, topic: str, key: str, count: int) -> list[str]:
    """Return what JavaClient.java prints, run with the jars of the broker."""
    sys.path.append(str(TESTS / "pulsar"))
    from toolchain import find_jars, find_java

    command = [find_java(), "-cp", f"{find_jars()}/*", str(TESTS / "interop/JavaClient.java")]
    command += [what, os.environ["PULSAR_BINARY_URL"], topic, str(KEYS / key), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if line.startswith("received ")]


# P-256, and P-521 with its numbers written out, as Pulsar's documentation has such keys made.
@pytest.mark.parametrize("curve", ["ec", "p521"])
def test_what_we_encrypt_on_an_elliptic_curve_is_read_by_the_java_client(
    ours: stargate.Client, topic: str, curve: str
) -> None:
    key = str(KEYS / f"{curve}.pub.pem")
    with ours.producer(topic, encryption_key="billing", encryption_public_key_file=key) as producer:
        for number in range(3):
            producer.send(f"message {number}")
    assert java_client("receive", topic, f"{curve}.pem", 3) == [f"received message {number}" for number in range(3)]


@pytest.mark.parametrize("curve", ["ec", "p521"])
def test_what_the_java_client_encrypts_on_an_elliptic_curve_is_read(
    ours: stargate.Client, topic: str, curve: str
) -> None:
    java_client("send", topic, f"{curve}.pub.pem", 3)
    key = str(KEYS / f"{curve}.pem")
    with ours.consumer(topic, "ours", initial_position="earliest", encryption_private_key_file=key) as consumer:
        assert [message.data for message in take(consumer, 3)] == [b"message 0", b"message 1", b"message 2"]
