"""A web service with Starlette: orders come in by HTTP and go to Pulsar, bills come from Pulsar and go out by HTTP.

    pip install starlette uvicorn
    PULSAR_URL=ws://localhost:8080 uvicorn web:app

    curl -d '{"price": 5, "count": 2}' localhost:8000/orders/anna     stores an order, answers with its id
    curl localhost:8000/bills                                         the latest bills, as they came

One client, producer and consumer serve all requests. They are opened when the service starts, in its event loop, and
closed when it stops. When the broker is away, orders wait for it for as long as `send_timeout` says, then the answer is
503 and the customer may try again.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import stargate
from stargate import AsyncClient, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

ORDERS = os.environ.get("ORDERS", "orders")
BILLS = os.environ.get("BILLS", "bills")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open what the service needs, and close it at the end."""
    latest: deque[str] = deque(maxlen=100)

    async def keep(message: Message) -> None:
        latest.append(message.data.decode())

    async with (
        AsyncClient(os.environ.get("PULSAR_URL", "ws://localhost:8080")) as client,
        client.producer(ORDERS, send_timeout=5) as orders,
        # Every instance of the service sees every bill, and leaves no subscription behind.
        client.reader(BILLS, starting_message="earliest") as bills,
    ):
        await bills.listen(keep)
        app.state.orders, app.state.bills = orders, latest
        yield


async def order(request: Request) -> JSONResponse:
    """Store an order, under the customer's name as key."""
    try:
        stored = await request.app.state.orders.send(await request.body(), key=request.path_params["customer"])
    except stargate.TooBigError as error:
        return JSONResponse({"error": str(error)}, status_code=413)
    except stargate.StargateError as error:
        return JSONResponse({"error": str(error)}, status_code=503 if error.retriable else 500)
    return JSONResponse({"id": str(stored)}, status_code=201)


async def bills(request: Request) -> JSONResponse:
    """Give the latest bills."""
    return JSONResponse(list(request.app.state.bills))


app = Starlette(
    routes=[Route("/orders/{customer}", order, methods=["POST"]), Route("/bills", bills)],
    lifespan=lifespan,
)
