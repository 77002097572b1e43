"""What a task returns is what the next one receives, or it is said where it is not."""

import collections
import dataclasses
import datetime as dt
import enum
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import pytest
import typing_extensions
from pydantic import (
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    field_validator,
)
from pydantic.alias_generators import to_camel

from smithersd import Sequence, Task, Workflow
from smithersd.elements.values.schema import schema_for
from smithersd.errors import InvalidOutput, WorkflowError
from smithersd.testing import run_to_end

T = TypeVar("T")


class Metrics(BaseModel):
    loss: float | None = None


class Spelled(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    loss: float


class Constant(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    loss: float


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))
    max_items: int = 10


class TwoAliases(BaseModel):
    items: int = Field(default=1, validation_alias="itemsIn", serialization_alias="itemsOut")


class Aliased(BaseModel):
    max_items: int = Field(alias="maxItems")


class Token(BaseModel):
    token: SecretStr


class PerhapsToken(BaseModel):
    token: SecretStr | None = None


class OpenToken(BaseModel):
    token: SecretStr

    @field_serializer("token", when_used="json")
    def written(self, token: SecretStr) -> str:
        return token.get_secret_value()


class Animal(BaseModel):
    name: str


class Dog(Animal):
    breed: str = "?"


class Square(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.width**2


class OpenSquare(Square):
    model_config = ConfigDict(extra="allow")


class Parsed(BaseModel):
    numbers: Json[list[int]]


class Corner(enum.Enum):
    TOP = (0, 1)
    BOTTOM = (0, 0)


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Word(enum.StrEnum):
    A = "a"


@dataclasses.dataclass
class Point:
    x: int
    marks: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Point3(Point):
    z: int = 0


class Row(typing_extensions.TypedDict):
    x: int


class Pair(NamedTuple):
    left: int
    right: str


class Box(BaseModel, Generic[T]):
    value: T


class Numbers(RootModel[list[int]]):
    pass


class Kept(BaseModel):
    x: int
    _note: str = PrivateAttr(default="none")
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def noted(self, note: str) -> "Kept":
        self._note = note
        return self


class Excluding(BaseModel):
    x: int
    y: int = Field(default=0, exclude=True)


class RequiredAndExcluded(BaseModel):
    x: int = Field(exclude=True)


class Cat(BaseModel):
    kind: Literal["cat"] = Field("cat", alias="@kind")


class Fish(BaseModel):
    kind: Literal["fish"] = Field(default="fish", alias="@kind")


class Doubling(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def twice(cls, x: int) -> int:
        return 2 * x


class Rounding(BaseModel):
    share: float

    @field_serializer("share")
    def rounded(self, share: float) -> float:
        return round(share, 2)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: dt.date
    pair: tuple[int, int]


class Raising(BaseModel):
    x: int

    @field_validator("x")
    @classmethod
    def looked_up(cls, x: int) -> int:
        return {1: 1}[x]


class Handle:
    """It is equal to nothing but itself."""

    def __init__(self, number: int) -> None:
        self.number = number


Handled = Annotated[
    Handle,
    PlainValidator(lambda value: value if isinstance(value, Handle) else Handle(value)),
    PlainSerializer(lambda handle: handle.number),
]


class Incomparable(BaseModel):
    x: int

    def __eq__(self, other: object) -> bool:
        raise ValueError("not even so")

    __hash__ = None  # type: ignore[assignment]


class Calling(BaseModel):
    call: Callable[[int], int]


class Foreign(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    handle: Handle


class Texts(list[str]):
    pass


def squares() -> Iterator[int]:
    return (number * number for number in range(3))


def arrives(type: Any, value: Any) -> Any:
    schema = schema_for(type, "task 'a'")
    return schema.load(schema.dump(value))


def _name(one: object) -> str:
    return getattr(one, "__name__", None) or re.sub(r" object.* at 0x\w+", "", repr(one))


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (Any, [1, 2.5, -0.0, "text", None, True, {"a": []}]),
        (Any, collections.OrderedDict(a=1)),
        (Any, 10**400),
        (dict[str, int], collections.Counter("aab")),
        (collections.defaultdict[str, list[int]], collections.defaultdict(list, a=[1])),
        (list[str], Texts(["a"])),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (frozenset[str], frozenset("a")),
        (dict[int, str], {1: "a"}),
        (dict[dt.date, int], {dt.date(2024, 2, 29): 1}),
        (bytes, b"abc"),
        (Decimal, Decimal("1.10")),
        (dt.datetime, dt.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))),
        (dt.timedelta, dt.timedelta(days=-1, microseconds=7)),
        (uuid.UUID, uuid.UUID(int=7)),
        (Path, Path("/a/b")),
        (Mixed, Mixed.TWO),
        (Word, Word.A),
        (Point, Point(1, ["a"])),
        (Row, {"x": 1}),
        (Pair, Pair(1, "a")),
        (Box[int], Box[int](value=1)),
        (Numbers, Numbers([1])),
        (Excluding, Excluding(x=1)),
        (Square, Square(width=3)),
        (OpenSquare, OpenSquare.model_validate({"width": 3, "more": 1})),
        (Parsed, Parsed.model_validate({"numbers": "[1, 2]"})),
        (Camel, Camel(max_items=3)),
        (TwoAliases, TwoAliases.model_validate({"itemsIn": 5})),
        (Aliased, Aliased.model_validate({"maxItems": 5})),
        (OpenToken, OpenToken(token=SecretStr("hunter2"))),
        (Annotated[Cat | Fish, Field(discriminator="kind")], Fish()),
        (float, 3),
    ],
    ids=_name,
)
def test_what_arrives_is_what_was_returned(type: Any, value: Any) -> None:
    received = arrives(type, value)
    assert received == value


