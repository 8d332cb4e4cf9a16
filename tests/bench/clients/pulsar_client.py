"""The peer `pulsar-client`: the official Python API over the official C++ library, on the binary protocol."""

import functools
import os
import threading
import time

import pulsar
from workload import Meter, Payloads, arguments


def send(client, topic, workload, meter):
    producer = client.create_producer(
        topic,
        batching_enabled=workload.batched,
        batching_max_messages=1000,
        batching_max_publish_delay_ms=1,
        max_pending_messages=workload.window,
        block_if_queue_full=True,
    )
    payloads, number = Payloads(workload.size), 0
    if workload.window == 1:
        while True:
            begun = time.monotonic()
            producer.send(payloads[number])
            meter.latency(time.monotonic() - begun)
            number += 1
            if not meter.done(1):
                return
    ended = threading.Event()

    def sent(result, _id, begun=None):
        assert result == pulsar.Result.Ok, result
        if begun is not None:
            meter.latency(time.monotonic() - begun)
        if not ended.is_set() and not meter.done(1):
            ended.set()

    while not ended.is_set():
        callback = sent
        if number % meter.timed == 0:
            begun = time.monotonic()
            callback = functools.partial(sent, begun=begun)
        producer.send_async(payloads[number], callback)
        number += 1


def receive(client, topic, workload, meter):
    consumer = client.subscribe(
        topic,
        workload.subscription,
        consumer_type=pulsar.ConsumerType.Shared if workload.shared else pulsar.ConsumerType.Exclusive,
        initial_position=pulsar.InitialPosition.Earliest,
        receiver_queue_size=workload.window,
    )
    while True:
        message = consumer.receive()
        message.data()
        consumer.acknowledge(message)
        if not meter.done(1):
            return


def main():
    workload = arguments()
    meter = Meter(workload)
    client = pulsar.Client(workload.url, logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull))
    topic = f"persistent://public/default/{workload.topic}"
    {"send": send, "receive": receive}[workload.role](client, topic, workload, meter)
    meter.report()
    os._exit(0)  # what is in flight does not matter any more


main()
