"""The options of Python are those of the core, and so are the counters."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import stargate
from stargate import _convert, _native

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
