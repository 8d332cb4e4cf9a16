"""The options of Python are those of the core, and so are the counters."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import stargate
from stargate import _convert, _native
from stargate.testing import MockBroker

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent


def test_the_types_of_options_are_what_the_table_says() -> None:
    tool = ROOT / "tools" / "generate_options.py"
    if not tool.exists():
        pytest.skip("not in the source tree")
    subprocess.run([sys.executable, tool, "--check"], check=True)


def test_every_option_can_be_given_its_default() -> None:
    for row in json.loads(_native.describe_options()):
        default = row["default"]
        if not default:
            continue
        value: object = default
        if row["type"] == "millis":
            value = int(default) / 1000
        elif row["type"] == "bool":
            value = default == "true"
        elif row["type"] == "int":
            value = int(default)
        elif row["type"] == "float":
            value = float(default)
        assert _convert.option_pairs({row["key"]: value}) == [(row["key"], default)]


def test_times_are_seconds_or_timedelta() -> None:
    for value in (1.5, timedelta(seconds=1.5)):
        assert _convert.option_pairs({"send_timeout": value}) == [("send_timeout", "1500")]
    assert _convert.option_pairs({"send_timeout": 0, "name": None}) == [("send_timeout", "0")]
    assert _convert.option_pairs({"starting_message": stargate.MessageId.earliest}) == [
        ("starting_message", "earliest")
    ]
    assert _convert.option_pairs({"tls_ca_file": Path("/ca.pem")}) == [("tls_ca_file", "/ca.pem")]


def test_counters_are_those_of_the_core(client: stargate.Client, topic: str) -> None:
    with client.producer(topic) as producer:
        producer.send(b"x")
        stats = producer.stats()
    assert (stats.sent, stats.receipts, stats.sent_bytes, stats.connections) == (1, 1, 1, 1)
    # The client has the sum, also of what is closed.
    with client.reader(topic, starting_message="earliest") as reader:
        assert reader.is_connected
        reader.receive(timeout=20)
        total = client.stats()
    assert (total.sent, total.received, total.connections) == (1, 1, 2)
    assert not reader.is_connected


def test_no_secret_is_printed(pulsar_url: str) -> None:
    with stargate.Client(pulsar_url, auth_token="header.secret.signature") as client:
        assert "secret" not in repr(client)
        assert "secret" not in client.url
    with pytest.raises(stargate.InvalidArgumentError) as caught:
        stargate.Client(pulsar_url, auth_token="secret\n in two lines")
    assert "secret\n" not in str(caught.value)


# Wrong values of the options for proxies, gateways, credentials and compression, and a part of the error.
WRONG: list[tuple[str, Any, str]] = [
    ("proxy", "ftp://squid", "option proxy: its scheme"),
    ("no_proxy", "10.0.0.0/99", "no_proxy"),
    ("headers", {"Host": "x"}, "belongs to the connection"),
    ("cookies", "maybe", "cookies"),
    ("auth_token_in", "body", "header"),
    ("auth_method_name", "two\nlines", "auth_method_name"),
    ("tls_ca", "x", "expected a text in PEM"),
    ("tls_server_name", "not a name", "tls_server_name"),
    ("oauth2_auth_method", "magic", "client_secret_post"),
    ("oauth2_scope", "s", "needs oauth2_key_file"),
    ("oauth2_refresh", 2, "from 0.1 to 1"),
    ("basic_user", "u", "needs basic_password"),
    ("auth_plugin", "athenz", "need each other"),
    ("websocket_compression", "maybe", "websocket_compression"),
    ("websocket_compression_level", 10, "from 1 to 9"),
    ("websocket_compression_min", -1, "websocket_compression_min"),
    ("websocket_compression_context", "forget", "keep"),
]


@pytest.mark.parametrize(("key", "value", "words"), WRONG)
def test_clients_supervisors_and_ad_hoc_producing_refuse_the_same_values(key: str, value: Any, words: str) -> None:
    url, host = "ws://127.0.0.1:1/ws/v2/producer/persistent/public/default/t", "127.0.0.1:1"
    config = {"host": host, "producer": {"topic": "t"}, key: value}

    async def supervised() -> None:
        async with stargate.AsyncSupervisor(config):
            pass

    faces: dict[str, Callable[[], object]] = {
        "Client": lambda: stargate.Client(f"ws://{host}", **{key: value}),
        "AsyncClient": lambda: stargate.AsyncClient(f"ws://{host}", **{key: value}),
        "produce": lambda: stargate.produce(url, [b"x"], **{key: value}),
        "produce_async": lambda: asyncio.run(stargate.produce_async(url, [b"x"], **{key: value})),
        "Supervisor": lambda: stargate.Supervisor(config),
        "AsyncSupervisor": lambda: asyncio.run(supervised()),
    }
    for name, open_it in faces.items():
        with pytest.raises(stargate.InvalidArgumentError) as caught:
            open_it()
        assert words in str(caught.value), name


@pytest.mark.parametrize(("accepts", "context"), [(True, "keep"), (True, "reset"), (False, "keep")])
def test_compression_is_used_where_the_server_accepts_it(accepts: bool, context: Any) -> None:
    payload = b"one pizza, two pizzas, three pizzas; " * 100
    options: dict[str, Any] = {"websocket_compression": "on", "websocket_compression_context": context}

    async def exchanged(url: str) -> stargate.Stats:
        async with stargate.AsyncClient(url, **options) as client:
            producer = await client.producer("t")
            await producer.send(payload)
            return client.stats()

    with MockBroker(websocket_compression=accepts) as broker:
        with stargate.Client(broker.url, **options) as client, client.producer("t") as producer:
            producer.send(payload)
            found = [client.stats()]
        found.append(asyncio.run(exchanged(broker.url)))
        for stats in found:
            assert stats.compressed_connections == (stats.connections if accepts else 0)
            assert (stats.wire_sent_bytes < len(payload)) == accepts
        assert [message.data for message in broker.messages("t")] == [payload, payload]
