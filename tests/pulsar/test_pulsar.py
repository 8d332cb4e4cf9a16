"""The launcher keeps its promises. `python3 tests/pulsar/test_pulsar.py`: about a minute, with the jars there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster
import processes
from broker import Wanted
from toolchain import find_java

HERE = Path(__file__).resolve().parent
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PULSAR_")} | {"no_proxy": "*"}
TOPIC = "/persistent/public/default/orders"


def command(*arguments: object) -> list[str]:
    """Return the command line of pulsar.py."""
    return [sys.executable, str(HERE / "pulsar.py"), *map(str, arguments)]


def call(*arguments: object, environment: dict[str, str] = CLEAN) -> subprocess.CompletedProcess[str]:
    """Run pulsar.py to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, env=environment, timeout=200
    )


def eventually(is_true: Callable[[], object], what: str) -> None:
    """Wait for something that happens on its own."""
    deadline = time.monotonic() + 30
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"after 30 s still not: {what}")
        time.sleep(0.05)


class InFolder(unittest.TestCase):
    """Tests with a state folder, which must be without processes afterwards."""

    def setUp(self) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="test-pulsar-")).resolve()
        self.addCleanup(shutil.rmtree, self.state)
        self.addCleanup(processes.kill, self.state)

    def succeed(self, *arguments: object) -> str:
        done = call(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def assert_nothing_runs(self) -> None:
        self.assertEqual(processes.find(self.state), [])


class PlainBroker(InFolder):
    def test_start_kill_restart_stop(self) -> None:
        more = ("--memory", "600m", "--set", "ttlDurationDefaultInSeconds=77")
        first = json.loads(self.succeed("start", "--proxies", 1, *more, "--state", self.state))
        started = cluster.load(self.state)
        settings = json.loads(started.admin("GET", "/admin/v2/brokers/configuration/runtime")[1])
        self.assertEqual(settings["ttlDurationDefaultInSeconds"], "77")
        self.assertIn("-Xmx600m", Path(f"/proc/{first['pid']}/cmdline").read_text().split("\0"))
        self.assertEqual(started.admin("GET", "/admin/v2/brokers/health"), (200, b"ok"))
        self.assertEqual(len(processes.find(self.state)), 2, "the broker and one proxy")

        # A topic, a subscription and a message: what must outlive a crash.
        self.assertEqual(started.admin("PUT", f"/admin/v2{TOPIC}")[0], 204)
        self.assertEqual(started.admin("PUT", f"/admin/v2{TOPIC}/subscription/s", "earliest")[0], 204)
        schema = json.dumps({"name": "", "schema": "", "type": "BYTES", "properties": {}})
        sent = {"valueSchema": schema, "producerName": "p", "messages": [{"payload": "hello"}]}
        self.assertEqual(started.admin("POST", f"/topics{TOPIC}", sent)[0], 200)

        self.succeed("kill", "--state", self.state)
        self.assertRaises(OSError, started.admin, "GET", "/admin/v2/brokers/health")
        self.assertEqual(len(processes.find(self.state)), 1, "the proxy")
        again = json.loads(self.succeed("restart", "--state", self.state))
        self.assertNotEqual(again.pop("pid"), first.pop("pid"))
        self.assertEqual(again, first)
        # A broker that is just up may still answer 500 while it loads the topic.
        deadline = time.monotonic() + 30
        while (peeked := started.admin("GET", f"/admin/v2{TOPIC}/subscription/s/position/1"))[0] == 500:
            self.assertLess(time.monotonic(), deadline, peeked)
            time.sleep(0.2)
        self.assertEqual(peeked, (200, b"hello"))

        self.succeed("kill-proxy", 0, "--state", self.state)
        self.assertEqual(processes.find(self.state, "proxy-0"), [])
        self.succeed("start-proxy", 0, "--state", self.state)
        self.assertEqual(call("start-proxy", 1, "--state", self.state).returncode, 1, "there is no proxy 1")

        self.assertIn("stop it first", call("start", "--state", self.state).stderr)
        self.succeed("stop", "--state", self.state)
        self.assert_nothing_runs()
        self.assertFalse((self.state / "data").exists())
        log = (self.state / "log" / "broker.log").read_text()
        self.assertNotIn(" INFO ", log)
        self.assertLess(len(log), 200_000)
        self.assertIn("was stopped", call("restart", "--state", self.state).stderr)
        self.assert_nothing_runs()


class SecureBroker(InFolder):
    def test_who_may_do_what(self) -> None:
        about = json.loads(self.succeed("start", "--tls", "--jwt", "--mtls", "--state", self.state))
        started = cluster.load(self.state)
        tokens = about["tokens"]

        def status(token: str) -> int:
            return started.admin("GET", "/admin/v2/tenants", token=token)[0]

        self.assertTrue(about["https"].startswith("https://"))
        self.assertEqual(status(""), 401)
        self.assertEqual(status(tokens["admin"]), 200)
        self.assertEqual(status(tokens["expired"]), 401)
        self.assertEqual(status(tokens["wrong"]), 401)
        self.assertEqual(status(tokens["other"]), 401, "known, but without rights")

        self.assertEqual(self.status_with_certificate(about, "admin"), "200")
        self.assertEqual(self.status_with_certificate(about, "other"), "401")
        self.assertEqual(self.status_with_certificate(about, "foreign"), "refused")
        self.succeed("stop", "--state", self.state)
        self.assert_nothing_runs()

    def status_with_certificate(self, about: dict[str, Any], whose: str) -> str:
        """Return the status of one request over TLS with a client certificate, made by another client than ours."""
        program = (
            "import json, ssl, sys, urllib.request, urllib.error\n"
            "url, ca, cert, key = sys.argv[1:]\n"
            "context = ssl.create_default_context(cafile=ca)\n"
            "context.load_cert_chain(cert, key)\n"
            "try: print(urllib.request.urlopen(url, context=context, timeout=10).status)\n"
            "except urllib.error.HTTPError as error: print(error.code)\n"
            "except OSError: print('refused')\n"
        )
        files = about["client_certs"][whose]
        arguments = [about["https"] + "/admin/v2/tenants", about["ca_file"], files["cert"], files["key"]]
        return subprocess.check_output([sys.executable, "-c", program, *arguments], text=True).strip()


class Run(InFolder):
    def test_command_sees_the_broker_and_its_status_is_passed_on(self) -> None:
        program = (
            "import os, urllib.request\n"
            "print(os.environ['PULSAR_URL'], os.environ['PULSAR_CTL'], os.environ['PULSAR_STATE'])\n"
            "print(urllib.request.urlopen(os.environ['PULSAR_HTTP_URL'] + '/admin/v2/brokers/health').read())\n"
            "raise SystemExit(7)"
        )
        done = call("run", "--state", self.state, "--", sys.executable, "-c", program)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn("ws://127.0.0.1:", done.stdout)
        self.assertIn("b'ok'", done.stdout)
        self.assert_nothing_runs()

    def test_nothing_is_left_when_run_is_killed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number.name):
                run = subprocess.Popen(command("run", "--state", self.state, "--", "true"), env=CLEAN)
                eventually(lambda: processes.find(self.state), "a broker runs")
                run.send_signal(number)
                self.assertEqual(run.wait(), 128 + number if number == signal.SIGTERM else -number)
                eventually(lambda: not processes.find(self.state), "no broker runs")
                eventually(lambda: not (self.state / "state.json").exists(), "the guard is done")

    def test_with_a_broker_given_nothing_is_started(self) -> None:
        environment = CLEAN | {"PULSAR_URL": "ws://example.invalid:8080"}
        program = ["sh", "-c", 'echo "$PULSAR_URL $@"; exit 3', "sh", "one", "--", "two"]
        done = call("run", "--state", self.state, "--", *program, environment=environment)
        self.assertEqual((done.returncode, done.stdout), (3, "ws://example.invalid:8080 one -- two\n"))
        self.assertIn("starting nothing", done.stderr)
        self.assert_nothing_runs()


