#!/usr/bin/env python3
"""Drives `stargate` as a person does: on a pseudo-terminal for progress, questions and Ctrl-C, else through pipes.

    python3 tests/command/test_command.py [unittest arguments]

It takes the binary of STARGATE_COMMAND, else that of target/debug, and the broker at PULSAR_URL, else its own mock.
"""

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest
import uuid
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = os.environ.get("STARGATE_COMMAND", str(ROOT / "target/debug/stargate"))
REAL = os.environ.get("PULSAR_URL")
SECURE = os.environ.get("PULSAR_SECURE_WSS_URL")
DEADLINE = 60


@contextlib.contextmanager
def mock(*arguments: str) -> Iterator[str]:
    """Run a mock broker, and give its URL."""
    with subprocess.Popen([COMMAND, "mock", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout
        try:
            yield broker.stdout.readline().strip()
        finally:
            broker.terminate()


class Terminal:
    """A command on a pseudo-terminal. Standard output may be a pipe instead."""

    def __init__(self, arguments: list[str], environment: dict[str, str], *, pipe_output: bool = False) -> None:
        self.shown = b""
        self._pipe, output = os.pipe() if pipe_output else (None, None)
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            if output is not None:
                os.dup2(output, 1)
            os.execve(COMMAND, [COMMAND, *arguments], environment)
        if output is not None:
            os.close(output)

    def wait_for(self, pattern: bytes) -> None:
        """Read until the terminal shows this."""
        end = time.monotonic() + DEADLINE
        while not re.search(pattern, self.shown):
            assert time.monotonic() < end, self.shown
            if not self._read(end):
                raise AssertionError(self.shown)

    def wait_for_no_echo(self) -> None:
        """Wait until the terminal does not show what is typed."""
        end = time.monotonic() + DEADLINE
        while termios.tcgetattr(self._terminal)[3] & termios.ECHO:
            assert time.monotonic() < end, self.shown
            time.sleep(0.01)

    def type(self, text: bytes) -> None:
        """Press these keys."""
        os.write(self._terminal, text)

    def end(self) -> tuple[int, bytes]:
        """Wait for the exit code, and the bytes of the pipe."""
        piped = b""
        if self._pipe is not None:
            while piece := os.read(self._pipe, 65536):
                piped += piece
            os.close(self._pipe)
        while self._read(time.monotonic() + DEADLINE):
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1]), piped

    def _read(self, end: float) -> bool:
        if not select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self._terminal, 65536)
        except OSError:  # the command has ended
            return False
        self.shown += piece
        return bool(piece)


class WithBroker(unittest.TestCase):
    """A broker, and a home directory without contexts."""

    def setUp(self) -> None:
        self._stack = contextlib.ExitStack()
        self.addCleanup(self._stack.close)
        self.url = REAL or self._stack.enter_context(mock())
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.topic = f"command-{uuid.uuid4().hex}"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STARGATE_")}
        return {**kept, "STARGATE_URL": self.url, "HOME": str(self.folder), "TERM": "xterm", **more}

    def run_command(self, *arguments: str, text: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [COMMAND, *arguments],
            input=text,
            capture_output=True,
            check=False,
            timeout=DEADLINE,
            cwd=self.folder,
            env=self.environment(**more),
        )

    def ok(self, *arguments: str, text: bytes = b"", **more: str) -> bytes:
        done = self.run_command(*arguments, text=text, **more)
        self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)
        return done.stdout

    def terminal(self, *arguments: str, pipe_output: bool = False, **more: str) -> Terminal:
        return Terminal(list(arguments), self.environment(**more), pipe_output=pipe_output)


