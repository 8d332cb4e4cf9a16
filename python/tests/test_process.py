"""Threads, forks, signals and exits: what happens around the library in a process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import pytest

import stargate
from stargate import Client

ROUNDS = int(os.environ.get("STARGATE_EXIT_ROUNDS", "20"))

LEAKS = Path(__file__).parent.parent / "tools" / "leaks.py"

PRELUDE = """
import os, signal, sys, threading, time
import stargate
url, topic = sys.argv[1:]
"""


def run(script: str, url: str, topic: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program of its own and give what it said; a hang is killed and fails the test."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script), url, topic]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd="/", check=False)


def succeed(script: str, url: str, topic: str) -> str:
    done = run(script, url, topic)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def settled(measure: object, expected: int) -> int:
    """Give the measure once it is no more than expected, or after some seconds."""
    assert callable(measure)
    deadline = time.monotonic() + 10
    while (now := measure()) > expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(now)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_hundred_cycles_leak_no_descriptor_and_no_thread(pulsar_url: str, topic: str) -> None:
    def cycle(*, close: bool) -> None:
        client = Client(pulsar_url)
        producer = client.producer(topic)
        consumer = client.consume(topic, "s", lambda _: None)
        reader = client.reader(topic)
        producer.send_nowait(b"x").result(timeout=10)
        if close:
            client.close()
        else:
            # Recorded warnings would keep what they warn of alive.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                consumer.close()
                del producer, reader, consumer, client
                gc.collect()

    cycle(close=True)
    gc.collect()
    before = descriptors(), threads()
    for _ in range(50):
        cycle(close=True)
    for _ in range(50):
        cycle(close=False)
    assert settled(descriptors, before[0]) <= before[0]
    assert settled(threads, before[1]) <= before[1]


def test_cycles_and_messages_leave_memory_descriptors_and_threads_as_they_were() -> None:
    """A small run of what `make leaks-python` does with 10,000 cycles and 10 million messages."""
    command = [sys.executable, str(LEAKS), "--cycles", "200", "--messages", "50000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("level") == 2


def test_who_is_not_closed_is_warned_of(pulsar_url: str, topic: str) -> None:
    client = Client(pulsar_url)
    producer = client.producer(topic)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del producer
        gc.collect()
        assert [str(warning.message) for warning in caught] == [f"<Producer of {topic}> was not closed"]
        caught.clear()
        del client
        gc.collect()
        assert len(caught) == 1
        assert str(caught[0].message).startswith("<Client of ws://")


@pytest.mark.parametrize(
    "wait",
    [
        "client.consumer(topic, 's').receive()",
        "client.consumer(topic, 's').receive_many(5)",
        "next(iter(client.reader(topic)))",
        "client.consume(topic, 's', print).wait()",
        "[producer.send_nowait(b'x' * 100_000) for _ in range(10**6)]",
        "producer.send_many([b'x' * 100_000] * 100_000)",
        "silent(lambda port: stargate.Client(f'ws://127.0.0.1:{port}').producer('t'))",
        "nobody().send(b'x')",
        "nobody(b'x').flush()",
        "nobody(b'x').close(30)",
        "nobody().wait_connected()",
        "busy().close(30)",
        "busy() and client.close(30)",
        "asyncio.run(asynchronous())",
    ],
)
def test_ctrl_c_is_seen_within_100_ms(pulsar_url: str, topic: str, wait: str) -> None:
    script = f"""
        import asyncio, logging
        logging.disable()
        pressed = []
        def press():
            time.sleep(0.7)
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        def silent(connect):
            import socket
            with socket.create_server(("127.0.0.1", 0)) as server:
                connect(server.getsockname()[1])
        def nobody(*messages):
            producer = stargate.Client("ws://127.0.0.1:9").producer(topic, lazy=True)
            for message in messages:
                producer.send_nowait(message)
            return producer
        def busy():
            begun = threading.Event()
            def handle(message):
                begun.set()
                time.sleep(60)
            consumer = client.consume(topic, "busy", handle)
            producer.send(b"x")
            begun.wait()
            return consumer
        async def asynchronous():
            await (await stargate.AsyncClient(url).consumer(topic, "s")).receive()
        client = stargate.Client(url)
        producer = client.producer(topic, max_pending_msg=10)
        threading.Thread(target=press).start()
        try:
            {wait}
        except KeyboardInterrupt:
            print(time.monotonic() - pressed[0])
        os._exit(0)
        """
    # On a machine with much else to do a thread may have to wait for its turn.
    tries = (float(succeed_loosely(script, pulsar_url, topic)) for _ in range(5))
    assert any(took < 0.1 for took in tries)


def succeed_loosely(script: str, url: str, topic: str) -> str:
    """Run a program that may leave things open."""
    done = run(script, url, topic)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ctrl_c_loses_no_message(pulsar_url: str, topic: str) -> None:
    script = """
        with stargate.Client(url) as client, client.producer(topic) as producer:
            consumer = client.consumer(topic, "s")
            producer.send_many([b"a", b"b"])
            def press():
                time.sleep(0.3)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=press).start()
            try:
                consumer.receive_many(3)
            except KeyboardInterrupt:
                print([message.data for message in consumer.receive_many(3, timeout=0.5)])
        """
    assert succeed(script, pulsar_url, topic) == "[b'a', b'b']\n"


@pytest.mark.parametrize("take", ["receive()", "receive_many(1)"])
def test_ctrl_c_loses_no_message_that_comes_right_after_it(pulsar_url: str, topic: str, take: str) -> None:
    script = """
        def press():
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
            producer.send(str(number))
        with stargate.Client(url) as client, client.producer(topic) as producer:
            consumer = client.consumer(topic, "s")
            for number in range(10):
                pressing = threading.Thread(target=press)
                pressing.start()
                try:
                    consumer.TAKE
                except KeyboardInterrupt:
                    pressing.join()
                assert consumer.receive(timeout=10).data == str(number).encode()
        """
    assert succeed(script.replace("TAKE", take), pulsar_url, topic) == ""


def test_run_until_interrupted_closes_in_an_orderly_way(pulsar_url: str, topic: str) -> None:
    script = """
        with stargate.Client(url) as client, client.producer(topic) as producer:
            producer.send(b"x")
            ready = threading.Event()
            def work(message):
                ready.wait()
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.3)
                print("finished")
            consumer = client.consume(topic, "s", work, initial_position="earliest")
            ready.set()
            consumer.run_until_interrupted()
            print(consumer.stats().acked)
        """
    assert succeed(script, pulsar_url, topic) == "finished\n1\n"


FORK = """
    client = stargate.Client(url)
    producer, consumer, reader = client.producer(topic), client.consumer(topic, "s"), client.reader(topic)
    producer.send_nowait(b"x").result()
    def child():
        for use in (
            lambda: producer.send(b"x"),
            lambda: producer.send_nowait(b"x"),
            lambda: producer.send_many([b"x"]),
            lambda: producer.flush(),
            lambda: consumer.receive(),
            lambda: consumer.listen(print),
            lambda: reader.receive(),
            lambda: client.producer(topic),
            lambda: client.close(),
        ):
            begun = time.monotonic()
            try:
                use()
                print("no error", flush=True)
            except stargate.ForkedError as error:
                assert time.monotonic() - begun < 0.5
                assert "open a new client in the child" in str(error)
        with stargate.Client(url) as own, own.producer(topic) as mine:
            mine.send(b"from the child")
            mine.send_nowait(b"from the child").result(timeout=10)
            seen = threading.Event()
            handler = own.consume(topic, "child", lambda _: seen.set(), initial_position="earliest")
            assert seen.wait(10)
        print("the child is well", flush=True)
    """


def test_after_a_fork_old_handles_say_so_and_a_new_client_works(pulsar_url: str, topic: str) -> None:
    script = textwrap.dedent(FORK) + textwrap.dedent("""
        pid = os.fork()
        if pid == 0:
            child()
            # Dropped here, where they are not ours: no warning, no hang.
            del client, producer, consumer, reader
            sys.exit()
        assert os.waitpid(pid, 0)[1] == 0
        assert consumer.receive(timeout=10)
        producer.send(b"the parent goes on")
        client.close()
        """)
    assert succeed_with_forks(script, pulsar_url, topic) == "the child is well\n"


def test_multiprocessing_by_fork(pulsar_url: str, topic: str) -> None:
    script = textwrap.dedent(FORK) + textwrap.dedent("""
        import multiprocessing
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(30)
        assert process.exitcode == 0
        client.close()
        """)
    assert succeed_with_forks(script, pulsar_url, topic) == "the child is well\n"


def test_a_client_made_before_the_fork_serves_the_parent_only(pulsar_url: str, topic: str) -> None:
    # The shape of gunicorn's --preload: the master opens, several workers are forked, each opens its own.
    script = """
        master = stargate.Client(url)
        master.producer(topic).close()
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                with stargate.Client(url) as own, own.producer(topic) as producer:
                    producer.send_many([b"%d" % number] * 100)
                sys.exit()
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        with master.reader(topic, starting_message="earliest") as reader:
            print(len(reader.receive_many(400, timeout=10)))
        master.close()
        """
    assert succeed_with_forks(script, pulsar_url, topic) == "400\n"


def succeed_with_forks(script: str, url: str, topic: str) -> str:
    """Run a program that forks although it has threads, of which newer Pythons warn."""
    quiet = 'import warnings; warnings.simplefilter("ignore", DeprecationWarning)\n'
    done = run(quiet + textwrap.dedent(script), url, topic)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


EXITS = {
    "sends in flight": """
        client = stargate.Client(url)
        producer = client.producer(topic)
        futures = [producer.send_nowait(b"x" * 1000) for _ in range(500)]
        """,
    "a handler at work": """
        client = stargate.Client(url)
        started = threading.Event()
        def work(message):
            started.set()
            time.sleep(0.01)
        consumer = client.consume(topic, "s", work, initial_position="earliest", processors=3,
                                  subscription_type="shared")
        with client.producer(topic) as producer:
            producer.send_many([b"x"] * 200)
        started.wait()
        """,
    "a thread that waits": """
        client = stargate.Client(url)
        consumer = client.consumer(topic, "s")
        reader = client.reader(topic)
        threading.Thread(target=lambda: list(consumer), daemon=True).start()
        threading.Thread(target=lambda: list(reader), daemon=True).start()
        """,
    "nobody home": """
        import logging; logging.disable()
        client = stargate.Client("ws://127.0.0.1:9", on_state=lambda change: None)
        producer = client.producer(topic, lazy=True)
        futures = [producer.send_nowait(b"x") for _ in range(100)]
        stargate._events.EXIT_TIMEOUT = 0.2
        """,
    "an exception": """
        client = stargate.Client(url)
        producer = client.producer(topic)
        futures = [producer.send_nowait(b"x") for _ in range(100)]
        sys.excepthook = lambda *_: None
        raise LookupError
        """,
    "asyncio with everything pending": """
        import asyncio, logging
        logging.disable()
        async def main():
            client = stargate.AsyncClient(url)
            producer = await client.producer(topic)
            consumer = await client.consumer(topic, "s")
            for _ in range(200):
                producer.send_nowait(b"x" * 1000)
                asyncio.create_task(consumer.receive())
            handler = await client.consume(topic, "h", lambda _: None)
            reader = await client.reader(topic)
            globals().update(locals())
        asyncio.run(main(), debug=False)
        """,
    "asyncio after an exception": """
        import asyncio
        sys.excepthook = lambda *_: None
        async def main():
            async with stargate.AsyncClient(url) as client:
                producer = await client.producer(topic)
                for _ in range(200):
                    producer.send_nowait(b"x" * 1000)
                raise LookupError
        asyncio.run(main(), debug=False)
        """,
    "a supervisor at work": """
        host = url.removeprefix("ws://")
        started = threading.Event()
        def work(message):
            started.set()
            time.sleep(0.01)
        shop = stargate.Supervisor({"host": host, "producer": {"topic": topic}, "consumer":
            {"topic": topic, "subscription": "s", "handler": work, "initial_position": "earliest"}})
        producer = shop.producer(stargate.registry_key("public", "default", topic.rsplit("/")[-1]))
        futures = [producer.send_nowait(b"x") for _ in range(200)]
        started.wait()
        """,
    "an asyncio supervisor at work": """
        import asyncio, logging
        logging.disable()
        host = url.removeprefix("ws://")
        async def main():
            started = asyncio.Event()
            async def work(message):
                started.set()
                await asyncio.sleep(1)
            shop = await stargate.AsyncSupervisor({"host": host, "producer": {"topic": topic}, "consumer":
                {"topic": topic, "subscription": "s", "handler": work, "initial_position": "earliest"}})
            producer = shop.producer(stargate.registry_key("public", "default", topic.rsplit("/")[-1]))
            futures = [producer.send_nowait(b"x") for _ in range(200)]
            await started.wait()
            globals().update(locals())
        asyncio.run(main(), debug=False)
        """,
    "a thread that sends": """
        client = stargate.Client(url)
        producer = client.producer(topic)
        def work():
            try:
                while True:
                    producer.send_nowait(b"x")
            except stargate.ClosedError:
                pass
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
        stargate._events.EXIT_TIMEOUT = 15  # a machine with much to do may need more than two seconds for what waits
        """,
}


@pytest.mark.timeout(60 + 10 * ROUNDS)
@pytest.mark.parametrize("shape", EXITS)
def test_an_exit_with_work_pending_neither_hangs_nor_crashes(pulsar_url: str, topic: str, shape: str) -> None:
    expected = 1 if "an exception" in shape else 0
    for _ in range(ROUNDS):
        done = run(EXITS[shape], pulsar_url, topic, timeout=20)
        assert (done.returncode, done.stderr) == (expected, "")


def test_what_is_accepted_before_the_exit_is_stored(client: Client, pulsar_url: str, topic: str) -> None:
    succeed(EXITS["sends in flight"], pulsar_url, topic)
    with client.reader(topic, starting_message="earliest") as reader:
        assert len(reader.receive_many(500, timeout=10)) == 500


def test_the_import_is_fast_and_starts_no_thread() -> None:
    script = """
        import sys, threading, time
        begun = time.perf_counter()
        import stargate
        print(time.perf_counter() - begun)
        assert threading.active_count() == 1
        """
    took = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert float(took.stdout) < 0.5


def test_ctrl_c_ends_asyncio_in_an_orderly_way(pulsar_url: str, topic: str) -> None:
    script = """
        import asyncio
        async def main():
            async with stargate.AsyncClient(url) as client:
                async def work(message):
                    await asyncio.sleep(0.2)
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(0.2)
                    print("finished")
                consumer = await client.consume(topic, "s", work)
                async with client.producer(topic) as producer:
                    await producer.send(b"x")
                try:
                    await consumer.run_until_interrupted()
                finally:
                    print(consumer.stats().acked)
        try:
            asyncio.run(main(), debug=False)
        except KeyboardInterrupt:
            print("interrupted")
        """
    assert succeed(script, pulsar_url, topic) == "finished\n1\ninterrupted\n"


def test_threads_may_share_everything(client: Client, topic: str) -> None:
    seen: list[bytes] = []
    complete = threading.Event()

    def work(message: stargate.Message) -> None:
        seen.append(message.data)
        if len(seen) == 4000:
            complete.set()

    client.consume(topic, "s", work, initial_position="earliest")
    with client.producer(topic) as producer:

        def send(number: int) -> None:
            for index in range(250):
                producer.send_nowait(b"%d %d" % (number, index))

        senders = [threading.Thread(target=send, args=(number,)) for number in range(16)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        producer.flush()
    assert complete.wait(30)
    for number in range(16):
        own = [int(data.split()[1]) for data in seen if data.startswith(b"%d " % number)]
        assert own == list(range(250))
