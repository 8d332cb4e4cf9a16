"""The mock broker as Python's users have it: `stargate.testing` and the pytest plugin. No other broker is needed."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import subprocess
import sys
import threading
import time
import typing
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import stargate
from stargate.testing import MockBroker, Operation, Request, StoredMessage

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/python"


@pytest.fixture
def client(pulsar_mock: MockBroker) -> Iterator[stargate.Client]:
    with stargate.Client(pulsar_mock.url) as client:
        yield client


def payloads(mock: MockBroker, topic: str) -> list[bytes]:
    return [message.data for message in mock.messages(topic)]


# ---- what is in the broker


def test_a_mock_starts_at_once_and_ends_with_its_block() -> None:
    with MockBroker() as mock:
        assert mock.url == f"ws://127.0.0.1:{mock.port}"
        assert mock.http_url == f"http://127.0.0.1:{mock.port}"
        with urllib.request.urlopen(f"{mock.http_url}/admin/v2/clusters") as answer:
            assert answer.status == 200
        assert repr(mock) == f"<MockBroker at {mock.url}>"
    assert mock.closed
    mock.close()
    with pytest.raises(stargate.ConnectError), stargate.Client(mock.url) as client:
        client.producer("t")
    with pytest.raises(stargate.BrokerError, match="has been stopped"):
        mock.up()


def test_a_closed_mock_can_still_be_looked_at() -> None:
    with MockBroker() as mock:
        mock.publish("t", b"x")
    assert payloads(mock, "t") == [b"x"]


def test_a_mock_that_nobody_closed_warns() -> None:
    mock = MockBroker()
    with pytest.warns(ResourceWarning, match=r"MockBroker at ws://.* was not closed"):
        del mock


def test_a_published_message_is_stored_whole(pulsar_mock: MockBroker) -> None:
    before = dt.datetime.now(dt.UTC)
    event = dt.datetime(2020, 1, 2, tzinfo=dt.UTC)
    published = pulsar_mock.publish(
        "orders", "pizza", key="k", properties={"a": "1"}, event_time=event, deliver_after=dt.timedelta(hours=1)
    )
    (message,) = pulsar_mock.messages("public/default/orders")
    assert isinstance(message, StoredMessage)
    assert message.topic == "persistent://public/default/orders"
    assert message.id == published
    assert (message.data, message.key, message.properties) == (b"pizza", "k", {"a": "1"})
    assert message.event_time == event
    assert abs(message.publish_time - before) < dt.timedelta(seconds=10)
    assert message.deliver_at == message.publish_time + dt.timedelta(hours=1)
    assert (message.batch, message.is_null) == (None, False)
    assert message.producer_name


def test_what_is_published_is_received(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    pulsar_mock.create_subscription("orders", "billing")
    published = pulsar_mock.publish("orders", bytearray(b"one"), key="k", properties={"a": "1"})
    pulsar_mock.publish_batch("orders", [b"two", memoryview(b"three")])
    with client.consumer("orders", "billing") as consumer:
        one, two, three = consumer.receive_many(3, timeout=10)
        assert (one.data, one.key, one.properties, one.id) == (b"one", "k", {"a": "1"}, published)
        assert (two.data, three.data) == (b"two", b"three")
        assert pulsar_mock.backlog("orders", "billing") == 2
        for message in (one, two, three):
            consumer.ack(message)
        pulsar_mock.wait("ack", at_least=3, topic="orders")
        assert pulsar_mock.backlog("orders", "billing") == 0
    assert [message.batch for message in pulsar_mock.messages("orders")] == [None, (0, 2), (1, 2)]


def test_what_is_sent_is_stored(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    with client.producer("t", name="till") as producer:
        sent = producer.send(b"\x00\xff", key="k", properties={"a": "b"})
    (message,) = pulsar_mock.messages("t")
    assert (message.id, message.data, message.key, message.properties) == (sent, b"\x00\xff", "k", {"a": "b"})
    assert (message.producer_name, message.sequence_id) == ("till", 0)


def test_a_null_value_is_told_from_an_empty_one(pulsar_mock: MockBroker) -> None:
    pulsar_mock.publish("t", None)
    pulsar_mock.publish("t", b"")
    assert [(message.data, message.is_null) for message in pulsar_mock.messages("t")] == [(b"", True), (b"", False)]


def test_partitions_namespaces_and_deduplication(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    pulsar_mock.create_partitioned("p", partitions=2)
    for number in range(4):
        pulsar_mock.publish("p", str(number))
    topics = {message.topic for message in pulsar_mock.messages("p")}
    assert topics == {f"persistent://public/default/p-partition-{index}" for index in range(2)}

    with pytest.raises(stargate.NotFoundError):
        client.producer("shop/till/t")
    pulsar_mock.create_namespace("shop/till")
    client.producer("shop/till/t").close()
    pulsar_mock.set_deduplication("shop/till")
    with pytest.raises(stargate.NotFoundError, match="no namespace"):
        pulsar_mock.set_deduplication("no/such", on=False)


def test_an_ended_topic_and_a_deleted_one(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    pulsar_mock.publish("t", b"x")
    pulsar_mock.terminate("t")
    with client.reader("t", starting_message="earliest") as reader:
        assert reader.receive(timeout=10).data == b"x"
        assert reader.is_end_of_topic(timeout=10)
    with pytest.raises(stargate.BrokerError, match="terminated"):
        pulsar_mock.publish("t", b"y")
    pulsar_mock.delete_topic("t")
    with pytest.raises(stargate.NotFoundError, match="no topic persistent://public/default/t"):
        pulsar_mock.messages("t")


def test_what_makes_no_sense_is_refused_and_named(pulsar_mock: MockBroker) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match="port: expected 0"):
        MockBroker(port=70000)
    with pytest.raises(stargate.ConnectError, match="start the mock broker"):
        MockBroker(port=pulsar_mock.port)
    with pytest.raises(stargate.InvalidArgumentError, match="max_text_size"):
        MockBroker(max_text_size=0)
    with pytest.raises(stargate.InvalidArgumentError, match="both tls_certificates and tls_key"):
        MockBroker(tls_key="k")
    with pytest.raises(stargate.InvalidArgumentError, match=r"none\.pem"):
        MockBroker(tls_key="/none.pem", tls_certificates=Path("/none.pem"))
    with pytest.raises(stargate.InvalidArgumentError, match="short name"):
        pulsar_mock.messages("a/b/c/d://")
    with pytest.raises(stargate.InvalidArgumentError, match="tenant/namespace"):
        pulsar_mock.create_namespace("shop")
    with pytest.raises(stargate.InvalidArgumentError, match="partitions"):
        pulsar_mock.create_partitioned("t", -1)
    with pytest.raises(stargate.InvalidArgumentError, match="two messages"):
        pulsar_mock.publish_batch("t", [b"x"])
    with pytest.raises(stargate.NotFoundError, match='no subscription "s"'):
        pulsar_mock.backlog("t", "s")
    with pytest.raises(TypeError, match="payload"):
        pulsar_mock.publish("t", 1)  # type: ignore[arg-type]


# ---- what goes wrong


def test_a_fault_happens_as_often_as_was_said(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    pulsar_mock.fault("connect", "http:503:closed today", topic="t", count=2)
    pulsar_mock.fault("send", "send-error:8:no room")
    assert pulsar_mock.faults_left == 3
    for _ in range(2):
        with pytest.raises(stargate.BrokerError, match=r"503.*closed today"):
            client.producer("t")
    with client.producer("t") as producer:
        with pytest.raises(stargate.BrokerError, match="no room"):
            producer.send(b"x")
        producer.send(b"x")
    assert pulsar_mock.faults_left == 0
    assert pulsar_mock.count("connect", "t") == 3


def test_a_fault_can_be_for_ever_and_be_forgotten(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    pulsar_mock.fault("send", "send-error:8", count=None)
    with client.producer("t") as producer:
        for _ in range(3):
            with pytest.raises(stargate.BrokerError):
                producer.send(b"x")
        pulsar_mock.clear_faults()
        producer.send(b"x")
    assert pulsar_mock.faults_left == 0


def test_unknown_faults_name_those_there_are(pulsar_mock: MockBroker) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match='unknown operation "sned"; there are connect, send'):
        pulsar_mock.fault("sned", "drop")  # type: ignore[arg-type]
    with pytest.raises(stargate.InvalidArgumentError, match='unknown fault "explode"; there are http:STATUS'):
        pulsar_mock.fault("send", "explode")
    with pytest.raises(stargate.InvalidArgumentError, match="means nothing at operation ack"):
        pulsar_mock.fault("ack", "http:503")
    with pytest.raises(stargate.InvalidArgumentError, match="count"):
        pulsar_mock.fault("send", "drop", count=0)


def test_a_lost_receipt_is_a_duplicate_without_deduplication_and_none_with_it() -> None:
    for once, expected in ((False, [b"x", b"x"]), (True, [b"x"])):
        with MockBroker() as mock, stargate.Client(mock.url) as other:
            mock.set_deduplication("public/default", on=once)
            mock.fault("send", "drop-after")
            options = {"effectively_once": True, "name": "till"} if once else {}
            with other.producer("t", **options) as producer:  # type: ignore[arg-type]
                producer.send(b"x")
            assert payloads(mock, "t") == expected


def test_an_outage_is_survived(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    with client.producer("t") as producer:
        producer.send(b"before")
        with pulsar_mock.outage():
            pending = producer.send_nowait(b"meanwhile")
            pulsar_mock.wait("disconnect")
            assert pulsar_mock.connections == 0
            assert not pending.done()
        pending.result(timeout=10)
        assert pulsar_mock.connections == 1
        assert pulsar_mock.drop_connections("other") == 0
        assert pulsar_mock.drop_connections("t") == 1
        producer.send(b"after")
    assert payloads(pulsar_mock, "t") == [b"before", b"meanwhile", b"after"]


@pytest.mark.pulsar_mock(token="good", forbidden_token=["poor", "poorer"], max_text_size=2000)
def test_the_mark_gives_the_fixture_options(pulsar_mock: MockBroker) -> None:
    with stargate.Client(pulsar_mock.url) as client, pytest.raises(stargate.AuthenticationError):
        client.producer("t")
    with stargate.Client(pulsar_mock.url, auth_token="poorer") as client, pytest.raises(stargate.AuthorizationError):
        client.producer("t")
    with stargate.Client(pulsar_mock.url, auth_token="good") as client, client.producer("t") as producer:
        producer.send(b"x" * 1000)


def test_tls() -> None:
    pems = ROOT / "core/tests/mock_suite"
    if not pems.exists():
        pytest.skip("the certificates are in the repository only")
    certificate = pems / "cert.pem"
    with MockBroker(tls_certificates=certificate, tls_key=pems / "key.pem") as mock:
        assert mock.url.startswith("wss://")
        assert mock.http_url.startswith("https://")
        with stargate.Client(mock.url) as client, pytest.raises(stargate.StargateError, match="certificate"):
            client.producer("t")
        with (
            stargate.Client(mock.url, tls_ca_file=certificate) as client,
            client.producer("t") as producer,
        ):
            producer.send(b"x")


# ---- what clients did


def test_waiting_raises_with_what_happened_when_it_did_not(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    client.producer("t").close()
    pulsar_mock.wait("connect", topic="t", timeout=0)
    pulsar_mock.wait("send", at_least=0)
    with pytest.raises(stargate.TimeoutError, match=r"connect on t happened once within 0\.05 s, not 2"):
        pulsar_mock.wait("connect", at_least=2, topic="t", timeout=0.05)
    with pytest.raises(stargate.InvalidArgumentError, match="at_least"):
        pulsar_mock.wait("connect", at_least=-1)
    with pytest.raises(stargate.InvalidArgumentError, match="unknown operation"):
        pulsar_mock.wait("conect")  # type: ignore[arg-type]


def test_a_wait_lets_other_threads_of_python_run(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    def send() -> None:
        with client.producer("t") as producer:
            producer.send(b"x")

    thread = threading.Thread(target=send)
    thread.start()
    pulsar_mock.wait("send", timeout=None)
    thread.join()


def test_requests_tell_what_clients_did(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    with client.producer("t") as producer:
        producer.send(b"x")
    pulsar_mock.wait("disconnect")
    requests = pulsar_mock.requests()
    assert [request.op for request in requests if request.role == "producer"][:2] == ["connect", "send"]
    (send,) = pulsar_mock.requests("send")
    assert isinstance(send, Request)
    assert (send.topic, send.role, send.connection) == ("persistent://public/default/t", "producer", 1)
    assert send.at > 0
    pulsar_mock.clear_requests()
    assert pulsar_mock.requests() == []
    assert pulsar_mock.count("send") == 0


# ---- asyncio


def test_a_coroutine_waits_while_others_run(pulsar_mock: MockBroker, client: stargate.Client) -> None:
    async def main() -> int:
        producer = client.producer("t")
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        asyncio.get_running_loop().call_later(0.1, producer.send_nowait, b"x")
        await pulsar_mock.wait_async("send", topic="t")
        ticking.cancel()
        with pytest.raises(stargate.TimeoutError, match="happened once"):
            await pulsar_mock.wait_async("send", at_least=2, timeout=0.05)
        producer.close()
        return turns

    assert asyncio.run(main()) > 10


def test_a_cancelled_wait_is_over_soon(pulsar_mock: MockBroker) -> None:
    async def main() -> None:
        async with asyncio.timeout(0.02):
            await pulsar_mock.wait_async("send", timeout=None)

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert time.monotonic() - begun < 5


# ---- the package and the plugin


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=100, cwd=cwd or "/", check=False
    )


def test_stargate_imports_neither_pytest_nor_its_testing_part() -> None:
    script = "import sys, stargate; print([m for m in sys.modules if 'pytest' in m or m == 'stargate.testing'])"
    done = python("-c", script)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    script = "import sys, stargate.testing; print('pytest' in sys.modules)"
    assert python("-c", script).stdout == "False\n"


def test_a_mock_that_is_never_closed_keeps_no_process_alive() -> None:
    done = python("-W", "ignore", "-c", "from stargate.testing import MockBroker; mock = MockBroker(); print('end')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_a_forked_child_leaves_the_mock_of_its_parent_alone() -> None:
    script = """
