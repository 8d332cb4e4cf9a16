"""Messages through real proxies: squid, with and without TLS, tinyproxy and microsocks in front of the mock broker.

Each proxy is killed and restarted in mid-flow, and nothing is lost. `STARGATE_PROXY_SENDS` and
`STARGATE_PROXY_KILL_EVERY` make the outages longer.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import stargate
from stargate.testing import MockBroker

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = ROOT / "tests/keys/tls"
SENDS = int(os.environ.get("STARGATE_PROXY_SENDS", "3000"))
KILL_EVERY = float(os.environ.get("STARGATE_PROXY_KILL_EVERY", "1"))
COMMAND = os.environ.get("STARGATE_COMMAND", str(ROOT / "target/debug/stargate"))
SQUID = shutil.which("squid") or "/usr/sbin/squid"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
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
# As in docs/gateways.md: TLS ends here, and the prefix /pulsar is taken away.
NGINX_CONF = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {keys}/server.pem;
        ssl_certificate_key {keys}/server.key.pem;
        location /pulsar/ {{
            proxy_pass http://127.0.0.1:{to}/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 120s;
        }}
    }}
}}
"""
HAPROXY_CONF = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 120s
    timeout server 120s
listen all
    bind {bind}
    server next 127.0.0.1:{to}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Proxy:
    """A proxy as a program in the foreground, which can be killed and started again.

    At the end it is killed, and so are the proxies behind it; its folder, if it has one of its own, is removed.
    """

    def __init__(
        self,
        command: list[str],
        port: int,
        *,
        address: str = "127.0.0.1",
        folder: Path | None = None,
        behind: Proxy | None = None,
    ) -> None:
        self._command, self.port, self._address = command, port, address
        self._folder, self._behind = folder, behind
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            # In a group of its own: squid has helpers.
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            while self._process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection((self._address, self.port), timeout=1):
                    return
                assert time.monotonic() < deadline, self._command
                time.sleep(0.02)
            assert time.monotonic() < deadline, self._command
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        if self._behind is not None:
            self._behind.close()
        if self._folder is not None:
            shutil.rmtree(self._folder)


def squid(allowed: int, rules: str = OPEN) -> Proxy:
    port = free_port()
    # Squid and its helpers run as a user of their own, who may not enter the folders of pytest.
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="stargate-squid-"))
    folder.chmod(0o777)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True)
    (folder / "users").write_text(f"{USER}:{hashed.stdout}")
    conf = folder / "squid.conf"
    conf.write_text(SQUID_CONF.format(port=port, folder=folder, allowed=allowed, rules=rules.format(folder=folder)))
    return Proxy([SQUID, "-N", "-f", str(conf)], port, folder=folder)


def tinyproxy(folder: Path, allowed: int) -> Proxy:
    port = free_port()
    conf = folder / "tinyproxy.conf"
    conf.write_text(TINYPROXY_CONF.format(port=port, folder=folder) + f"ConnectPort {allowed}\n")
    return Proxy(["tinyproxy", "-d", "-c", str(conf)], port)


def microsocks(*login: str, address: str = "127.0.0.1") -> Proxy:
    port = free_port()
    return Proxy(["microsocks", "-i", address, "-p", str(port), *login], port, address=address)


def forwarder(folder: Path, bind: str, port: int, to: int, **more: Any) -> Proxy:
    """HAProxy that hands the connections of `bind` on to a port of this machine."""
    conf = folder / f"haproxy-{port}.cfg"
    conf.write_text(HAPROXY_CONF.format(bind=bind, to=to))
    return Proxy([HAPROXY, "-db", "-f", str(conf)], port, **more)


def gateway(folder: Path, to: int) -> Proxy:
    """Nginx with TLS and a prefix before a port of this machine."""
    port = free_port()
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(port=port, folder=folder, keys=KEYS, to=to))
    return Proxy([NGINX, "-p", str(folder), "-c", str(conf), "-e", str(folder / "nginx-error.log")], port)


def squid_with_tls(folder: Path, allowed: int) -> Proxy:
    """Squid behind HAProxy, which speaks TLS to the client."""
    port, inner = free_port(), squid(allowed)
    certificate = folder / "proxy.pem"
    certificate.write_text((KEYS / "server.pem").read_text() + (KEYS / "server.key.pem").read_text())
    return forwarder(folder, f"*:{port} ssl crt {certificate}", port, inner.port, behind=inner)


