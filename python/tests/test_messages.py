"""Sending, receiving, handlers and readers on a broker."""

from __future__ import annotations

import gc
import logging
import queue
import re
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

import stargate
from conftest import Sender
from stargate import ACK, CONTINUE, NACK, Client, MessageHandler, MessageId, OutgoingMessage
from stargate.client import topics_of
from stargate.errors import InvalidArgumentError


def test_ten_thousand_messages_reach_a_handler_in_order(client: Client, topic: str, send: Sender) -> None:
    payloads = [b"%05d" % number + b"x" * 1019 for number in range(10_000)]
    received: list[bytes] = []
    complete = threading.Event()

    def work(message: stargate.Message) -> stargate.Outcome:
        received.append(message.data)
        if len(received) == len(payloads):
            complete.set()
        return ACK

    consumer = client.consume(topic, "s", work, initial_position="earliest")
    ids = send(topic, *payloads)
    assert ids == sorted(ids)
    assert complete.wait(60)
    assert received == payloads
    consumer.close()
    stats = consumer.stats()
    assert (stats.acked, stats.unacked, stats.handler_errors) == (10_000, 0, 0)


def test_everything_that_goes_with_a_message_arrives(client: Client, topic: str) -> None:
    when = datetime(2026, 11, 24, 12, 0, 0, 123000, tzinfo=timezone(timedelta(hours=2)))
    with client.consumer(topic, "s", initial_position="earliest") as consumer, client.producer(topic) as producer:
        sent = producer.send("größe", key="k", properties={"a": "1", "b": "2"}, event_time=when)
        message = consumer.receive(timeout=10)
        assert message.data == "größe".encode()
        assert (message.key, message.properties, message.event_time) == ("k", {"a": "1", "b": "2"}, when)
        assert message.id == sent
        assert message.topic == topic
        assert len(message) == len("größe".encode())
        assert message.publish_time is not None
        assert abs(datetime.now(UTC) - message.publish_time) < timedelta(minutes=5)
        assert "key='k'" in repr(message)
        consumer.ack(message)
        producer.send(b"")
        empty = consumer.receive(timeout=10)
        assert (empty.data, empty.key, empty.properties, empty.event_time) == (b"", None, {}, None)
        assert bool(empty)
        with pytest.raises(TypeError, match="cannot be pickled"):
            empty.__reduce__()  # type: ignore[unused-ignore]


def test_payloads_are_anything_like_bytes(client: Client, topic: str) -> None:
    with client.reader(topic, starting_message="earliest") as reader, client.producer(topic) as producer:
        buffer = bytearray(b"two")
        results = producer.send_many([b"one", buffer, memoryview(b"three"), "four", OutgoingMessage(b"five", key="k")])
        buffer[:] = b"xxx"
        assert all(isinstance(result, MessageId) for result in results)
        messages = reader.receive_many(5, timeout=10)
        assert [message.data for message in messages] == [b"one", b"two", b"three", b"four", b"five"]
        assert messages[4].key == "k"
        with pytest.raises(TypeError, match="a payload is bytes"):
            producer.send(5)  # type: ignore[arg-type]


def test_a_message_is_a_buffer_that_outlives_it_and_cannot_be_written(client: Client, topic: str) -> None:
    payloads = [b"", b"small", bytes(range(256)) * 1024]
    with client.reader(topic, starting_message="earliest") as reader, client.producer(topic) as producer:
        producer.send_many(payloads)
        views = [memoryview(reader.receive(timeout=10)) for _ in payloads]
    gc.collect()
    assert views == payloads
    assert all(view.readonly and view.format == "B" for view in views)
    with pytest.raises(TypeError):
        views[1][0] = 0


def test_large_bytes_that_are_let_go_arrive_whole(client: Client, topic: str) -> None:
    with client.reader(topic, starting_message="earliest") as reader, client.producer(topic) as producer:
        for number in range(20):
            producer.send_nowait(bytes([number]) * 50_000)
        producer.flush(timeout=10)
        messages = [reader.receive(timeout=10) for _ in range(20)]
    assert [(len(message), message.data[-1]) for message in messages] == [(50_000, number) for number in range(20)]


