"""Stargate through its Python API: `send_many` and `receive_many`.

With `--api futures` it sends by `send_nowait`, with `--api views` it looks at payloads without copying them.
"""

import operator
import time
from collections import deque

import stargate
from workload import Meter, Payloads, arguments


def send(client, workload, meter):
    options = {"max_pending_msg": workload.window, "batch_enabled": workload.batched}
    producer = client.producer(workload.topic, **options)
    payloads, number = Payloads(workload.size), 0
    if workload.window == 1:
        while True:
            begun = time.monotonic()
            producer.send(payloads[number])
            meter.latency(time.monotonic() - begun)
            number += 1
            if not meter.done(1):
                return
    if workload.api == "futures":
        send_futures(producer, workload, meter)
        return
    # Several windows at a time, because each call ends with the last receipt.
    lot = workload.window * (5 if workload.size <= 1024 else 1)
    while True:
        results = producer.send_many(payloads[number + index] for index in range(lot))
        if failed := [result for result in results if isinstance(result, Exception)]:
            raise failed[0]
        number += lot
        if not meter.done(lot):
            return


def send_futures(producer, workload, meter):
    payloads, number, pending = Payloads(workload.size), 0, deque()
    while True:
        if len(pending) == workload.window:
            pending.popleft().result()
            count = 1
            while pending and pending[0].done():
                pending.popleft().result()
                count += 1
            if not meter.done(count):
                return
        pending.append(producer.send_nowait(payloads[number]))
        number += 1


def receive(client, workload, meter):
    kind = "shared" if workload.shared or workload.connections > 1 else "exclusive"
    options = {"queue_size": workload.window, "initial_position": "earliest", "pull_mode": workload.pull}
    options |= {"subscription_type": kind, "connections": workload.connections}
    consumer = client.consumer(workload.topic, workload.subscription, **options)
    lot = max(1, min(100, workload.window // 4))
    look = memoryview if workload.api == "views" else operator.attrgetter("data")
    while True:
        messages = consumer.receive_many(lot, timeout=1)
        for message in messages:
            look(message)
            consumer.ack(message)
        if not meter.done(len(messages)):
            return


def read(client, workload, meter):
    reader = client.reader(workload.topic, starting_message="earliest", queue_size=workload.window)
    lot = max(1, min(100, workload.window // 4))
    while True:
        messages = reader.receive_many(lot, timeout=1)
        for message in messages:
            _ = message.data
        if not meter.done(len(messages)):
            return


def main():
    workload = arguments()
    meter = Meter(workload)
    connection = {"tls_ca_file": workload.ca} if workload.ca else {}
    with stargate.Client(workload.url, **connection) as client:
        {"send": send, "receive": receive, "read": read}[workload.role](client, workload, meter)
        meter.report()


main()