class OnATerminal(WithBroker):
    """What a person sees."""

    def test_progress_is_on_the_terminal_and_payloads_are_in_the_pipe(self) -> None:
        self.ok("produce", self.topic, text=b"one\ntwo\n")
        reading = self.terminal("read", self.topic, pipe_output=True)
        reading.wait_for(rb"2 messages")
        reading.type(b"\x03")
        code, piped = reading.end()
        self.assertEqual((code, piped), (130, b"one\ntwo\n"))

    def test_quiet_shows_no_progress(self) -> None:
        self.ok("produce", self.topic, text=b"one\n")
        reading = self.terminal("-q", "read", self.topic, "-e", pipe_output=True)
        code, piped = reading.end()
        self.assertEqual((code, piped, reading.shown), (0, b"one\n", b""))

    def test_a_deletion_asks(self) -> None:
        self.ok("topics", "create", self.topic)
        for answer, code in ((b"n\n", 1), (b"\n", 1), (b"y\n", 0)):
            deleting = self.terminal("topics", "delete", self.topic)
            deleting.wait_for(rb"Delete topic .*\? \[y/N\] ")
            deleting.type(answer)
            self.assertEqual(deleting.end()[0], code, deleting.shown)
        listed = self.ok("topics", "ls").decode()
        self.assertNotIn(self.topic, listed)

    def test_a_secret_is_asked_for_and_not_shown(self) -> None:
        asking = self.terminal("-X", "auth_token", "topics", "create", self.topic)
        asking.wait_for(rb"auth_token: ")
        asking.wait_for_no_echo()
        asking.type(b"s3cret\n")
        self.assertEqual(asking.end()[0], 0, asking.shown)
        self.assertNotIn(b"s3cret", asking.shown)

    def test_a_secret_is_asked_for_once(self) -> None:
        asking = self.terminal("-X", "auth_token", "bench", "rtt", self.topic, "-n", "1")
        asking.wait_for(rb"auth_token: ")
        asking.wait_for_no_echo()
        asking.type(b"s3cret\n")
        self.assertEqual(asking.end()[0], 0, asking.shown)
        self.assertEqual(asking.shown.count(b"auth_token: "), 1)

    def test_ctrl_c_ends_the_intake_and_reports_the_count(self) -> None:
        producing = self.terminal("produce", self.topic)
        producing.type(b"typed line\n")
        end = time.monotonic() + DEADLINE
        while self.run_command("read", self.topic, "-e").stdout != b"typed line\n":
            self.assertLess(time.monotonic(), end)
        producing.type(b"\x03")
        producing.wait_for(rb"1 messages stored")
        self.assertEqual(producing.end()[0], 130)

    def test_help_has_colours_only_where_they_are_wanted(self) -> None:
        plain = self.terminal("help", NO_COLOR="1")
        plain.end()
        self.assertNotIn(b"\x1b[", plain.shown)
        self.assertNotIn(b"\x1b[", self.ok("help"))
        self.assertLessEqual(max(len(line) for line in self.ok("help").decode().splitlines()), 100)


