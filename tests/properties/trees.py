"""Random workflows: a spec that hypothesis can draw and shrink, and the workflow that it stands for.

What a node does is fixed by its spec (how often it fails, what it returns, what a person says to it), so that two
histories of the same spec can be compared.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st

from smithersd import (
    Approval,
    Branch,
    Context,
    Group,
    Parallel,
    Secret,
    Sequence,
    Shell,
    Signal,
    Task,
    Timer,
    Workflow,
    workflow,
)
from smithersd.elements import Element, TaskOptions

FAILURES_FOR_EVER = 99
TIMEOUT_S = 60
RETRY_AFTER_S = 7
SECRET = "DRAWN_SECRET"
SECRET_VALUE = "hunter2-token"
os.environ[SECRET] = SECRET_VALUE
DATE = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
"""A time soon after that at which the tests' clocks stand."""


@dataclass(frozen=True)
class TaskSpec:
    id: str
    failures: int = 0
    retries: int = 0
    absorbs: bool = False
    needs_approval: bool = False
    is_denied: bool = False
    is_skipped: bool = False
    hangs: bool = False
    """Whether its failing attempts hang until their timeout, instead of raising."""
    is_given_secret: bool = False
    """Whether its function has a secret among its keywords, so that its attempts begin only once that is read."""
    raises: str = "an error"
    """What its failing attempts raise: "an error", "permanent" or "retry after"."""
    vanishes_with: str | None = None
    """The node whose output makes this one vanish from the tree."""
    arguments: tuple[str, ...] = ()
    is_given_values: bool = False
    """Whether it is given what functions make of the outputs, and not these themselves."""
    skip_told_by: str | None = None
    """The node of whose output its skip_if is made."""
    is_shell: bool = False
    """Whether it is a command; where tests run for real, none is."""


@dataclass(frozen=True)
class ApprovalSpec:
    id: str
    on_deny: str = "continue"
    is_denied: bool = False
    tells: str | None = None
    """The node whose output stands in its question, so that it is asked anew."""


@dataclass(frozen=True)
class TimerSpec:
    id: str
    after_s: int
    is_until: bool
    """Whether it waits until a date that a function computes, which looks at another node."""
    peeks: str | None = None
    told_by: str | None = None
    """The node of whose output its time is made."""


@dataclass(frozen=True)
class SignalSpec:
    id: str
    times_out: str | None = None
    """What it does at its timeout; then nobody sends it."""
    is_sent_wrong: bool = False
    """Whether it is sent once with data that do not fit, before it is sent right."""


@dataclass(frozen=True)
class BoxSpec:
    kind: str
    children: tuple["Spec", ...]
    cap: int | None = None
    is_nosy: bool = False
    """Whether building it reads the state of every node inside, so that it is rendered again and again."""


@dataclass(frozen=True)
class GroupSpec:
    """A name before the ids of all that is inside, which the specs there have in full."""

    id: str
    inner: "Spec"


@dataclass(frozen=True)
class BranchSpec:
    id: str
    reads: str | None
    value: bool
    then: "Spec"
    otherwise: "Spec | None"
    told_by: str | None = None
    """The node of whose output its condition is made."""


@dataclass(frozen=True)
class LazySpec:
    awaits: str | None
    peeks: str | None
    inner: "Spec"


Spec = TaskSpec | ApprovalSpec | TimerSpec | SignalSpec | BoxSpec | GroupSpec | BranchSpec | LazySpec


