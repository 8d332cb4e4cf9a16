"""Carries out a scenario of tests/scenarios/table with the Python library: `scenario.py SCENARIO [URL]`.

The README there describes the steps and what each of them prints.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import stargate
from stargate.testing import MockBroker

PATIENCE = 10.0
DEFAULT = "persistent://public/default/"
ESCAPE = re.compile(rb'\\(["\\]|x[0-9a-f]{2})')
WORD = re.compile(r'([a-z_]+)(?:\.([^= ]+))?=("(?:[^"\\]|\\.)*"|[^ "]*)|([^ ]+)')

Parameters = dict[str, bytes]


class Step(NamedTuple):
    """A line of a scenario. The properties of a message have their names after a dot."""

    verb: str
    handle: str
    given: Parameters


class UnknownStepError(Exception):
    """A step that this interpreter does not know."""


def parse(text: str) -> Iterator[Step]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            words: list[str] = []
            given: Parameters = {}
            for name, of, value, word in WORD.findall(line):
                if word:
                    words.append(word)
                else:
                    given[f"{name}.{of}" if of else name] = value_of(value)
            verb, handle = (*words, "")[:2]
            yield Step(verb, handle, given)


def value_of(text: str) -> bytes:
    if not text.startswith('"'):
        return text.encode()
    return ESCAPE.sub(lambda found: _unescaped(found[1]), text[1:-1].encode())


def _unescaped(escape: bytes) -> bytes:
    return bytes([int(escape[1:], 16)]) if len(escape) > 1 else escape


def quoted(data: bytes) -> str:
    def shown(byte: int) -> str:
        if byte in b'"\\':
            return "\\" + chr(byte)
        return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"

    return f'"{"".join(map(shown, data))}"'


def payload_text(data: bytes) -> str:
    if len(data) <= 64:
        return quoted(data)
    digest = 0
    for byte in data:
        digest = (digest * 31 + byte) & 0xFFFFFFFF
    return f"<{len(data)} bytes, hash {digest:08x}>"


def error_text(error: stargate.StargateError) -> str:
    name = type(error).__name__.removesuffix("Error")
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return f"error {kind}: {error}"


def kind_of(error: BaseException) -> str:
    if not isinstance(error, stargate.StargateError):
        raise error
    return error_text(error).split(":")[0].removeprefix("error ")


class Seen:
    """The payloads that a consumer received, in their order."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.payloads: list[bytes] = []

    def add(self, payload: bytes) -> bool:
        """Note a payload, and return whether it is the first of its kind."""
        with self.changed:
            first = payload not in self.payloads
            self.payloads.append(payload)
            self.changed.notify_all()
            return first

    def progress(self, prefix: bytes, count: int) -> str:
        first = list(dict.fromkeys(payload for payload in self.payloads if payload.startswith(prefix)))
        wanted = [prefix + str(number).encode() for number in range(1, count + 1)]
        if set(first) >= set(wanted):
            return f"all {count}, {'in' if first == wanted else 'out of'} order"
        return f"{len(set(first) & set(wanted))} of {count}"