import os, stargate
from stargate.testing import MockBroker
with MockBroker() as mock:
    if (child := os.fork()) == 0:
        try:
            mock.publish("t", b"x")
        except stargate.ForkedError:
            mock.close()
            del mock
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    mock.publish("t", b"x")
"""
    done = python("-W", "ignore::DeprecationWarning", "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_ends_a_wait() -> None:
    script = """
import os, signal, threading
from stargate.testing import MockBroker
with MockBroker() as mock:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        mock.wait("send", timeout=60)
    except KeyboardInterrupt:
        print("interrupted")
"""
    assert python("-c", script).stdout == "interrupted\n"


def test_each_test_of_a_project_gets_a_broker_of_its_own_from_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest, stargate\n"
        "@pytest.mark.parametrize('number', range(2))\n"
        "def test_one(pulsar_mock, number):\n"
        "    with pytest.raises(stargate.NotFoundError):\n"
        "        pulsar_mock.messages('t')\n"
        "    pulsar_mock.publish('t', b'x')\n"
    )
    done = python("-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    fixtures = python("-m", "pytest", "--fixtures", "-p", "no:cacheprovider", cwd=tmp_path).stdout
    assert "pulsar_mock" in fixtures
    assert "Return a mock Pulsar broker of the test's own" in fixtures


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are in the repository only")
@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("test_*.py")))
def test_the_examples_of_the_documentation_run(example: str) -> None:
    done = python("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / example))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


# ---- docs/testing.md

PAGE = ROOT / "docs/testing.md"
needs_page = pytest.mark.skipif(not PAGE.exists(), reason="the documentation is in the repository only")


@needs_page
def test_the_code_in_the_documentation_is_that_of_the_examples() -> None:
    blocks = re.findall(r"<!-- (examples/\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(), re.S)
    assert len({name for name, _ in blocks}) == 5
    for name, code in blocks:
        text = (ROOT / name).read_text()
        for part in code.rstrip().split("\n\n\n"):
            assert part in text, f"{name} has changed: {part}"


@needs_page
def test_the_tables_in_the_documentation_are_what_the_broker_accepts(pulsar_mock: MockBroker) -> None:
    page = PAGE.read_text()
    operations = re.findall(r"^\| `(\w+)` \|[^|]*\|$", page, re.M)
    assert operations == list(typing.get_args(Operation))
    faults = re.findall(r"^\| `([a-z-]+)[^`]*` \|[^|]*\| ([a-z_ ]+) \|$", page, re.M)
    assert len(faults) == 19
    arguments = {"http": ":503", "send-error": ":1", "delay": ":1"}
    everywhere = set(operations) - {"disconnect"}
    for fault, where in faults:
        accepted = set()
        for operation in typing.get_args(Operation):
            with contextlib.suppress(stargate.InvalidArgumentError):
                pulsar_mock.fault(operation, fault + arguments.get(fault, ""))
                accepted.add(operation)
        but = re.fullmatch(r"all(?: but (\w+))?", where)
        documented = everywhere - {but[1]} if but else set(where.split())
        assert accepted == documented, fault
