"""Supervisors, and producing without keeping anything, for asyncio."""

from __future__ import annotations

import asyncio
import gc
import threading
import uuid
import weakref
from typing import Any

import pytest

import stargate
from conftest import Run
from stargate import AsyncClient, AsyncSupervisor, registry_key
from stargate.testing import MockBroker


@pytest.fixture
def config(pulsar_url: str) -> dict[str, Any]:
    return {"name": f"supervisor-{uuid.uuid4().hex}", "host": pulsar_url.removeprefix("ws://"), "protocol": "ws"}


@pytest.fixture
def name() -> str:
    return f"py-{uuid.uuid4().hex}"


def test_a_supervisor_opens_what_its_configuration_names(run: Run, config: dict[str, Any], name: str) -> None:
    done: list[tuple[str, bytes]] = []

    class Handler(stargate.AsyncMessageHandler):
        async def init(self, word: str) -> None:
            self.word = word

        async def handle_message(self, message: stargate.Message) -> None:
            done.append((self.word, message.data))
            self.handled.set()

        handled = asyncio.Event()

    config["producer"] = [{"topic": name}, {"topic": f"{name}-2", "query_params": {"name": "p"}}]
    config["consumer"] = [
        {"topic": name, "subscription": "s", "initial_position": "earliest"},
        {"topic": name, "subscription": "h", "handler": Handler, "init_args": ["word"]},
    ]
    config["reader"] = {"topic": name, "starting_message": "earliest"}
    key = registry_key("public", "default", name, name=config["name"])

    async def main() -> None:
        Handler.handled = asyncio.Event()
        async with AsyncSupervisor(config) as supervisor:
            assert len(supervisor.keys()) == 5
            assert supervisor is await supervisor
            found = AsyncSupervisor.find(supervisor.name)
            await found.producer(key).send(b"x", timeout=30)
            consumer = found.consumer(registry_key("public", "default", name, component="consumer", subscription="s"))
            message = await consumer.receive(30)
            await consumer.ack(message)
            assert (await found.reader(key).receive(30)).id == message.id
            await asyncio.wait_for(Handler.handled.wait(), 30)
            with pytest.raises(stargate.NotFoundError, match=r"AsyncSupervisor\.find"):
                stargate.Supervisor.find(supervisor.name)
            with pytest.raises(stargate.InvalidArgumentError, match="name the subscription"):
                found.consumer(key)
            with pytest.raises(stargate.BusyError, match=config["name"]):
                await AsyncSupervisor(config)
            with pytest.raises(stargate.BusyError, match="producer of"):
                await supervisor.add("producer", {"topic": f"public/default/{name}"})
            producer = found.producer(key)
        with pytest.raises(stargate.ClosedError):
            await producer.send(b"y")
        with pytest.raises(stargate.NotFoundError, match=config["name"]):
            AsyncSupervisor.find(config["name"])
        with pytest.raises(stargate.ClosedError, match="not open"):
            await supervisor.add("producer", {"topic": f"{name}-3"})
        await supervisor.close()

    run(main())
    assert done == [("word", b"x")]


def test_one_bad_component_leaves_nothing_behind(run: Run, config: dict[str, Any], name: str) -> None:
    missing = {"topic": f"public/missing-{name}/t"}

    async def main() -> None:
        with pytest.raises(stargate.NotFoundError, match="missing-"):
            await AsyncSupervisor({**config, "producer": [{"topic": name}, missing]})
        with pytest.raises(stargate.InvalidArgumentError, match="hots"):
            await AsyncSupervisor({**config, "hots": 1})
        await (await AsyncSupervisor(config)).close()

    run(main())


