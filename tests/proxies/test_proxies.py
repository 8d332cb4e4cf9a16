"""Messages through real proxies: squid, tinyproxy and microsocks in front of the mock broker.

Each proxy is killed and restarted in mid-flow, and nothing is lost. `STARGATE_PROXY_SENDS` and
`STARGATE_PROXY_KILL_EVERY` make the outages longer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stargate
from stargate.testing import MockBroker

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = ROOT / "tests/keys/tls"
SENDS = int(os.environ.get("STARGATE_PROXY_SENDS", "3000"))
KILL_EVERY = float(os.environ.get("STARGATE_PROXY_KILL_EVERY", "1"))
SQUID = shutil.which("squid") or "/usr/sbin/squid"
USER, PASSWORD = "me", "p@ss word"

# Of the configuration in docs/gateways.md; the paths and the port are the test's.
SQUID_CONF = """
http_port {port}
pid_filename {folder}/squid.pid
cache_log {folder}/cache.log
access_log none
cache deny all
shutdown_lifetime 0 seconds
acl pulsar port {allowed}
{rules}
http_access deny all
"""
OPEN = "http_access allow CONNECT pulsar"
LOGIN = """auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
acl users proxy_auth REQUIRED
http_access allow CONNECT pulsar users"""
TINYPROXY_CONF = 'Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nLogFile "{folder}/tinyproxy.log"\n'


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Proxy:
    """A proxy as a program in the foreground, which can be killed and started again."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command, self.port = command, port
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            # In a group of its own: squid has helpers.
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            while self._process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
                assert time.monotonic() < deadline, self._command
                time.sleep(0.02)
            assert time.monotonic() < deadline, self._command
            time.sleep(0.1)

    def kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()


def squid(folder: Path, allowed: int, rules: str = OPEN) -> Proxy:
    port = free_port()
    # Squid and its helpers run as a user of their own, who may not enter the folders of pytest.
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix=f"stargate-{folder.name[:8]}-"))
    folder.chmod(0o777)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True)
    (folder / "users").write_text(f"{USER}:{hashed.stdout}")
    conf = folder / "squid.conf"
    conf.write_text(SQUID_CONF.format(port=port, folder=folder, allowed=allowed, rules=rules.format(folder=folder)))
    return Proxy([SQUID, "-N", "-f", str(conf)], port)


def tinyproxy(folder: Path, allowed: int) -> Proxy:
    port = free_port()
    conf = folder / "tinyproxy.conf"
    conf.write_text(TINYPROXY_CONF.format(port=port, folder=folder) + f"ConnectPort {allowed}\n")
    return Proxy(["tinyproxy", "-d", "-c", str(conf)], port)


def microsocks(*login: str) -> Proxy:
    port = free_port()
    return Proxy(["microsocks", "-i", "127.0.0.1", "-p", str(port), *login], port)


@pytest.fixture(params=["ws", "wss"])
def broker(request: pytest.FixtureRequest) -> Iterator[MockBroker]:
    """A mock broker, without and with TLS."""
    tls = (
        {"tls_certificates": KEYS / "server.pem", "tls_key": KEYS / "server.key.pem"} if request.param == "wss" else {}
    )
    with MockBroker(**tls) as broker:
        yield broker


@pytest.fixture
def plain() -> Iterator[MockBroker]:
    with MockBroker() as broker:
        yield broker


@pytest.fixture(params=["squid", "squid with a user", "tinyproxy", "socks5", "socks5h", "socks5h with a user"])
def proxied(request: pytest.FixtureRequest, broker: MockBroker, tmp_path: Path) -> Iterator[tuple[Proxy, str]]:
    """A proxy that lets the broker's port through, and its address."""
    userinfo = f"{USER}:p%40ss%20word@"
    match request.param.split()[0], "user" in request.param:
        case "squid", False:
            proxy, scheme, userinfo = squid(tmp_path, broker.port), "http", ""
        case "squid", True:
            proxy, scheme = squid(tmp_path, broker.port, LOGIN), "http"
        case "tinyproxy", _:
            proxy, scheme, userinfo = tinyproxy(tmp_path, broker.port), "http", ""
        case socks, True:
            proxy, scheme = microsocks("-u", USER, "-P", PASSWORD), socks
        case socks, _:
            proxy, scheme, userinfo = microsocks(), socks, ""
    yield proxy, f"{scheme}://{userinfo}127.0.0.1:{proxy.port}"
    proxy.kill()


