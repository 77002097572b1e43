"""The project's documents as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")) if path.is_file()]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    """README's code blocks of a language, in order."""
    return [code for name, code in _FENCE.findall(README) if name == language]


def section(title: str) -> str:
    """README from a heading to the next one of the same rank or above."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", README, re.DOTALL | re.MULTILINE)
    assert match is not None, f"README has no section {title!r}"
    rank = len(match[1])
    rest = README[match.start(2) :]
    end = re.search(rf"^#{{1,{rank}}} ", _without_code(rest), re.MULTILINE)
    return rest if end is None else rest[: end.start()]


def links(text: str) -> list[str]:
    """The targets of all links and pictures."""
    return [first or second for first, second in _LINK.findall(_without_code(text))]


def anchors(text: str) -> set[str]:
    """The anchors that the headings make, by the rule of the code hosts."""
    return {_anchor(heading) for heading in _HEADING.findall(_without_code(text))}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _without_code(text: str) -> str:
    """Code blocks blanked out, everything else at its place."""
    return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
