"""A worker with asyncio: takes orders from one topic, works on several at a time, and sends the bills to another.

    python worker.py [URL]

It runs until Ctrl-C, finishes what it has begun, and loses nothing: an order is acknowledged after its bill is stored,
and an order whose bill fails is redelivered.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import stargate
from stargate import AsyncClient, AsyncMessageHandler, AsyncProducer, Message, Outcome


class Billing(AsyncMessageHandler):
    """Turns an order into a bill. Each of the four processors has a handler of its own."""

    async def init(self, bills: AsyncProducer) -> None:
        """Keep what the handler works with."""
        self.bills = bills

    async def handle_message(self, message: Message) -> Outcome:
        """Send the bill, then acknowledge the order. The key keeps the bills of one customer in order."""
        order = json.loads(message.data)
        bill = {"order": str(message.id), "amount": order["price"] * order["count"]}
        await self.bills.send(json.dumps(bill), key=message.key)
        return stargate.ACK

    async def on_error(self, message: Message, error: BaseException) -> Outcome:
        """Skip what can never be billed; try everything else again."""
        if isinstance(error, json.JSONDecodeError | KeyError | TypeError):
            print(f"skipped {message!r}: {error!r}")
            return stargate.ACK
        return stargate.NACK


async def main(url: str, orders: str = "orders", bills: str = "bills") -> None:
    """Work until the task is cancelled."""
    async with AsyncClient(url) as client, client.producer(bills) as producer:
        consumer = await client.consume(
            orders,
            "billing",
            Billing,
            init_args=[producer],
            subscription_type="shared",
            initial_position="earliest",
            processors=4,
            ordering="key",
            negative_ack_delay=1.0,
        )
        await consumer.run_until_interrupted()


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PULSAR_URL")
    if not chosen:
        sys.exit("usage: worker.py URL, or set PULSAR_URL")
    try:
        asyncio.run(main(chosen))
    except KeyboardInterrupt:
        print("stopped")