def test_futures_give_the_ids_in_order(client: Client, topic: str) -> None:
    with client.producer(topic) as producer:
        futures = [producer.send_nowait(b"%d" % number) for number in range(2000)]
        assert not futures[-1].cancel()
        producer.flush(timeout=30)
        ids = [future.result(timeout=10) for future in futures]
        assert ids == sorted(ids)
        assert len(set(ids)) == 2000


def test_after_a_flush_and_a_close_the_futures_are_set(client: Client, topic: str) -> None:
    for _ in range(20):
        producer = client.producer(topic)
        futures = [producer.send_nowait(b"x") for _ in range(50)]
        producer.flush()
        assert all(future.done() for future in futures)
        last = producer.send_nowait(b"x")
        producer.close()
        assert last.done()


def test_a_callback_that_waits_for_who_flushes_stops_nobody(client: Client, topic: str) -> None:
    # One that lets the same thread in again: a future that is done already runs its callback at once.
    lock, told = threading.RLock(), threading.Event()
    with client.producer(topic) as producer:

        def callback(_: object) -> None:
            with lock:
                producer.flush()  # in a callback too
                told.set()

        with lock:
            producer.send_nowait(b"x").add_done_callback(callback)
            producer.flush()
        assert told.wait(10)


def test_iteration_ends_with_the_close(client: Client, topic: str, send: Sender) -> None:
    consumer = client.consumer(topic, "s", initial_position="earliest")
    send(topic, b"a", b"b", b"c")
    seen = []
    for message in consumer:
        seen.append(message.data)
        consumer.ack(message)
        if len(seen) == 3:
            threading.Timer(0.1, consumer.close).start()
    assert seen == [b"a", b"b", b"c"]


def test_receive_many_takes_what_is_there_when_the_time_is_over(client: Client, topic: str, send: Sender) -> None:
    with client.consumer(topic, "s", initial_position="earliest") as consumer:
        assert consumer.receive_many(10, timeout=timedelta(milliseconds=50)) == []
        send(topic, b"a", b"b")
        assert [message.data for message in consumer.receive_many(10, timeout=2)] == [b"a", b"b"]


def test_a_reader_goes_on_after_a_position(client: Client, topic: str, send: Sender) -> None:
    ids = send(topic, *(b"%d" % number for number in range(10)))
    third = ids[2]
    with client.reader(topic, starting_message=MessageId.earliest) as reader:
        assert [message.data for message in reader.receive_many(10, timeout=10)] == [b"%d" % n for n in range(10)]
    with client.reader(topic, starting_message=MessageId.from_bytes(bytes(third))) as reader:
        assert reader.receive(timeout=10).data == b"3"
    with client.reader(topic, starting_message=third.to_base64()) as reader:
        assert reader.receive(timeout=10).data == b"3"


