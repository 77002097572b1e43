"""What an app knows of its run, in one typed place."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from smithersd.engine.clock import Clock
from smithersd.feed import Feed
from smithersd.query.frame_history import FrameHistory
from smithersd.query.run_view import RunView
from smithersd.query.tree_order import TreeOrder
from smithersd.serve.auth import Guard
from smithersd.serve.metrics import Metrics
from smithersd.serve.streams import Streams
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything that the routes of one app share; there is one for each app, however many a process has."""

    run_id: str
    store: Store
    abort: asyncio.Event
    clock: Clock
    guard: Guard
    view: RunView
    order: TreeOrder
    frames: FrameHistory
    feed: Feed
    streams: Streams
    metrics: Metrics


CONTEXT: web.AppKey[RunContext] = web.AppKey("CONTEXT", RunContext)
"""Where an app made by `create_serve_app` keeps its run context."""
