"""`scripts/bench [--quick] [--store postgres] [TOPIC ...]`: run the topics, print each figure beside its target."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from benchmarks import daemon, growth, history, hosts, latency, process, replay, silence, takeover, throughput
from benchmarks.figures import Figure, is_busy, machine, table
from benchmarks.grounds import postgres_ground

Topics = Mapping[str, Callable[..., AsyncIterator[Figure]]]

ON_SQLITE: Topics = {
    "throughput": throughput.measure,
    "growth": growth.measure,
    "latency": latency.measure,
    "replay": replay.measure,
    "process": process.measure,
    "silence": silence.measure,
    "daemon": daemon.measure,
}
ON_POSTGRES: Topics = {
    "throughput": throughput.measure,
    "hosts": hosts.measure,
    "history": history.measure,
    "takeover": takeover.measure,
}


def main() -> int:
    """Measure what the command line names; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Figures beside their targets.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"{_named(ON_SQLITE)}; {_named(ON_POSTGRES)}")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="where the runs lie")
    parser.add_argument("--quick", action="store_true", help="small sizes: a first look, no verdict")
    arguments = parser.parse_args()
    with _topics(arguments.store) as topics:
        if unknown := set(arguments.topics) - set(topics):
            parser.error(f"no topic {min(unknown)!r} on {arguments.store}: {_named(topics)}")
        figures: list[Figure] = []
        for name in arguments.topics or topics:
            print(f"measuring {name} ...", file=sys.stderr)
            figures += asyncio.run(_gathered(topics[name](is_quick=arguments.quick)))
    print(machine(), "", table(figures), sep="\n")
    if is_busy():
        print("\nThe machine is busy with other things: on a quiet one these figures are better.")
    return int(not arguments.quick and any(figure.is_missed for figure in figures))


@contextmanager
def _topics(store: str) -> Iterator[Topics]:
    """The topics of a kind of store, with a server where it needs one."""
    if store == "sqlite":
        yield ON_SQLITE
        return
    with postgres_ground() as ground:
        yield {name: partial(measure, ground=ground) for name, measure in ON_POSTGRES.items()}


def _named(topics: Topics) -> str:
    return ", ".join(topics)


async def _gathered(figures: AsyncIterator[Figure]) -> list[Figure]:
    return [figure async for figure in figures]


if __name__ == "__main__":
    sys.exit(main())
