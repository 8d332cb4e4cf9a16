"""One real Pulsar broker with its WebSocket proxies, all of it in one folder.

The folder holds `state.json` (what was asked for, and the ports), `data/`, `security/`, the configuration and the logs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import credentials
import issuer
import processes
from toolchain import HERE, VERSION, PulsarError, find_extra_jars, find_jars, find_java, find_openssl, locked

HOST = "127.0.0.1"
MEMORY = "512m"
START_TIMEOUT = 300.0
"""Seconds until a start counts as failed. It takes 7 on two free cores; a loaded machine may need many times that."""

_OPENED_MODULES = (
    "java.base/java.lang",
    "java.base/java.nio",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.platform",
    "java.base/sun.net",
    "java.management/sun.management",
)


@dataclass(frozen=True)
class Wanted:
    """What a broker shall offer. With `jwt`, `mtls` or `basic` each client must say who it is, on plain ports too."""

    tls: bool = False
    jwt: bool = False
    mtls: bool = False
    basic: bool = False
    oauth2: bool = False
    """With an issuer of its own. The broker's own identity is then a user of `basic`."""
    proxies: int = 0
    brokers: int = 0
    """Brokers of a cluster; 0 is a standalone broker."""
    bookies: int = 1
    """Bookies of a cluster. With three or more a bookie may be killed: each entry is then written to two."""
    version: str = VERSION
    """The version of Pulsar."""
    memory: str | None = None
    """For each broker's heap, and as much again outside of it, as the JVM spells sizes; `None` for what suffices."""
    settings: dict[str, str] = field(default_factory=dict)
    """Keys of Pulsar's standalone.conf, over what is written there otherwise."""
    proxy_settings: dict[str, str] = field(default_factory=dict)
    """Keys of Pulsar's websocket.conf, likewise."""

    def __post_init__(self) -> None:
        if self.mtls and not self.tls:
            raise PulsarError("client certificates (--mtls) need --tls")
        if self.oauth2 and not self.basic:
            raise PulsarError("an OAuth2 issuer (--oauth2) needs --basic, for the broker's own identity")
        if self.oauth2 and self.version != VERSION:
            raise PulsarError(f"an OAuth2 issuer (--oauth2) goes with Pulsar {VERSION} only")
        if self.proxies and (self.tls or self.authenticates):
            raise PulsarError("proxies are plain: --proxies does not go with --tls, --jwt, --mtls or --basic")
        if self.brokers and (self.tls or self.authenticates):
            raise PulsarError("a cluster is plain: --brokers does not go with --tls, --jwt, --mtls or --basic")
        if self.bookies < 1 or (self.bookies > 1 and not self.brokers):
            raise PulsarError("--bookies is one or more, and goes with --brokers")

    @property
    def authenticates(self) -> bool:
        return self.jwt or self.mtls or self.basic