def test_a_failed_component_is_opened_again_and_stays_down_when_it_fails_too_often(
    run: Run, pulsar_mock: MockBroker, config: dict[str, Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[tuple[str, int]] = []
    config["host"] = pulsar_mock.url.removeprefix("ws://")
    config["max_restarts"] = 1
    config["backoff_min"] = 0.01
    config["producer"] = {
        "topic": name,
        "on_state": lambda change: states.append((change.state, threading.get_ident())),
    }
    config["reader"] = {"topic": f"{name}-other"}
    pulsar_mock.create_namespace("public/default")

    def fail() -> None:
        pulsar_mock.fault("connect", "http:404", topic=name)
        pulsar_mock.drop_connections(name)

    async def main() -> None:
        async with AsyncSupervisor(config) as supervisor:
            key = registry_key("public", "default", name)
            first, reader = (
                supervisor.producer(key),
                supervisor.reader(registry_key("public", "default", f"{name}-other")),
            )
            fail()
            await until(lambda: "was restarted" in caplog.text)
            again = supervisor.producer(key)
            assert again is not first
            await again.send(b"x", timeout=30)
            fail()
            await until(lambda: "gave up" in caplog.text)
            with pytest.raises(stargate.NotFoundError):
                supervisor.producer(key)
            assert supervisor.reader(registry_key("public", "default", f"{name}-other")) is reader

    run(main())
    assert [state for state, _ in states].count("connected") == 2
    assert threading.get_ident() not in {thread for _, thread in states}


def test_a_failure_that_arrives_while_a_component_is_opening_restarts_it(
    run: Run, config: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened, producer = 0, AsyncClient.producer
    gone = stargate.StateChange("failed", name, "h:1", 0, stargate.NotFoundError("the namespace is gone"), None)

    async def fails_at_once(client: AsyncClient, topic: str, **options: Any) -> stargate.AsyncProducer:
        nonlocal opened
        opened += 1
        handle = await producer(client, topic, **options)
        if opened == 1:
            options["on_state"](gone)
            await asyncio.sleep(0.1)
        return handle

    monkeypatch.setattr(AsyncClient, "producer", fails_at_once)
    config["producer"] = {"topic": name}

    async def main() -> None:
        async with AsyncSupervisor(config) as supervisor:
            await until(lambda: "was restarted" in caplog.text)
            await supervisor.producer(supervisor.keys()[0]).send(b"x", timeout=30)

    run(main())
    assert opened == 2


def test_a_restart_that_fails_at_first_opens_one_handle(
    run: Run, pulsar_mock: MockBroker, config: dict[str, Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[str] = []
    config |= {"host": pulsar_mock.url.removeprefix("ws://"), "backoff_min": 0.01}
    config["producer"] = {"topic": name, "on_state": lambda change: states.append(change.state)}
    pulsar_mock.create_namespace("public/default")

    async def main() -> None:
        async with AsyncSupervisor(config):
            pulsar_mock.fault("connect", "http:404", topic=name, count=2)
            pulsar_mock.drop_connections(name)
            await until(lambda: "was restarted" in caplog.text)
            await asyncio.sleep(1)

    run(main())
    assert states.count("connected") == 2
    assert caplog.text.count("was restarted") == 1


def test_a_close_ends_a_restart_that_is_under_way(
    run: Run, pulsar_mock: MockBroker, config: dict[str, Any], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    config |= {"host": pulsar_mock.url.removeprefix("ws://"), "backoff_min": 0.01, "producer": {"topic": name}}

    async def main() -> None:
        async with AsyncSupervisor(config):
            pulsar_mock.fault("connect", "http:404", topic=name, count=None)
            pulsar_mock.drop_connections()
            await until(lambda: "failed:" in caplog.text)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("stargate")]

    run(main())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_supervisor_that_is_let_go_is_collected(config: dict[str, Any], name: str) -> None:
    config["producer"] = {"topic": name}

    async def main() -> weakref.ref[AsyncSupervisor]:
        return weakref.ref(await AsyncSupervisor(config))

    assert asyncio.run(collected(main())) is None
    plain = weakref.ref(stargate.Supervisor(config))
    gc.collect()
    assert plain() is None
    stargate.Supervisor(config).close()


async def collected(making: Any) -> object:
    reference = await making
    gc.collect()
    await asyncio.sleep(0)
    gc.collect()
    return reference()


def test_ad_hoc_producing_takes_a_url_and_may_be_called_many_times_at_once(
    run: Run, pulsar_url: str, client: stargate.Client, name: str
) -> None:
    url = f"{pulsar_url}/ws/v2/producer/persistent/public/default/{name}?batchingEnabled=true"

    async def main() -> None:
        results = await asyncio.gather(*(stargate.produce_async(url, [b"one", "two"]) for _ in range(8)))
        assert all(isinstance(result, stargate.MessageId) for pair in results for result in pair)
        assert len(await stargate.produce_async(url, b"alone")) == 1
        for wrong, part in [
            (url.replace("producer", "consumer"), "/ws/v2/producer/"),
            (f"{url}&nonsense=1", "nonsense"),
            (url.replace("public", "missing-tenant"), "not found"),
        ]:
            with pytest.raises(stargate.StargateError, match=part):
                await stargate.produce_async(wrong, [b"x"])
        with pytest.raises(stargate.InvalidArgumentError, match="on_state"):
            await stargate.produce_async(url, [b"x"], on_state=print)

    run(main())
    with client.reader(name, starting_message="earliest") as reader:
        assert len(reader.receive_many(17, 30)) == 17


def test_ad_hoc_producing_that_is_cancelled_leaves_no_connection(run: Run, pulsar_mock: MockBroker, name: str) -> None:
    url = f"{pulsar_mock.url}/ws/v2/producer/persistent/public/default/{name}"
    pulsar_mock.fault("send", "no-receipt")

    async def main() -> None:
        producing = asyncio.create_task(stargate.produce_async(url, b"x"))
        await pulsar_mock.wait_async("send")
        assert pulsar_mock.connections == 1
        producing.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await producing
        assert "may be stored" in caught.value.__notes__[0]
        await until(lambda: pulsar_mock.connections == 0)

    run(main())


async def until(is_so: Any) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)
