"""Forks at random moments: while other threads make, use and free clients, a child opens a client of its own.

The children of one run are few here; `make forks` makes some hundreds in each shape (`STARGATE_FORKS`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from stargate.testing import MockBroker

FORKS = int(os.environ.get("STARGATE_FORKS", "10"))
PEMS = Path(__file__).parents[2] / "core/tests/mock_suite"

PRELUDE = """
import asyncio, os, random, signal, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
import stargate
url, forks = sys.argv[1], int(sys.argv[2])

def use():
    with stargate.Client(url) as client, client.producer("forks") as producer:
        producer.send(b"x")
        producer.send_nowait(b"x").result(20)

def make():
    stargate.Client(url).close()

async def use_async():
    async with stargate.AsyncClient(url) as client, client.producer("forks") as producer:
        await producer.send(b"x")

def in_child(body, begun):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    while time.monotonic() < begun + 30:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "well" if status == 0 else "failed"
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"
"""

# All the forks of one parent, whose threads never rest.
STORM = """
def churn(body):
    while True:
        body()

for body in {bodies}:
    threading.Thread(target=churn, args=(body,), daemon=True).start()
outcomes = []
for _ in range(forks):
    time.sleep(random.uniform(0, 0.01))
    outcomes.append(in_child({child}, time.monotonic()))
print({{outcome: outcomes.count(outcome) for outcome in outcomes}})
sys.stdout.flush()
os._exit(outcomes.count("well") != forks)
"""

STORMS = {
    "clients alone": ("[make, make]", "use"),
    "sync": ("[use, use]", "use"),
    "asyncio": ("[lambda: asyncio.run(use_async())] * 2", "lambda: asyncio.run(use_async())"),
    "both": ("[use, lambda: asyncio.run(use_async())]", "use"),
}

# A fork while something happens in the parent for the first time: one parent each.
FIRST = """
{prepare}
thread = threading.Thread(target=lambda: {body}, daemon=True)
thread.start()
time.sleep(random.uniform(0, {within}))
outcome = in_child({child}, time.monotonic())
print(outcome)
sys.stdout.flush()
os._exit(outcome != "well")
"""

FIRSTS = {
    "a client": ("", "use()", "use", 0.02),
    "a client of asyncio": ("", "asyncio.run(use_async())", "lambda: asyncio.run(use_async())", 0.02),
    "administration": (
        "client = stargate.Client(url)",
        "client.admin().ensure_topic('forks')",
        "lambda: stargate.Client(url).admin().ensure_topic('forks')",
        0.01,
    ),
    "send_nowait": (
        "client = stargate.Client(url); producer = client.producer('forks')",
        "producer.send_nowait(b'x')",
        "use",
        0.002,
    ),
}


def run(script: str, url: str, forks: int, **environment: str) -> None:
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), url, str(forks)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60 + forks,
        check=False,
        env={**os.environ, **environment},
        cwd="/",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Give the URL of a broker with TLS, and a file of roots for it that takes as long to read as a system's."""
    if not PEMS.exists():
        pytest.skip("the certificates are in the repository only")
    roots = tmp_path_factory.mktemp("roots") / "roots.pem"
    roots.write_text((PEMS / "cert.pem").read_text() * 100)
    with MockBroker(tls_certificates=PEMS / "cert.pem", tls_key=PEMS / "key.pem") as broker:
        yield broker.url, str(roots)


@pytest.mark.timeout(60 + 2 * FORKS)
@pytest.mark.parametrize("shape", STORMS)
def test_children_of_a_parent_that_makes_and_frees_clients_do_not_hang(pulsar_url: str, shape: str) -> None:
    bodies, child = STORMS[shape]
    run(STORM.format(bodies=bodies, child=child), pulsar_url, FORKS)


@pytest.mark.timeout(60 + 2 * FORKS)
def test_nor_do_they_with_tls(secure: tuple[str, str]) -> None:
    url, roots = secure
    run(STORM.format(bodies="[make, use]", child="use"), url, FORKS, SSL_CERT_FILE=roots)


@pytest.mark.timeout(60 + 2 * FORKS)
@pytest.mark.parametrize("what", FIRSTS)
def test_a_fork_in_the_first_use_of_something_hangs_no_child(pulsar_url: str, what: str) -> None:
    prepare, body, child, within = FIRSTS[what]
    script = FIRST.format(prepare=prepare, body=body, child=child, within=within)
    for _ in range(max(2, FORKS // 5)):
        run(script, pulsar_url, 1)


@pytest.mark.timeout(60 + 2 * FORKS)
def test_nor_does_one_in_the_first_look_at_the_roots_of_the_system(secure: tuple[str, str]) -> None:
    url, roots = secure
    script = FIRST.format(prepare="", body="stargate.Client(url)", child="use", within=0.01)
    for _ in range(max(2, FORKS // 5)):
        run(script, url, 1, SSL_CERT_FILE=roots)
