"""A cluster of real Pulsar brokers: a ZooKeeper, bookies, brokers and WebSocket proxies, all of it in one folder.

It offers what a standalone broker does, and its first broker is the one at PULSAR_URL. Each broker and bookie may be
killed and started again by itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import processes
from broker import HOST, START_TIMEOUT, Broker, Wanted
from toolchain import PulsarError

NAME = "cluster"
MEMORY = "256m"
SESSION_TIMEOUT_MS = 6000
"""Other brokers take the topics of one that was killed after this time. Pulsar's default is 30 s."""
STOP_TIMEOUT = 60.0
"""Seconds that a broker may take to hand its topics over and end."""


def create(wanted: Wanted, folder: Path | None = None) -> Broker:
    """Prepare what is wanted, standalone broker or cluster, without starting anything."""
    return (Cluster if wanted.brokers else Broker).create(wanted, folder)


def load(folder: Path) -> Broker:
    """Return what an earlier `create` prepared in `folder`."""
    folder = folder.resolve()
    try:
        state = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        raise PulsarError(f"no broker was started in {folder}, or it was stopped") from None
    wanted = Wanted(**state["wanted"])
    kind = Cluster if wanted.brokers else Broker
    return kind(folder, wanted, state["ports"], state["proxy_ports"], state["temporary"])


def load_cluster(folder: Path) -> Cluster:
    """Return the same for a cluster."""
    found = load(folder)
    if not isinstance(found, Cluster):
        raise PulsarError(f"{folder} has a standalone broker: start one with --brokers N")
    return found


