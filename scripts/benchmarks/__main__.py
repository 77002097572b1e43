"""`scripts/bench [--quick] [TOPIC ...]`: run the topics, print each figure beside its target."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable

from benchmarks import daemon, growth, latency, process, replay, throughput
from benchmarks.figures import Figure, is_busy, machine, table

TOPICS: dict[str, Callable[..., AsyncIterator[Figure]]] = {
    "throughput": throughput.measure,
    "growth": growth.measure,
    "latency": latency.measure,
    "replay": replay.measure,
    "process": process.measure,
    "daemon": daemon.measure,
}


def main() -> int:
    """Measure what the command line names; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Figures beside their targets.")
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], metavar="TOPIC", help=", ".join(TOPICS))
    parser.add_argument("--quick", action="store_true", help="small sizes: a first look, no verdict")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in arguments.topics or TOPICS:
        print(f"measuring {name} ...", file=sys.stderr)
        figures += asyncio.run(_gathered(TOPICS[name](is_quick=arguments.quick)))
    print(machine(), "", table(figures), sep="\n")
    if is_busy():
        print("\nThe machine is busy with other things: on a quiet one these figures are better.")
    return int(not arguments.quick and any(figure.is_missed for figure in figures))


async def _gathered(figures: AsyncIterator[Figure]) -> list[Figure]:
    return [figure async for figure in figures]


if __name__ == "__main__":
    sys.exit(main())
