"""gevent and eventlet: with everything monkey-patched, each wait lets the other greenlets run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from stargate.testing import MockBroker

PATCHES = {
    "gevent": """
        from gevent import monkey; monkey.patch_all()
        import stargate
        """,
    "gevent, after the import": """
        import stargate
        from gevent import monkey; monkey.patch_all()
        """,
    "eventlet": """
        import warnings; warnings.simplefilter("ignore")
        import eventlet; eventlet.monkey_patch()
        import stargate
        """,
}

PRELUDE = """
import sys, threading, time
url, topic = sys.argv[1:]
ticks = []
def tick():
    while True:
        ticks.append(1)
        time.sleep(0.01)
threading.Thread(target=tick, daemon=True).start()

def ticking(wait):
    before = len(ticks)
    result = wait()
    assert len(ticks) - before >= 2, "the other greenlets stood still"
    return result
"""

PROGRAMS = {
    "sends and receives": """
        with stargate.Client(url) as client, client.producer(topic) as producer:
            consumer = client.consumer(topic, "s")
            producer.send(b"a")
            producer.send_nowait(b"b").result(10)
            producer.send_many([b"c"] * 100)
            producer.flush()
            messages = consumer.receive_many(102, timeout=10)
            assert len(messages) == 102
            for message in messages:
                consumer.ack(message)
            def late():
                time.sleep(0.5)
                producer.send(b"late")
            threading.Thread(target=late).start()
            assert ticking(lambda: consumer.receive(timeout=10)).data == b"late"
            try:
                ticking(lambda: consumer.receive(timeout=0.5))
                raise AssertionError("there is nothing to receive")
            except stargate.TimeoutError:
                pass
        """,
    "many greenlets": """
        with stargate.Client(url) as client, client.producer(topic) as producer:
            results = []
            def send(number):
                for _ in range(5):
                    results.append(producer.send(b"%d" % number, timeout=30))
            threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(results)) == 250
        """,
    "handlers, states and logs": """
        import logging
        states, records = [], []
        class Keep(logging.Handler):
            def emit(self, record):
                records.append(record)
        logging.getLogger("stargate").addHandler(Keep())
        logging.getLogger("stargate").setLevel(logging.INFO)
        with stargate.Client(url, on_state=states.append) as client:
            seen, running, most = [], [], []
            def work(message):
                running.append(message)
                most.append(len(running))
                time.sleep(0.05)
                running.remove(message)
                seen.append(message.data)
            consumer = client.consume(topic, "s", work, subscription_type="shared", processors=4)
            with client.producer(topic) as producer:
                producer.send_many([b"x"] * 40)
                while len(seen) < 40:
                    time.sleep(0.01)
                assert max(most) > 1, "one greenlet after the other"
            consumer.close()
        assert states and records
        """,
    "a token supplier": """
        def supply():
            time.sleep(0.5)
            return "secret"
        with stargate.Client(url, token_supplier=supply) as client:
            producer = ticking(lambda: client.producer(topic))
            producer.send(b"x")
            client.admin().ensure_topic(topic)
        """,
    "a supervisor": """
        seen = threading.Event()
        config = {"host": url.removeprefix("ws://"), "auth_token": "secret", "producer": {"topic": topic}, "consumer":
            {"topic": topic, "subscription": "s", "handler": lambda message: seen.set()}}
        with stargate.Supervisor(config) as shop:
            shop.producer(stargate.registry_key("public", "default", topic.rsplit("/")[-1])).send(b"x")
            assert seen.wait(10)
        """,
    "an exit with everything open": """
        client = stargate.Client(url)
        producer = client.producer(topic)
        consumer = client.consume(topic, "s", lambda message: None)
        futures = [producer.send_nowait(b"x" * 1000) for _ in range(200)]
        """,
    "a mock broker in the same process": """
        from stargate.testing import MockBroker
        with MockBroker() as broker, stargate.Client(broker.url) as client, client.producer("t") as producer:
            threading.Thread(target=lambda: [time.sleep(0.5), producer.send(b"x")]).start()
            ticking(lambda: broker.wait("send", timeout=10))
        """,
}


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_greenlets_share_the_thread(topic: str, patch: str, program: str) -> None:
    script = "\n".join(textwrap.dedent(part) for part in (PATCHES[patch], PRELUDE, PROGRAMS[program]))
    with MockBroker(token="secret") as secure, MockBroker() as plain:
        url = secure.url if "secret" in script else plain.url
        done = subprocess.run(
            [sys.executable, "-c", script, url, topic],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
            env=dict(os.environ),
            cwd="/",
        )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_half_a_patch_is_refused(pulsar_url: str, patch: str) -> None:
    half = {
        "gevent": "from gevent import monkey; monkey.patch_all(select=False)",
        "eventlet": "import eventlet; eventlet.monkey_patch(thread=True, select=False)",
    }
    script = f"""
import warnings; warnings.simplefilter("ignore")
{half[patch]}
import sys, stargate
try:
    stargate.Client(sys.argv[1])
except RuntimeError as error:
    assert "patch both, or neither" in str(error)
    sys.exit(0)
sys.exit(1)
"""
    command = [sys.executable, "-c", script, pulsar_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
