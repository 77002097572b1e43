"""The input: validated once, kept with its defaults, unknown keys refused, given again or not."""

import dataclasses
import itertools
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict

from smithersd import Context, Task, Workflow, workflow
from smithersd.errors import InvalidInput, WorkflowError

_numbers = itertools.count(1)


class Place(BaseModel):
    region: str = "eu"
    port: Annotated[int, Field(alias="portNumber")] = 80


class Free(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str = "x"


@dataclasses.dataclass
class Box:
    size: int = 1


class Sheet(TypedDict):
    title: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: int = 0


class Order(BaseModel):
    number: int = Field(default_factory=lambda: next(_numbers))
    target: str = "staging"
    places: list[Place] = []
    by_name: dict[str, Place] = {}
    free: Free = Free()
    box: Box = Field(default_factory=Box)
    sheet: Sheet | None = None
    pet: Cat | Dog | None = None
    tagged: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    parent: "Order | None" = None


def taking(kind: Any) -> Workflow[Any]:
    def flow(ctx: Context[Any]) -> Any:
        return Task("one", print, ctx.input)

    flow.__annotations__["ctx"] = Context[kind]
    return workflow(flow)


ORDERS = taking(Order)


def test_a_default_is_judged_once_and_kept() -> None:
    kept = ORDERS.input_text({"target": "here"})
    first, second = ORDERS.load_input(kept), ORDERS.load_input(kept)
    assert first == second
    assert first.target == "here"
    assert ORDERS.input_text(first) == kept


@pytest.mark.parametrize(
    ("data", "place", "meant"),
    [
        ({"tarlget": "x"}, "tarlget", "target"),
        ({"places": [{"region": "eu"}, {"regoin": "us"}]}, "places.1.regoin", "region"),
        ({"by_name": {"a": {"portNumbr": 1}}}, "by_name.a.portNumbr", "portNumber"),
        ({"box": {"siz": 2}}, "box.siz", "size"),
        ({"sheet": {"title": "t", "tilte": "u"}}, "sheet.tilte", "title"),
        ({"pet": {"kind": "cat", "livs": 3}}, "pet.livs", "lives"),
        ({"tagged": {"kind": "dog", "trick": 3}}, "tagged.trick", "tricks"),
        ({"parent": {"parent": {"taget": "x"}}}, "parent.parent.taget", "target"),
    ],
)
def test_an_unknown_key_is_refused_and_a_like_one_named(data: Any, place: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match=f"unknown key '{place}'") as raised:
        ORDERS.input_text(data)
    assert f"'{meant}'" in str(raised.value.remedy)


@pytest.mark.parametrize(
    "data",
    [
        {"free": {"anything": 1}},
        {"places": [{"portNumber": 1}, {"port": 2}]},
        {"pet": {"kind": "dog", "tricks": 3}},
        {"tagged": {"kind": "cat", "lives": 1}},
        {"parent": {"parent": None}},
    ],
)
def test_names_aliases_and_allowed_extras_pass(data: Any) -> None:
    kept = ORDERS.input_text(data)
    assert ORDERS.is_same_input(data, kept)


def test_any_json_passes_where_nothing_is_said_of_the_type() -> None:
    assert taking(Any).input_text({"a": {"b": 1}}) == '{"a":{"b":1}}'
    assert taking(dict[str, int]).input_text({"a": 1}) == '{"a":1}'


def test_what_was_not_given_is_no_difference_and_what_was_given_is_one() -> None:
    kept = ORDERS.input_text({"target": "here", "box": {"size": 3}, "by_name": {"a": {"region": "us"}}})
    same: Any
    for same in (
        None,
        {},
        {"target": "here"},
        {"by_name": {"a": {}}},
        {"box": {"size": 3}},
        {"box": {}},
        Order(target="here"),
    ):
        assert ORDERS.is_same_input(same, kept), same
    other: Any
    for other in ({"target": "there"}, {"by_name": {}}, {"by_name": {"a": {"region": "eu"}}}, {"box": {"size": 4}}):
        assert not ORDERS.is_same_input(other, kept), other
    with pytest.raises(InvalidInput, match="unknown key"):
        ORDERS.is_same_input({"tarlget": "here"}, kept)


def test_an_input_type_that_cannot_be_read_back_is_refused() -> None:
    class Secret(BaseModel):
        token: SecretStr

    with pytest.raises(WorkflowError, match="input of workflow"):
        taking(Secret)
