"""Supervisors, and producing without keeping anything."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import stargate
from stargate import _registry, registry_key
from stargate.testing import MockBroker


@pytest.fixture
def config(pulsar_url: str) -> dict[str, Any]:
    return {"name": f"supervisor-{uuid.uuid4().hex}", "host": pulsar_url.removeprefix("ws://"), "protocol": "ws"}


@pytest.fixture
def name() -> str:
    return f"py-{uuid.uuid4().hex}"


def test_a_supervisor_opens_what_its_configuration_names(config: dict[str, Any], name: str) -> None:
    config["ping_interval"] = 20
    config["producer"] = [{"topic": name}, {"topic": f"{name}-2", "query_params": {"name": "p"}}]
    config["consumer"] = {"topic": name, "subscription": "s", "initial_position": "earliest"}
    config["reader"] = {"topic": name, "starting_message": "earliest"}
    with stargate.Supervisor(config) as supervisor:
        assert len(supervisor.keys()) == 4
        key = registry_key("public", "default", name, name=supervisor.name)
        found = stargate.Supervisor.find(supervisor.name)
        found.producer(key).send(b"x", timeout=30)
        consumer = found.consumer(registry_key("public", "default", name, name=supervisor.name, component="consumer"))
        message = consumer.receive(30)
        consumer.ack(message)
        assert found.reader(key).receive(30).id == message.id
        missing = registry_key("public", "default", name, subscription="other")
        with pytest.raises(stargate.NotFoundError, match="on other"):
            found.consumer(missing)
        producer = found.producer(key)
    with pytest.raises(stargate.ClosedError):
        producer.send(b"y")
    with pytest.raises(stargate.NotFoundError, match=config["name"]):
        stargate.Supervisor.find(config["name"])


def test_names_and_keys_are_unique(config: dict[str, Any], name: str) -> None:
    with stargate.Supervisor(config) as supervisor:
        with pytest.raises(stargate.BusyError, match=config["name"]):
            stargate.Supervisor(config)
        supervisor.add("producer", {"topic": name})
        with pytest.raises(stargate.BusyError, match="producer of"):
            supervisor.add("producer", {"topic": f"public/default/{name}"})
    stargate.Supervisor(config).close()


def test_one_bad_component_leaves_nothing_behind(config: dict[str, Any], name: str) -> None:
    missing = {"topic": f"public/missing-{name}/t"}
    with pytest.raises(stargate.NotFoundError, match="missing-"):
        stargate.Supervisor({**config, "producer": [{"topic": name}, missing]})
    stargate.Supervisor(config).close()


def test_a_supervised_handler_handles(config: dict[str, Any], name: str) -> None:
    done = threading.Event()

    class Handler(stargate.MessageHandler):
        def init(self, event: threading.Event) -> None:
            self.event = event

        def handle_message(self, message: stargate.Message) -> stargate.Outcome:
            assert message.data == b"x"
            self.event.set()
            return stargate.ACK

    config["consumer"] = {"topic": name, "subscription": "s", "handler": Handler, "init_args": [done]}
    config["producer"] = {"topic": name}
    with stargate.Supervisor(config) as supervisor:
        supervisor.producer(registry_key("public", "default", name)).send(b"x", timeout=30)
        assert done.wait(30)


def test_a_component_that_failed_is_opened_again_and_stays_down_when_it_fails_too_often(
    config: dict[str, Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[str] = []
    config["max_restarts"] = 1
    config["producer"] = {"topic": name, "on_state": lambda change: states.append(change.state)}
    with stargate.Supervisor(config) as supervisor:
        key = supervisor.keys()[0]
        part = supervisor._parts[key]
        first = supervisor.producer(key)
        failure = stargate.NotFoundError("the namespace is gone")
        supervisor._failures.put((key, part.generation, failure))
        supervisor._failures.put((key, part.generation, failure))  # old news by then
        wait_for(lambda: part.error is None and part.handle is not first)
        supervisor.producer(key).send(b"x", timeout=30)
        supervisor._failures.put((key, part.generation, failure))
        wait_for(lambda: "gave up" in caplog.text)
        with pytest.raises(stargate.NotFoundError, match="the namespace is gone"):
            supervisor.producer(key)
    assert "was restarted" in caplog.text
    assert states.count("connected") == 2


def test_a_failure_that_arrives_while_a_component_is_opening_restarts_it(
    config: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened, producer = 0, stargate.Client.producer
    gone = stargate.StateChange("failed", name, "h:1", 0, stargate.NotFoundError("the namespace is gone"), None)

    def fails_at_once(client: stargate.Client, topic: str, **options: Any) -> stargate.Producer:
        nonlocal opened
        opened += 1
        handle = producer(client, topic, **options)
        if opened == 1:
            options["on_state"](gone)
            time.sleep(0.3)  # as long as the thread that restarts needs
        return handle

    monkeypatch.setattr(stargate.Client, "producer", fails_at_once)
    config["producer"] = {"topic": name}
    with stargate.Supervisor(config) as supervisor:
        wait_for(lambda: "was restarted" in caplog.text)
        supervisor.producer(supervisor.keys()[0]).send(b"x", timeout=30)
    assert opened == 2


def test_a_restart_that_fails_at_first_opens_one_handle(
    pulsar_mock: MockBroker, config: dict[str, Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[str] = []
    config |= {"host": pulsar_mock.url.removeprefix("ws://"), "backoff_min": 0.01}
    config["producer"] = {"topic": name, "on_state": lambda change: states.append(change.state)}
    pulsar_mock.create_namespace("public/default")
    with stargate.Supervisor(config):
        pulsar_mock.fault("connect", "http:404", topic=name, count=2)
        pulsar_mock.drop_connections(name)
        wait_for(lambda: "was restarted" in caplog.text)
        time.sleep(1)
    assert states.count("connected") == 2
    assert caplog.text.count("was restarted") == 1


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({}, "host is missing"),
        ({"host": 3}, "host"),
        ({"host": "h:1", "hots": 1}, "hots"),
        ({"host": "h:1", "producer": {}}, "topic"),
        ({"host": "h:1", "consumer": {"topic": "t"}}, "subscription"),
        ({"host": "h:1", "producer": {"topic": "t", "subscription": "s"}}, "no subscription"),
        ({"host": "h:1", "producer": {"topic": "t", "ack_timeout": 0}}, "ack_timeout"),
        ({"host": "h:1", "producer": {"topic": "t", "query_params": 1}}, "query_params"),
        ({"host": "h:1", "max_restarts": -1}, "max_restarts"),
        ({"host": {"h": 0}}, "from 1 to 65535"),
        ({"host": []}, "host"),
        ({"host": "h:1", "ssl_options": 3}, "ssl_options"),
        ({"host": "h:1", "ssl_options": {"cacerts": "x"}}, "there is no 'cacerts'"),
        ({"host": "h:1", "ssl_options": {"verify": "maybe"}}, "verify_peer or verify_none"),
        ({"host": "h:1", "ssl_options": {"cacertfile": "x"}, "tls_ca_file": "y"}, "are the same"),
    ],
)
def test_mistakes_in_a_configuration_are_named(wrong: dict[str, Any], part: str) -> None:
    with pytest.raises(stargate.InvalidArgumentError, match=part):
        stargate.Supervisor({"name": uuid.uuid4().hex, **wrong})


# ---- docs/coming-from-elixir.md


def test_each_shape_of_a_host_of_the_elixir_library_is_read() -> None:
    for host in ("h:1", ["h:1"], {"h": 1}, [{"h": 1}], ("h", 1), [("h", 1)], [["h", 1]]):
        assert _registry._url({"host": host}) == "ws://h:1", host
    assert _registry._url({"host": [("a", 1), {"b": 2}, "c:3"], "protocol": "wss"}) == "wss://a:1,b:2,c:3"


def test_ssl_options_of_the_elixir_library_are_options() -> None:
    ssl = {"cacertfile": "ca.pem", "certfile": "cert.pem", "keyfile": "key.pem", "verify": "verify_peer"}
    assert _registry._with_ssl_options({"ssl_options": ssl, "auth_token": "t"}) == {
        "tls_ca_file": "ca.pem",
        "tls_cert_file": "cert.pem",
        "tls_key_file": "key.pem",
        "tls_insecure": False,
        "auth_token": "t",
    }


def test_a_configuration_of_the_elixir_library_runs(config: dict[str, Any], name: str) -> None:
    host, port = config["host"].rsplit(":", 1)
    done = threading.Event()

    class Handler(stargate.MessageHandler):
        def init(self, event: threading.Event) -> None:
            self.event = event

        def handle_message(self, message: stargate.Message) -> stargate.Outcome:
            assert message.data == b"x"
            self.event.set()
            return stargate.ACK

    topic = {"persistence": "persistent", "tenant": "public", "namespace": "default", "topic": name}
    ssl = {"verify": "verify_none"}
    config |= {
        "host": [{host: int(port)}],
        "ssl_options": ssl,
        "producer": [{**topic, "query_params": {"batch_enabled": True, "compression_type": "lz4"}}],
        "consumer": {
            **topic,
            "subscription": "my-app",
            "processors": 3,
            "handler": Handler,
            "handler_init_args": [done],
            "query_params": {"subscription_type": "shared", "queue_size": 1_000, "name": "rick", "pull_mode": True},
            "ssl_options": ssl,
        },
    }
    with stargate.Supervisor(config) as supervisor:
        key = registry_key("public", "default", name, name=supervisor.name)
        supervisor.producer(key).send(b"x", timeout=30)
        assert done.wait(30)


def test_ad_hoc_producing_takes_a_url_and_may_be_called_many_times_at_once(
    pulsar_url: str, client: stargate.Client, name: str
) -> None:
    url = f"{pulsar_url}/ws/v2/producer/persistent/public/default/{name}?batchingEnabled=true"
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: stargate.produce(url, [b"one", "two"]), range(8)))
    assert all(isinstance(result, stargate.MessageId) for pair in results for result in pair)
    assert len(stargate.produce(url, b"alone")) == 1
    with client.reader(name, starting_message="earliest") as reader:
        assert len(reader.receive_many(17, 30)) == 17
    for wrong, part in [
        (url.replace("producer", "consumer"), "/ws/v2/producer/"),
        (f"{url}&nonsense=1", "nonsense"),
        (url.replace("public", "missing-tenant"), "not found"),
    ]:
        with pytest.raises(stargate.StargateError, match=part):
            stargate.produce(wrong, [b"x"])


def wait_for(is_so: Any) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