@dataclass
class _Draw:
    draw: Callable[[st.SearchStrategy[Any]], Any]
    may_vanish: bool
    has_shells: bool
    earlier: list[str] = field(default_factory=list)
    certain: set[str] = field(default_factory=set)
    """Tasks that never end without an output, unless the run fails."""
    number: int = 0
    prefix: str = ""

    def new_id(self) -> str:
        self.number += 1
        return f"{self.prefix}n{self.number}"

    def known(self) -> str | None:
        chosen: str | None = self.draw(st.sampled_from([None, *self.earlier]))
        return chosen

    def teller(self) -> str | None:
        """An earlier task of whose output something can be made in any case; often none."""
        tellers = [earlier for earlier in self.earlier if earlier in self.certain]
        return self.draw(st.sampled_from(tellers)) if tellers and self.draw(_RARELY) else None

    def spec(self, depth: int) -> Spec:  # noqa: PLR0911 - one arm a kind
        kinds = ["task", "task", "approval", "timer", "signal"]
        kinds += ["sequence", "parallel", "group", "branch", "lazy"] if depth else []
        match self.draw(st.sampled_from(kinds)):
            case "task":
                return self.task()
            case "approval":
                approval = ApprovalSpec(
                    self.new_id(),
                    self.draw(st.sampled_from(["continue", "skip", "fail"])),
                    self.draw(_RARELY),
                    self.known() if self.draw(_RARELY) else None,
                )
                self.earlier.append(approval.id)
                return approval
            case "timer":
                after_s = self.draw(st.sampled_from([0, 1, 60]))
                told_by = self.teller()
                is_until = told_by is None and self.draw(st.booleans())
                timer = TimerSpec(self.new_id(), after_s, is_until, self.known(), told_by)
                self.earlier.append(timer.id)
                return timer
            case "group":
                group_id, outside = self.new_id(), self.prefix
                self.prefix = f"{group_id}/"
                inner = self.spec(depth - 1)
                self.prefix = outside
                return GroupSpec(group_id, inner)
            case "signal":
                times_out = self.draw(st.sampled_from([None, None, None, "skip", "continue", "fail"]))
                signal = SignalSpec(self.new_id(), times_out, times_out is None and self.draw(_RARELY))
                self.earlier.append(signal.id)
                return signal
            case "branch":
                branch_id, reads, told_by = self.new_id(), self.known(), self.teller()
                before = list(self.earlier)
                then = self.spec(depth - 1)
                self.earlier = list(before)
                otherwise = self.spec(depth - 1) if self.draw(st.booleans()) else None
                self.earlier = before
                return BranchSpec(branch_id, reads, self.draw(st.booleans()), then, otherwise, told_by)
            case "lazy":
                awaits, peeks = self.known(), self.known()
                before = list(self.earlier)
                inner = self.spec(depth - 1)
                self.earlier = before
                return LazySpec(awaits, peeks, inner)
            case kind:
                return self.box(kind, depth)

    def box(self, kind: str, depth: int) -> BoxSpec:
        before = list(self.earlier)
        children: list[Spec] = []
        for _ in range(self.draw(st.integers(0, 4))):
            if kind == "parallel":
                self.earlier = list(before)
            children.append(self.spec(depth - 1))
        cap = self.draw(st.sampled_from([None, 1, 2])) if kind == "parallel" else None
        if kind == "parallel":
            self.earlier = before
        return BoxSpec(kind, tuple(children), cap, is_nosy=self.draw(_RARELY))

    def task(self) -> TaskSpec:
        retries = self.draw(st.integers(0, 2))
        spec = TaskSpec(
            id=self.new_id(),
            failures=self.draw(st.sampled_from([0, 0, 0, 1, 2, FAILURES_FOR_EVER])) if retries else 0,
            retries=retries,
            absorbs=self.draw(st.booleans()),
            needs_approval=self.draw(_RARELY),
            is_denied=self.draw(_RARELY),
            is_skipped=self.draw(_RARELY),
            hangs=self.draw(_RARELY),
            is_given_secret=self.draw(_RARELY),
            raises=self.draw(st.sampled_from(["an error", "an error", "permanent", "retry after"])),
            vanishes_with=self.known() if self.may_vanish else None,
            arguments=tuple({one for one in (self.known(), self.known()) if one is not None}),
            is_given_values=self.draw(_RARELY),
            skip_told_by=self.teller(),
            is_shell=self.has_shells and self.draw(_RARELY),
        )
        if spec.vanishes_with is None:
            self.earlier.append(spec.id)
            if not (spec.absorbs or spec.is_skipped):
                self.certain.add(spec.id)
        return spec


_RARELY = st.sampled_from([False, False, False, True])


@st.composite
def trees(draw: Any, *, may_vanish: bool = False, has_shells: bool = False) -> Spec:
    """A random tree: up to four things in sequence or side by side, nested up to three deep."""
    return _Draw(draw, may_vanish, has_shells).box(draw(st.sampled_from(["sequence", "parallel"])), 3)


def leaves(spec: Spec) -> Iterator[TaskSpec | ApprovalSpec | TimerSpec | SignalSpec]:
    match spec:
        case TaskSpec() | ApprovalSpec() | TimerSpec() | SignalSpec():
            yield spec
        case BoxSpec(children=children):
            for child in children:
                yield from leaves(child)
        case GroupSpec(inner=inner):
            yield from leaves(inner)
        case BranchSpec(then=then, otherwise=otherwise):
            yield from leaves(then)
            if otherwise is not None:
                yield from leaves(otherwise)
        case LazySpec(inner=inner):
            yield from leaves(inner)


