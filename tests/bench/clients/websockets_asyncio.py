"""The peer `websockets`, its asyncio client without compression, with the JSON and base64 of the standard library."""

import asyncio
import base64
import json
import os
import ssl
import time

from websockets.asyncio.client import connect
from workload import Meter, Payloads, arguments, websocket_url


async def send(connection, workload, meter):
    payloads, window = Payloads(workload.size), workload.window
    sent_at = [0.0] * window
    sent = confirmed = 0
    while True:
        while sent - confirmed < window:
            payload = base64.b64encode(payloads[sent]).decode()
            if sent % meter.timed == 0:
                sent_at[sent % window] = time.monotonic()
            await connection.send(json.dumps({"payload": payload, "context": str(sent)}))
            sent += 1
        receipt = json.loads(await connection.recv())
        assert receipt["result"] == "ok", receipt
        context = int(receipt["context"])
        if context % meter.timed == 0:
            meter.latency(time.monotonic() - sent_at[context % window])
        confirmed += 1
        if not meter.done(1):
            return


async def receive(connection, meter):
    while True:
        message = json.loads(await connection.recv())
        base64.b64decode(message["payload"])
        await connection.send(json.dumps({"messageId": message["messageId"]}))
        if not meter.done(1):
            return


async def main():
    workload = arguments()
    meter = Meter(workload)
    tls = {"ssl": ssl.create_default_context(cafile=workload.ca)} if workload.ca else {}
    async with connect(websocket_url(workload), compression=None, max_size=None, **tls) as connection:
        if workload.role == "send":
            await send(connection, workload, meter)
        else:
            await receive(connection, meter)
        meter.report()
        os._exit(0)  # what is in flight does not matter any more


asyncio.run(main())