@pytest.fixture(params=["ws", "wss"])
def broker(request: pytest.FixtureRequest) -> Iterator[MockBroker]:
    """Yield a mock broker, without and with TLS."""
    tls = (
        {"tls_certificates": KEYS / "server.pem", "tls_key": KEYS / "server.key.pem"} if request.param == "wss" else {}
    )
    with MockBroker(**tls) as broker:
        yield broker


@pytest.fixture
def plain() -> Iterator[MockBroker]:
    with MockBroker() as broker:
        yield broker


@pytest.fixture(params=["squid", "squid with a user", "https", "tinyproxy", "socks5", "socks5h", "socks5h with a user"])
def proxied(request: pytest.FixtureRequest, broker: MockBroker, tmp_path: Path) -> Iterator[tuple[Proxy, str]]:
    """Yield a proxy that lets the broker's port through, and its address."""
    userinfo = f"{USER}:p%40ss%20word@"
    match request.param.split()[0], "user" in request.param:
        case "squid", False:
            proxy, scheme, userinfo = squid(broker.port), "http", ""
        case "squid", True:
            proxy, scheme = squid(broker.port, LOGIN), "http"
        case "https", _:
            proxy, scheme, userinfo = squid_with_tls(tmp_path, broker.port), "https", ""
        case "tinyproxy", _:
            proxy, scheme, userinfo = tinyproxy(tmp_path, broker.port), "http", ""
        case socks, True:
            proxy, scheme = microsocks("-u", USER, "-P", PASSWORD), socks
        case socks, _:
            proxy, scheme, userinfo = microsocks(), socks, ""
    with proxy:
        yield proxy, f"{scheme}://{userinfo}127.0.0.1:{proxy.port}"


def client_of(broker: MockBroker, proxy: str, **options: object) -> stargate.Client:
    url = broker.url.replace("127.0.0.1", "localhost")
    if proxy.startswith("https"):
        options.setdefault("proxy_ca_file", KEYS / "ca.pem")
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
            seen: set[bytes] = set()
            while len(seen) < 500:
                message = consumer.receive(timeout=30)
                assert message is not None
                seen.add(message.data)
                consumer.ack(message)
        assert used and set(used) <= {shown, None} and shown in used


def test_sends_through_a_squid_that_is_killed_again_and_again_lose_nothing(plain: MockBroker) -> None:
    proxy = squid(plain.port)
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
        proxy.close()
    stored = plain.messages("t")
    assert kills >= 2
    assert {message.data.decode() for message in stored} == {str(number) for number in range(SENDS)}
    assert {message.id for message in stored} >= ids


