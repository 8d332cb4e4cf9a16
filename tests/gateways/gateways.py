#!/usr/bin/env python3
"""A real nginx and a real HAProxy before two WebSocket proxies of a real Pulsar, and the tests that go through them.

gateways.py                   starts Pulsar with two proxies, then both gateways, runs the tests, and ends it all
gateways.py inside COMMAND    the same where PULSAR_PROXY_URLS and PULSAR_HTTP_URL name what runs already

The tests find the gateways by GATEWAY_NGINX and the like, host:port each.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEYS = ROOT / "tests/keys/tls"
LISTENING = ["NGINX", "NGINX_TLS", "HAPROXY", "HAPROXY_TLS", "HAPROXY_IDLE", "HAPROXY_STATS"]
# A name whose first address answers nothing.
TWO_WAYS = "two-ways.example"
# The packages and features of the suite `rust`, whose build it shares.
FEATURES = "stargate-core/mock,stargate-core/fuzzing"
BUILD = ["--workspace", "--exclude", "stargate-python", "--features", FEATURES]
TESTS = ["cargo", "test", *BUILD, "--test", "gateways", "--", "--ignored"]


def main() -> int:
    """Run the tests; their exit status."""
    os.chdir(ROOT)
    if missing := [name for name in ("nginx", "haproxy") if find(name) is None]:
        print(f"gateways: {', '.join(missing)}: not found; apt install {' '.join(missing)}", file=sys.stderr)
        return 2
    if sys.argv[1:2] == ["inside"]:
        return inside(sys.argv[2:])
    pulsar = [sys.executable, "tests/pulsar/pulsar.py", "run", "--proxies", "2", "--"]
    return subprocess.run([*pulsar, sys.executable, __file__, "inside", *TESTS], check=False).returncode


def find(name: str) -> str | None:
    """Give where a program is that Debian puts among those of the administrator."""
    return which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def inside(command: list[str]) -> int:
    """Start both gateways, run the command, end them."""
    proxies = os.environ["PULSAR_PROXY_URLS"].split(",")
    ports = dict(zip([*LISTENING, "CLOSED"], free_ports(len(LISTENING) + 1), strict=True))
    with tempfile.TemporaryDirectory(prefix="gateways-") as folder:
        state = Path(folder)
        (state / "haproxy.pem").write_text((KEYS / "server.pem").read_text() + (KEYS / "server.key.pem").read_text())
        values = {
            **{name: str(port) for name, port in ports.items()},
            "STATE": folder,
            "KEYS": str(KEYS),
            "PROXY_0": proxies[0].removeprefix("ws://"),
            "PROXY_1": proxies[1].removeprefix("ws://"),
            "BROKER": os.environ["PULSAR_HTTP_URL"].removeprefix("http://").rstrip("/"),
        }
        nginx, haproxy = (filled(name, values, state) for name in ("nginx.conf", "haproxy.cfg"))
        running = [
            subprocess.Popen([find("nginx") or "nginx", "-p", folder, "-c", nginx, "-e", state / "nginx-error.log"]),
            subprocess.Popen([find("haproxy") or "haproxy", "-q", "-f", haproxy]),
        ]
        try:
            for name in LISTENING:
                wait_for(ports[name])
            gateways = {f"GATEWAY_{name}": f"127.0.0.1:{ports[name]}" for name in LISTENING}
            variables = {**os.environ, **gateways, "GATEWAY_CA": str(KEYS / "ca.pem")}
            if apart := with_hosts(state):
                variables["GATEWAY_TWO_WAYS"] = TWO_WAYS
            return subprocess.run([*apart, *command], env=variables, check=False).returncode
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(timeout=30)


def with_hosts(state: Path) -> list[str]:
    """Give the words before a command that sees a name with two addresses; none where the system does not let us."""
    hosts = state / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.2 {TWO_WAYS}\n127.0.0.1 {TWO_WAYS}\n")
    for options in ("-m", "-rm"):
        apart = ["unshare", options, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
        try:
            if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode == 0:
                return apart
        except OSError:
            break
    print("gateways: no file of hosts of our own (unshare); a name with two addresses is left out", file=sys.stderr)
    return []


def filled(name: str, values: dict[str, str], state: Path) -> Path:
    """Write a configuration with its values, and give where it is."""
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    (state / name).write_text(text)
    return state / name


def free_ports(count: int) -> list[int]:
    """Give ports that nothing listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(port: int) -> None:
    """Wait until something listens at the port."""
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