def test_what_cannot_be_compared_arrives_when_it_is_written_the_same_again() -> None:
    assert arrives(list[Handled], [Handle(3)])[0].number == 3
    assert arrives(Incomparable, Incomparable(x=1)).x == 1
    assert arrives(Kept, Kept(x=1)).x == 1, "a lock in a private attribute is made anew"


@pytest.mark.parametrize(
    ("type", "value", "received"),
    [
        (list[int], squares(), [0, 1, 4]),
        (set[int], squares(), {0, 1, 4}),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, int], [1, 2], (1, 2)),
        (list[Animal], ({"name": "Tom"},), [Animal(name="Tom")]),
        (Animal, {"name": "Tom"}, Animal(name="Tom")),
        (Aliased, {"maxItems": 3}, Aliased.model_validate({"maxItems": 3})),
        (Aliased, {"max_items": 3}, Aliased.model_validate({"maxItems": 3})),
        (Point, {"x": 1}, Point(1)),
        (Pair, (1, "a"), Pair(1, "a")),
        (Strict, {"day": "2024-02-29", "pair": [1, 2]}, Strict(day=dt.date(2024, 2, 29), pair=(1, 2))),
        (Box[int], Box(value=1), Box[int](value=1)),
        (int, "5", 5),
        (bool, 1, True),
    ],
    ids=_name,
)
def test_a_value_of_another_type_becomes_what_the_annotation_asks_for(type: Any, value: Any, received: Any) -> None:
    assert arrives(type, value) == received


@pytest.mark.parametrize(
    ("type", "value", "said"),
    [
        (Any, squares(), "the value"),
        (dict[str, list[int]], {"a": squares()}, "a is"),
        (Metrics, Metrics(loss=float("nan")), "loss is nan"),
        (Spelled, Spelled(loss=float("nan")), "loss is nan"),
        (Constant, Constant(loss=float("nan")), "NaN"),
        (list[Animal], [Dog(name="Rex", breed="collie")], "0.breed would be lost: Dog"),
        (Animal | None, Dog(name="Rex"), "breed would be lost"),
        (Point, Point3(1, [], 3), "z would be lost"),
        (Any, {1: "a"}, "has the key 1"),
        (Any, {None: "a"}, "has the key None"),
        (Any, {"a": {(1, 2): "b"}}, "a has the key (1, 2)"),
        (dict[str, str], {1: "a"}, "1"),
        (dict[str, Any], {"a": {1: 2}}, "a has the key 1"),
        (Any, (1, 2), "the value is of type tuple and would arrive as list"),
        (Any, {"at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}, "at is of type datetime"),
        (Any, Animal(name="Tom"), "type Animal"),
        (Any, Mixed.ONE, "type Mixed"),
        (Row, {"x": 1, "y": 2}, "y would be lost"),
        (Animal, {"name": "Tom", "nmae": "Tim"}, "nmae would be lost"),
        (list[Animal], [{"name": "Tom", "age": 3}], "0.age would be lost"),
        (Point, {"x": 1, "q": 2}, "q would be lost"),
        (set[int], [1, 1], "2 elements, of which 1"),
        (Excluding, Excluding(x=1, y=2), "y is 2"),
        (Kept, Kept(x=1).noted("mine"), "_note is 'mine'"),
        (Doubling, Doubling(x=1), "x is 2"),
        (Rounding, Rounding(share=1 / 3), "share is 0.333"),
        (Raising, Raising.model_construct(x=7), "KeyError"),
        (dt.datetime | str, "2024-01-01T00:00:00", "type str and would arrive as datetime"),
        (float, 2**53 + 1, "9007199254740993"),
        (str, "half \ud800", "surrogate"),
        (bytes, b"\xff", "utf-8"),
        (Any, object(), "type object, cannot be written"),
    ],
    ids=_name,
)
def test_what_would_be_lost_or_changed_is_refused_and_it_is_said_where(type: Any, value: Any, said: str) -> None:
    with pytest.raises(InvalidOutput) as raised:
        schema_for(type, "task 'a'").dump(value)
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("type", "said"),
    [
        (Token, "holds, in token, a SecretStr"),
        (PerhapsToken, "holds, in token, a SecretStr"),
        (list[SecretBytes], "a SecretBytes"),
        (Secret[int], "a Secret"),
        (Corner, "Corner.TOP, whose value (0, 1) JSON changes"),
        (dict[str, Corner], "Corner.TOP"),
        (RequiredAndExcluded, "holds, in x, a field that is required and excluded"),
        (Calling, "holds, in call, a function"),
        (Foreign, "holds, in handle, a Handle"),
        (Iterable[int], "iterator"),
        (type[int], "a class"),
        (dict[tuple[int, int], str], "keys"),
    ],
    ids=_name,
)
def test_a_type_that_can_never_come_back_is_refused_before_any_work(type: Any, said: str) -> None:
    with pytest.raises(WorkflowError) as raised:
        Task("a", print, output=type)
    assert "task 'a'" in raised.value.message
    assert said in raised.value.message


async def test_a_refused_output_is_not_made_again() -> None:
    calls: list[int] = []

    def charge() -> Any:
        calls.append(1)
        return {1: "charged"}

    flow: Workflow[Any] = Workflow(lambda _: Sequence(Task("charge", charge, retries=3)), name="flow")
    result = await run_to_end(flow)
    assert result.error is not None
    assert result.error.code == "INVALID_OUTPUT"
    assert "the key 1" in result.error.message
    assert len(calls) == 1