class Cluster(Broker):
    """Several brokers on one ZooKeeper and its bookies."""

    @classmethod
    def _port_names(cls, wanted: Wanted) -> list[str]:
        of_brokers = [_port(kind, index) for index in range(wanted.brokers) for kind in ("http", "pulsar")]
        return ["zookeeper", *(f"bookie-{index}" for index in range(wanted.bookies)), *of_brokers]

    # ---- all of it ----

    def start_broker(self) -> None:
        """Start everything that does not run yet but the proxies, on the data and ports it had before."""
        if not processes.find(self.folder, "zookeeper"):
            arguments = [self.folder / "conf/zookeeper.conf"]
            self._launch("zookeeper", "org.apache.zookeeper.server.ZooKeeperServerMain", arguments, "64m")
            self._wait_for("zookeeper", partial(self._listens, "zookeeper"))
            self._write_metadata()
        for index in range(self.wanted.bookies):
            if not processes.find(self.folder, f"bookie-{index}"):
                self.start_bookie(index)
        for index in range(self.wanted.bookies):
            self.wait_for_bookie(index)
        for index in range(self.wanted.brokers):
            self.start_one(index)

    def kill_broker(self) -> None:
        """Kill -9 of every broker. ZooKeeper, bookies and proxies stay."""
        for index in range(self.wanted.brokers):
            self.kill_one(index)

    def wait_until_ready(self) -> None:
        """Wait until every broker is healthy and every proxy answers."""
        for index in range(self.wanted.brokers):
            self.wait_for_one(index)
        for index in range(len(self.proxy_ports)):
            self.wait_for_proxy(index)

    # ---- one broker ----

    def start_one(self, index: int) -> None:
        """Start broker `index` on its ports; a running one is killed first."""
        self._check("broker", index, self.wanted.brokers)
        arguments = ["--broker-conf", self.folder / f"conf/broker-{index}.conf"]
        memory = self.wanted.memory or MEMORY
        self._launch(f"broker-{index}", "org.apache.pulsar.PulsarBrokerStarter", arguments, memory)

    def kill_one(self, index: int) -> None:
        """Kill -9 of broker `index`: its topics have no owner until its session ends."""
        self._check("broker", index, self.wanted.brokers)
        self._kill(f"broker-{index}")

    def stop_one(self, index: int) -> None:
        """Have broker `index` end as an administrator would: it hands its topics over first."""
        self._check("broker", index, self.wanted.brokers)
        for process in processes.find(self.folder, f"broker-{index}"):
            os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while processes.find(self.folder, f"broker-{index}") and time.monotonic() < deadline:
            time.sleep(0.1)
        self._kill(f"broker-{index}")

    def wait_for_one(self, index: int) -> None:
        """Wait until broker `index` is healthy."""
        self._wait_for(f"broker-{index}", partial(self._is_healthy, index))

    # ---- one bookie ----

    def start_bookie(self, index: int) -> None:
        """Start bookie `index` on its data and port; a running one is killed first."""
        self._check("bookie", index, self.wanted.bookies)
        arguments = ["--conf", self.folder / f"conf/bookie-{index}.conf"]
        self._launch(f"bookie-{index}", "org.apache.bookkeeper.server.Main", arguments, "96m")

    def kill_bookie(self, index: int) -> None:
        """Kill -9 of bookie `index`."""
        self._check("bookie", index, self.wanted.bookies)
        self._kill(f"bookie-{index}")

    def wait_for_bookie(self, index: int) -> None:
        """Wait until bookie `index` takes connections."""
        self._wait_for(f"bookie-{index}", partial(self._listens, f"bookie-{index}"))

    # ---- what it offers ----

    def describe(self) -> dict[str, Any]:
        """Return the description of the first broker, as of a standalone one, and the addresses of all."""
        answer = super().describe()
        answer["brokers"] = [f"ws://{HOST}:{port}" for port in self._ports_of("http")]
        answer["pid"] = next(iter(processes.find(self.folder, "broker-0")), None)
        return answer

    def environment(self, prefix: str) -> dict[str, str]:
        """Return the same as environment variables for a command."""
        return super().environment(prefix) | {prefix + "BROKER_URLS": ",".join(self.describe()["brokers"])}

    # ---- configuration ----

    def _write_configuration(self) -> None:
        zookeeper = f"{HOST}:{self.ports['zookeeper']}"
        data = self.folder / "data"
        self._write_settings(
            "zookeeper",
            {
                "dataDir": data / "zookeeper",
                "clientPort": self.ports["zookeeper"],
                "clientPortAddress": HOST,
                "admin.enableServer": "false",
                # What is kept is thrown away at the end: no disk is waited for.
                "forceSync": "no",
                "tickTime": 1000,
                "maxClientCnxns": 0,
            },
        )
        for index in range(self.wanted.bookies):
            self._write_settings(
                f"bookie-{index}",
                {
                    "bookiePort": self.ports[f"bookie-{index}"],
                    "advertisedAddress": HOST,
                    "listeningInterface": "lo",
                    "allowLoopback": "true",
                    "metadataServiceUri": f"zk://{zookeeper}/ledgers",
                    "journalDirectory": data / f"bookie-{index}/journal",
                    "ledgerDirectories": data / f"bookie-{index}/ledgers",
                    "ledgerStorageClass": "org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage",
                    "dbStorage_writeCacheMaxSizeMb": 16,
                    "dbStorage_readAheadCacheMaxSizeMb": 16,
                    "dbStorage_rocksDB_blockCacheSize": 4194304,
                    "nettyMaxFrameSizeBytes": 5253120,
                    # A full disk is the machine's matter, not the test's.
                    "diskUsageThreshold": "0.999",
                    "diskUsageWarnThreshold": "0.998",
                },
            )
        copies = 2 if self.wanted.bookies >= 3 else 1
        for index in range(self.wanted.brokers):
            settings = {
                "clusterName": NAME,
                "metadataStoreUrl": f"zk:{zookeeper}",
                "configurationMetadataStoreUrl": f"zk:{zookeeper}",
                "metadataStoreSessionTimeoutMillis": SESSION_TIMEOUT_MS,
                "webServicePort": self.ports[_port("http", index)],
                "brokerServicePort": self.ports[_port("pulsar", index)],
                "advertisedAddress": HOST,
                "bindAddress": HOST,
                "webSocketServiceEnabled": "true",
                "managedLedgerDefaultEnsembleSize": copies,
                "managedLedgerDefaultWriteQuorum": copies,
                "managedLedgerDefaultAckQuorum": copies,
                "managedLedgerCacheSizeMB": 16,
                "allowAutoTopicCreation": "true",
                "brokerDeleteInactiveTopicsEnabled": "false",
            }
            self._write_settings(f"broker-{index}", {**settings, **self.wanted.settings})
        self._write_proxies(NAME, self._ports_of("pulsar"), self._ports_of("http"))

    def _write_metadata(self) -> None:
        """Write the cluster's name and addresses to ZooKeeper; what is there already stays."""
        zookeeper = f"{HOST}:{self.ports['zookeeper']}"
        web, binary = (",".join(f"{HOST}:{port}" for port in self._ports_of(kind)) for kind in ("http", "pulsar"))
        arguments = [
            "--cluster",
            NAME,
            "--metadata-store",
            f"zk:{zookeeper}",
            "--configuration-store",
            f"zk:{zookeeper}",
        ]
        arguments += ["--web-service-url", f"http://{web}", "--broker-service-url", f"pulsar://{binary}"]
        self._launch("metadata", "org.apache.pulsar.PulsarClusterMetadataSetup", arguments, "64m")
        try:
            status = self._started["metadata"].wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            raise PulsarError(f"the cluster's metadata could not be written{self._log_tail('metadata')}")

    # ---- helpers ----

    def _ports_of(self, kind: str) -> list[int]:
        return [self.ports[_port(kind, index)] for index in range(self.wanted.brokers)]

    def _listens(self, part: str) -> bool:
        with socket.create_connection((HOST, self.ports[part]), timeout=5):
            return True

    def _is_healthy(self, index: int) -> bool:
        return self.admin("GET", "/admin/v2/brokers/health", port=self.ports[_port("http", index)])[0] == 200

    def _check(self, kind: str, index: int, count: int) -> None:
        if index not in range(count):
            raise PulsarError(f"no {kind} {index}: there are {count}, counted from 0")


ACTIONS: dict[str, tuple[Callable[[Cluster, int], None], Callable[[Cluster, int], None] | None, str]] = {
    "kill-broker": (Cluster.kill_one, None, "kill -9 of broker I of a cluster"),
    "stop-broker": (Cluster.stop_one, None, "end broker I as an administrator would: it hands its topics over"),
    "start-broker": (Cluster.start_one, Cluster.wait_for_one, "start broker I again"),
    "kill-bookie": (Cluster.kill_bookie, None, "kill -9 of bookie I of a cluster"),
    "start-bookie": (Cluster.start_bookie, Cluster.wait_for_bookie, "start bookie I again"),
}
"""What the command line does to one part of a cluster, and what it then waits for."""


def _port(kind: str, index: int) -> str:
    """Return the name of a broker's port; those of the first are named as a standalone broker's."""
    return kind if index == 0 else f"{kind}-{index}"
