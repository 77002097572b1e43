"""Render a workflow without running it, to find faults before anything is written."""

import random
from typing import Any

from smithersd.core.flow.flow import Flow
from smithersd.core.log.fold import RunState
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.frames import FrameTree
from smithersd.elements import Workflow
from smithersd.engine.start import UNSET


def dry_render(workflow: Workflow[Any], *, run_id: str, input: Any = UNSET) -> Tree:
    """Check the input and render the workflow as a new run would; return its tree. Nothing is run or written.

    Raises:
        InvalidInput, WorkflowError: `start_run` would raise it too.
    """
    text = workflow.input_text(None if input is UNSET else input)
    frames = FrameTree()
    flow = Flow(
        workflow,
        state=RunState(run_id),
        input=workflow.load_input(text),
        max_concurrency=1,
        chance=random.random,
        frames=frames,
        outputs=None,
        earlier=None,
    )
    flow.begin(0)
    return frames.tree()