class Handle:
    """A producer, consumer or reader under its name in the scenario."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.states: list[str] = []
        self.futures: list[Future[stargate.MessageId]] = []
        self.last: dict[bytes, stargate.Message] = {}
        self.in_hand: list[stargate.Message] = []
        self.seen = Seen()
        self.native: Any = None

    def on_state(self, change: stargate.StateChange) -> None:
        with self.changed:
            self.states.append(change.state)
            self.changed.notify_all()

    def note(self, message: stargate.Message) -> None:
        self.last[message.data] = message
        self.in_hand.append(message)


class Interpreter:
    """Carries out the steps of one scenario, each in the method of its verb, which returns the outcome."""

    def __init__(self, folder: Path, url: str | None, out: Callable[[str], object]) -> None:
        self.folder = folder
        self.out = out
        self.run_name = f"{os.getpid():x}-{time.time_ns():x}-"
        self.mock = None if url else MockBroker()
        self.url = url or self.broker.url
        self.client = stargate.Client(self.url)
        self.handles: dict[str, Handle] = {}
        self.ids: dict[bytes, stargate.MessageId] = {}
        self.timers: list[threading.Timer] = []

    def carry_out(self, steps: Iterator[Step]) -> None:
        try:
            for step in steps:
                method = getattr(self, f"do_{step.verb}", None)
                if method is None:
                    raise UnknownStepError(f"there is no step {step.verb}")
                try:
                    outcome = method(step)
                except stargate.StargateError as error:
                    outcome = error_text(error)
                if step.verb != "on":
                    self.show(f"{step.verb} {step.handle}".rstrip() + f": {outcome or 'ok'}")
            for timer in self.timers:
                timer.join()
            self.client.close()
            self.show("end")
        finally:
            if self.mock:
                self.mock.close()

    def show(self, line: str) -> None:
        host = self.url.split("://")[1]
        self.out(line.replace(self.run_name, "").replace(host, "BROKER") + "\n")

    @property
    def broker(self) -> MockBroker:
        if self.mock is None:
            raise UnknownStepError("this step needs a mock broker")
        return self.mock

    # what the parameters stand for

    def topic(self, step: Step) -> str | None:
        return self.full_name(step.given["topic"].decode()) if "topic" in step.given else None

    def topics(self, step: Step) -> Any:
        names = [self.full_name(name) for name in step.given["topic"].decode().split(",")]
        return names[0] if len(names) == 1 else names

    def full_name(self, name: str) -> str:
        return name if "/" in name else DEFAULT + self.run_name + name

    def options(self, step: Step) -> dict[str, Any]:
        return {key: self.option(value) for key, value in step.given.items() if key not in {"topic", "subscription"}}

    def option(self, value: bytes) -> Any:
        text = value.decode()
        if re.fullmatch(r"\d+ms", text):
            return millis(value)
        if text in {"true", "false"}:
            return text == "true"
        if text.startswith("@"):
            return self.ids[value[1:]]
        if text.startswith("./"):
            return str(self.folder / text)
        return int(text) if text.isdigit() else text

    def payload(self, step: Step) -> bytes:
        return step.given["payload"] * number(step.given, "repeat", 1)

    def message(self, step: Step) -> stargate.Message:
        return self.handles[step.handle].last[step.given["payload"]]

    # handles

    def open(self, step: Step, opening: Callable[..., Any], *where: Any) -> None:
        handle = self.handles[step.handle] = Handle()
        handle.native = opening(*where, on_state=handle.on_state, **self.options(step))

    def do_on(self, _step: Step) -> None: ...

    def do_producer(self, step: Step) -> None:
        self.open(step, self.client.producer, self.topic(step))

    def do_consumer(self, step: Step) -> None:
        self.open(step, self.client.consumer, self.topics(step), step.given["subscription"].decode())

    def do_reader(self, step: Step) -> None:
        self.open(step, self.client.reader, self.topic(step))

    def do_close(self, step: Step) -> None:
        self.handles[step.handle].native.close(timeout(step.given))

    def do_close_client(self, _step: Step) -> None:
        self.client.close()

    def do_states(self, step: Step) -> str:
        handle, count = self.handles[step.handle], number(step.given, "count")
        with handle.changed:
            handle.changed.wait_for(lambda: len(handle.states) >= count, PATIENCE)
            return " ".join(handle.states[:count])

    def do_stats(self, step: Step) -> str:
        stats = self.handles[step.handle].native.stats()
        return " ".join(
            f"{counter}={getattr(stats, counter)}" for counter in step.given["counters"].decode().split(",")
        )

    # producers

    def do_send(self, step: Step) -> None:
        properties = {
            key.split(".")[1]: value.decode() for key, value in step.given.items() if key.startswith("property.")
        }
        self.ids[step.given["payload"]] = self.handles[step.handle].native.send(
            self.payload(step),
            key=step.given["key"].decode() if "key" in step.given else None,
            properties=properties,
            event_time=number(step.given, "event_time") / 1000 if "event_time" in step.given else None,
        )

    def do_send_async(self, step: Step) -> str:
        handle, count = self.handles[step.handle], number(step.given, "count")
        for accepted in range(count):
            payload = (step.given["payload"] + str(accepted + 1).encode()) * number(step.given, "repeat", 1)
            try:
                handle.futures.append(handle.native.send_nowait(payload))
            except stargate.StargateError as error:
                return f"accepted {accepted}, then {error_text(error)}"
        return f"accepted {count}"

    def do_receipts(self, step: Step) -> str:
        handle = self.handles[step.handle]
        counts: Counter[str] = Counter()
        deadline = time.monotonic() + PATIENCE
        for future in handle.futures:
            try:
                error = future.exception(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                counts["missing"] += 1
            else:
                counts[kind_of(error) if error else "ok"] += 1
        handle.futures.clear()
        order = sorted(counts, key=lambda kind: (kind != "ok", kind))
        return ", ".join(f"{kind} {counts[kind]}" for kind in order)

    def do_flush(self, step: Step) -> None:
        self.handles[step.handle].native.flush(PATIENCE)

    # receiving

    def receiving(self, step: Step, receive: Callable[[Handle, int], list[stargate.Message]]) -> str:
        handle, count = self.handles[step.handle], number(step.given, "count", 1)
        messages: list[stargate.Message] = []
        end = ""
        while len(messages) < count and not end:
            try:
                more = receive(handle, count - len(messages))
            except stargate.TimeoutError:
                more = []
            except stargate.StargateError as error:
                more, end = [], error_text(error)
            messages += more
            end = end or ("" if more else "nothing")
            for message in more:
                handle.note(message)
        counted = [str(len(messages))] if messages else []
        outcome = ", then ".join([*counted, *([end] if end else [])])
        return self.with_messages(outcome, messages, "order" in step.given)

    def with_messages(self, outcome: str, messages: list[stargate.Message], in_any_order: bool) -> str:
        lines = [self.message_line(message) for message in messages]
        return "\n".join([outcome, *(sorted(lines) if in_any_order else lines)])

    def message_line(self, message: stargate.Message) -> str:
        line = f"  {message.topic.removeprefix(DEFAULT).removeprefix(self.run_name)}: {payload_text(message.data)}"
        if message.key is not None:
            line += f" key={quoted(message.key.encode())}"
        if message.event_time is not None:
            line += f" event_time={(message.event_time - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000:.0f}"
        if message.redelivery_count:
            line += f" redelivered={message.redelivery_count}"
        if message.reconsume_times:
            line += f" reconsumed={message.reconsume_times}"
        for key, value in sorted(message.properties.items()):
            if not "A" <= key[:1] <= "Z":
                line += f" property.{key}={quoted(value.encode())}"
        return line

    def do_receive(self, step: Step) -> str:
        return self.receiving(step, lambda handle, _: [handle.native.receive(timeout(step.given))])

    def do_receive_many(self, step: Step) -> str:
        return self.receiving(step, lambda handle, most: list(handle.native.receive_many(most, timeout(step.given))))

    def do_interrupt(self, step: Step) -> str:
        def interrupt(_signal: int, _frame: object) -> None:
            raise InterruptedError

        previous = signal.signal(signal.SIGUSR1, interrupt)
        soon = threading.Timer(0.1, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
        soon.start()
        try:
            self.handles[step.handle].native.receive(PATIENCE)
        except InterruptedError:
            return "interrupted"
        finally:
            soon.cancel()
            soon.join()
            signal.signal(signal.SIGUSR1, previous)
        return "received"

    def do_read_to_end(self, step: Step) -> str:
        messages = list(self.handles[step.handle].native.until_caught_up())
        return self.with_messages(str(len(messages)), messages, in_any_order=False)

    def do_drain(self, step: Step) -> str:
        handle, count = self.handles[step.handle], number(step.given, "count")
        deadline = time.monotonic() + PATIENCE
        while not (progress := handle.seen.progress(step.given["payload"], count)).startswith("all"):
            try:
                message = handle.native.receive(max(0.0, deadline - time.monotonic()))
            except stargate.TimeoutError:
                break
            handle.native.ack(message)
            if handle.seen.add(message.data):
                deadline = time.monotonic() + PATIENCE
        return progress

    def do_available(self, step: Step) -> str:
        return "yes" if self.handles[step.handle].native.has_message_available() else "no"

    def do_compare(self, step: Step) -> str:
        same = self.message(step).id == self.ids[step.given["payload"]]
        return "same id" if same else "different id"

    def do_seek(self, step: Step) -> None:
        ends = {b"earliest": stargate.MessageId.earliest, b"latest": stargate.MessageId.latest}
        to = ends.get(step.given["to"]) or self.ids[step.given["to"][1:]]
        self.handles[step.handle].native.seek(to, after=step.given.get("after") == b"true")

    # acknowledging

    def do_ack(self, step: Step) -> None:
        handle = self.handles[step.handle]
        for message in [self.message(step)] if "payload" in step.given else list(handle.in_hand):
            handle.native.ack(message)
            handle.in_hand.remove(message)

    def do_ack_cumulative(self, step: Step) -> None:
        self.handles[step.handle].native.ack_cumulative(self.message(step))

    def do_nack(self, step: Step) -> None:
        message = self.message(step)
        self.handles[step.handle].native.nack(message)
        self.handles[step.handle].in_hand.remove(message)

    def do_reconsume_later(self, step: Step) -> None:
        message = self.message(step)
        self.handles[step.handle].native.reconsume_later(message, millis(step.given["delay"]))
        self.handles[step.handle].in_hand.remove(message)

    def do_backlog(self, step: Step) -> str:
        return str(until(self.handles[step.handle].native.backlog, number(step.given, "count")))

    def do_end_of_topic(self, step: Step) -> str:
        return "yes" if until(self.handles[step.handle].native.is_end_of_topic, True) else "no"

    def do_unsubscribe(self, step: Step) -> None:
        self.handles[step.handle].native.unsubscribe()

    # handlers

    def do_listen(self, step: Step) -> None:
        handle = self.handles[step.handle]

        def work(message: stargate.Message) -> stargate.Outcome | stargate.ReconsumeLater:
            if handle.seen.add(message.data):
                if message.data == step.given.get("nack_once"):
                    return stargate.NACK
                if message.data == step.given.get("fail_once"):
                    raise RuntimeError("this handler fails once")
                if message.data == step.given.get("reconsume_once"):
                    return stargate.ReconsumeLater(0.1)
            return stargate.ACK

        handle.native.listen(work)

    def do_handled(self, step: Step) -> str:
        seen = self.handles[step.handle].seen
        with seen.changed:
            if "calls" in step.given:
                seen.changed.wait_for(lambda: len(seen.payloads) >= number(step.given, "calls"), PATIENCE)
                counts = Counter(seen.payloads)
                return ", ".join(f"{payload_text(payload)} {counts[payload]}" for payload in sorted(counts))
            prefix, count = step.given["payload"], number(step.given, "count")
            seen.changed.wait_for(lambda: seen.progress(prefix, count).startswith("all"), PATIENCE)
            return seen.progress(prefix, count)

    # the mock broker

    def do_fault(self, step: Step) -> None:
        count = None if step.given.get("count") == b"all" else number(step.given, "count", 1)
        op: Any = step.given["op"].decode()
        self.broker.fault(op, step.given["fault"].decode(), self.topic(step), count)

    def do_down(self, _step: Step) -> None:
        self.broker.down()

    def do_up(self, _step: Step) -> None:
        self.broker.up()

    def do_cut(self, step: Step) -> None:
        self.broker.drop_connections(self.topic(step))

    def do_wait(self, step: Step) -> None:
        op: Any = step.given["op"].decode()
        self.broker.wait(op, number(step.given, "count"), self.topic(step), PATIENCE)

    def do_stored(self, step: Step) -> str:
        return str(len(self.broker.messages(str(self.topic(step)))))

    def do_partitions(self, step: Step) -> None:
        self.broker.create_partitioned(str(self.topic(step)), number(step.given, "count"))

    def do_deduplicate(self, step: Step) -> None:
        self.broker.set_deduplication(step.given["namespace"].decode())

    def do_terminate(self, step: Step) -> None:
        self.broker.terminate(str(self.topic(step)))


def until(ask: Callable[[], int], wanted: int) -> int:
    """Ask until the answer is the wanted one, or time is over; return the last answer."""
    deadline = time.monotonic() + PATIENCE
    while (answer := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return answer


def number(given: Parameters, name: str, default: int | None = None) -> int:
    return default if default is not None and name not in given else int(given[name])


def millis(value: bytes) -> float:
    return int(value.removesuffix(b"ms")) / 1000


def timeout(given: Parameters) -> float:
    return millis(given["timeout"]) if "timeout" in given else PATIENCE


def run(path: Path, url: str | None, out: Callable[[str], object]) -> None:
    """Carry out a scenario and write its transcript to `out`."""
    Interpreter(path.parent, url, out).carry_out(parse(path.read_text("ascii")))


if __name__ == "__main__":
    logging.disable()
    try:
        run(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, sys.stdout.write)
    except UnknownStepError as reason:
        print(f"{sys.argv[1]}: {reason}", file=sys.stderr)
        raise SystemExit(2) from None