def client_of(broker: MockBroker, proxy: str, **options: object) -> stargate.Client:
    url = broker.url.replace("127.0.0.1", "localhost")
    return stargate.Client(
        url,
        proxy=proxy,
        tls_ca_file=KEYS / "ca.pem",
        backoff_max=0.3,
        connect_timeout=10,
        **options,  # type: ignore[arg-type]
    )


def test_messages_and_requests_go_through_and_survive_the_death_of_the_proxy(
    broker: MockBroker, proxied: tuple[Proxy, str]
) -> None:
    proxy, url = proxied
    used: list[str | None] = []
    with client_of(broker, url, on_state=lambda change: used.append(change.proxy)) as client:
        shown = url.replace("me:p%40ss%20word@", "")
        assert client.proxy == shown
        assert client.admin().tenants() is not None
        client.admin().topics("public/default")
        with client.producer("t") as producer, client.consumer("t", "s", initial_position="earliest") as consumer:
            receipts = [producer.send_nowait(str(number)) for number in range(500)]
            proxy.kill()
            proxy.start()
            for receipt in receipts:
                receipt.result(timeout=30)
            seen = set()
            while len(seen) < 500:
                message = consumer.receive(timeout=30)
                assert message is not None
                seen.add(message.data)
                consumer.ack(message)
        assert used and set(used) <= {shown, None} and shown in used


def test_sends_through_a_squid_that_is_killed_again_and_again_lose_nothing(plain: MockBroker, tmp_path: Path) -> None:
    proxy = squid(tmp_path, plain.port)
    done = threading.Event()
    kills = 0

    def kill() -> None:
        nonlocal kills
        while not done.wait(KILL_EVERY):
            proxy.kill()
            proxy.start()
            kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with (
            client_of(plain, f"http://127.0.0.1:{proxy.port}") as client,
            client.producer("t", max_pending_msg=50, send_timeout=60) as producer,
        ):
            receipts = []
            for number in range(SENDS):
                receipts.append(producer.send_nowait(str(number)))
                if number % 10 == 0:
                    time.sleep(KILL_EVERY * 4 / max(SENDS / 10, 1))
            ids = {receipt.result(timeout=60) for receipt in receipts}
    finally:
        done.set()
        killer.join()
        proxy.kill()
    stored = plain.messages("t")
    assert kills >= 2
    assert {message.data.decode() for message in stored} == {str(number) for number in range(SENDS)}
    assert {message.id for message in stored} >= ids


def refusal(broker: MockBroker, proxy: str) -> stargate.StargateError:
    with client_of(broker, proxy) as client, pytest.raises(stargate.StargateError) as caught:
        client.producer("t")
    assert PASSWORD not in str(caught.value) and "p%40" not in str(caught.value)
    return caught.value


def test_each_refusal_names_the_proxy_the_target_and_the_remedy(plain: MockBroker, tmp_path: Path) -> None:
    target = f"localhost:{plain.port}"
    (tmp_path / "login").mkdir()
    (tmp_path / "tiny").mkdir()
    with_login = squid(tmp_path / "login", plain.port, LOGIN)
    strict = tinyproxy(tmp_path / "tiny", 443)
    socks = microsocks("-u", USER, "-P", PASSWORD)
    try:
        http = f"127.0.0.1:{with_login.port}"
        for proxy, kind, words in [
            (f"http://{http}", stargate.AuthenticationError, "give a user and password in option proxy"),
            (f"http://me:p%40wrong@{http}", stargate.AuthenticationError, "is not accepted"),
            (f"http://127.0.0.1:{strict.port}", stargate.AuthorizationError, "many proxies allow port 443 only"),
            (f"socks5h://127.0.0.1:{socks.port}", stargate.AuthenticationError, "give a user and password"),
            (
                f"socks5h://me:p%40wrong@127.0.0.1:{socks.port}",
                stargate.AuthenticationError,
                "does not accept the user",
            ),
            (f"http://127.0.0.1:{socks.port}", stargate.StargateError, "the proxy"),
            (f"http://127.0.0.1:{free_port()}", stargate.ConnectError, "could not be reached"),
        ]:
            error = refusal(plain, proxy)
            assert isinstance(error, kind) and words in str(error), error
            assert proxy.rpartition("@")[2].rpartition("/")[2] in str(error), error
            if isinstance(error, stargate.AuthenticationError | stargate.AuthorizationError):
                assert target in str(error), error
    finally:
        for running in (with_login, strict, socks):
            running.kill()
