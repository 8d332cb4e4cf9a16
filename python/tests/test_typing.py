"""The types: complete, true to the native half, and as an application sees them."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import assert_type

import stargate
from stargate import _native
from stargate.testing import MockBroker

ROOT = Path(__file__).parent.parent


def test_the_stub_says_what_the_native_half_has(tmp_path: Path) -> None:
    config = ROOT / "pyproject.toml"
    # Before Python 3.12 a buffer has no method that could be seen.
    allowlist = tmp_path / "allowlist"
    allowlist.write_text("stargate._native.Message.__buffer__\n" if sys.version_info < (3, 12) else "")
    command = [sys.executable, "-m", "mypy.stubtest", "stargate._native", "--mypy-config-file", str(config)]
    command += ["--allowlist", str(allowlist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stub_repeats_the_docstrings_of_what_is_public() -> None:
    stub = ast.parse(Path(_native.__file__ or "").with_name("_native.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    for kind in (stargate.Message, stargate.MessageId):
        node = classes[kind.__name__]
        assert ast.get_docstring(node) == inspect.getdoc(kind)
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                assert ast.get_docstring(member) == inspect.getdoc(getattr(kind, member.name)), member.name


def test_every_public_name_has_a_complete_type() -> None:
    command = [sys.executable, "-m", "pyright", "--verifytypes", "stargate", "--ignoreexternal", "--outputjson"]
    # It looks at the packages of the first python in the PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment)
    report = json.loads(done.stdout)["typeCompleteness"]
    incomplete = [symbol for symbol in report["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    assert (report["completenessScore"], incomplete) == (1, [])
    assert len(report["symbols"]) > 300


def test_an_application_sees_these_types(pulsar_mock: MockBroker) -> None:
    """What mypy makes of this is checked by `make lint`; here it also runs."""
    with stargate.Client(pulsar_mock.url) as client, client.producer("t") as producer:
        assert_type(client, stargate.Client)
        assert_type(producer.send(b"x"), stargate.MessageId)
        assert_type(producer.send_nowait(b"x").result(), stargate.MessageId)
        results = producer.send_many([b"x", stargate.OutgoingMessage("y", key="k")])
        assert_type(results, Sequence[stargate.MessageId | stargate.StargateError])
        with client.reader("t", starting_message="earliest") as reader:
            message = reader.receive(timeout=10)
            assert_type(message, stargate.Message)
            assert_type(message.data, bytes)
            assert_type(message.publish_time, datetime | None)
            for one in reader:
                assert_type(one, stargate.Message)
                break


async def an_application_with_asyncio_sees_these_types(client: stargate.AsyncClient) -> None:
    """Only for mypy."""
    async with client.producer("t") as producer, client.consumer("t", "s") as consumer:
        assert_type(producer, stargate.AsyncProducer)
        assert_type(await producer.send(b"x"), stargate.MessageId)
        assert_type(await producer.send_nowait(b"x"), stargate.MessageId)
        async for message in consumer:
            assert_type(message, stargate.Message)
    assert_type(await client.reader("t"), stargate.AsyncReader)
    assert_type(await stargate.AsyncSupervisor({}), stargate.AsyncSupervisor)