class InAPipe(WithBroker):
    """What a script sees."""

    def test_templates_rates_and_files(self) -> None:
        begun = time.monotonic()
        self.ok("produce", self.topic, "-m", "{{n}} {{uuid}} {{time}}", "-n", "6", "--rate", "10", "-p", "at={{time}}")
        self.assertGreater(time.monotonic() - begun, 0.45)
        lines = self.ok("read", self.topic, "-e", "-f", "%s|%h\\n").decode().splitlines()
        self.assertEqual(len({line.split()[1] for line in lines}), 6)
        self.assertRegex(lines[5], r"^6 [0-9a-f-]{36} \d{13}\|at=\d{13}$")
        (self.folder / "a.bin").write_bytes(b"a\nb\0")
        (self.folder / "b.bin").write_bytes(b"\xff" * 700_000)
        self.ok("produce", f"{self.topic}-files", "--file-per-message", "-l", "a.bin", "b.bin")
        read = self.ok("read", f"{self.topic}-files", "-e", "-o", "raw")
        self.assertEqual(read, b"a\nb\0" + b"\xff" * 700_000)

    def test_tee_copies_the_input(self) -> None:
        self.assertEqual(self.ok("produce", self.topic, "-T", text=b"a\nb"), b"a\nb")
        self.assertEqual(self.ok("read", self.topic, "-e"), b"a\nb\n")

    def test_tee_copies_a_line_before_it_waits_for_the_next(self) -> None:
        with subprocess.Popen(
            [COMMAND, "produce", self.topic, "-T"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=self.environment(),
        ) as producing:
            assert producing.stdin
            assert producing.stdout
            producing.stdin.write(b"one\nhalf of ")
            self.assertTrue(select.select([producing.stdout], [], [], DEADLINE / 4)[0], "the line is held back")
            self.assertEqual(producing.stdout.read(100), b"one\n")
            producing.stdin.write(b"two\n")
            producing.stdin.close()
            self.assertEqual(producing.stdout.read(100), b"half of two\n")
        self.assertEqual(producing.returncode, 0)

    def test_a_write_that_fails_is_an_error(self) -> None:
        self.ok("produce", self.topic, "-K", ":", text=b"k:v\n")
        self.ok("subscriptions", "create", self.topic, "s", "--from", "earliest")
        for command in (
            ["produce", self.topic, "-T"],
            ["produce", self.topic, "--print-ids"],
            ["read", self.topic, "-e"],
            ["tail", self.topic],
            ["consume", self.topic, "-s", "s", "-e"],
            ["table", self.topic],
            ["table", self.topic, "k"],
            ["table", self.topic, "-o", "json"],
            ["dump", self.topic],
            ["topics", "ls"],
            ["topics", "get", self.topic],
            ["subscriptions", "peek", self.topic, "s"],
            ["subscriptions", "peek", self.topic, "s", "-o", "json"],
            ["namespaces", "ls"],
            ["tenants", "ls"],
            ["check"],
            ["bench", "sub", self.topic],
            ["context", "ls", "-o", "json"],
            ["mock", "--port", "0"],
            ["completion", "bash"],
            ["man"],
            ["version"],
            ["--version"],
            ["help"],
            ["read", "--help"],
        ):
            with self.subTest(command=command), Path("/dev/full").open("wb") as full:
                done = subprocess.run(
                    [COMMAND, *command],
                    input=b"line\n",
                    stdout=full,
                    stderr=subprocess.PIPE,
                    check=False,
                    timeout=DEADLINE,
                    env=self.environment(),
                )
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(b"stargate: standard output: No space left on device", done.stderr)
        # What could not be printed was not acknowledged, and what could not be copied was sent.
        self.assertEqual(json.loads(self.ok("subscriptions", "peek", self.topic, "s", "-o", "json"))["payload"], "v")
        self.assertEqual(self.ok("read", self.topic, "-e"), b"v\nline\nline\n")

    def test_tail_prints_what_there_is(self) -> None:
        self.ok("produce", self.topic, text=b"a\nb\nc\n")
        for count, lines in (("1", b"c\n"), ("3", b"a\nb\nc\n"), ("4", b"a\nb\nc\n"), ("100", b"a\nb\nc\n")):
            self.assertEqual(self.ok("tail", self.topic, "-n", count), lines)
        self.assertEqual(self.ok("read", self.topic, "--from", "-10", "-e"), b"a\nb\nc\n")

    def test_filters_choose_by_key_and_property(self) -> None:
        self.ok("produce", self.topic, "-m", "{{n}}", "-k", "k{{n}}", "-p", "even=no", "-n", "3")
        self.ok("produce", self.topic, "-m", "4", "-k", "k4", "-p", "even=yes")
        self.assertEqual(self.ok("read", self.topic, "-e", "--filter", "key=[23]"), b"2\n3\n")
        self.assertEqual(self.ok("read", self.topic, "-e", "--filter", "key=k", "--filter", "prop.even=^y"), b"4\n")
        consume = ["consume", self.topic, "-s", "s", "-t", "shared", "--from", "earliest", "-e"]
        self.assertEqual(self.ok(*consume, "--filter", "prop.even=yes"), b"4\n")
        self.assertEqual(self.ok(*consume), b"1\n2\n3\n")

    def test_a_delayed_message_comes_later(self) -> None:
        self.ok("subscriptions", "create", self.topic, "s")
        self.ok("produce", self.topic, "-m", "later", "--deliver-after", "2s")
        begun = time.monotonic()
        consume = ["consume", self.topic, "-s", "s", "-t", "shared", "-n", "1"]
        self.assertEqual(self.ok(*consume, "--unsubscribe"), b"later\n")
        self.assertGreater(time.monotonic() - begun, 1)
        self.assertEqual(self.ok("subscriptions", "ls", self.topic), b"")

    def test_a_table_has_the_newest_of_each_key(self) -> None:
        self.ok("produce", self.topic, "-K", ":", text=b"b:1\na:1\nb:2\nc:1\nno key\n")
        self.ok("table", self.topic, "--delete", "c")
        self.assertEqual(self.ok("table", self.topic, "-o", "csv"), b"key,payload\na,1\nb,2\n")
        self.assertEqual(self.ok("table", self.topic, "b"), b"2\n")
        self.assertEqual(self.run_command("table", self.topic, "c").returncode, 3)
        rows = json.loads(self.ok("table", self.topic, "-o", "json"))
        self.assertEqual([(row["key"], row["payload"]) for row in rows], [("a", "1"), ("b", "2")])

    def test_a_dump_restores_all_of_a_message(self) -> None:
        line = {"key": "k", "payload": "text", "properties": {"p": "v"}, "event_time": 1795865400000}
        self.ok("produce", self.topic, "-J", text=json.dumps(line).encode() + b"\n")
        self.ok("produce", self.topic, "-D", "none", text=b"\xff\0" * 300_000)
        self.ok("dump", self.topic, "dump.jsonl")
        self.ok("restore", f"{self.topic}-copy", "dump.jsonl")
        fields = ["key", "payload", "payload_base64", "properties", "event_time"]
        both = [self.ok("dump", topic).splitlines() for topic in (self.topic, f"{self.topic}-copy")]
        picked = [[{name: json.loads(line).get(name) for name in fields} for line in lines] for lines in both]
        self.assertEqual(picked[0], picked[1])
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["dump.jsonl"])
        again = self.run_command("dump", self.topic, "dump.jsonl")
        self.assertEqual(again.returncode, 1)
        self.assertIn(b"dump.jsonl: File exists", again.stderr)

    def test_a_dump_that_fails_leaves_no_file(self) -> None:
        failed = self.run_command("dump", f"no-tenant/nowhere/{self.topic}", "dump.jsonl")
        self.assertNotEqual(failed.returncode, 0)
        failed = self.run_command("--url", "ws://127.0.0.1:9", "-X", "connect_timeout=1000", "dump", "t", "dump.jsonl")
        self.assertNotEqual(failed.returncode, 0)
        self.assertEqual(list(self.folder.iterdir()), [])
        (self.folder / "dump.jsonl.unfinished").touch()
        refused = self.run_command("dump", self.topic, "dump.jsonl")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"dump.jsonl.unfinished: another dump is writing it, or one was killed", refused.stderr)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["dump.jsonl.unfinished"])

    def test_a_restore_refuses_a_pipe(self) -> None:
        refused = self.run_command("restore", self.topic, "/dev/stdin", text=b'{"payload": "one"}\n')
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"restore needs a regular file", refused.stderr)

    def test_a_restore_goes_on_where_it_was_killed(self) -> None:
        lines = [json.dumps({"payload": str(number)}) + "\n" for number in range(5000)]
        (self.folder / "dump.jsonl").write_text("".join(lines))
        environment = self.environment()
        with subprocess.Popen(
            [COMMAND, "restore", self.topic, "dump.jsonl", "--rate", "1500"], cwd=self.folder, env=environment
        ) as killed:
            state = self.folder / "dump.jsonl.restored"
            end = time.monotonic() + DEADLINE
            while not (state.exists() and json.loads(state.read_text())["lines"] > 500):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            killed.kill()
        other = self.run_command("restore", f"{self.topic}-other", "dump.jsonl")
        self.assertEqual(other.returncode, 1)
        self.assertIn(b"to send the file from its beginning, remove", other.stderr)
        done = self.run_command("restore", self.topic, "dump.jsonl")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, rb"goes on at line \d{3,4}\n")
        stored = [int(line) for line in self.ok("read", self.topic, "-e").split()]
        self.assertEqual(sorted(set(stored)), list(range(5000)))
        self.assertLess(len(stored), 9000, "it began at the first line again")

    def test_subscriptions_are_looked_into_and_moved(self) -> None:
        self.ok("subscriptions", "create", self.topic, "s")
        self.ok("produce", self.topic, text=b"a\nb\nc\n")
        peek = ["subscriptions", "peek", self.topic, "s", "-o", "json"]
        shown = lambda count: [json.loads(line)["payload"] for line in self.ok(*peek, "-n", count).splitlines()]  # noqa: E731
        self.assertEqual(shown("2"), ["a", "b"])
        self.ok("subscriptions", "skip", self.topic, "s", "2")
        self.assertEqual(shown("5"), ["c"])
        self.ok("subscriptions", "seek", self.topic, "s", "earliest")
        self.assertEqual(shown("5"), ["a", "b", "c"])
        self.ok("subscriptions", "clear", self.topic, "s", "-y")
        self.assertEqual(self.run_command(*peek).returncode, 3)
        self.assertIn(b"backlog,0\n", self.ok("subscriptions", "stats", self.topic, "s", "-o", "csv"))

    def test_bench_counts_every_message(self) -> None:
        sent = json.loads(self.ok("bench", "pub", self.topic, "-n", "500", "--rate", "2000", "--json"))
        self.assertEqual((sent["messages"], sent["failed"], sent["bytes"]), (500, 0, 50_000))
        self.assertLess(sent["messages_per_second"], 2100)
        latency = sent["latency_us"]
        self.assertTrue(0 < latency["p50"] <= latency["p99"] <= latency["p99.9"] <= latency["max"], latency)
        self.assertEqual(json.loads(self.ok("bench", "sub", self.topic, "--json"))["messages"], 500)
        turned = self.ok("bench", "rtt", self.topic, "-n", "50", "--rate", "200").decode()
        self.assertRegex(turned, r"^50 messages in ")
        self.assertRegex(turned, r"\n +max +[\d.]+ (ms|µs)\n")

    def test_bench_rtt_waits_for_a_slow_schedule(self) -> None:
        begun = time.monotonic()
        options = ["-X", "send_timeout=20000", "-X", "receiver_queue_size=50"]
        turned = self.ok("bench", "rtt", self.topic, "-n", "5", "--rate", "2", "--json", *options)
        measured = json.loads(turned)
        self.assertEqual((measured["messages"], measured["failed"]), (5, 0))
        self.assertLess(time.monotonic() - begun, 20)
        refused = self.run_command("bench", "rtt", self.topic, "-X", "subscription_type=shared")
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"this option is for a consumer", refused.stderr)

    def test_an_option_that_the_command_sets_itself_is_refused(self) -> None:
        for command, option, why in (
            (["read", self.topic], "starting_message=latest", "give --from instead"),
            (["table", self.topic], "starting_message=latest", "table always begins with the earliest message"),
            (["bench", "sub", self.topic], "starting_message=latest", "begins with the earliest message"),
            (["bench", "pub", self.topic], "max_pending_msg=5", "give --in-flight instead"),
            (["check", "--topic", self.topic], "starting_message=latest", "check reads only what it sends"),
            (["produce", self.topic, "--batch"], "batch_enabled=false", "--batch sets it"),
            (["produce", self.topic, "--compression", "lz4"], "compression_type=zlib", "--compression sets it"),
            (["consume", self.topic, "-s", "s", "-t", "shared"], "subscription_type=failover", "give -t alone"),
        ):
            refused = self.run_command(*command, "-X", option)
            said = f"stargate: -X {option.partition('=')[0]}: {why}\n"
            self.assertEqual((refused.returncode, refused.stderr.decode()[-len(why) - 1 :]), (2, f"{why}\n"), said)
            self.assertTrue(refused.stderr.startswith(f"stargate: -X {option.partition('=')[0]}: ".encode()))

    def test_check_names_the_step_that_fails(self) -> None:
        steps = json.loads(
            self.ok("check", "--topic", self.topic, "--json", "-X", "send_timeout=9000", "-X", "receiver_queue_size=9")
        )
        self.assertTrue(all(step["ok"] for step in steps))
        self.assertEqual([step["step"] for step in steps][-4:], ["reader", "producer", "send", "receive"])
        for url, step, remedy in (
            ("ws://no-such-host.invalid:8080", "name", "resolver"),
            ("ws://127.0.0.1:9", "TCP", "firewall"),
        ):
            failed = self.run_command("--url", url, "check", "--json")
            self.assertEqual(failed.returncode, 1)
            last = json.loads(failed.stdout)[-1]
            self.assertEqual((last["step"], last["ok"]), (step, False))
            self.assertIn(remedy, last["remedy"])

    @unittest.skipUnless(SECURE, "only a real broker checks tokens and certificates")
    def test_check_of_a_secure_broker_names_each_fault(self) -> None:
        def check(*options: str, topic: str = self.topic, **more: str) -> tuple[int, list[dict[str, str]]]:
            done = self.run_command("-q", "--url", str(SECURE), "check", "--json", "--topic", topic, *options, **more)
            self.assertEqual(done.stderr, b"")
            return done.returncode, json.loads(done.stdout)

        trusted = ["-X", "tls_ca_file=" + os.environ["PULSAR_SECURE_CA_FILE"]]
        token = {"STARGATE_TOKEN": os.environ["PULSAR_SECURE_TOKEN"]}
        code, steps = check(*trusted, **token)
        self.assertEqual(code, 0, steps)
        found = {step["step"]: step["found"] for step in steps}
        self.assertIn("Pulsar", found["TLS, HTTP"])
        self.assertIn("for admin", found["token"])
        self.assertEqual([step["step"] for step in steps][-4:], ["reader", "producer", "send", "receive"])
        code, steps = check(**token)
        failed = next(step for step in steps if not step["ok"])
        self.assertEqual((code, failed["step"], steps[-1]), (4, "TLS, HTTP", failed), steps)
        self.assertIn("-X tls_ca_file=ca.pem", failed["remedy"])
        for name, step, remedy in (
            ("EXPIRED", "token", "get a new token"),
            ("WRONG", "REST", "give the credentials"),
            ("OTHER", "reader", "ask an administrator"),
        ):
            code, steps = check(*trusted, STARGATE_TOKEN=os.environ[f"PULSAR_SECURE_TOKEN_{name}"])
            failed = next(step for step in steps if not step["ok"])
            self.assertEqual((code, failed["step"]), (4, step), (name, steps))
            self.assertIn(remedy, failed["remedy"], name)
        code, steps = check(*trusted)
        self.assertEqual(code, 4, steps)
        self.assertIn("give the credentials", next(step for step in steps if not step["ok"])["remedy"])

    def test_a_broken_file_of_contexts_is_not_quoted(self) -> None:
        kept = self.folder / ".config/stargate/contexts.toml"
        kept.parent.mkdir(parents=True)
        kept.write_text('current = "a"\ncontexts = "hunter2"\n')
        kept.chmod(0o600)
        broken = self.run_command("context", "ls")
        self.assertNotEqual(broken.returncode, 0)
        self.assertIn(b"line 2 cannot be read", broken.stderr)
        self.assertNotIn(b"hunter2", broken.stderr)

    def test_contexts_keep_secrets_to_themselves(self) -> None:
        conf = self.folder / "client.conf"
        conf.write_text(
            f"webServiceUrl={self.url.replace('ws', 'http', 1)}\nbrokerServiceUrl=pulsar://localhost:6650/\n"
            "# a comment\nauthPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken\n"
            "authParams=token:s3cret\nuseKeyStoreTls=true\n"
        )
        imported = self.run_command("context", "import", "client.conf", "--name", "pulsar")
        self.assertEqual(imported.returncode, 0, imported.stderr)
        self.assertIn(b"useKeyStoreTls has no counterpart", imported.stderr)
        kept = self.folder / ".config/stargate/contexts.toml"
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.assertIn("s3cret", kept.read_text())
        listed = self.ok("context", "ls")
        self.assertNotIn(b"s3cret", listed + imported.stderr)
        self.assertIn(b"auth_token=(secret)", listed)
        self.ok("context", "use", "pulsar")
        self.assertIn(b"*", self.ok("context", "ls", "-o", "csv"))
        self.assertEqual(self.ok("produce", self.topic, "-m", "by context", STARGATE_URL=""), b"")
        self.assertEqual(self.ok("read", self.topic, "-e"), b"by context\n")
        kept.chmod(0o644)
        refused = self.run_command("topics", "ls", STARGATE_URL="")
        self.assertIn(b"chmod 600", refused.stderr)
        kept.chmod(0o600)
        self.ok("context", "rm", "pulsar")
        missing = self.run_command("--context", "pulsar", "topics", "ls")
        self.assertEqual(missing.returncode, 2)

    def test_a_context_keeps_options_of_handles(self) -> None:
        options = ["-X", "max_message_frame_bytes=2000", "-X", "receiver_queue_size=20", "-X", "send_timeout=9000"]
        self.ok("--url", self.url, "context", "add", "small", *options)
        self.ok("context", "use", "small")
        long = self.run_command("produce", self.topic, text=b"x" * 3000 + b"\nshort\n", STARGATE_URL="")
        self.assertEqual(long.returncode, 1)
        self.assertIn(b"line 1: no receipt: 3000 bytes are more than the limit of 2000", long.stderr)
        self.assertEqual(self.ok("read", self.topic, "-e", STARGATE_URL=""), b"short\n")
        refused = self.run_command("--url", self.url, "context", "add", "bad", "-X", "receiver_queue_size=many")
        self.assertEqual(refused.returncode, 2)

    def test_paths_of_an_imported_file_are_found_from_anywhere(self) -> None:
        conf = self.folder / "pulsar/conf/client.conf"
        conf.parent.mkdir(parents=True)
        for name, key in (("ca.pem", "ca.pem"), ("conf/cert.pem", "client.pem"), ("key.pem", "client.key.pem")):
            shutil.copy(ROOT / "tests/keys/tls" / key, self.folder / "pulsar" / name)
        plugin = "authPlugin=org.apache.pulsar.client.impl.auth.AuthenticationTls\n"
        params = "authParams=tlsCertFile:conf/cert.pem,tlsKeyFile:key.pem\n"
        conf.write_text("webServiceUrl=https://localhost:8443\ntlsTrustCertsFilePath=./ca.pem\n" + plugin + params)
        imported = self.run_command("context", "import", "pulsar/conf/client.conf")
        self.assertEqual(imported.returncode, 0, imported.stderr)
        kept = (self.folder / ".config/stargate/contexts.toml").read_text()
        home = str((self.folder / "pulsar").resolve())
        for option, path in (("cert", "conf/cert.pem"), ("key", "key.pem"), ("ca", "./ca.pem")):
            self.assertIn(f'tls_{option}_file = "{home}/{path}"', kept)
        self.assertNotIn("auth_params", kept)
        conf.write_text("webServiceUrl=https://localhost:8443\ntlsTrustCertsFilePath=no.pem\n")
        refused = self.run_command("context", "import", "pulsar/conf/client.conf")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"no.pem is not in {home} or {home}/conf: give an absolute path".encode(), refused.stderr)
        conf.write_text("webServiceUrl=https://localhost:8443\ntlsKeyFilePath=key.pem\n" + plugin + params)
        refused = self.run_command("context", "import", "pulsar/conf/client.conf")
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"tls_key_file and auth_params exclude each other", refused.stderr)

    def test_every_path_of_a_plugin_is_found_from_anywhere(self) -> None:
        folder = self.folder.resolve()
        rows = {
            ("token", "file:token.txt"): ("auth_token_file", f"{folder}/token.txt"),
            ("token", "file:///token.txt"): ("auth_token_file", "/token.txt"),
            ("oauth2", '{"issuerUrl": "https://idp", "privateKey": "file:key.json", "audience": "a"}'): (
                "oauth2_key_file",
                f"{folder}/key.json",
            ),
        }
        (self.folder / "key.json").write_text('{"client_id": "i", "client_secret": "s"}')
        kept = self.folder / ".config/stargate/contexts.toml"
        for (plugin, params), (option, path) in rows.items():
            (self.folder / "params").write_text(params)
            given = ["-X", f"auth_plugin={plugin}", "-X", "auth_params=@params"]
            self.ok("--url", "wss://localhost:8443", "context", "add", "it", *given)
            self.assertIn(f'{option} = "{path}"', kept.read_text())

    def test_a_secret_is_read_once(self) -> None:
        for command in (["bench", "rtt", self.topic, "-n", "1"], ["check", "--topic", self.topic]):
            read, write = os.pipe()
            os.write(write, b"s3cret\n")
            os.close(write)
            done = subprocess.run(
                [COMMAND, "-X", f"auth_token=@/dev/fd/{read}", *command],
                pass_fds=[read],
                capture_output=True,
                check=False,
                timeout=DEADLINE,
                env=self.environment(),
            )
            os.close(read)
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)

    def test_secrets_come_from_files_and_the_environment_alone(self) -> None:
        refused = self.run_command("-X", "basic_password=s3cret", "topics", "ls")
        self.assertEqual(refused.returncode, 2)
        self.assertNotIn(b"s3cret", refused.stderr)
        read = self.run_command("topics", "ls", STARGATE_AUTH_PARAMS="token:s3cret")
        self.assertEqual(read.returncode, 2)
        self.assertIn(b"auth_plugin and auth_params need each other", read.stderr)
        self.assertNotIn(b"s3cret", read.stderr)

    def test_a_million_bytes_on_a_closed_pipe_are_silent(self) -> None:
        self.ok("produce", self.topic, "-m", "x" * 1000, "-n", "2000")
        with subprocess.Popen(
            [COMMAND, "read", self.topic], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment()
        ) as reading:
            assert reading.stdout
            assert reading.stderr
            reading.stdout.read(10)
            reading.stdout.close()
            self.assertEqual(reading.stderr.read(), b"")
        self.assertEqual(reading.returncode, 0)

    def test_the_manual_has_a_page_for_each_command(self) -> None:
        self.ok("man", "--dir", "pages")
        pages = {path.name for path in (self.folder / "pages").iterdir()}
        self.assertGreaterEqual(pages, {"stargate.1", "stargate-produce.1", "stargate-subscriptions-seek.1"})
        self.assertIn(b".TH stargate 1", self.ok("man"))

    def test_schemas_are_kept_and_compared(self) -> None:
        record = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}
        (self.folder / "order.avsc").write_text(json.dumps(record))
        self.ok("topics", "create", self.topic)
        self.ok("schemas", "create", self.topic, "order.avsc")
        self.assertEqual(json.loads(self.ok("schemas", "get", self.topic)), record)
        self.assertIn(b"0,JSON,", self.ok("schemas", "ls", self.topic, "-o", "csv"))
        record["fields"] = [{"name": "id", "type": "string"}]
        (self.folder / "other.avsc").write_text(json.dumps(record))
        for options, code, said in [(["--dry-run"], 1, b"not compatible"), ([], 2, b"the broker refused (409)")]:
            refused = self.run_command("schemas", "create", self.topic, "other.avsc", *options)
            self.assertEqual(refused.returncode, code)
            self.assertIn(said, refused.stderr)
        self.ok("schemas", "delete", self.topic, "-y")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unittest.main()