class Memory(InFolder):
    def test_a_broker_of_a_cluster_gets_the_memory_that_was_asked_for(self) -> None:
        for memory in (None, "300m"):
            wanted = Wanted(brokers=1, memory=memory)
            made = cluster.create(wanted, self.state / str(memory))
            assert isinstance(made, cluster.Cluster)
            with unittest.mock.patch.object(made, "_launch") as launch:
                made.start_one(0)
            self.assertEqual(launch.call_args.args[-1], memory or cluster.MEMORY)


class Refusals(InFolder):
    def test_without_java(self) -> None:
        done = call("start", "--state", self.state, environment={"PATH": "/nonexistent"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("no java in PATH", done.stderr)
        self.assertIn("apt install openjdk-17-jdk-headless", done.stderr)

    def test_with_an_old_java(self) -> None:
        java = self.state / "bin" / "java"
        java.parent.mkdir()
        java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
        java.chmod(0o700)
        done = call("start", environment={"PATH": os.environ["PATH"], "JAVA_HOME": str(self.state)})
        self.assertEqual(done.returncode, 2)
        self.assertIn("is version 11, Pulsar needs 17 or later", done.stderr)

    def test_without_openssl_or_maven(self) -> None:
        # A copy of the launcher, in a repository that has no jars yet, and a PATH with nothing but java.
        copy = self.state / "repository" / "tests" / "pulsar"
        shutil.copytree(HERE, copy)
        (self.state / "bin").mkdir()
        (self.state / "bin" / "java").symlink_to(find_java())
        environment = {"PATH": str(self.state / "bin")}
        for flags, tool in ((["--tls"], "openssl"), ([], "mvn")):
            with self.subTest(tool=tool):
                arguments = [sys.executable, str(copy / "pulsar.py"), "start", *flags]
                done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"no {tool} on PATH: `apt install", done.stderr)

    def test_a_folder_with_something_else_in_it_is_left_alone(self) -> None:
        precious = self.state / "data"
        precious.mkdir()
        self.assertEqual(call("start", "--state", self.state).returncode, 1)
        self.assertEqual(call("stop", "--state", self.state).returncode, 1)
        self.assertTrue(precious.exists())

    def test_impossible_combinations(self) -> None:
        self.assertIn("need --tls", call("start", "--mtls").stderr)
        self.assertIn("proxies are plain", call("start", "--jwt", "--proxies", 1).stderr)
        self.assertIn("needs --basic", call("start", "--oauth2").stderr)
        other = ("start", "--basic", "--oauth2", "--version", "3.0.0")
        self.assertIn("goes with Pulsar", call(*other).stderr)
        self.assertIn("'memory' is not KEY=VALUE", call("start", "--set", "memory").stderr)


if __name__ == "__main__":
    unittest.main()