@dataclass
class Broker:
    """A broker that was started once in `folder`, running or killed."""

    folder: Path
    wanted: Wanted
    ports: dict[str, int]
    proxy_ports: list[int]
    temporary: bool
    """Whether the folder is ours to remove; otherwise it was named by the caller, who keeps the logs."""
    _started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """The processes that are children of this one, to notice an early end."""

    # ---- birth, recall, end ----

    @classmethod
    def create(cls, wanted: Wanted, folder: Path | None = None) -> Broker:
        """Prepare a new broker in `folder` (none: a temporary one), without starting anything.

        A folder that holds something other than what an earlier broker left is refused: what it holds is overwritten.
        """
        find_java()
        if wanted.tls or wanted.basic:
            find_openssl()
        find_jars(wanted.version)
        temporary = folder is None
        folder = Path(tempfile.mkdtemp(prefix="stargate-pulsar-")) if folder is None else folder
        folder = folder.resolve()
        if folder.exists() and any(folder.iterdir()) and not any((folder / "conf").glob("*.conf")):
            raise PulsarError(f"{folder} holds something else: name an empty folder")
        if processes.find(folder):
            raise PulsarError(f"{folder} has a running broker: stop it first")
        names = cls._port_names(wanted)
        ports = _free_ports(len(names) + wanted.proxies)
        broker = cls(folder, wanted, dict(zip(names, ports, strict=False)), ports[len(names) :], temporary)
        try:
            for part in ("conf", "security", "data", "tmp", "log"):
                shutil.rmtree(folder / part, ignore_errors=True)
                (folder / part).mkdir(parents=True, mode=0o700)
            broker._write_configuration()
        except BaseException:
            if temporary:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        state = {
            "wanted": asdict(wanted),
            "ports": broker.ports,
            "proxy_ports": broker.proxy_ports,
            "temporary": temporary,
        }
        (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n")
        return broker

    @classmethod
    def _port_names(cls, wanted: Wanted) -> list[str]:
        names = ["http", "pulsar", "bookkeeper"] + (["https", "pulsar+ssl"] if wanted.tls else [])
        return names + (["issuer"] if wanted.oauth2 else [])

    def start(self) -> None:
        """Start issuer, broker and proxies. Returns at once: see `wait_until_ready`."""
        if self.wanted.oauth2:
            self.start_issuer()
        self.start_broker()
        for index in range(len(self.proxy_ports)):
            self.start_proxy(index)

    def stop(self) -> None:
        """End every process, then remove the data; of a temporary folder everything."""
        with locked(self.folder / "lock"):
            processes.kill(self.folder)
            (self.folder / "state.json").unlink(missing_ok=True)
            for part in ("data", "tmp"):
                shutil.rmtree(self.folder / part, ignore_errors=True)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the broker itself ----

    def start_broker(self) -> None:
        """Start the broker on the data and ports it had before, if any; a running one is killed first."""
        data = self.folder / "data"
        arguments: list[object] = ["--config", self.folder / "conf" / "standalone.conf", "-nfw", "-nss"]
        arguments += ["--metadata-dir", data / "metadata", "--bookkeeper-dir", data / "bookkeeper"]
        # The bookie's port is part of its identity: on another one it refuses the data it wrote itself.
        arguments += ["--bookkeeper-port", self.ports["bookkeeper"]]
        self._launch("broker", "org.apache.pulsar.PulsarStandaloneStarter", arguments, self.wanted.memory or MEMORY)

    def kill_broker(self) -> None:
        """Kill -9, as a crash would: nothing is flushed, closed or said to the clients. The proxies stay."""
        self._kill("broker")

    def wait_until_ready(self) -> None:
        """Wait until the broker is healthy, its default namespace is there, and every proxy answers."""
        if self.wanted.oauth2:
            self._wait_for("issuer", partial(self._listens, self.ports["issuer"]))
        # The namespace comes last in Pulsar's own start, after the broker already called itself healthy.
        for path in ("/admin/v2/brokers/health", "/admin/v2/namespaces/public/default"):
            self._wait_for("broker", partial(self._answers_200, path))
        for index in range(len(self.proxy_ports)):
            self.wait_for_proxy(index)

    def admin(
        self, method: str, path: str, body: object = None, token: str | None = None, port: int | None = None
    ) -> tuple[int, bytes]:
        """One request to the REST API, over TLS where there is TLS: status and body. As the superuser unless `token` is
        given ("": without a token); to another plain `port` if given. Raises OSError when there is no answer.
        """
        headers = {"Content-Type": "application/json"}
        token = self._security()["tokens"]["admin"] if self.wanted.jwt and token is None else token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif self.wanted.basic and token is None:
            headers["Authorization"] = credentials.basic(credentials.SUPERUSER)
        context = None
        if self.wanted.tls:
            context = ssl.create_default_context(cafile=self.folder / "security" / "ca.pem")
            if self.wanted.mtls and not self.wanted.jwt:
                context.load_cert_chain(self.folder / "security" / "admin.pem", self.folder / "security" / "admin.key")
        data = None if body is None else json.dumps(body).encode()
        base = f"http://{HOST}:{port}" if port else self.describe()["https" if self.wanted.tls else "http"]
        url = base + path
        request = urllib.request.Request(url, data, headers, method=method)
        # No proxy of the environment: the broker is on this machine.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _listens(self, port: int) -> bool:
        with socket.create_connection((HOST, port), timeout=5):
            return True

    def _answers_200(self, path: str) -> bool:
        return self.admin("GET", path)[0] == 200

    def start_issuer(self) -> None:
        """Start the OAuth2 issuer on its port."""
        variables = issuer.environment(self.ports["issuer"])
        self._launch("issuer", issuer.MAIN_CLASS, [], issuer.MEMORY, issuer.class_path(), variables)

    # ---- proxies: WebSocket servers beside the broker's own, to fail over between ----

    def start_proxy(self, index: int) -> None:
        """Start proxy `index` on its port; a running one is killed first."""
        self._check_proxy(index)
        arguments = [self.folder / "conf" / f"proxy-{index}.conf"]
        self._launch(f"proxy-{index}", "org.apache.pulsar.websocket.service.WebSocketServiceStarter", arguments, "128m")

    def kill_proxy(self, index: int) -> None:
        """Kill -9 of proxy `index`."""
        self._check_proxy(index)
        self._kill(f"proxy-{index}")

    def wait_for_proxy(self, index: int) -> None:
        """Wait until proxy `index` answers HTTP."""

        def answers() -> bool:
            with socket.create_connection((HOST, self.proxy_ports[index]), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return connection.recv(5) == b"HTTP/"

        self._wait_for(f"proxy-{index}", answers)

    def _check_proxy(self, index: int) -> None:
        if index not in range(len(self.proxy_ports)):
            raise PulsarError(f"no proxy {index}: there are {len(self.proxy_ports)}, counted from 0")

    # ---- what it offers ----

    def describe(self) -> dict[str, Any]:
        """Everything a client needs, as printed by `pulsar.py start`."""
        url = {name: f"{name}://{HOST}:{port}" for name, port in self.ports.items()}
        answer: dict[str, Any] = {
            "ws": f"ws://{HOST}:{self.ports['http']}",
            "http": url["http"],
            "pulsar": url["pulsar"],
        }
        if self.wanted.tls:
            answer["wss"] = f"wss://{HOST}:{self.ports['https']}"
            answer |= {"https": url["https"], "pulsar+ssl": url["pulsar+ssl"]}
        answer |= self._security()
        answer["proxies"] = [f"ws://{HOST}:{port}" for port in self.proxy_ports]
        answer["pid"] = next(iter(processes.find(self.folder, "broker")), None)
        answer["state"] = str(self.folder)
        return answer

    def environment(self, prefix: str) -> dict[str, str]:
        """Return the same as environment variables for a command (the table in pulsar.py)."""
        about = self.describe()
        names = {"URL": "ws", "HTTP_URL": "http", "BINARY_URL": "pulsar", "WSS_URL": "wss", "HTTPS_URL": "https"}
        names |= {"BINARY_TLS_URL": "pulsar+ssl", "CA_FILE": "ca_file", "STATE": "state"}
        variables = {variable: about[key] for variable, key in names.items() if key in about}
        for kind, token in about.get("tokens", {}).items():
            variables["TOKEN" + _suffix(kind)] = token
        for user, password in about.get("passwords", {}).items():
            variables["PASSWORD" + _suffix(user)] = password
        for name, issuer_url in about.get("issuers", {}).items():
            variables["ISSUER" + ("" if name == "pulsar" else f"_{name.upper()}")] = issuer_url
        for name, secret in about.get("client_secrets", {}).items():
            variables["CLIENT_SECRET" + _suffix(name)] = secret
        if self.wanted.oauth2:
            variables["ISSUER_PID"] = str(about["issuer_pid"])
        for kind, files in about.get("client_certs", {}).items():
            variables["CLIENT_CERT" + _suffix(kind)] = files["cert"]
            variables["CLIENT_KEY" + _suffix(kind)] = files["key"]
        if self.proxy_ports:
            variables["PROXY_URLS"] = ",".join(about["proxies"])
        variables["VERSION"] = self.wanted.version
        return {prefix + name: value for name, value in variables.items()}

    def _security(self) -> dict[str, Any]:
        folder = self.folder / "security"
        answer: dict[str, Any] = {}
        if self.wanted.tls:
            answer |= {"ca_file": str(folder / "ca.pem"), "server_cert_dir": str(folder)}
        if self.wanted.jwt:
            answer["tokens"] = credentials.tokens(folder)
        if self.wanted.basic:
            answer["passwords"] = credentials.PASSWORDS
        if self.wanted.oauth2:
            answer |= {"issuers": issuer.urls(self.ports["issuer"]), "client_secrets": issuer.SECRETS}
            answer["issuer_pid"] = next(iter(processes.find(self.folder, "issuer")), None)
        if self.wanted.mtls:
            answer["client_certs"] = credentials.client_certificates(folder)
        return answer

    # ---- configuration ----

    def _write_configuration(self) -> None:
        security = self.folder / "security"
        settings = {
            "clusterName": "standalone",
            "webServicePort": self.ports["http"],
            "brokerServicePort": self.ports["pulsar"],
            "advertisedAddress": HOST,
            "bindAddress": HOST,
            "webSocketServiceEnabled": "true",
            "managedLedgerDefaultEnsembleSize": 1,
            "managedLedgerDefaultWriteQuorum": 1,
            "managedLedgerDefaultAckQuorum": 1,
            "allowAutoTopicCreation": "true",
            # Otherwise a topic without a subscription vanishes in the middle of a long test.
            "brokerDeleteInactiveTopicsEnabled": "false",
            "loadBalancerEnabled": "false",
            # The bookie listens on the port given to it, on this machine only.
            "allowEphemeralPorts": "true",
            "listeningInterface": "lo",
            "allowLoopback": "true",
        }
        if self.wanted.tls:
            credentials.make_certificates(security)
            settings |= {
                "webServicePortTls": self.ports["https"],
                "brokerServicePortTls": self.ports["pulsar+ssl"],
                "tlsCertificateFilePath": security / "server.pem",
                "tlsKeyFilePath": security / "server.key",
                "tlsTrustCertsFilePath": security / "ca.pem",
                # A client without a certificate may come with a token instead.
                "tlsRequireTrustedClientCertOnConnect": "false",
                "brokerClientTlsEnabled": "true",
                "brokerClientTrustCertsFilePath": security / "ca.pem",
            }
        providers = []
        if self.wanted.mtls:
            providers.append("org.apache.pulsar.broker.authentication.AuthenticationProviderTls")
            files = f"tlsCertFile:{security / 'admin.pem'},tlsKeyFile:{security / 'admin.key'}"
            own_identity = ("org.apache.pulsar.client.impl.auth.AuthenticationTls", files)
        if self.wanted.jwt:
            credentials.make_token_key(security)
            settings["tokenSecretKey"] = (security / credentials.TOKEN_KEY).as_uri()
            providers.append("org.apache.pulsar.broker.authentication.AuthenticationProviderToken")
            token = credentials.tokens(security)["admin"]
            own_identity = ("org.apache.pulsar.client.impl.auth.AuthenticationToken", f"token:{token}")
        if self.wanted.basic:
            credentials.make_users(security)
            settings["basicAuthConf"] = (security / credentials.USERS).as_uri()
            providers.append("org.apache.pulsar.broker.authentication.AuthenticationProviderBasic")
            user = {"userId": credentials.SUPERUSER, "password": credentials.PASSWORDS[credentials.SUPERUSER]}
            own_identity = ("org.apache.pulsar.client.impl.auth.AuthenticationBasic", json.dumps(user))
        if self.wanted.oauth2:
            settings |= issuer.broker_settings(self.ports["issuer"])
            providers.append("org.apache.pulsar.broker.authentication.oidc.AuthenticationProviderOpenID")
        if providers:
            settings |= {
                "authenticationEnabled": "true",
                "authorizationEnabled": "true",
                "superUserRoles": credentials.SUPERUSER,
                "authenticationProviders": ",".join(providers),
                "brokerClientAuthenticationPlugin": own_identity[0],
                "brokerClientAuthenticationParameters": own_identity[1],
            }
        self._write_settings("standalone", {**settings, **self.wanted.settings})

        self._write_proxies("standalone", [self.ports["pulsar"]], [self.ports["http"]])

    def _write_proxies(self, cluster: str, binary_ports: list[int], http_ports: list[int]) -> None:
        """Configure the proxies for the brokers at these ports."""

        def hosts(ports: list[int]) -> str:
            return ",".join(f"{HOST}:{port}" for port in ports)

        for index, port in enumerate(self.proxy_ports):
            proxy = {
                "clusterName": cluster,
                "brokerServiceUrl": f"pulsar://{hosts(binary_ports)}",
                "serviceUrl": f"http://{hosts(http_ports)}",
                "webServicePort": port,
                "bindAddress": HOST,
                "metadataStoreUrl": "",
                "configurationMetadataStoreUrl": "",
                "authenticationEnabled": "false",
                # GET /status.html, the health check of load balancers, answers 200 as long as this file is there.
                "statusFilePath": self.folder / "conf" / f"proxy-{index}.conf",
            }
            self._write_settings(f"proxy-{index}", {**proxy, **self.wanted.proxy_settings})

    def _write_settings(self, name: str, settings: dict[str, object]) -> None:
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        (self.folder / "conf" / f"{name}.conf").write_text("".join(lines))

    # ---- processes ----

    def _launch(
        self,
        part: str,
        main_class: str,
        arguments: Sequence[object],
        memory: str,
        class_path: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        command = [find_java(), processes.mark(self.folder, part)]
        command += [f"-Xmx{memory}", f"-XX:MaxDirectMemorySize={memory}", "-Dio.netty.tryReflectionSetAccessible=true"]
        # What a killed JVM leaves in temporary folders (RocksDB's library, 13 MB each time) goes with our own.
        command += [f"-Djava.io.tmpdir={self.folder}/tmp", "-XX:-UsePerfData"]
        command += [f"-Dstargate.log={self.folder}/log/{part}.log"]
        command += [f"--add-opens={module}=ALL-UNNAMED" for module in _OPENED_MODULES]
        command += ["-cp", class_path or self._class_path(), main_class, *map(str, arguments)]
        # The lock keeps a restart and a stop apart: after a stop nothing may be started any more.
        with locked(self.folder / "lock"):
            if not (self.folder / "state.json").exists():
                raise PulsarError(f"the broker in {self.folder} was stopped")
            processes.kill(self.folder, part)
            with (self.folder / "log" / f"{part}.out").open("ab") as output:
                # A session of its own: no signal of the terminal or of the caller's group reaches it.
                self._started[part] = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={**os.environ, **(variables or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )

    def _class_path(self) -> str:
        extra = f":{find_extra_jars('oidc')}/*" if self.wanted.oauth2 else ""
        return f"{HERE / 'conf'}:{find_jars(self.wanted.version)}/*{extra}"

    def _kill(self, part: str) -> None:
        with locked(self.folder / "lock"):
            processes.kill(self.folder, part)

    def _wait_for(self, part: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        last = "it answers, but is not ready"
        while time.monotonic() < deadline:
            process = self._started.get(part)
            if process and process.poll() is not None:
                raise PulsarError(
                    f"the {part} ended with status {process.returncode} while starting{self._log_tail(part)}"
                )
            try:
                if is_ready():
                    return
            except OSError as error:
                last = str(error)
            time.sleep(0.2)
        raise PulsarError(f"the {part} was not ready after {START_TIMEOUT:.0f} s: {last}{self._log_tail(part)}")

    def _log_tail(self, part: str) -> str:
        text = ""
        for file in (self.folder / "log" / f"{part}.out", self.folder / "log" / f"{part}.log"):
            lines = file.read_text(errors="replace").splitlines()[-30:] if file.exists() else []
            text += "".join(f"\n  {file.name}: {line}" for line in lines)
        return text or "; its logs are empty"


def _suffix(kind: str) -> str:
    """The superuser's credential is the plain name, e.g. TOKEN; others add theirs, e.g. TOKEN_EXPIRED."""
    return "" if kind == credentials.SUPERUSER else f"_{kind.upper()}"


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those the kernel gives to outgoing connections: a client that keeps trying to
    connect while the broker is down must not be given the broker's port for its own end.
    """
    lowest_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.sample(range(max(1024, lowest_ephemeral - 16000), lowest_ephemeral), 200)
    free: list[int] = []
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            free.append(port)
        if len(free) == count:
            return free
    raise PulsarError(f"found only {len(free)} of {count} free ports")