def check(broker: MockBroker, proxy: str, folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `stargate check` through a proxy, and return its exit code and its steps."""
    (folder / "proxy").write_text(proxy)
    options = [f"proxy=@{folder}/proxy", f"tls_ca_file={KEYS}/ca.pem", f"proxy_ca_file={KEYS}/ca.pem"]
    url = broker.url.replace("127.0.0.1", "localhost")
    command = [COMMAND, "--url", url, "check", "--json", *arguments]
    for option in options:
        command += ["-X", option]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert PASSWORD not in done.stdout + done.stderr
    assert "p%40" not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def test_check_reaches_the_broker_through_the_proxy(
    broker: MockBroker, proxied: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, url = proxied
    code, steps = check(broker, url, tmp_path, "--topic", "t")
    assert code == 0, steps
    found = {step["step"]: step.get("found") for step in steps}
    assert found["proxy"] == url.replace("me:p%40ss%20word@", "")
    assert found["TCP"] == f"connected to 127.0.0.1:{proxy.port}"
    hop = "TLS, HTTP" if broker.url.startswith("wss") else "HTTP"
    assert "Pulsar" in found[hop]
    assert [step["step"] for step in steps][-4:] == ["reader", "producer", "send", "receive"]


def test_check_names_the_proxy_that_refuses(plain: MockBroker, tmp_path: Path) -> None:
    port = free_port()
    code, steps = check(plain, f"http://127.0.0.1:{port}", tmp_path)
    assert (code, steps[-1]["step"]) == (1, "TCP")
    assert f"127.0.0.1:{port}" in steps[-1]["error"]
    with squid(plain.port, LOGIN) as proxy:
        code, steps = check(plain, f"http://me:wrong@127.0.0.1:{proxy.port}", tmp_path)
        assert (code, steps[-1]["step"]) == (4, "HTTP"), steps
        assert "407" in steps[-1]["error"]
        assert "-X proxy=@FILE" in steps[-1]["remedy"]
    with squid(plain.port + 1) as proxy:
        code, steps = check(plain, f"http://127.0.0.1:{proxy.port}", tmp_path, "--topic", "t")
        assert (code, steps[-1]["step"]) == (4, "HTTP"), steps
        assert "403" in steps[-1]["error"]
        assert "administrator of the proxy" in steps[-1]["remedy"]
        code, steps = check(plain, f"https://127.0.0.1:{proxy.port}", tmp_path)
        assert (code, steps[-1]["step"]) == (1, "HTTP"), steps
        assert "those of the proxy" in steps[-1]["remedy"]
    with squid_with_tls(tmp_path, plain.port) as proxy:
        code, steps = check(plain, f"https://127.0.0.2:{proxy.port}", tmp_path)
        assert (code, steps[-1]["step"]) == (4, "HTTP"), steps
        assert "proxy_ca_file" in steps[-1]["remedy"]


def refusal(broker: MockBroker, proxy: str, **options: object) -> stargate.StargateError:
    with client_of(broker, proxy, **options) as client, pytest.raises(stargate.StargateError) as caught:
        client.producer("t")
    assert PASSWORD not in str(caught.value) and "p%40" not in str(caught.value)
    return caught.value


def test_each_refusal_names_the_proxy_the_target_and_the_remedy(plain: MockBroker, tmp_path: Path) -> None:
    target = f"localhost:{plain.port}"
    with (
        squid(plain.port, LOGIN) as with_login,
        tinyproxy(tmp_path, 443) as strict,
        microsocks("-u", USER, "-P", PASSWORD) as socks,
    ):
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


def test_a_proxy_with_tls_is_verified_and_one_without_it_is_named(plain: MockBroker, tmp_path: Path) -> None:
    with squid_with_tls(tmp_path, plain.port) as secure, squid(plain.port) as bare:
        for url, ca, kind, words in [
            (f"https://127.0.0.1:{secure.port}", "self-signed-ca.pem", stargate.AuthenticationError, "proxy_ca_file"),
            (f"https://127.0.0.2:{secure.port}", "ca.pem", stargate.AuthenticationError, "localhost, 127.0.0.1"),
            (f"https://127.0.0.1:{bare.port}", "ca.pem", stargate.ConnectError, "has a URL with http://"),
            (f"http://127.0.0.1:{secure.port}", "ca.pem", stargate.StargateError, "the proxy"),
        ]:
            options = {"proxy_ca_file": KEYS / ca} if url.startswith("https") else {}
            error = refusal(plain, url, **options)
            assert "tls_ca_file" not in str(error) and "wss://" not in str(error), error
            assert isinstance(error, kind) and words in str(error), error
            assert url.rpartition("/")[2] in str(error), error


class Apart(NamedTuple):
    """A network namespace that reaches one address of this machine; what only this machine reaches is at `beyond`."""

    name: str
    gate: str
    beyond: str

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace, with no variable about proxies but those that are given."""
        clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        apart = ["ip", "netns", "exec", self.name, *command]
        return subprocess.run(apart, env=clean | variables, capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture
def apart() -> Iterator[Apart]:
    """Yield a network of its own, joined to this machine by a pair of interfaces."""
    pid = os.getpid()
    name, here, there = f"stargate-{pid}", f"sgh{pid}", f"sgt{pid}"
    net = f"10.213.{pid % 250}"
    made = Apart(name, f"{net}.1", f"{net}.129")
    steps = [
        f"ip netns add {name}",
        f"ip link add {here} type veth peer name {there} netns {name}",
        # The namespace knows no way to the second address.
        f"ip addr add {made.gate}/30 dev {here}",
        f"ip addr add {made.beyond}/32 dev {here}",
        f"ip link set {here} up",
        f"ip -n {name} addr add {net}.2/30 dev {there}",
        f"ip -n {name} link set {there} up",
    ]
    try:
        for step in steps:
            done = subprocess.run(step.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                without_namespaces(f"`{step}`: {done.stderr.strip()}")
        yield made
    except FileNotFoundError as error:
        without_namespaces(str(error))
    finally:
        with contextlib.suppress(FileNotFoundError):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            subprocess.run(["ip", "link", "del", here], capture_output=True, check=False)


def without_namespaces(why: str) -> NoReturn:
    """Say that the test is left out; in CI as root that is a failure."""
    text = f"no network namespace can be made here, which a test of proxies needs: {why}"
    if os.environ.get("CI") and os.geteuid() == 0:
        pytest.fail(text)
    pytest.skip(text)


@pytest.mark.parametrize(
    ("kind", "variable"), [("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY"), ("socks5h", "ALL_PROXY")]
)
def test_the_program_of_the_readme_runs_where_only_the_proxy_answers(
    apart: Apart, tmp_path: Path, kind: str, variable: str
) -> None:
    """Nothing is changed but a variable of the environment; `https` is a broker with TLS, whose CA the system knows."""
    program = tmp_path / "program.py"
    program.write_text(program_of_the_readme())
    port = free_port()
    bind, scheme, system = f"{apart.beyond}:{port}", "ws", {}
    if kind == "https":
        system = {"SSL_CERT_FILE": str(certify(tmp_path, apart.beyond))}
        bind, scheme = f"{bind} ssl crt {tmp_path}/broker.pem", "wss"
    url = f"{scheme}://{apart.beyond}:{port}"
    gate = microsocks(address=apart.gate) if kind == "socks5h" else squid(port)
    with gate, MockBroker() as mock, forwarder(tmp_path, bind, port, mock.port, address=apart.beyond):
        command = [sys.executable, str(program), url]
        directly = apart.run(sys.executable, "-c", DIRECTLY, apart.beyond, str(port))
        assert "unreachable" in directly.stdout, directly
        at = f"{'socks5h' if kind == 'socks5h' else 'http'}://{apart.gate}:{gate.port}"
        ran = apart.run(*command, **{variable: at}, **system)
        assert ran.returncode == 0, ran
        assert "read again: [b'one pizza', b'two pizzas']" in ran.stdout and ran.stderr == "", ran
        assert len(mock.messages("readme-python")) == 2


def program_of_the_readme() -> str:
    """Give the program in Python that the README shows."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(source for source in found if "url = sys.argv[1]" in source)


def run_here(source: str, folder: Path, url: str) -> str:
    """Run a program on this machine, without a proxy, and give what it prints."""
    program = folder / "program.py"
    program.write_text(source)
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = clean | {"SSL_CERT_FILE": str(KEYS / "ca.pem")}
    command = [sys.executable, str(program), url]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran
    return ran.stdout


def test_the_program_of_the_readme_runs_behind_a_gateway_with_a_prefix(plain: MockBroker, tmp_path: Path) -> None:
    with gateway(tmp_path, plain.port) as nginx:
        printed = run_here(program_of_the_readme(), tmp_path, f"wss://localhost:{nginx.port}/pulsar")
    assert "read again: [b'one pizza', b'two pizzas']" in printed
    assert len(plain.messages("readme-python")) == 2


def test_the_program_of_the_readme_runs_with_an_oauth2_key_file(tmp_path: Path) -> None:
    key_file = tmp_path / "key.json"
    with MockBroker(oauth2_client_id="shop", oauth2_client_secret="hush", oauth2_audience="pulsar") as issuer:
        key = {"type": "client_credentials", "client_id": "shop", "client_secret": "hush"}
        key_file.write_text(json.dumps({**key, "issuer_url": issuer.oauth2_issuer_url}))
        given = f"stargate.Client(url, oauth2_key_file={str(key_file)!r}, oauth2_audience='pulsar')"
        source = program_of_the_readme().replace("stargate.Client(url)", given)
        assert "read again: [b'one pizza', b'two pizzas']" in run_here(source, tmp_path, issuer.url)


DIRECTLY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
except OSError as error:
    print(error.strerror)
"""


def certify(folder: Path, address: str) -> Path:
    """Make `broker.pem`, a certificate for an address with its key, and give the file of the CA that signed it."""
    for command in [
        "req -x509 -newkey rsa:2048 -nodes -subj /CN=authority -keyout ca.key -out ca.pem -days 2",
        "req -newkey rsa:2048 -nodes -subj /CN=broker -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out leaf.pem -days 2",
    ]:
        (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    (folder / "broker.pem").write_text((folder / "leaf.pem").read_text() + (folder / "key.pem").read_text())
    return folder / "ca.pem"
