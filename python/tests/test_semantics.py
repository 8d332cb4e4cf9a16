"""What subscriptions, readers, topics and credentials mean, as far as a broker has a say in it."""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

import stargate
from conftest import Sender
from stargate import Client, Consumer, MessageId, OutgoingMessage, Reader

Rest = Callable[..., object]


@pytest.fixture
def rest(pulsar_url: str) -> Rest:
    """A call of the broker's REST API."""

    def call(method: str, path: str, body: str = "") -> object:
        request = urllib.request.Request(
            f"{pulsar_url.replace('ws', 'http', 1)}/admin/v2/{path.replace('://', '/')}",
            data=None if method == "GET" else body.encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    return call


def eventually(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


def receive(receiver: Consumer | Reader, count: int) -> list[int]:
    """That many numbers, acknowledged."""
    messages = receiver.receive_many(count, timeout=20)
    if isinstance(receiver, Consumer):
        for message in messages:
            receiver.ack(message)
    return [int(message.data) for message in messages]


# ---- consumers ----


def test_pull_mode_never_has_more_in_hand_than_its_window(client: Client, topic: str, send: Sender) -> None:
    with client.consumer(topic, "s", initial_position="earliest", pull_mode=True, queue_size=8) as consumer:
        send(topic, *numbers(100))
        eventually(lambda: consumer.stats().queued == 8)
        for number in range(100):
            assert receive(consumer, 1) == [number]
            assert consumer.stats().queued <= 8
        assert consumer.stats().received == 100


def test_poison_goes_to_the_dead_letter_topic(client: Client, topic: str, send: Sender) -> None:
    graves_topic = f"{topic}-graves"
    with (
        # First, because a topic without a subscription keeps nothing.
        client.consumer(graves_topic, "g", initial_position="earliest") as graves,
        client.consumer(
            topic,
            "s",
            subscription_type="shared",
            negative_ack_delay=0.1,
            max_redeliver_count=2,
            dead_letter_topic=graves_topic,
        ) as consumer,
    ):
        send(topic, OutgoingMessage(b"poison", key="k", properties={"a": "b"}))
        for count in range(3):
            message = consumer.receive(timeout=20)
            assert message.redelivery_count == count
            consumer.nack(message)
        grave = graves.receive(timeout=20)
        assert (grave.data, grave.key, grave.properties["a"]) == (b"poison", "k", "b")
        assert grave.properties["REAL_TOPIC"] == topic
        assert consumer.receive_many(1, timeout=0.2) == []


def test_a_cumulative_acknowledgement_ends_all_up_to_its_message(client: Client, topic: str, send: Sender) -> None:
    with client.consumer(topic, "s", initial_position="earliest") as consumer:
        send(topic, *numbers(10))
        messages = consumer.receive_many(10, timeout=20)
        consumer.ack_cumulative(messages[3])
        consumer.ack_cumulative(messages[6].id)
        eventually(lambda: consumer.stats().acked == 7)
        with pytest.raises(stargate.InvalidArgumentError, match="earliest and latest"):
            consumer.ack_cumulative(MessageId.latest)
    with client.consumer(topic, "s", subscription_type="shared") as consumer:
        assert receive(consumer, 3) == [7, 8, 9]
        with pytest.raises(stargate.InvalidArgumentError, match="exclusive and failover"):
            consumer.ack_cumulative(messages[9])


def test_a_message_wanted_later_comes_back_and_goes_to_the_dead_letters_in_the_end(
    client: Client, topic: str, send: Sender
) -> None:
    with (
        client.consumer(f"{topic}-s-DLQ", "g", initial_position="earliest") as graves,
        client.consumer(topic, "s", subscription_type="shared", enable_retry=True, max_redeliver_count=2) as consumer,
    ):
        send(topic, OutgoingMessage(b"poison", key="k", properties={"a": "b"}))
        for times in range(3):
            message = consumer.receive(timeout=20)
            assert (message.data, message.reconsume_times) == (b"poison", times)
            consumer.reconsume_later(message, 0.0)
        grave = graves.receive(timeout=20)
        assert (grave.data, grave.key, grave.properties["a"], grave.reconsume_times) == (b"poison", "k", "b", 3)
        assert grave.properties["REAL_TOPIC"] == topic
        assert (consumer.stats().retry_letters, consumer.stats().dead_letters) == (2, 1)
        with pytest.raises(stargate.InvalidArgumentError, match="enable_retry"):
            graves.reconsume_later(grave, 1.0)
        with pytest.raises(stargate.InvalidArgumentError, match="delay"):
            consumer.reconsume_later(message, -1.0)


def test_a_handler_may_want_a_message_later(client: Client, topic: str, send: Sender) -> None:
    back = []

    def work(message: stargate.Message) -> stargate.ReconsumeLater | None:
        if message.reconsume_times == 0:
            return stargate.ReconsumeLater(0.1)
        back.append(message.data)
        return None

    consumer = client.consume(topic, "s", work, subscription_type="shared", enable_retry=True)
    with consumer:
        send(topic, *numbers(2))
        eventually(lambda: consumer.stats().acked == 4)
    assert sorted(back) == numbers(2)


def test_a_consumer_goes_to_any_place(client: Client, topic: str, send: Sender) -> None:
    with client.consumer(topic, "s", initial_position="earliest") as consumer:
        ids = send(topic, *numbers(5))
        assert receive(consumer, 3) == [0, 1, 2]
        consumer.seek(ids[1])
        assert receive(consumer, 4) == [1, 2, 3, 4]
        consumer.seek(ids[1], after=True)
        assert receive(consumer, 3) == [2, 3, 4]
        consumer.seek(MessageId.earliest)
        assert receive(consumer, 5) == [0, 1, 2, 3, 4]
        consumer.seek(1.0)
        assert receive(consumer, 1) == [0]
        assert consumer.last_message_ids() == [ids[-1]]
        consumer.seek(MessageId.latest)
        assert consumer.backlog() == 0
        with pytest.raises(stargate.InvalidArgumentError, match="after"):
            consumer.seek(MessageId.latest, after=True)


def test_a_reader_reads_until_it_is_caught_up(client: Client, topic: str, send: Sender) -> None:
    send(topic, *numbers(5))
    with client.reader(topic, starting_message="earliest") as reader:
        assert reader.has_message_available()
        assert [int(message.data) for message in reader.until_caught_up()] == [0, 1, 2, 3, 4]
        assert not reader.has_message_available()
        reader.seek(reader.last_message_ids()[0])
        assert [int(message.data) for message in reader.until_caught_up()] == [4]


def test_a_message_that_was_put_back_is_available(client: Client, topic: str, send: Sender) -> None:
    send(topic, b"x")
    with client.reader(topic, starting_message=MessageId.earliest) as reader:
        message = reader.receive(timeout=20)
        assert not reader.has_message_available()
        # As a receive that is cancelled, or that Ctrl-C ends, does.
        reader._native.put_back([message])
        assert reader.has_message_available()
        assert reader.receive(timeout=20).id == message.id
        assert not reader.has_message_available()


def test_shared_consumers_split_the_messages(client: Client, topic: str, send: Sender) -> None:
    with (
        client.consumer(topic, "s", subscription_type="shared", queue_size=10) as one,
        client.consumer(topic, "s", subscription_type="shared", queue_size=10) as two,
    ):
        send(topic, *numbers(100))
        seen: dict[Consumer, list[int]] = {one: [], two: []}
        while sum(map(len, seen.values())) < 100:
            for consumer, of_consumer in seen.items():
                for message in consumer.receive_many(5, timeout=0.05):
                    consumer.ack(message)
                    of_consumer.append(int(message.data))
        assert sorted(seen[one] + seen[two]) == list(range(100))
        assert seen[one]
        assert seen[two]


def test_a_failover_consumer_takes_over(client: Client, topic: str, send: Sender) -> None:
    # With one priority for both, the broker would choose between them by a hash.
    first = client.consumer(topic, "s", subscription_type="failover", priority=0)
    with client.consumer(topic, "s", subscription_type="failover", priority=1) as second:
        send(topic, *numbers(10))
        assert receive(first, 5) == [0, 1, 2, 3, 4]
        assert second.receive_many(1, timeout=0.2) == []
        first.close()
        assert receive(second, 5) == [5, 6, 7, 8, 9]


def test_of_key_shared_consumers_each_key_has_one(client: Client, topic: str, send: Sender) -> None:
    with (
        client.consumer(topic, "s", subscription_type="key_shared") as one,
        client.consumer(topic, "s", subscription_type="key_shared") as two,
    ):
        send(topic, *(OutgoingMessage(b"%d" % number, key=str(number % 20)) for number in range(200)))
        seen: dict[Consumer, list[int]] = {one: [], two: []}
        while sum(map(len, seen.values())) < 200:
            for consumer, of_consumer in seen.items():
                for message in consumer.receive_many(50, timeout=0.05):
                    consumer.ack(message)
                    of_consumer.append(int(message.data))
        keys = [{number % 20 for number in of_consumer} for of_consumer in seen.values()]
        assert all(keys)
        assert keys[0].isdisjoint(keys[1])
        for of_consumer in seen.values():
            for key in range(20):
                of_key = [number for number in of_consumer if number % 20 == key]
                assert of_key == sorted(of_key)


def test_the_initial_position_is_earliest_or_latest(client: Client, topic: str, send: Sender) -> None:
    send(topic, *numbers(2))
    with (
        client.consumer(topic, "from the start", initial_position="earliest") as from_start,
        client.consumer(topic, "from the end") as from_end,
    ):
        send(topic, *numbers(2, start=2))
        assert receive(from_start, 4) == [0, 1, 2, 3]
        assert receive(from_end, 2) == [2, 3]


def test_a_non_durable_subscription_goes_with_its_consumer(
    client: Client, topic: str, send: Sender, rest: Rest
) -> None:
    with client.consumer(topic, "s", subscription_mode="non_durable") as consumer:
        assert rest("GET", f"{topic}/subscriptions") == ["s"]
        send(topic, *numbers(2))
        assert receive(consumer, 2) == [0, 1]
    eventually(lambda: rest("GET", f"{topic}/subscriptions") == [])


def test_a_delayed_message_waits_on_a_shared_subscription(client: Client, topic: str) -> None:
    with (
        client.consumer(topic, "s", subscription_type="shared") as consumer,
        client.producer(topic) as producer,
    ):
        begun = time.monotonic()
        producer.send(b"late", deliver_after=2)
        producer.send(b"now")
        assert consumer.receive(timeout=20).data == b"now"
        assert consumer.receive(timeout=20).data == b"late"
        assert time.monotonic() - begun > 1.9


def test_a_partitioned_topic_is_one_consumer_and_one_reader(client: Client, topic: str, rest: Rest) -> None:
    rest("PUT", f"{topic}/partitions", "3")
    with (
        client.consumer(topic, "s") as consumer,
        client.reader(topic, starting_message=MessageId.earliest) as reader,
    ):
        with client.producer(topic, routing_mode="round_robin") as producer:
            ids = producer.send_many(numbers(30))
        assert {id.partition for id in ids if isinstance(id, MessageId)} == {0, 1, 2}
        assert sorted(receive(consumer, 30)) == list(range(30))
        assert sorted(receive(reader, 30)) == list(range(30))


def numbers_up_to_the_end(reader: Reader) -> list[int]:
    return sorted(int(message.data) for message in reader.until_caught_up())


def test_partitions_that_a_topic_gets_are_read_too(client: Client, topic: str, send: Sender, rest: Rest) -> None:
    rest("PUT", f"{topic}/partitions", "1")
    send(topic, *numbers(3))
    with client.reader(topic, starting_message=MessageId.earliest) as reader:
        assert numbers_up_to_the_end(reader) == [0, 1, 2]
        rest("POST", f"{topic}/partitions", "3")
        send(f"{topic}-partition-1", *numbers(3, 10))
        send(f"{topic}-partition-2", *numbers(3, 20))
        assert reader.has_message_available()
        assert len(reader.last_message_ids()) == 3
        assert numbers_up_to_the_end(reader) == [10, 11, 12, 20, 21, 22]


def test_a_reader_opens_before_its_partitioned_topic_exists(client: Client, send: Sender, rest: Rest) -> None:
    namespace = f"public/py-{uuid.uuid4().hex}"
    rest("PUT", f"namespaces/{namespace}")
    policy = {"allowAutoTopicCreation": True, "topicType": "partitioned", "defaultNumPartitions": 3}
    rest("POST", f"namespaces/{namespace}/autoTopicCreation", json.dumps(policy))
    topic = f"persistent://{namespace}/early"
    with client.reader(topic, starting_message=MessageId.earliest) as reader:
        assert not reader.has_message_available()
        assert numbers_up_to_the_end(reader) == []
        send(f"{topic}-partition-2", *numbers(3))
        assert numbers_up_to_the_end(reader) == [0, 1, 2]


def test_a_message_that_is_never_acknowledged_does_not_stop_the_others(
    client: Client, topic: str, send: Sender
) -> None:
    with client.consumer(topic, "s", subscription_type="shared", ack_timeout=1, queue_size=2) as consumer:
        send(topic, b"0")
        # More often than the window has places.
        for _ in range(3):
            assert consumer.receive(timeout=20).data == b"0"
        send(topic, *numbers(69, 1))
        seen = {0}
        deadline = time.monotonic() + 60
        while len(seen) < 70:
            message = consumer.receive(timeout=deadline - time.monotonic())
            seen.add(int(message.data))
            if int(message.data) > 0:
                consumer.ack(message)


def test_several_connections_share_one_subscription(client: Client, topic: str, send: Sender) -> None:
    with client.consumer(topic, "s", subscription_type="shared", connections=3, queue_size=20) as consumer:
        assert consumer.stats().connections == 3
        send(topic, *numbers(200))
        # No more than the three windows are delivered before something is acknowledged.
        seen = [number for _ in range(20) for number in receive(consumer, 10)]
        assert sorted(seen) == list(range(200))


def test_an_unsubscribe_deletes_the_subscription(client: Client, topic: str, rest: Rest) -> None:
    with client.consumer(topic, "s") as consumer:
        assert rest("GET", f"{topic}/subscriptions") == ["s"]
        consumer.unsubscribe()
        assert rest("GET", f"{topic}/subscriptions") == []


# ---- producers ----


def test_effectively_once_stores_no_second_copy(client: Client, send: Sender, rest: Rest) -> None:
    namespace = f"public/py-{uuid.uuid4().hex}"
    rest("PUT", f"namespaces/{namespace}")
    rest("POST", f"namespaces/{namespace}/deduplication", "true")
    topic = f"persistent://{namespace}/t"
    with client.consumer(topic, "s", initial_position="earliest") as consumer:
        for is_duplicate in (False, True):
            with client.producer(topic, name="p", effectively_once=True, initial_seq_id=-1) as producer:
                assert [producer.send(data).is_duplicate for data in numbers(3)] == [is_duplicate] * 3
        # By another producer: it comes right after the only copy of the others.
        send(topic, b"3")
        assert receive(consumer, 4) == [0, 1, 2, 3]


# ---- readers, and the end ----


def test_a_reader_begins_at_the_latest(client: Client, topic: str, send: Sender) -> None:
    send(topic, *numbers(2))
    with client.reader(topic) as reader:
        send(topic, *numbers(2, start=2))
        assert receive(reader, 2) == [2, 3]


def test_a_terminated_topic_ends_for_a_consumer(client: Client, topic: str, send: Sender, rest: Rest) -> None:
    with client.consumer(topic, "s", initial_position="earliest") as consumer:
        send(topic, *numbers(2))
        assert not consumer.is_end_of_topic(timeout=20)
        rest("POST", f"{topic}/terminate")
        assert receive(consumer, 2) == [0, 1]
        eventually(lambda: consumer.is_end_of_topic(timeout=20))


def test_a_terminated_topic_ends_for_a_reader(client: Client, topic: str, send: Sender, rest: Rest) -> None:
    send(topic, *numbers(2))
    with client.reader(topic, starting_message=MessageId.earliest) as reader:
        assert receive(reader, 2) == [0, 1]
        assert not reader.is_end_of_topic(timeout=20)
        rest("POST", f"{topic}/terminate")
        eventually(lambda: reader.is_end_of_topic(timeout=20))


# ---- TLS and tokens, on the broker that `pulsar.py run --secure` starts beside the plain one ----


def needed(name: str) -> str:
    variable = f"PULSAR_SECURE_{name}"
    if variable not in os.environ:
        pytest.skip(f"there is no {variable}")
    return os.environ[variable]


def opened(client: Client) -> Client:
    """The client, when the broker has let it send and receive."""
    topic = f"py-{uuid.uuid4().hex}"
    with client, client.consumer(topic, "s", initial_position="earliest") as consumer, client.producer(topic) as sender:
        sender.send(b"x")
        assert consumer.receive(timeout=20).data == b"x"
    return client


def test_a_right_token_is_let_in_from_wherever_it_comes(tmp_path: Path) -> None:
    url, ca, token = needed("WSS_URL"), needed("CA_FILE"), needed("TOKEN")
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    asked: list[str] = []

    def supplier() -> str:
        asked.append(token)
        return token

    opened(Client(url, tls_ca_file=ca, auth_token=token))
    opened(Client(url, tls_ca_file=ca, auth_token_file=file))
    opened(Client(url, tls_ca_file=ca, token_supplier=supplier))
    assert len(asked) == 3, "once for each connection, and once for the REST API, which tells the version"


def test_a_wrong_token_is_refused_with_401() -> None:
    for token in (needed("TOKEN_WRONG"), needed("TOKEN_EXPIRED")):
        with pytest.raises(stargate.AuthenticationError) as caught:
            opened(Client(needed("WSS_URL"), tls_ca_file=needed("CA_FILE"), auth_token=token))
        assert caught.value.http_status == 401


def test_a_role_without_rights_is_refused_with_403() -> None:
    with pytest.raises(stargate.AuthorizationError) as caught:
        opened(Client(needed("WSS_URL"), tls_ca_file=needed("CA_FILE"), auth_token=needed("TOKEN_OTHER")))
    assert caught.value.http_status == 403


def test_a_server_that_is_not_trusted_is_not_talked_to() -> None:
    with pytest.raises(stargate.AuthenticationError, match="tls_ca_file"):
        opened(Client(needed("WSS_URL"), auth_token=needed("TOKEN")))
    # Unless one insists.
    opened(Client(needed("WSS_URL"), auth_token=needed("TOKEN"), tls_insecure=True))


def test_a_client_certificate_is_an_identity() -> None:
    certificate, key = needed("CLIENT_CERT"), needed("CLIENT_KEY")
    opened(Client(needed("WSS_URL"), tls_ca_file=needed("CA_FILE"), tls_cert_file=certificate, tls_key_file=key))


def test_no_token_is_shown_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    url, ca, right, wrong = needed("WSS_URL"), needed("CA_FILE"), needed("TOKEN"), needed("TOKEN_WRONG")
    caplog.set_level(logging.DEBUG, "stargate")
    shown: list[object] = [opened(Client(url, tls_ca_file=ca, auth_token=right))]
    with Client(url, tls_ca_file=ca, auth_token=right) as client:
        topic = f"py-{uuid.uuid4().hex}"
        with (
            client.producer(topic) as producer,
            client.consumer(topic, "s") as consumer,
            client.reader(topic) as reader,
        ):
            shown += [
                client,
                client.url,
                producer,
                producer.stats(),
                consumer,
                consumer.stats(),
                reader,
                reader.stats(),
            ]
        with pytest.raises(stargate.AuthenticationError) as caught:
            client.producer(topic, auth_token=wrong)
        shown += [caught.value, caught.value.broker_text]
    # Records come on a thread of their own.
    eventually(lambda: "connected to" in caplog.text and "(401)" in caplog.text)
    text = "\n".join([caplog.text, *(f"{thing} {thing!r}" for thing in shown)])
    assert right not in text
    assert wrong not in text
