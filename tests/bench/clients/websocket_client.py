"""The peer `websocket-client`, with the JSON and base64 of the standard library.

It validates the UTF-8 of every text in Python, which costs more than all the rest; `--api skip` turns that off.
"""

import base64
import json
import os
import socket
import time

import websocket
from workload import Meter, Payloads, arguments, websocket_url


def send(connection, workload, meter):
    payloads, window = Payloads(workload.size), workload.window
    sent_at = [0.0] * window
    sent = confirmed = 0
    while True:
        while sent - confirmed < window:
            payload = base64.b64encode(payloads[sent]).decode()
            if sent % meter.timed == 0:
                sent_at[sent % window] = time.monotonic()
            connection.send(json.dumps({"payload": payload, "context": str(sent)}))
            sent += 1
        receipt = json.loads(connection.recv())
        assert receipt["result"] == "ok", receipt
        context = int(receipt["context"])
        if context % meter.timed == 0:
            meter.latency(time.monotonic() - sent_at[context % window])
        confirmed += 1
        if not meter.done(1):
            return


def receive(connection, meter):
    while True:
        message = json.loads(connection.recv())
        base64.b64decode(message["payload"])
        connection.send(json.dumps({"messageId": message["messageId"]}))
        if not meter.done(1):
            return


def main():
    workload = arguments()
    meter = Meter(workload)
    connection = websocket.create_connection(
        websocket_url(workload),
        sslopt={"ca_certs": workload.ca} if workload.ca else None,
        sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        skip_utf8_validation=workload.api == "skip",
    )
    if workload.role == "send":
        send(connection, workload, meter)
    else:
        receive(connection, meter)
    meter.report()
    os._exit(0)  # what is in flight does not matter any more


main()
