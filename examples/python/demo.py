"""Produce 1,000 messages, consume them with a handler that acknowledges, and read them again from the earliest.

    python demo.py [URL]

The URL is that of a Pulsar broker or proxy, such as ws://localhost:8080; without one it is taken from PULSAR_URL. The
program prints what it did, and exits with status 1 if a count is off.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid

import stargate

COUNT = 1000


class Counter(stargate.MessageHandler):
    """Counts the messages of its processor; `init` prepares the state, on the thread that handles the messages."""

    def init(self, complete: threading.Event) -> None:
        """Begin with nothing."""
        self.payloads: list[bytes] = []
        self.complete = complete

    def handle_message(self, message: stargate.Message) -> stargate.Outcome:
        """Take one message; acknowledged is what this returns ACK for."""
        self.payloads.append(message.data)
        if len(self.payloads) == COUNT:
            self.complete.set()
        return stargate.ACK


def main(url: str) -> int:
    """Do it all; the exit status."""
    topic = f"example-{uuid.uuid4().hex[:8]}"
    payloads = [f"message {number}".encode() for number in range(COUNT)]
    good = True

    with stargate.Client(url) as client:
        # The subscription is there before the messages are, so it gets them all.
        complete = threading.Event()
        consumer = client.consume(topic, "counting", Counter, init_args=[complete])

        with client.producer(topic) as producer:
            results = producer.send_many(payloads)
        stored = sum(isinstance(result, stargate.MessageId) for result in results)
        print(f"produced {stored} messages to {consumer.topic}")
        good &= stored == COUNT

        complete.wait(timeout=30)
        consumer.close()  # sends the acknowledgements that wait for company
        print(f"the handler acknowledged {consumer.stats().acked}")
        good &= consumer.stats().acked == COUNT

        with client.reader(topic, starting_message=stargate.MessageId.earliest) as reader:
            read = reader.receive_many(COUNT, timeout=30)
        in_order = [message.data for message in read] == payloads
        print(f"read {len(read)} again from the earliest, {'in order' if in_order else 'NOT in order'}")
        good &= in_order

    return 0 if good else 1


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PULSAR_URL")
    if not chosen:
        sys.exit("usage: demo.py URL, or set PULSAR_URL")
    sys.exit(main(chosen))
