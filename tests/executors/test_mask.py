"""No secret of an attempt is left in a text, in however many pieces the text comes."""

import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smithersd.executors.output.mask import Mask, MaskedStream

TOKEN = "hunter2-token"
KEY = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nqW3rT5yU8iO0pL2k==\n-----END KEY-----"
SELF_OVERLAPPING = "aXaXa"


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def streamed(mask: Mask, parts: list[str]) -> str:
    stream = MaskedStream(mask)
    return "".join(map(stream.add, parts)) + stream.close()


@given(
    st.lists(st.sampled_from([TOKEN, TOKEN[:5], TOKEN[4:], SELF_OVERLAPPING, "aXa", "X", "plain ", "\n"]), max_size=9),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_wherever_a_text_is_cut_no_secret_is_left(words: list[str], cuts: list[int]) -> None:
    mask = Mask({"TOKEN": TOKEN, "OTHER": SELF_OVERLAPPING})
    text = "".join(words)
    whole = streamed(mask, [text])
    assert streamed(mask, pieces(text, cuts)) == whole
    assert TOKEN not in whole
    assert SELF_OVERLAPPING not in whole
    assert mask.secret_in(text) is not None or whole == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"token={TOKEN};", "token=***;"),
        (f"{TOKEN}{TOKEN} and {TOKEN}", "****** and ***"),
        ("aXaXaXaXa", "***"),
        ("nothing of it", "nothing of it"),
        ("", ""),
        (f"it said {TOKEN[:9]}... and more", "it said ***... and more"),
        (f"it said {TOKEN[:9]}…", "it said ***…"),
        (f"it was cut at {TOKEN[:9]}", "it was cut at ***"),
        ("it ends with hun", "it ends with hun"),
    ],
)
def test_a_text_has_asterisks_in_the_place_of_a_secret(text: str, masked: str) -> None:
    assert Mask({"TOKEN": TOKEN, "OTHER": SELF_OVERLAPPING}).text(text) == masked


def test_a_beginning_of_a_secret_waits_for_what_follows() -> None:
    stream = MaskedStream(Mask({"TOKEN": TOKEN}))
    assert stream.add("say hunt") == "say "
    assert stream.add("ing, not hunter2-") == "hunting, not "
    assert stream.add("token!") == "***!"
    assert stream.add("hunter") == ""
    assert stream.close() == "hunter"


@pytest.mark.parametrize("write", [str, json.dumps, repr, quote, lambda text: quote(text, safe="")])
def test_a_secret_is_found_as_others_write_it(write: object) -> None:
    secret = "p/w\"ö\n'\\ ü&x"
    assert callable(write)
    assert Mask({"S": secret}).secret_in(f"[{write(secret)}]") == "S"


def test_a_key_is_found_line_by_line_but_not_by_the_marks_around_it() -> None:
    mask = Mask({"KEY": KEY})
    assert mask.text("> MIIEpAIBAAKCAQEA <") == "> *** <"
    assert mask.secret_in("-----BEGIN KEY-----") is None