def data_of(spec: SignalSpec) -> Iterator[Any]:
    """What is sent for a signal, one after the other."""
    if spec.is_sent_wrong:
        yield 7
    if spec.times_out is None:
        yield f"sent to {spec.id}"


def _told(value: Any, told_by: str | None, made: dict[str, Any], otherwise: Any) -> Any:
    """What says something that the spec knows: a value made of an output, or what stands there without one."""
    return otherwise if told_by is None else made[told_by].map(lambda _: value)


def _time(spec: TimerSpec, made: dict[str, Any]) -> dict[str, Any]:
    """What a timer waits for; a date lies before or after all that the tests' clocks show."""

    def until(ctx: Context[Any]) -> datetime:
        if spec.peeks is not None:
            ctx.latest(spec.peeks)
        return DATE + timedelta(seconds=spec.after_s)

    if spec.is_until:
        return {"until": until}
    return {"after": _told(spec.after_s, spec.told_by, made, spec.after_s)}


def own_id(spec_id: str) -> str:
    """Return an id as the author gives it, without the names of the groups around it."""
    return spec_id.rpartition("/")[2]


def work(*arguments: Any, secret: str | None = None) -> Any:
    """What every task's function is; tests that run for real hand in their own."""
    return list(arguments)


def listed(output: Any) -> list[Any]:
    """What is made of outputs among arguments."""
    return [output]


def workflow_of(  # noqa: C901 - one arm a spec
    spec: Spec,
    function_of: Callable[[TaskSpec], Callable[..., Any]] = lambda _: work,
    *,
    timeout_s: int | None = None,
) -> Workflow[Any]:
    """The workflow that a spec stands for."""

    def build(ctx: Context[Any], one: Spec, made: dict[str, Any]) -> Any:  # noqa: C901, PLR0911, PLR0912 - one arm a spec
        match one:
            case TaskSpec():
                if one.vanishes_with is not None and ctx.latest(one.vanishes_with) is not None:
                    return Sequence()
                options = TaskOptions(
                    retries=one.retries,
                    continue_on_fail=one.absorbs,
                    needs_approval=one.needs_approval,
                    timeout=TIMEOUT_S if one.hangs else None,
                    skip_if=_told(
                        one.is_skipped, one.skip_told_by, made, (lambda _: True) if one.is_skipped else False
                    ),
                    output=Any,
                )
                arguments = [made.get(argument, argument) for argument in one.arguments]
                if one.is_given_values:
                    arguments = [arg.map(listed) if isinstance(arg, Element) else arg for arg in arguments]
                if one.is_shell:
                    made[one.id] = Shell(own_id(one.id), ["command", *arguments], **options)
                else:
                    function = (
                        partial(function_of(one), secret=Secret(SECRET)) if one.is_given_secret else function_of(one)
                    )
                    made[one.id] = Task(own_id(one.id), function, *arguments, **options)
                return made[one.id]
            case ApprovalSpec():
                told = "" if one.tells is None else f" with {ctx.latest(one.tells)}"
                return Approval(own_id(one.id), title=f"Go on{told}?", on_deny=one.on_deny)
            case TimerSpec():
                return Timer(own_id(one.id), **_time(one, made))
            case SignalSpec(times_out=None):
                return Signal(own_id(one.id), str)
            case SignalSpec(times_out=str(times_out)):
                given: Any = {"on_timeout": times_out}
                return Signal(own_id(one.id), str, timeout=TIMEOUT_S, **given)
            case BoxSpec(kind, children, cap, is_nosy):
                if is_nosy:
                    for leaf in leaves(one):
                        ctx.state(leaf.id)
                if kind == "sequence":
                    return Sequence(*(build(ctx, child, made) for child in children))
                return Parallel(*(build(ctx, child, made) for child in children), max_concurrency=cap)
            case GroupSpec(group_id, inner):
                return Group(own_id(group_id), build(ctx, inner, made))
            case BranchSpec(branch_id, reads, value, then, otherwise, told_by):
                when = value if reads is None else (lambda c: (c.state(reads) is not None) and value)
                when = _told(value, told_by, made, when)
                other = None if otherwise is None else build(ctx, otherwise, made)
                return Branch(own_id(branch_id), when, build(ctx, then, made), other)
            case LazySpec(awaits, peeks, inner):

                def lazy(context: Context[Any]) -> Any:
                    if awaits is not None:
                        context.output(awaits)
                    if peeks is not None:
                        context.latest(peeks)
                    return build(context, inner, dict(made))

                return lazy

    @workflow(name="drawn", timeout=timeout_s)
    def drawn(ctx: Context[Any]) -> Any:
        return build(ctx, spec, {})

    return drawn
