"""Read the result of a run: the output of the node that its last event names."""

from smithersd.core.flow.outputs import lost_output
from smithersd.core.log.fold import RunState
from smithersd.core.log.states import RunStatus
from smithersd.errors import ResultNotFound
from smithersd.store import Store


async def read_result(store: Store, run: RunState) -> str:
    """Return the run's result as JSON text.

    Raises:
        ResultNotFound: the run has not ended, did not finish, or its workflow ends without an output.
    """
    if run.result is None:
        raise _not_found(run)
    text = await store.output(run.run_id, *run.result)
    if text is None:
        raise lost_output(run.result[0])
    return text


def _not_found(run: RunState) -> ResultNotFound:
    if run.status is RunStatus.FINISHED:
        return ResultNotFound(
            f"Run {run.run_id!r} has finished without a result: its workflow ends without an output.",
            remedy='End the workflow with a task that returns it, or name one: @workflow(result="id").',
        )
    remedy = None if run.status.is_final else "Ask again when it has finished."
    return ResultNotFound(f"Run {run.run_id!r} has no result: it is {run.status.value}.", remedy=remedy)
