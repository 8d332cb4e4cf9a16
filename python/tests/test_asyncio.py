"""The classes for asyncio: as those without, and what only an event loop can do to them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import threading
import time
import warnings
from typing import Any

import pytest

import stargate
from conftest import Run, thread_loop
from stargate import (
    ACK,
    CONTINUE,
    AsyncClient,
    AsyncConsumer,
    AsyncMessageHandler,
    AsyncSupervisor,
    MessageHandler,
    MessageId,
    OutgoingMessage,
)
from stargate._bridge import Bridge
from stargate.testing import MockBroker


def parameters(function: object) -> list[tuple[object, ...]]:
    assert callable(function)
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", ["Admin", "Client", "Producer", "Consumer", "Reader", "Supervisor", "MessageHandler"])
def test_the_signatures_are_those_of_the_classes_without_asyncio(name: str) -> None:
    plain, other = getattr(stargate, name), getattr(stargate, f"Async{name}")

    def members(kind: type) -> dict[str, object]:
        return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_") or name == "__init__"}

    own, others = members(plain), members(other)
    assert own.keys() == others.keys()
    for member, value in own.items():
        if isinstance(value, property):
            assert isinstance(others[member], property)
        elif member != "__init__" or name in {"Client", "Supervisor", "MessageHandler"}:
            assert parameters(value) == parameters(others[member]), member


def test_what_is_public_has_a_twin_for_asyncio() -> None:
    assert parameters(stargate.produce) == parameters(stargate.produce_async)
    twins = {name for name in stargate.__all__ if name.startswith("Async")}
    assert twins == {f"Async{name.removeprefix('Async')}" for name in twins if hasattr(stargate, name[5:])}
    public = [getattr(stargate, name) for name in stargate.__all__]
    waits = {
        kind for kind in public if isinstance(kind, type) and hasattr(kind, "close") and "Async" not in kind.__name__
    }
    assert {kind.__name__ for kind in waits} == {name[5:] for name in twins} - {"Admin", "MessageHandler"}


def test_messages_go_there_and_back(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        async with AsyncClient(pulsar_url) as client:
            consumer = await client.consumer(topic, "s")
            async with client.producer(topic) as producer:
                ids = await asyncio.gather(*(producer.send(b"%d" % number, key="k") for number in range(1000)))
                assert ids == sorted(ids)
                await producer.flush()
                assert producer.stats().receipts == 1000
                assert producer.is_connected
            seen = []
            async for message in consumer:
                seen.append(message)
                await consumer.ack(message)
                if len(seen) == 1000:
                    await consumer.close()
            assert [message.data for message in seen] == [b"%d" % number for number in range(1000)]
            assert [message.id for message in seen] == list(ids)
            assert consumer.stats().acked == 1000
            async with client.reader(topic, starting_message=MessageId.earliest) as reader:
                assert len(await reader.receive_many(1000, timeout=10)) == 1000
                assert await reader.receive_many(1, timeout=0.05) == []
                assert not await reader.is_end_of_topic(timeout=10)

    run(main())


def test_ten_thousand_messages_reach_a_handler_in_order(run: Run, pulsar_url: str, topic: str) -> None:
    payloads = [b"%05d" % number + b"x" * 1019 for number in range(10_000)]

    async def main() -> None:
        received: list[bytes] = []
        complete = asyncio.Event()

        async def work(message: stargate.Message) -> stargate.Outcome:
            received.append(message.data)
            if len(received) == len(payloads):
                complete.set()
            return ACK

        async with AsyncClient(pulsar_url) as client:
            consumer = await client.consume(topic, "s", work)
            async with client.producer(topic) as producer:
                ids = await producer.send_many(payloads)
                assert all(isinstance(id_, MessageId) for id_ in ids)
            await complete.wait()
            await consumer.close()
            assert consumer.stats().acked == 10_000
        assert received == payloads

    run(main())


def test_a_cancelled_receive_loses_no_message(run: Run, pulsar_url: str, topic: str) -> None:
    count = 300

    async def main() -> None:
        async with AsyncClient(pulsar_url) as client, client.producer(topic) as producer:
            consumer = await client.consumer(topic, "s")
            got: list[bytes] = []

            async def send() -> None:
                for number in range(count):
                    await producer.send(b"%d" % number)

            async def take() -> None:
                message = await consumer.receive()
                got.append(message.data)
                await consumer.ack(message)

            async def take_many() -> None:
                for message in await consumer.receive_many(3, timeout=0.005):
                    got.append(message.data)
                    await consumer.ack(message)

            sending = asyncio.create_task(send())
            attempt = 0
            while len(got) < count:
                attempt += 1
                taking = asyncio.create_task(take() if attempt % 2 else take_many())
                # At every moment: before it began, while it waits, and just when the message comes.
                for _ in range(attempt % 7):
                    await asyncio.sleep(0)
                if attempt % 3 == 0:
                    await asyncio.sleep(0.001)
                if attempt % 5:
                    taking.cancel()
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.0005 * (attempt % 4)):
                            await taking
                with contextlib.suppress(asyncio.CancelledError):
                    await taking
            await sending
            assert got == [b"%d" % number for number in range(count)]

    run(main())


def test_a_cancelled_send_says_what_became_of_it(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        async with AsyncClient(pulsar_url) as client:
            # In flight until the connection comes, which it never does.
            async with AsyncClient("ws://127.0.0.1:9") as nobody:
                producer = await nobody.producer(topic, lazy=True, max_pending_msg=1)
                accepted = asyncio.create_task(producer.send(b"accepted"))
                waiting = asyncio.create_task(producer.send(b"waits for room"))
                await asyncio.sleep(0.05)
                for task, what in ((waiting, "was not sent"), (accepted, "was accepted before, and may be stored")):
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError) as caught:
                        await task
                    assert [note for note in caught.value.__notes__ if what in note and topic in note]
                await producer.close(flush=False)
                assert producer.stats().in_flight == 0
            # What waited for room and was cancelled is never stored.
            withdrawn = set()
            async with client.producer(topic, max_pending_msg=1) as producer:
                for number in range(50):
                    one, two = (asyncio.create_task(producer.send(text)) for text in (b"one", b"two %d" % number))
                    await asyncio.sleep(0)
                    two.cancel()
                    with pytest.raises(asyncio.CancelledError) as caught:
                        await two
                    if "was not sent" in caught.value.__notes__[0]:
                        withdrawn.add(b"two %d" % number)
                    await one
            assert withdrawn
            async with client.reader(topic, starting_message="earliest") as reader:
                stored = {message.data for message in await reader.receive_many(100, timeout=0.5)}
            assert b"one" in stored
            assert not stored & withdrawn

    logging.getLogger("stargate").setLevel(logging.CRITICAL)
    try:
        run(main())
    finally:
        logging.getLogger("stargate").setLevel(logging.NOTSET)


def test_handlers_of_every_shape(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        done: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

        class Awaits(AsyncMessageHandler):
            async def init(self, word: str) -> None:
                await asyncio.sleep(0)
                self.word = word

            async def handle_message(self, message: stargate.Message) -> None:
                await asyncio.sleep(0)
                await done.put((self.word, message.data))

        class Plain(MessageHandler):
            def init(self, word: str) -> None:
                self.word = word

            def handle_message(self, message: stargate.Message) -> stargate.Outcome:
                done.put_nowait((self.word, message.data))
                return CONTINUE

        async with AsyncClient(pulsar_url) as client:
            await client.consume(topic, "a", Awaits, ["awaits"], initial_position="earliest")
            await client.consume(topic, "b", Plain, init_kwargs={"word": "plain"}, initial_position="earliest")
            await client.consume(
                topic, "c", lambda m: done.put_nowait(("function", m.data)), initial_position="earliest"
            )
            async with client.producer(topic) as producer:
                await producer.send_nowait(b"x")
            seen = {await done.get() for _ in range(3)}
        assert seen == {("awaits", b"x"), ("plain", b"x"), ("function", b"x")}

    run(main())


def test_an_exception_costs_a_nack_and_reaches_on_error(
    run: Run, pulsar_url: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        errors: asyncio.Queue[BaseException] = asyncio.Queue()
        good: asyncio.Queue[int] = asyncio.Queue()

        class Fragile(AsyncMessageHandler):
            async def handle_message(self, message: stargate.Message) -> None:
                if message.redelivery_count == 0:
                    raise LookupError
                await good.put(message.redelivery_count)

            async def on_error(self, _message: stargate.Message, error: BaseException) -> None:
                await errors.put(error)

        async with AsyncClient(pulsar_url) as client:
            options = {"subscription_type": "shared", "negative_ack_delay": 0.1}
            consumer = await client.consume(topic, "s", Fragile, **options)  # type: ignore[arg-type]
            async with client.producer(topic) as producer:
                await producer.send(b"fragile")
            assert isinstance(await errors.get(), LookupError)
            assert await good.get() == 1
            await consumer.close()
            assert (consumer.stats().handler_errors, consumer.stats().nacked) == (1, 1)

    run(main())
    assert any(record.exc_info for record in caplog.records if "the handler failed" in record.message)


class Final(BaseException):
    """An exception that is no `Exception`, as libraries have them."""


@pytest.mark.parametrize("failure", [asyncio.CancelledError, Final])
@pytest.mark.parametrize("in_on_error", [False, True])
def test_whatever_a_handler_raises_the_next_message_is_handled(
    run: Run, pulsar_url: str, topic: str, failure: type[BaseException], in_on_error: bool
) -> None:
    async def main() -> None:
        seen: asyncio.Queue[bytes] = asyncio.Queue()

        class Bad(AsyncMessageHandler):
            async def handle_message(self, message: stargate.Message) -> None:
                await seen.put(message.data)
                if message.data == b"bad":
                    raise LookupError if in_on_error else failure

            async def on_error(self, _message: stargate.Message, _error: BaseException) -> None:
                if in_on_error:
                    raise failure

        async with AsyncClient(pulsar_url) as client, client.producer(topic) as producer:
            consumer = await client.consume(topic, "s", Bad, subscription_type="shared")
            await producer.send_many([b"bad", b"good"])
            assert [await asyncio.wait_for(seen.get(), 10) for _ in range(2)] == [b"bad", b"good"]
            await consumer.close()
            await consumer.wait(timeout=10)
            assert (consumer.stats().handler_errors, consumer.stats().nacked, consumer.stats().acked) == (1, 1, 1)

    run(main())


def test_an_exit_in_a_handler_ends_the_loop_and_is_told_to_who_waits(pulsar_url: str, topic: str) -> None:
    def leave(_: stargate.Message) -> None:
        raise SystemExit

    async def opened() -> AsyncConsumer:
        return await AsyncClient(pulsar_url).consume(topic, "s", leave)

    async def main(consumer: AsyncConsumer) -> None:
        async with consumer._client.producer(topic) as producer:
            await producer.send(b"x")
            await asyncio.sleep(60)

    async def after(consumer: AsyncConsumer) -> None:
        with pytest.raises(stargate.ClosedError, match="SystemExit"):
            await consumer.wait(timeout=10)
        await consumer._client.close()
        assert consumer.stats().nacked == 1

    with asyncio.Runner() as runner:
        consumer = runner.run(opened())
        with pytest.raises(SystemExit):
            runner.run(main(consumer))
        runner.run(after(consumer))


@pytest.mark.parametrize("which", ["consumer", "client", "supervisor"])
@pytest.mark.parametrize("closers", [1, 2])
def test_a_handler_that_closes_keeps_the_acknowledgement_of_its_message(
    run: Run, pulsar_url: str, topic: str, which: str, closers: int
) -> None:
    async def main() -> None:
        begun: list[stargate.Message] = []
        closed: list[stargate.Message] = []

        async def work(message: stargate.Message) -> None:
            begun.append(message)
            while len(begun) < closers:
                await asyncio.sleep(0.01)
            # A wait for the other handler, or for this one, would take as long as the timeout.
            async with asyncio.timeout(5):
                await closing[which](10)
            await asyncio.sleep(0.1)
            closed.append(message)

        part = {"topic": topic, "subscription": "s", "subscription_type": "shared", "processors": closers}
        config: dict[str, Any] = {"name": topic, "host": pulsar_url.removeprefix("ws://")}
        config["consumer"] = {**part, "handler": work}
        supervisor = await AsyncSupervisor(config)
        consumer, client = supervisor.consumer(supervisor.keys()[0]), supervisor._clients[supervisor._url]
        closing = {"consumer": consumer.close, "client": client.close, "supervisor": supervisor.close}
        async with AsyncClient(pulsar_url) as other:
            async with other.producer(topic) as producer:
                await producer.send_many([b"x"] * closers)
            async with asyncio.timeout(10):
                while len(closed) < closers:
                    await asyncio.sleep(0.01)
            await consumer.wait(timeout=10)
            await consumer.close()
            assert consumer.stats().acked == closers
            async with other.consumer(topic, "s", subscription_type="shared") as again:
                assert await again.backlog() == 0
        await client.close()
        await supervisor.close()

    run(main())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_future_is_set_when_nobody_keeps_the_client(pulsar_mock: MockBroker, topic: str) -> None:
    async def send() -> asyncio.Future[stargate.MessageId]:
        producer = await AsyncClient(pulsar_mock.url).producer(topic)
        pulsar_mock.fault("send", "delay:300", topic=topic)
        return producer.send_nowait(b"x")

    async def main() -> None:
        future = await send()
        gc.collect()
        done, _ = await asyncio.wait([future], timeout=20)
        assert done
        future.exception()

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_loop_that_ends_with_a_send_under_way_leaks_no_descriptor(pulsar_mock: MockBroker, topic: str) -> None:
    async def main() -> None:
        producer = await AsyncClient(pulsar_mock.url).producer(topic)
        pulsar_mock.fault("send", "delay:100", topic=topic)
        producer.send_nowait(b"x")

    def bridges() -> int:
        gc.collect()
        return sum(isinstance(one, Bridge) for one in gc.get_objects())

    before = bridges()
    for _ in range(10):
        asyncio.run(main())
        gc.collect()
        time.sleep(0.15)
    assert bridges() <= before + 1


def test_with_ordering_by_key_each_key_stays_in_order(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        seen: dict[str, list[int]] = {}
        complete = asyncio.Event()
        busy = most = 0

        async def work(message: stargate.Message) -> None:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0)
            assert message.key is not None
            seen.setdefault(message.key, []).append(int(message.data))
            busy -= 1
            if sum(map(len, seen.values())) == 1000:
                complete.set()

        async with AsyncClient(pulsar_url) as client:
            await client.consume(topic, "s", work, processors=4, ordering="key")
            async with client.producer(topic) as producer:
                await producer.send_many([OutgoingMessage(b"%d" % n, key=f"key {n % 10}") for n in range(1000)])
            await complete.wait()
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert most > 1

    run(main())


def test_a_close_waits_for_the_handler_and_cancels_it_when_it_is_late(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        begun, told = asyncio.Event(), []

        async def work(message: stargate.Message) -> None:
            begun.set()
            try:
                await asyncio.sleep(0.1 if message.data == b"quick" else 60)
                told.append("finished")
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

        async with AsyncClient(pulsar_url) as client, client.producer(topic) as producer:
            for what, data, timeout in (("finished", b"quick", 10.0), ("cancelled", b"slow", 0.1)):
                begun.clear()
                consumer = await client.consume(topic, what, work)
                await producer.send(data)
                await begun.wait()
                if what == "cancelled":
                    with pytest.raises(stargate.TimeoutError, match="was cancelled"):
                        await consumer.close(timeout)
                    await consumer.close()
                else:
                    await consumer.close(timeout)
                await consumer.wait(timeout=10)
                assert told[-1] == what

    run(main())


def test_errors_are_those_without_asyncio(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        async with AsyncClient(pulsar_url) as client:
            with pytest.raises(stargate.NotFoundError, match="no-such-namespace"):
                await client.producer("persistent://public/no-such-namespace/t")
            with pytest.raises(stargate.InvalidArgumentError, match="nearest"):
                await client.reader(topic, startin_message="earliest")  # type: ignore[call-arg]
            async with client.consumer(topic, "s") as consumer:
                with pytest.raises(stargate.BusyError):
                    await client.consumer(topic, "s")
                begun = time.monotonic()
                with pytest.raises(stargate.TimeoutError, match=f"receive from {topic}: not done within 0.1 s"):
                    await consumer.receive(timeout=0.1)
                assert time.monotonic() - begun < 1
            with pytest.raises(stargate.ClosedError):
                await consumer.receive()
            async with client.producer(topic) as producer:
                with pytest.raises(stargate.TooBigError):
                    await producer.send(b"x" * 2_000_000)
                results = await producer.send_many([b"x", b"x" * 2_000_000])
                assert [type(result) for result in results] == [MessageId, stargate.TooBigError]
                await producer.wait_connected(timeout=5)
            consumer = await client.consumer(topic, "s")
            await consumer.unsubscribe()
        async with AsyncClient("ws://127.0.0.1:9") as nobody:
            producer = await nobody.producer(topic, lazy=True)
            producer.send_nowait(b"x").cancel()
            with pytest.raises(stargate.TimeoutError, match="flush"):
                await producer.flush(timeout=0.05)
            await producer.close(flush=False)

    logging.getLogger("stargate").setLevel(logging.CRITICAL)
    try:
        run(main())
    finally:
        logging.getLogger("stargate").setLevel(logging.NOTSET)


def test_who_waits_while_the_client_closes_is_told(run: Run, pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        client = AsyncClient(pulsar_url)
        consumer, reader = await client.consumer(topic, "s"), await client.reader(topic)
        producer = await client.producer(topic)
        waiting = [asyncio.create_task(receiver.receive()) for receiver in (consumer, consumer, reader)]
        many = asyncio.create_task(consumer.receive_many(5))
        await asyncio.sleep(0.05)
        await client.close()
        for task in (*waiting, many):
            with pytest.raises(stargate.ClosedError):
                await asyncio.wait_for(task, 5)
        for use in (producer.send(b"x"), consumer.receive()):
            with pytest.raises(stargate.ClosedError):
                await use
        with pytest.raises(stargate.ClosedError):
            await client.reader(topic)
        await asyncio.gather(client.close(), producer.close(), consumer.close(), reader.close())

    run(main())


def test_a_client_belongs_to_one_loop(pulsar_url: str, topic: str) -> None:
    client = AsyncClient(pulsar_url)  # Outside of any loop, as web frameworks do.

    async def use() -> None:
        async with client.producer(topic) as producer:
            await producer.send(b"x")

    async def close() -> None:
        await client.close()

    with asyncio.Runner() as one:
        one.run(use())
        with asyncio.Runner() as other, pytest.raises(RuntimeError, match="another event loop"):
            other.run(use())
        one.run(close())


def test_the_loop_is_never_blocked_and_gets_no_thread_a_call(pulsar_url: str, topic: str) -> None:
    async def main() -> None:
        async with AsyncClient(pulsar_url) as client, client.producer(topic) as producer:
            before = threading.active_count()
            await asyncio.gather(*(producer.send(b"x") for _ in range(500)))
            reader = await client.reader(topic, starting_message="earliest")
            turns = 0

            async def others() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            task = asyncio.create_task(others())
            for _ in range(500):
                await reader.receive()
            task.cancel()
            assert turns >= 500 // 64
            assert threading.active_count() <= before

    asyncio.run(main())


def test_cycles_leak_no_descriptor_no_thread_and_no_task(pulsar_url: str, topic: str) -> None:
    from test_process import descriptors, settled, threads

    async def cycle() -> None:
        async with AsyncClient(pulsar_url) as client, client.producer(topic) as producer:
            await client.consume(topic, "s", lambda _: None)
            await producer.send(b"x")
        assert len(asyncio.all_tasks()) == 1

    async def abandon() -> None:
        client = AsyncClient(pulsar_url)
        producer = await client.producer(topic)
        await producer.send(b"x")

    for loop in (asyncio.new_event_loop, thread_loop):
        before = None
        for _ in range(30):
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(cycle())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                    runner.run(abandon())
                gc.collect()
            before = before or (descriptors(), threads())
        assert before is not None
        assert settled(descriptors, before[0]) <= before[0]
        assert settled(threads, before[1]) <= before[1]