def test_a_reader_has_handlers_too(client: Client, topic: str, send: Sender) -> None:
    send(topic, *(b"%d" % number for number in range(100)))
    seen: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    with client.reader(topic, starting_message=MessageId.earliest, queue_size=10) as reader:
        reader.listen(lambda message: seen.put(message.data))
        assert [seen.get(timeout=10) for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_each_processor_has_its_own_handler_made_on_its_own_thread(client: Client, topic: str, send: Sender) -> None:
    done: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    class Store(MessageHandler):
        def init(self, *args: object, **kwargs: object) -> None:
            assert (args, kwargs) == ((":memory:",), {"table": "bills"})
            self.made_on = threading.current_thread().name

        def handle_message(self, message: stargate.Message) -> stargate.Outcome:
            assert message.data == b"x"
            done.put((self.made_on, threading.current_thread().name))
            return ACK

    options = {"processors": 4, "subscription_type": "shared"}
    consumer = client.consume(topic, "s", Store, (":memory:",), {"table": "bills"}, **options)  # type: ignore[arg-type]
    send(topic, *[b"x"] * 60)
    threads = {done.get(timeout=10) for _ in range(60)}
    assert all(made == ran for made, ran in threads)
    assert {ran for _, ran in threads} <= {f"stargate-handler-{number}" for number in range(4)}
    consumer.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stargate-handler")]


def test_with_ordering_by_key_each_key_stays_in_order(client: Client, topic: str, send: Sender) -> None:
    seen: dict[str, list[int]] = {}
    lock = threading.Lock()
    complete = threading.Event()
    threads: dict[str, set[str]] = {}

    def work(message: stargate.Message) -> None:
        assert message.key is not None
        with lock:
            seen.setdefault(message.key, []).append(int(message.data))
            threads.setdefault(message.key, set()).add(threading.current_thread().name)
            if sum(map(len, seen.values())) == 1000:
                complete.set()

    client.consume(topic, "s", work, initial_position="earliest", processors=4, ordering="key")
    send(topic, *(OutgoingMessage(b"%d" % n, key=f"key {n % 10}") for n in range(1000)))
    assert complete.wait(30)
    assert all(numbers == sorted(numbers) for numbers in seen.values())
    assert all(len(names) == 1 for names in threads.values())
    assert len(set.union(*threads.values())) > 1


def test_an_exception_costs_a_nack_and_reaches_on_error(
    client: Client, topic: str, send: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    errors: queue.SimpleQueue[tuple[bytes, BaseException]] = queue.SimpleQueue()
    good: queue.SimpleQueue[tuple[bytes, int]] = queue.SimpleQueue()

    class Fragile(MessageHandler):
        def handle_message(self, message: stargate.Message) -> stargate.Outcome | None:
            if message.redelivery_count == 0:
                raise LookupError(message.data.decode())
            good.put((message.data, message.redelivery_count))
            return None

        def on_error(self, message: stargate.Message, error: BaseException) -> stargate.Outcome:
            errors.put((message.data, error))
            return NACK

    consumer = client.consume(topic, "s", Fragile, subscription_type="shared", negative_ack_delay=0.1)
    send(topic, b"fragile")
    data, error = errors.get(timeout=10)
    assert data == b"fragile"
    assert isinstance(error, LookupError)
    assert good.get(timeout=30) == (b"fragile", 1)
    consumer.close()
    assert consumer.stats().handler_errors == 1
    assert consumer.stats().nacked == 1
    record = next(record for record in caplog.records if "the handler failed" in record.message)
    assert record.exc_info is not None


@pytest.mark.parametrize("what", ["nonsense", "exit", "on_error"])
def test_whatever_a_handler_does_the_next_message_is_handled(
    client: Client, topic: str, send: Sender, what: str
) -> None:
    seen: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    class Bad(MessageHandler):
        def handle_message(self, message: stargate.Message) -> stargate.Outcome | None:
            seen.put(message.data)
            if message.data == b"good":
                return None
            if what == "nonsense":
                return "ack"  # type: ignore[return-value]
            if what == "exit":
                raise SystemExit
            raise LookupError

        def on_error(self, _message: stargate.Message, _error: BaseException) -> stargate.Outcome | None:
            if what == "on_error":
                raise RuntimeError("on_error fails too")
            return None

    with client.consume(topic, "s", Bad, subscription_type="shared") as consumer:
        send(topic, b"bad", b"good")
        assert [seen.get(timeout=10), seen.get(timeout=10)] == [b"bad", b"good"]
    assert consumer.stats().handler_errors == 1
    assert consumer.stats().nacked == 1


def test_what_init_raises_is_raised_by_listen(client: Client, topic: str) -> None:
    class Broken(MessageHandler):
        def init(self, *_: object, **__: object) -> None:
            raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        client.consume(topic, "s", Broken)
    with pytest.raises(TypeError, match="does not inherit from MessageHandler"):
        client.consume(topic, "s", int)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="init_args"):
        client.consume(topic, "s", lambda _: None, init_args=(1,))

    async def awaits(_: stargate.Message) -> None: ...

    with pytest.raises(TypeError, match="use AsyncClient"):
        client.consume(topic, "s", awaits)  # type: ignore[arg-type]
    # Nothing of them holds the subscription.
    client.consumer(topic, "s").close()


def test_continue_leaves_the_acknowledgement_to_the_application(client: Client, topic: str, send: Sender) -> None:
    handed: queue.SimpleQueue[stargate.Message] = queue.SimpleQueue()

    def later(message: stargate.Message) -> stargate.Outcome:
        handed.put(message)
        return CONTINUE

    consumer = client.consume(topic, "s", later, pull_mode=True, queue_size=2)
    send(topic, *(b"%d" % number for number in range(10)))
    messages = [handed.get(timeout=10) for _ in range(10)]
    assert consumer.stats().acked == 0
    for message in messages[:5]:
        consumer.ack(message)
    for message in messages[5:]:
        consumer.ack(message.id)
    consumer.close()
    assert consumer.stats().acked == 10
    with client.consumer(topic, "s") as again, pytest.raises(TimeoutError):
        again.receive(timeout=0.5)


def test_pull_mode_asks_for_no_more_than_the_handler_finishes(client: Client, topic: str, send: Sender) -> None:
    release = threading.Event()
    started: queue.SimpleQueue[int] = queue.SimpleQueue()

    def slow(_: stargate.Message) -> None:
        started.put(1)
        release.wait(30)

    consumer = client.consume(topic, "s", slow, pull_mode=True, queue_size=5)
    send(topic, *[b"x"] * 50)
    started.get(timeout=10)
    with pytest.raises(TimeoutError):
        consumer.wait(timeout=0.5)
    assert consumer.stats().received <= 5
    release.set()
    for _ in range(49):
        started.get(timeout=10)
    consumer.close()
    assert consumer.stats().acked == 50


def test_a_handler_and_receiving_exclude_each_other(client: Client, topic: str) -> None:
    with client.consume(topic, "s", lambda _: None) as consumer:
        with pytest.raises(stargate.InvalidArgumentError, match="exclude each other"):
            consumer.receive(timeout=1)
        with pytest.raises(stargate.InvalidArgumentError, match="there is a handler already"):
            consumer.listen(lambda _: None)


def test_a_handler_may_close_its_consumer(client: Client, topic: str, send: Sender) -> None:
    closed = threading.Event()
    consumer = client.consumer(topic, "s", initial_position="earliest")

    def once(_: stargate.Message) -> None:
        consumer.close()
        closed.set()

    send(topic, b"x")
    consumer.listen(once)
    assert closed.wait(10)
    consumer.wait(timeout=10)


@pytest.mark.parametrize("which", ["consumer", "client"])
@pytest.mark.parametrize("closers", [1, 2])
def test_a_handler_that_closes_keeps_the_acknowledgement_of_its_message(
    client: Client, pulsar_url: str, topic: str, send: Sender, which: str, closers: int
) -> None:
    ready, took = threading.Barrier(closers), queue.SimpleQueue[float]()

    def work(_: stargate.Message) -> None:
        ready.wait(10)
        begin = time.monotonic()
        (consumer if which == "consumer" else its).close(10)
        took.put(time.monotonic() - begin)
        time.sleep(0.1)

    its = Client(pulsar_url)
    consumer = its.consumer(topic, "s", subscription_type="shared", processors=closers, initial_position="earliest")
    # The handlers may run before `listen` returns.
    send(topic, *[b"x"] * closers)
    consumer.listen(work)
    # A wait for the other handler, or for this one, would take as long as the timeout.
    assert max(took.get(timeout=20) for _ in range(closers)) < 5
    consumer.wait(timeout=10)
    consumer.close()
    assert consumer.stats().acked == closers
    with client.consumer(topic, "s", subscription_type="shared") as again:
        assert again.backlog() == 0
    its.close()


def test_handlers_of_two_consumers_may_both_close_the_client(
    client: Client, pulsar_url: str, topic: str, send: Sender
) -> None:
    ready, took = threading.Barrier(2), queue.SimpleQueue[float]()

    def work(_: stargate.Message) -> None:
        ready.wait(10)
        begin = time.monotonic()
        its.close(10)
        took.put(time.monotonic() - begin)

    its = Client(pulsar_url)
    consumers = [its.consume(topic, name, work) for name in ("a", "b")]
    send(topic, b"x")
    assert max(took.get(timeout=20) for _ in range(2)) < 5
    for consumer in consumers:
        consumer.wait(timeout=10)
    its.close()
    for name in ("a", "b"):
        with client.consumer(topic, name) as again:
            assert again.backlog() == 0


def test_a_close_with_a_slow_handler_says_so(client: Client, topic: str, send: Sender) -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(_: stargate.Message) -> None:
        begun.set()
        release.wait(30)

    consumer = client.consume(topic, "s", slow, initial_position="earliest")
    send(topic, b"x")
    assert begun.wait(10)
    with pytest.raises(stargate.TimeoutError, match="a handler still runs"):
        consumer.close(timeout=0.1)
    release.set()
    consumer.wait(timeout=10)
    consumer.close()


def test_several_topics_and_patterns(client: Client, topic: str, send: Sender) -> None:
    other = f"{topic}-b"
    for name in (topic, other):
        send(name, name)
    with client.consumer([topic, other], "list", initial_position="earliest") as consumer:
        assert {m.data.decode() for m in consumer.receive_many(2, timeout=10)} == {topic, other}
    with client.consumer(re.compile(f"{topic}.*"), "pattern", initial_position="earliest") as consumer:
        assert {m.data.decode() for m in consumer.receive_many(2, timeout=10)} == {topic, other}
    namespace, name = topic.rsplit("/", 1)
    capitals = re.compile(f"{namespace}/{name.upper()}.*", re.IGNORECASE | re.DOTALL)
    with client.consumer(capitals, "flags", initial_position="earliest") as consumer:
        assert {m.data.decode() for m in consumer.receive_many(2, timeout=10)} == {topic, other}


def test_unsubscribe_forgets_the_position(client: Client, topic: str, send: Sender) -> None:
    send(topic, b"a", b"b")
    consumer = client.consumer(topic, "s", initial_position="earliest")
    for message in consumer.receive_many(2, timeout=10):
        consumer.ack(message)
    consumer.unsubscribe()
    consumer.close()
    with client.consumer(topic, "s", initial_position="earliest") as again:
        assert again.receive(timeout=10).data == b"a"


def test_state_changes_and_records_reach_python(pulsar_url: str, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "stargate")
    changes: queue.SimpleQueue[tuple[stargate.StateChange, str]] = queue.SimpleQueue()

    def told(change: stargate.StateChange) -> None:
        changes.put((change, threading.current_thread().name))

    with Client(pulsar_url) as client, client.producer(topic, on_state=told) as producer:
        assert producer.is_connected
    states: list[str] = []
    while not states or states[-1] != "closed":
        change, thread = changes.get(timeout=10)
        assert change.topic == topic
        assert thread == "stargate-events"
        states.append(change.state)
    assert states == ["connecting", "connected", "closed"]
    assert any(record.levelno == logging.INFO and "connected to" in record.message for record in caplog.records)


def test_a_token_supplier_runs_on_a_python_thread_and_its_failure_is_told(
    pulsar_url: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def supplier() -> str:
        asked.append(threading.current_thread().name)
        return "header.claims.signature"

    with Client(pulsar_url, token_supplier=supplier) as client:
        client.producer(topic).close()
    assert asked
    assert set(asked) == {"stargate-tokens"}

    def broken() -> str:
        raise LookupError("no vault")

    refused = pytest.raises(stargate.StargateError, match="no vault")
    with Client(pulsar_url, token_supplier=broken, max_reconnects=1) as client, refused as failure:
        client.producer(topic)
    assert str(failure.value).count("the token supplier failed") == 1
    assert "the token supplier failed" in caplog.text


def test_closing_without_flush_does_not_wait(client: Client, topic: str) -> None:
    producer = client.producer(topic)
    future = producer.send_nowait(b"x")
    producer.close(flush=False)
    producer.close()
    error = future.exception(timeout=10)
    assert error is None or isinstance(error, stargate.StargateError)
    with pytest.raises(stargate.ClosedError):
        producer.send(b"y")


def test_the_flags_of_a_compiled_pattern_go_to_the_broker_or_are_refused() -> None:
    for pattern, sent in [
        (re.compile("orders-.*", re.IGNORECASE), "(?i)orders-.*"),
        (re.compile("(?i)orders-.*"), "(?i)orders-.*"),
        (re.compile("persistent://a/b/c.*", re.I | re.S), "persistent://a/b/(?is)c.*"),
        (re.compile("a/b/c.*"), "a/b/c.*"),
    ]:
        assert topics_of(pattern) == ([sent], True)
    with pytest.raises(InvalidArgumentError, match=r"re\.VERBOSE"):
        topics_of(re.compile("orders", re.X))
