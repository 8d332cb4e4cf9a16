"""The programs in `examples/python` do what they say. (`demo.py` is run by `tests/demo.py`.)"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stargate
from conftest import Sender

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "python"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="not in the source tree")


def call(url: str, data: bytes | None = None) -> tuple[int, Any]:
    """Make an HTTP request; status and JSON of the answer."""
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds, for half a minute."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.02)
    pytest.fail("it did not come to pass")


def test_the_worker_turns_orders_into_bills(client: stargate.Client, pulsar_url: str, topic: str, send: Sender) -> None:
    orders, bills = f"{topic}-orders", f"{topic}-bills"
    order = stargate.OutgoingMessage(json.dumps({"price": 5, "count": 2}), key="anna")
    ids = send(orders, order, b"no order at all", order)
    program = (
        f"import asyncio, sys; sys.path.insert(0, {str(EXAMPLES)!r}); import worker\n"
        f"asyncio.run(worker.main({pulsar_url!r}, {orders!r}, {bills!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as worker:
        with client.reader(bills, starting_message="earliest") as reader:
            made = [json.loads(message.data) for message in reader.receive_many(2, timeout=30)]
        worker.send_signal(signal.SIGINT)
        assert worker.wait(20) != 0
    assert made == [{"order": str(ids[0]), "amount": 10}, {"order": str(ids[2]), "amount": 10}]
    with client.consumer(orders, "billing", subscription_type="shared") as rest:
        assert rest.receive_many(1, timeout=0.5) == []


def test_the_web_service_takes_orders_and_gives_bills(
    client: stargate.Client, pulsar_url: str, topic: str, send: Sender
) -> None:
    send(f"{topic}-bills", b"a bill")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PULSAR_URL": pulsar_url, "ORDERS": f"{topic}-orders", "BILLS": f"{topic}-bills"}
    command = [sys.executable, "-m", "uvicorn", "web:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=EXAMPLES, env=environment) as service:
        url = f"http://127.0.0.1:{port}"
        until(lambda: call(f"{url}/bills") == (200, ["a bill"]))
        status, answer = call(f"{url}/orders/anna", b"an order")
        assert status == 201
        assert call(f"{url}/orders/anna", b"x" * 2_000_000)[0] == 413
        service.send_signal(signal.SIGINT)
        service.wait(20)
    with client.reader(f"{topic}-orders", starting_message="earliest") as reader:
        stored = reader.receive(timeout=10)
        assert (stored.data, stored.key, str(stored.id)) == (b"an order", "anna", answer["id"])
