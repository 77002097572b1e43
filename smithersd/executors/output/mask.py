"""Mask: replaces the secrets of an attempt by asterisks, in whole texts and in texts that come in pieces."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from smithersd.errors import InvalidOutput
from smithersd.limits import SECRET_LENGTH_MIN

MASK = "***"

LINE_LENGTH_MIN = 8
"""Characters from which on a line of a secret, such as a private key, is replaced on its own."""

_MARKER = "-----"
"""Begins the lines around a key, which are no secret."""

_CUT = re.compile(r"\.\.\.|…")
"""What stands where a text was cut."""

Span = tuple[int, int]


class Mask:
    """The secrets of one attempt, as they may occur in a text: as they are, escaped or quoted, or line by line."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {form: name for name, value in values.items() for form in _forms(value)}

    def text(self, text: str) -> str:
        """Return a text with all secrets in it replaced, and the beginning of one that was cut with the text."""
        cuts = [*(cut.start() for cut in _CUT.finditer(text)), len(text)]
        begun = [(start, cut) for cut in cuts if cut - (start := self.begun_at(text[:cut])) >= SECRET_LENGTH_MIN]
        return _replaced(text, self.spans(text, begun))

    def secret_in(self, text: str) -> str | None:
        """Return the name of a secret that occurs in a text, None if none does."""
        return next((name for form, name in self._names.items() if form in text), None)

    def spans(self, text: str, further: Iterable[Span] = ()) -> list[Span]:
        """Return where secrets are in a text, with further places; those that overlap are one."""
        merged: list[Span] = []
        for start, end in sorted([*further, *(span for form in self._names for span in _occurrences(form, text))]):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def begun_at(self, text: str) -> int:
        """Return where at the end of a text a secret may have begun; the text's length if none has."""
        first = len(text)
        for form in self._names:
            start = text.find(form[0], max(0, len(text) - len(form) + 1), first)
            while start >= 0 and not form.startswith(text[start:]):
                start = text.find(form[0], start + 1, first)
            first = first if start < 0 else start
        return first


class MaskedStream:
    """Replaces secrets in a text that comes in pieces: the end of a piece is held back if a secret may begin there."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held = ""
        self._replaced = 0
        """How many characters at the beginning of what is held belong to a secret that was replaced."""

    def add(self, text: str) -> str:
        """Take a piece; return what can be passed on."""
        text = self._held + text
        return self._pass_on(text, self._mask.begun_at(text))

    def close(self) -> str:
        """Return what was held back."""
        return self._pass_on(self._held, len(self._held))

    def _pass_on(self, text: str, until: int) -> str:
        already = [(0, self._replaced)] if self._replaced else []
        spans = [span for span in self._mask.spans(text, already) if span[0] < max(until, len(already))]
        self._held, self._replaced = text[until:], max(0, spans[-1][1] - until) if spans else 0
        passed_on = _replaced(text[:until], spans)
        return passed_on.removeprefix(MASK) if already else passed_on


def without_secrets(encode: Callable[[object], str], mask: Mask, result: object) -> str:
    """Convert a result to JSON text by `encode`.

    Raises:
        InvalidOutput: it is not valid, or holds a secret.
    """
    text = encode(result)
    name = mask.secret_in(text)
    if name is not None:
        raise InvalidOutput(
            f"The output holds the secret {name!r}. Return what does not hold it: outputs are stored and shown."
        )
    return text


def _replaced(text: str, spans: list[Span]) -> str:
    """Return a text with asterisks in the places of spans, the last of which may reach beyond it."""
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    kept = (text[end:start] for end, start in zip([0, *ends], [*starts, len(text)], strict=True))
    return MASK.join(kept)


def _occurrences(form: str, text: str) -> Iterator[Span]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms(value: str) -> set[str]:
    lines = {line.strip() for line in value.splitlines()}
    parts = {line for line in lines if len(line) >= LINE_LENGTH_MIN and not line.startswith(_MARKER)}
    return {form for part in {value, *parts} for form in _written(part)}


def _written(text: str) -> set[str]:
    """Return a text as it is, and as JSON, Python and URLs write it."""
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
    return {text, *escaped, quote(text), quote(text, safe=""), quote_plus(text)}
