"""End-to-end encryption: key files, key readers, what cannot be decrypted. Interoperability is in tests/interop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import stargate
from stargate import Client, ConsumerOptions, CryptoKeyReader, EncryptionKeyInfo, PemKeyReader

KEYS = Path(__file__).parent.parent.parent / "tests" / "keys"
PUBLIC, PRIVATE = KEYS / "rsa.pub.pem", KEYS / "rsa.pem"

pytestmark = pytest.mark.skipif(not KEYS.exists(), reason="not in the source tree")


class Vault:
    """Knows one key in a version, and remembers what it was asked, and on which thread."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.threads: set[str] = set()

    def public_key(self, name: str) -> EncryptionKeyInfo:
        self.asked.append(name)
        self.threads.add(threading.current_thread().name)
        return EncryptionKeyInfo(PUBLIC.read_bytes(), {"version": "3"})

    def private_key(self, name: str, metadata: dict[str, str]) -> EncryptionKeyInfo:
        self.asked.append((name, metadata))
        self.threads.add(threading.current_thread().name)
        return EncryptionKeyInfo(PRIVATE.read_bytes())


def test_who_has_the_key_reads_and_nobody_else(client: Client, topic: str) -> None:
    with (
        client.consumer(topic, "office", encryption_private_key_file=PRIVATE) as office,
        client.consumer(topic, "press", crypto_failure_action="consume") as press,
    ):
        with client.producer(
            topic, encryption_key="billing", encryption_public_key_file=PUBLIC, compression_type="lz4"
        ) as producer:
            producer.send(b"pizza " * 100, key="anna", properties={"size": "l"})
        message = office.receive(timeout=10)
        assert (message.data, message.key, message.properties) == (b"pizza " * 100, "anna", {"size": "l"})
        assert message.encryption_context
        assert not message.is_encrypted
        message = press.receive(timeout=10)
        assert message.is_encrypted
        assert b"pizza" not in message.data


def test_a_key_reader_is_asked_by_name_and_metadata(client: Client, topic: str) -> None:
    vault = Vault()
    assert isinstance(vault, CryptoKeyReader)
    with client.consumer(topic, "s", crypto_key_reader=vault) as consumer:
        with client.producer(topic, encryption_key="billing", crypto_key_reader=vault) as producer:
            producer.send_many(str(number) for number in range(10))
        assert [message.data for message in consumer.receive_many(10, timeout=10)][-1:] == [b"9"]
    assert vault.asked == ["billing", ("billing", {"version": "3"})]
    assert vault.threads == {"stargate-keys"}


def test_a_key_reader_works_with_asyncio(pulsar_url: str, topic: str) -> None:
    async def main() -> bytes:
        keys = PemKeyReader(public_keys={"k": PUBLIC}, private_keys={"k": PRIVATE.read_bytes()})
        async with (
            stargate.AsyncClient(pulsar_url) as client,
            client.consumer(topic, "s", crypto_key_reader=keys) as consumer,
            client.producer(topic, encryption_key="k", crypto_key_reader=keys) as producer,
        ):
            await producer.send(b"one pizza")
            return (await consumer.receive(timeout=10)).data

    assert asyncio.run(main()) == b"one pizza"


def test_what_cannot_be_decrypted_waits_is_dropped_or_delivered(client: Client, topic: str) -> None:
    wrong: ConsumerOptions = {"encryption_private_key_file": KEYS / "other.pem", "negative_ack_delay": 0.1}
    discard: ConsumerOptions = {"crypto_failure_action": "discard"}
    consume: ConsumerOptions = {"crypto_failure_action": "consume"}
    right = PemKeyReader(private_keys={"k": PRIVATE})
    with (
        client.consumer(topic, "waits", **wrong) as waiting,
        client.consumer(topic, "drops", **(wrong | discard)) as dropping,
        client.consumer(topic, "delivers", **(wrong | consume)) as delivering,
    ):
        with client.producer(topic, encryption_key="k", encryption_public_key_file=PUBLIC) as producer:
            producer.send(b"one pizza")
        assert delivering.receive(timeout=10).is_encrypted
        assert waiting.receive_many(1, timeout=0.5) == []
        assert dropping.receive_many(1, timeout=0.1) == []
        assert waiting.stats().undecryptable > 1
        assert dropping.stats().undecryptable == 1
    with client.consumer(topic, "waits", crypto_key_reader=right) as consumer:
        assert consumer.receive(timeout=10).data == b"one pizza"
    with client.consumer(topic, "drops", crypto_key_reader=right) as consumer:
        assert consumer.receive_many(1, timeout=0.5) == []


def test_a_key_reader_that_fails_is_the_reason(client: Client, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    class Sealed(Vault):
        def public_key(self, name: str) -> EncryptionKeyInfo:
            raise OSError(f"the vault is sealed, {name}")

    with pytest.raises(stargate.CryptoError, match="the vault is sealed, billing"):
        client.producer(topic, encryption_key="billing", crypto_key_reader=Sealed())
    assert "the key reader failed" in caplog.text

    class Odd(Vault):
        def public_key(self, name: str) -> EncryptionKeyInfo:
            return name  # type: ignore[return-value]

    with pytest.raises(stargate.CryptoError, match="gave str instead of EncryptionKeyInfo"):
        client.producer(topic, encryption_key="billing", crypto_key_reader=Odd())
    with pytest.raises(stargate.CryptoError, match="no public key 'other'"):
        client.producer(topic, encryption_key="other", crypto_key_reader=PemKeyReader())


def test_options_that_cannot_work_say_why(client: Client, topic: str) -> None:
    keys = PemKeyReader(private_keys={"k": PRIVATE})
    with pytest.raises(stargate.InvalidArgumentError, match="public_key and private_key, got 5"):
        client.producer(topic, encryption_key="k", crypto_key_reader=5)  # type: ignore[arg-type]
    with pytest.raises(stargate.InvalidArgumentError, match="without their data keys"):
        client.consumer(topic, "s", subscription_type="shared", max_redeliver_count=2, crypto_key_reader=keys)
    with pytest.raises(stargate.InvalidArgumentError, match='no option "crypto_key_reader"'):
        client.reader(topic, crypto_key_reader=keys)  # type: ignore[call-arg]


def test_keys_are_never_shown() -> None:
    keys = PemKeyReader(public_keys={"k": PUBLIC}, private_keys={"k": b"s3cret"})
    assert repr(keys) == "<PemKeyReader public=['k'] private=['k']>"
    assert "s3cret" not in repr(EncryptionKeyInfo(b"s3cret", {"version": "3"}))
