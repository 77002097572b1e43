"""smithers prune: delete runs that ended long ago."""

from typing import Any

import click

from smithersd.cli.args.options import debug_option, json_option, on_store, say_folder, storage_options
from smithersd.cli.terminal.output import flush, say, say_json
from smithersd.cli.text.phrases import Phrase, date_and_time
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.pruning import PruneCandidate, prune_runs
from smithersd.daemon.state.storage import Storage
from smithersd.elements.options.duration import seconds
from smithersd.engine import SystemClock
from smithersd.store import Store

_EXAMPLES = "\b\nExamples:\n  smithers prune --older-than 30d --dry-run\n  smithers prune --older-than 12h"


@click.command("prune", short_help="Delete runs that ended long ago.", epilog=_EXAMPLES)
@click.option(
    "--older-than", "age", required=True, metavar="AGE", help="Delete runs that ended longer ago than this: 30d, 12h."
)
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Print what would be deleted, and delete nothing.")
@json_option
@storage_options
@debug_option
def command(*, age: str, is_dry_run: bool, is_json: bool, storage: Storage) -> None:
    """Delete runs that ended longer than AGE ago, with their folders in .smithers.

    Live and suspended runs are kept, and so are runs that have a process on this machine and runs whose outputs a live
    run reuses. A SQLite file keeps its size; later runs use the free space.
    """
    age_ms = round(seconds(age, "--older-than") * 1000)
    before_ms = SystemClock().now_ms() - age_ms
    say_folder(storage)
    considered = on_store(
        storage, lambda opened: _prune(opened, storage.folder, before_ms, is_dry_run=is_dry_run, is_json=is_json)
    )
    if is_json:
        say_json(_json(considered, is_dry_run=is_dry_run))
    else:
        _say_sum(considered, age, is_dry_run=is_dry_run)


async def _prune(
    store: Store, folder: StateFolder, before_ms: int, *, is_dry_run: bool, is_json: bool
) -> list[PruneCandidate]:
    """Prune, and print each run at once unless the output is JSON."""
    considered = []
    pruning = prune_runs(store, folder, finished_before_ms=before_ms, is_dry_run=is_dry_run)
    async for candidate in pruning:
        considered.append(candidate)
        if not is_json:
            _say(candidate, is_dry_run=is_dry_run)
    return considered


def _say(candidate: PruneCandidate, *, is_dry_run: bool) -> None:
    run = candidate.run
    if candidate.kept_because is not None:
        say(Phrase(f"Kept {run.run_id}: {candidate.kept_because}.", "yellow"))
    else:
        verb = "Would prune" if is_dry_run else "Pruned"
        say(f"{verb} {run.run_id}, {run.status} at {date_and_time(run.finished_at_ms)}.")
    flush()


def _say_sum(considered: list[PruneCandidate], age: str, *, is_dry_run: bool) -> None:
    if not considered:
        say(f"No run ended more than {age} ago.")
        return
    kept = sum(candidate.kept_because is not None for candidate in considered)
    doing = "would be pruned" if is_dry_run else "pruned"
    say(Phrase(f"{len(considered) - kept} {doing}, {kept} kept.", "bold"))


def _json(considered: list[PruneCandidate], *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "isDryRun": is_dry_run,
        "pruned": [_run_json(candidate) for candidate in considered if candidate.kept_because is None],
        "kept": [
            {**_run_json(candidate), "reason": candidate.kept_because}
            for candidate in considered
            if candidate.kept_because is not None
        ],
    }


def _run_json(candidate: PruneCandidate) -> dict[str, Any]:
    return {"runId": candidate.run.run_id, "status": candidate.run.status, "finishedAtMs": candidate.run.finished_at_ms}
