"""`--from` over random trees and random histories: what is taken over stands on nothing that was made anew.

What each node depends on is told from the spec, not from what the flow thinks of it.
"""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.core.log.states import NodeState
from smithersd.core.reuse.earlier import EarlierRun
from tests.properties.test_flow import World, disturb, run_undisturbed
from tests.properties.trees import BoxSpec, BranchSpec, GroupSpec, LazySpec, Spec, TaskSpec, TimerSpec, leaves, trees


def needs(spec: Spec) -> dict[str, set[str]]:
    """What each node is given the output of: tasks only, an approval's id among the arguments is but a text."""
    tasks = {leaf.id for leaf in leaves(spec) if isinstance(leaf, TaskSpec)}
    return {leaf.id: tasks & set(leaf.arguments) if isinstance(leaf, TaskSpec) else set() for leaf in leaves(spec)}


def looks(  # noqa: C901 - one arm a spec
    spec: Spec, around: frozenset[str] = frozenset()
) -> Iterator[tuple[str, frozenset[str]]]:
    """What was looked at by the lazy subtrees and branches around each node."""
    match spec:
        case BoxSpec(children=children):
            for child in children:
                yield from looks(child, around)
        case GroupSpec(inner=inner):
            yield from looks(inner, around)
        case BranchSpec(reads=reads, then=then, otherwise=otherwise, told_by=told_by):
            looked_at = told_by or reads
            for side in (then, otherwise):
                if side is not None:
                    yield from looks(side, around | ({looked_at} if looked_at else set()))
        case TaskSpec(id=task_id, skip_told_by=str(told_by)):
            yield task_id, around | {told_by}
        case TimerSpec(id=timer_id, told_by=str(told_by)):
            yield timer_id, around | {told_by}
        case TimerSpec(id=timer_id, is_until=True, peeks=str(peeks)):
            yield timer_id, around | {peeks}
        case LazySpec(awaits=awaits, peeks=peeks, inner=inner):
            yield from looks(inner, around | {one for one in (awaits, peeks) if one})
        case leaf:
            yield leaf.id, around


def check_taken_over(world: World, earlier: EarlierRun, spec: Spec, redo: set[str]) -> None:
    """Everything that a node which was taken over depends on was taken over, or ended without an output as before."""
    needed, looked_at = needs(spec), dict(looks(spec))
    for node in world.flow.state.nodes.values():
        if node.reused_from is None:
            continue
        assert node.node_id not in redo
        assert not node.attempts
        for one in needed[node.node_id]:
            assert is_unchanged(world, earlier, one), f"{node.node_id} was taken over, and {one} made anew"
        for one in looked_at[node.node_id]:
            was_unseen = not earlier.order.has_ended_before((one, 0), node.key)
            assert was_unseen or is_unchanged(world, earlier, one), f"{node.node_id} stands, and {one} was made anew"


def is_unchanged(world: World, earlier: EarlierRun, node_id: str) -> bool:
    now, before = world.flow.state.nodes.get((node_id, 0)), earlier.node(node_id)
    if now is None or not now.state.is_final:
        return before is None or not before.state.is_final
    if now.has_output:
        return now.reused_from is not None
    return now.state is not NodeState.FAILED and before is not None and now.state is before.state


def check_undone(world: World, earlier: EarlierRun, spec: Spec) -> None:
    """In a sequence: what came before a failure and was used after it is made anew."""
    if not isinstance(spec, BoxSpec) or spec.kind != "sequence":
        return
    step_of = {leaf.id: step for step, child in enumerate(spec.children) for leaf in leaves(child)}
    failed = [step_of[n.node_id] for n in earlier.state.nodes.values() if n.state is NodeState.FAILED]
    for user, used in needs(spec).items():
        after = earlier.node(user)
        if after is None or not after.attempts or after.state is not NodeState.FINISHED:
            continue
        for one in used:
            now = world.flow.state.nodes.get((one, 0))
            was_task = isinstance(world.specs.get(one), TaskSpec)
            if was_task and any(step_of[one] < step < step_of[user] for step in failed) and now is not None:
                assert now.reused_from is None, f"{user} used {one} after a failure, and {one} was taken over"


@given(trees(has_shells=True), st.data())
@settings(max_examples=250, deadline=None)
def test_what_is_taken_over_stands_on_what_is_taken_over(spec: Spec, data: st.DataObject) -> None:
    first = World(spec)
    disturb(first, data.draw, may_end=True)
    earlier = first.as_earlier()
    ids = sorted(leaf.id for leaf in leaves(spec))
    some = st.sets(st.sampled_from(ids)) if ids else st.just(set[str]())
    redo, mended = data.draw(some), data.draw(some)
    world = World(spec, earlier=earlier, redo=tuple(sorted(redo)), mended=frozenset(mended))
    disturb(world, data.draw, may_end=False)
    check_taken_over(world, earlier, spec, redo)
    check_undone(world, earlier, spec)


@given(trees(has_shells=True))
@settings(max_examples=150, deadline=None)
def test_a_run_without_a_failure_is_taken_over_whole(spec: Spec) -> None:
    first = run_undisturbed(spec)
    earlier = first.as_earlier()
    if earlier.state.error is not None or earlier.state.count(NodeState.FAILED):
        return
    world = World(spec, earlier=earlier)
    while not world.flow.is_over and world.waiting:  # approvals that were denied are asked again
        world.decide(world.waiting[0])
        world.turn()
    denied = [n for n in earlier.state.nodes.values() if n.approval is not None and n.state is NodeState.SKIPPED]
    assert not [n.node_id for n in world.flow.state.nodes.values() if n.attempts] or denied
