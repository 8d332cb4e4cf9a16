"""Stargate through its asyncio API."""

import asyncio
import time

import stargate
from workload import Meter, Payloads, arguments


async def send(client, workload, meter):
    options = {"max_pending_msg": workload.window, "batch_enabled": workload.batched}
    producer = await client.producer(workload.topic, **options)
    payloads, number = Payloads(workload.size), 0
    if workload.window == 1:
        while True:
            begun = time.monotonic()
            await producer.send(payloads[number])
            meter.latency(time.monotonic() - begun)
            number += 1
            if not meter.done(1):
                return
    lot = workload.window * (5 if workload.size <= 1024 else 1)
    while True:
        results = await producer.send_many(payloads[number + index] for index in range(lot))
        if failed := [result for result in results if isinstance(result, Exception)]:
            raise failed[0]
        number += lot
        if not meter.done(lot):
            return


async def receive(client, workload, meter):
    options = {"queue_size": workload.window, "initial_position": "earliest", "pull_mode": workload.pull}
    consumer = await client.consumer(workload.topic, workload.subscription, **options)
    lot = max(1, min(100, workload.window // 4))
    while True:
        messages = await consumer.receive_many(lot, timeout=1)
        for message in messages:
            _ = message.data
            await consumer.ack(message)
        if not meter.done(len(messages)):
            return


async def main():
    workload = arguments()
    meter = Meter(workload)
    connection = {"tls_ca_file": workload.ca} if workload.ca else {}
    async with stargate.AsyncClient(workload.url, **connection) as client:
        await {"send": send, "receive": receive}[workload.role](client, workload, meter)
        meter.report()


asyncio.run(main())
