#!/usr/bin/env python3
"""A real Apache Pulsar broker for any test in any language, without a container.

    pulsar.py run [WANTED] [--secure] [--remote] [--state DIR] -- COMMAND ARGS...
        Start, run COMMAND with the variables below, stop everything, exit with COMMAND's status.
        With PULSAR_URL already set it starts nothing: COMMAND uses that broker.

    pulsar.py start [WANTED] [--state DIR]  start, print what it offers as JSON, leave it running
    pulsar.py stop --state DIR              end what `start` started, and remove its data
    pulsar.py kill --state DIR              kill -9 of the broker; its proxies stay
    pulsar.py restart --state DIR           start it again, killed first if it runs, on its data and ports; prints JSON
    pulsar.py kill-proxy I --state DIR      kill -9 of WebSocket proxy I, counted from 0
    pulsar.py start-proxy I --state DIR     start it again
    pulsar.py kill-broker I --state DIR     kill -9 of broker I of a cluster (--brokers); stop-broker ends it in order
    pulsar.py start-broker I --state DIR    start it again
    pulsar.py kill-bookie I --state DIR     kill -9 of bookie I of a cluster; start-bookie starts it again

WANTED: --tls (wss and https ports besides the plain ones), --jwt (tokens), --mtls (client certificates, needs --tls),
--basic (users with passwords), --oauth2 (an OAuth2 issuer, needs --basic),
--proxies N (WebSocket proxies of their own, for failover), --brokers N and --bookies M (a cluster with a ZooKeeper
instead of a standalone broker), --version V (of Pulsar), --memory SIZE and --set KEY=VALUE (more of it, and settings
of the broker's configuration), --set-proxy KEY=VALUE (of the proxies' configuration). Authentication holds for the
whole broker, its plain ports too. So a test of both worlds says `run --secure`, which starts a second broker, with
--tls --jwt --mtls, beside the first one. `run --remote` starts a standalone broker of another cluster, `remote`, beside
it; nothing is replicated until a test sets that up.

A state folder named with --state keeps its logs; a temporary one goes with the broker. With several brokers each has a
folder of its own in DIR: DIR/plain, DIR/secure, DIR/remote.

What COMMAND finds in its environment, where it was asked for. The second broker of --secure has the same names with
PULSAR_SECURE_ for PULSAR_ (PULSAR_SECURE_WSS_URL, PULSAR_SECURE_TOKEN ...), that of --remote PULSAR_REMOTE_; PULSAR_CTL
serves all of them.

    PULSAR_URL, PULSAR_HTTP_URL, PULSAR_BINARY_URL          ws://, http:// (admin) and pulsar:// on 127.0.0.1
    PULSAR_WSS_URL, PULSAR_HTTPS_URL, PULSAR_BINARY_TLS_URL wss://, https://, pulsar+ssl://       with --tls
    PULSAR_CA_FILE                                          what to trust, PEM                    with --tls
    PULSAR_TOKEN                                            of the superuser, role `admin`        with --jwt
    PULSAR_TOKEN_OTHER, _EXPIRED, _WRONG                    role `other`, which has no rights until granted; expired;
                                                            signed with a key the broker does not know
    PULSAR_CLIENT_CERT, PULSAR_CLIENT_KEY                   of the superuser, PEM files           with --mtls
    PULSAR_CLIENT_CERT_OTHER, PULSAR_CLIENT_KEY_OTHER       role `other`
    PULSAR_CLIENT_CERT_EXPIRED, PULSAR_CLIENT_KEY_EXPIRED   of the superuser, until yesterday
    PULSAR_CLIENT_CERT_FOREIGN, PULSAR_CLIENT_KEY_FOREIGN   of an authority that the broker refuses
    PULSAR_PASSWORD, PULSAR_PASSWORD_OTHER                  of the users `admin` and `other`      with --basic
    PULSAR_ISSUER, PULSAR_ISSUER_BRIEF                      http://..., whose tokens are valid for an hour and for 4 s;
                                                            their audience is `pulsar`            with --oauth2
    PULSAR_CLIENT_SECRET, PULSAR_CLIENT_SECRET_OTHER        of the clients `admin` and `other`    with --oauth2
    PULSAR_ISSUER_PID                                       the process of the issuer             with --oauth2
    PULSAR_PROXY_URLS                                       ws://..., comma separated             with --proxies
    PULSAR_BROKER_URLS                                      ws://..., comma separated             with --brokers
    PULSAR_VERSION                                          such as 4.0.8
    PULSAR_STATE, PULSAR_CTL                                for `$PULSAR_CTL kill --state "$PULSAR_STATE"` and the like

Exit status: 2 if a tool is missing or the arguments are wrong, 1 if the broker does not start, 128+N after signal N.
Needs Python 3.11, a JDK of 17 or later, openssl for --tls, and Maven the first time (and whenever pom.xml changes).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

import cluster
from broker import Broker, Wanted
from toolchain import VERSION, VERSIONS, PulsarError

SECURE = Wanted(tls=True, jwt=True, mtls=True)


def main() -> int:
    """Do what the command line says; the exit status."""
    arguments = _parse(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:  # As under nohup.
            signal.signal(number, _interrupt)
    try:
        status: int = arguments.do(arguments)
    except PulsarError as error:
        print(f"pulsar: {error}", file=sys.stderr)
        status = error.exit_status
    except Interrupted as interrupted:
        status = 128 + interrupted.signal
    return status


# ---- the commands ----


def run(arguments: argparse.Namespace) -> int:
    """`run`: a broker for as long as a command takes."""
    command: list[str] = arguments.command
    environment = dict(os.environ)
    if url := environment.get("PULSAR_URL"):
        print(f"pulsar: starting nothing, PULSAR_URL is {url}", file=sys.stderr)
        return _run_command(command, environment)

    wanted = {"plain": _wanted(arguments)}
    if arguments.secure:
        wanted["secure"] = replace(SECURE, version=arguments.version)
    if arguments.remote:
        wanted["remote"] = replace(wanted["plain"], settings={**wanted["plain"].settings, "clusterName": "remote"})
    # With several brokers each gets a folder of its own in the one that was named.
    named: Path | None = arguments.state
    guard = Guard()
    try:
        brokers = {}
        for name, offer in wanted.items():
            prefix = "PULSAR_" if name == "plain" else f"PULSAR_{name.upper()}_"
            brokers[prefix] = cluster.create(offer, named and (named / name if len(wanted) > 1 else named))
            guard.watch(brokers[prefix])
            brokers[prefix].start()
        for prefix, broker in brokers.items():
            broker.wait_until_ready()
            environment |= broker.environment(prefix)
        environment["PULSAR_CTL"] = shlex.join([sys.executable, str(Path(__file__).resolve())])
        return _run_command(command, environment)
    finally:
        guard.stop_all()


def start(arguments: argparse.Namespace) -> int:
    """`start`: a broker that outlives this command, unless it fails to start."""
    broker = cluster.create(_wanted(arguments), arguments.state)
    try:
        broker.start()
        broker.wait_until_ready()
    except BaseException:
        broker.stop()
        raise
    return _print(broker)


def stop(arguments: argparse.Namespace) -> int:
    """`stop`: end what `start` left running."""
    cluster.load(arguments.state).stop()
    return 0


def kill(arguments: argparse.Namespace) -> int:
    """`kill`: crash the broker."""
    cluster.load(arguments.state).kill_broker()
    return 0


def restart(arguments: argparse.Namespace) -> int:
    """`restart`: the broker again, with everything it had."""
    broker = cluster.load(arguments.state)
    broker.start_broker()
    broker.wait_until_ready()
    return _print(broker)


def kill_proxy(arguments: argparse.Namespace) -> int:
    """`kill-proxy`: crash one WebSocket proxy."""
    cluster.load(arguments.state).kill_proxy(arguments.index)
    return 0


def start_proxy(arguments: argparse.Namespace) -> int:
    """`start-proxy`: that proxy again."""
    broker = cluster.load(arguments.state)
    broker.start_proxy(arguments.index)
    broker.wait_for_proxy(arguments.index)
    return 0


def part(arguments: argparse.Namespace) -> int:
    """`kill-broker` and the like: one part of a cluster."""
    act, wait, _ = cluster.ACTIONS[arguments.action]
    found = cluster.load_cluster(arguments.state)
    act(found, arguments.index)
    if wait:
        wait(found, arguments.index)
    return 0


def guard(arguments: argparse.Namespace) -> int:
    """What a `Guard` runs: read folders, one a line, until the other end of the pipe is gone; then stop them all."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    for folder in sys.stdin.read().splitlines():
        with contextlib.suppress(PulsarError):  # The command itself may have stopped it.
            cluster.load(Path(folder)).stop()
    return 0


