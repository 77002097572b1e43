"""The context of a run that is served, and how a request finds it."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from smithersd.engine.clock import Clock
from smithersd.feed import Feed
from smithersd.query.frame_history import FrameHistory
from smithersd.query.run_view import RunView
from smithersd.query.tree_order import TreeOrder
from smithersd.serve.auth import RequestGuard
from smithersd.serve.metrics import Metrics
from smithersd.serve.streams.streams import Streams
from smithersd.store import Store


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything that the routes share of one run."""

    run_id: str
    store: Store
    abort: asyncio.Event
    clock: Clock
    guard: RequestGuard
    view: RunView
    order: TreeOrder
    frames: FrameHistory
    feed: Feed
    streams: Streams
    metrics: Metrics


CONTEXT: web.AppKey[RunContext] = web.AppKey("CONTEXT", RunContext)
"""Where an app made by `create_serve_app` keeps the context of its run."""


def run_of(request: web.Request) -> RunContext:
    """Return the context of the run that a request is about: that of its app, wherever the app is mounted.

    Routes and middlewares find the run in no other way, so that one app can later serve many runs.
    """
    return request.app[CONTEXT]
