"""GET /frames: the trees that the workflow rendered."""

from aiohttp import web

from smithersd.limits import FRAMES_LIMIT_DEFAULT, FRAMES_LIMIT_MAX
from smithersd.serve.answer_time import reading_in_answer_time
from smithersd.serve.answers import raw_answer
from smithersd.serve.context import run_of
from smithersd.serve.queries import integer, read_query


async def frames(request: web.Request) -> web.Response:
    """List frames, newest first; with afterFrameNo oldest first, so that a backlog can be paged."""
    context = run_of(request)
    query = read_query(request, "limit", "afterFrameNo")
    limit = integer(query, "limit", minimum=1, maximum=FRAMES_LIMIT_MAX) or FRAMES_LIMIT_DEFAULT
    after = integer(query, "afterFrameNo", minimum=0)
    async with reading_in_answer_time(context.view) as run:
        last = run.frame_no
    if after is None:
        page = await context.frames.newest(last_frame_no=last, limit=limit)
    else:
        page = await context.frames.after(after, last_frame_no=last, limit=limit)
    return raw_answer(b"[" + b",".join(page) + b"]")