# ---- helpers ----


class Guard:
    """A small process that stops brokers when this one ends, even by kill -9: then the pipe between them closes."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "guard"], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def watch(self, broker: Broker) -> None:
        """Have `broker` stopped at the end. Called before it starts, so that there is no moment without a guard."""
        assert self._process.stdin is not None
        print(broker.folder, file=self._process.stdin, flush=True)

    def stop_all(self) -> None:
        """Stop them now, and return when they are gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Interrupted(Exception):
    """A signal that asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _run_command(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` to its end, or to ours: its exit status as a shell would give it."""
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise PulsarError(f"cannot run {command[0]}: {error.strerror}") from None
    try:
        status = process.wait()
    except Interrupted as interrupted:
        # A terminal's Ctrl-C reaches the command too: leave it a moment to end by itself.
        patience = [3, 10] if interrupted.signal == signal.SIGINT else [0, 10]
        for seconds, end in zip(patience, (process.terminate, process.kill), strict=True):
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                end()
        process.wait()
        raise
    return status if status >= 0 else 128 - status


def _wanted(arguments: argparse.Namespace) -> Wanted:
    return Wanted(
        tls=arguments.tls,
        jwt=arguments.jwt,
        mtls=arguments.mtls,
        basic=arguments.basic,
        oauth2=arguments.oauth2,
        proxies=arguments.proxies,
        brokers=arguments.brokers,
        bookies=arguments.bookies,
        version=arguments.version,
        memory=arguments.memory,
        settings=dict(arguments.settings),
        proxy_settings=dict(arguments.proxy_settings),
    )


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def _print(broker: Broker) -> int:
    print(json.dumps(broker.describe(), indent=2))
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    # Split here: argparse would swallow a later `--`, which belongs to COMMAND.
    end = argv.index("--") if "--" in argv else len(argv)
    argv, of_run = argv[:end], argv[end + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    wanted = argparse.ArgumentParser(add_help=False)
    wanted.add_argument("--tls", action="store_true", help="TLS ports besides the plain ones")
    wanted.add_argument("--jwt", action="store_true", help="authenticate by token")
    wanted.add_argument("--mtls", action="store_true", help="authenticate by client certificate (needs --tls)")
    wanted.add_argument("--basic", action="store_true", help="authenticate by user and password")
    wanted.add_argument("--oauth2", action="store_true", help="authenticate by token of an issuer (needs --basic)")
    wanted.add_argument("--proxies", type=int, default=0, metavar="N", help="WebSocket proxies of their own")
    wanted.add_argument("--brokers", type=int, default=0, metavar="N", help="a cluster of N brokers")
    wanted.add_argument("--bookies", type=int, default=1, metavar="M", help="bookies of the cluster")
    wanted.add_argument("--version", default=VERSION, choices=VERSIONS, help="of Pulsar")
    wanted.add_argument("--memory", metavar="SIZE", help="each broker's heap, and as much outside of it")
    wanted.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the broker's standalone.conf; may be repeated",
    )
    wanted.add_argument(
        "--set-proxy",
        dest="proxy_settings",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the proxies' websocket.conf; may be repeated",
    )
    wanted.add_argument("--state", type=Path, metavar="DIR", help="folder for data and logs (default: a temporary one)")

    usage = "%(prog)s [WANTED] [--secure] [--remote] [--state DIR] -- COMMAND ARGS..."
    command = commands.add_parser("run", parents=[wanted], help="start, run a command, stop", usage=usage)
    command.add_argument("--secure", action="store_true", help="a second broker with --tls --jwt --mtls")
    command.add_argument("--remote", action="store_true", help="a second broker of another cluster")
    command.set_defaults(do=run, command=of_run)
    command = commands.add_parser("start", parents=[wanted], help="start and leave running")
    command.set_defaults(do=start)
    commands.add_parser("guard").set_defaults(do=guard)

    for name, do, text in (
        ("stop", stop, "end what start started"),
        ("kill", kill, "kill -9 of the broker"),
        ("restart", restart, "start again on the same data and ports"),
        ("kill-proxy", kill_proxy, "kill -9 of a proxy"),
        ("start-proxy", start_proxy, "start a proxy again"),
    ):
        command = commands.add_parser(name, help=text)
        if name.endswith("-proxy"):
            command.add_argument("index", type=int, metavar="I", help="which proxy, from 0")
        command.add_argument("--state", type=Path, metavar="DIR", required=True, help="the folder printed by start")
        command.set_defaults(do=do)
    for action, (_, _, text) in cluster.ACTIONS.items():
        command = commands.add_parser(action, help=text)
        command.add_argument("index", type=int, metavar="I", help="which one, from 0")
        command.add_argument("--state", type=Path, metavar="DIR", required=True, help="the folder printed by start")
        command.set_defaults(do=part, action=action)
    arguments = parser.parse_args(argv)
    if (arguments.do is run) != bool(of_run):
        parser.error("`run`, and nothing else, takes a command after `--`")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
