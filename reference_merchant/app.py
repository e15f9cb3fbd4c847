"""Puts the shop together: `create_app` takes the settings and everything that a test may want to replace."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from . import mutants
from .checkout import Checkout
from .config import Config, load
from .decisions import Decisions
from .errors import errors_as_json
from .flights import Flights
from .fulfilment import Fulfilment
from .gateway_client import GatewayClient
from .modifications import Modifications
from .orders import Orders
from .outcomes import Outcomes
from .reconcile import Reconciler
from .request_log import request_log
from .routes import Routes
from .seams import Clock, Ids, random_ids
from .store import Store
from .webhooks import Webhooks

BODY_BYTES_MAX = 256 * 1024


def create_app(
    config: Config,
    *,
    clock: Clock = time.time,
    ids: Ids = random_ids,
    decisions: Decisions | None = None,
    store: Store | None = None,
) -> web.Application:
    """The shop as an aiohttp application; call it inside the event loop that will serve it.

    `clock` judges webhook timestamps. `ids` must never repeat itself over one database. `decisions` replaces
    those of `config.mutant`; `store`, the database at `config.database`, and is then left open. Raises
    `config.ConfigError` for a mutant that is not known.
    """
    decisions = decisions or mutants.load(config.mutant)(config)
    books = store or Store(config.database)
    books.relax(decisions.relaxes)
    gateway = GatewayClient(config.gateway_url, config.gateway_secret_key, config.gateway_timeout_s)
    outcomes = Outcomes(books, decisions, ids)
    fulfilment = Fulfilment(books, clock)
    flights = Flights(decisions)
    checkout = Checkout(books, gateway, decisions, outcomes, clock, flights, fulfilment.wake)
    decisions.set_up(checkout)
    modifications = Modifications(books, gateway, decisions, outcomes, clock, flights, fulfilment.wake)
    webhooks = Webhooks(books, decisions, outcomes, clock, fulfilment.wake)
    orders = Orders(books, decisions, clock, ids)
    reconciler = Reconciler(checkout, modifications, orders, config.reconcile_every_s)

    async def background(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(fulfilment.run())]
        if decisions.reconciles:
            tasks.append(asyncio.create_task(reconciler.run()))
        yield
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await flights.close()
        await gateway.close()
        if store is None:
            books.close()

    app = web.Application(middlewares=[request_log(decisions), errors_as_json], client_max_size=BODY_BYTES_MAX)
    app.cleanup_ctx.append(background)
    app.add_routes(Routes(config, decisions, gateway, orders, checkout, modifications, webhooks).table())
    return app


def from_environment() -> web.Application:
    """The shop, with the settings of the environment: for whoever serves it in a process of their own."""
    return create_app(load([], os.environ))
