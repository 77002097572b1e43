"""The project's documents as the tests read them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_UNNAMED_FENCE = re.compile(r"^```\n.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_MARK = re.compile(r"[`*]|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of code; its title is the name of the file that it is."""

    language: str
    title: str
    code: str


@dataclass(frozen=True)
class Document:
    """A Markdown file, or a section of one."""

    name: str
    text: str

    def blocks(self, language: str) -> list[str]:
        """The code blocks of a language, in order."""
        return [block.code for block in self.all_blocks() if block.language == language]

    def all_blocks(self) -> Iterator[Block]:
        """Every code block that has a language."""
        for language, title, code in _FENCE.findall(self.text):
            yield Block(language, title, code)

    def file(self, title: str) -> str:
        """The code block that is a file of this name."""
        (code,) = [block.code for block in self.all_blocks() if block.title == title]
        return code

    def section(self, title: str) -> "Document":
        """From a heading to the next one of the same rank or above."""
        match = re.search(rf"^(#+) {re.escape(title)}\n", self.text, re.MULTILINE)
        assert match is not None, f"{self.name} has no section {title!r}"
        rest = self.text[match.end() :]
        end = re.search(rf"^#{{1,{len(match[1])}}} ", without_code(rest), re.MULTILINE)
        return Document(f"{self.name}, {title}", rest if end is None else rest[: end.start()])

    def rows(self) -> list[list[str]]:
        """The cells of every row of a table, heads left out."""
        lines = [line for line in without_code(self.text).splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        rules = [index for index, row in enumerate(cells) if set("".join(row)) <= set("-: ")]
        heads = {index - 1 for index in rules}
        return [row for index, row in enumerate(cells) if index not in heads and index not in rules]

    def first_cells(self) -> list[str]:
        """What the tables' rows are about: the code in their first cells, one by one."""
        return [code for row in self.rows() for code in _INLINE_CODE.findall(row[0])]

    def inline_code(self) -> list[str]:
        """What stands in single backticks."""
        return _INLINE_CODE.findall(without_code(self.text))

    def links(self) -> list[str]:
        """The targets of all links and pictures."""
        return [first or second for first, second in _LINK.findall(without_code(self.text))]

    def anchors(self) -> set[str]:
        """The anchors that the headings make, by the rule of the code hosts."""
        return {_anchor(heading) for heading in _HEADING.findall(without_code(self.text))}


def document(name: str) -> Document:
    """A document by its path from the project's root."""
    return Document(name, (ROOT / name).read_text(encoding="utf-8"))


def without_code(text: str) -> str:
    """Code blocks blanked out, everything else at its place."""
    for fence in (_FENCE, _UNNAMED_FENCE):
        text = fence.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    return text


def _anchor(heading: str) -> str:
    text = _MARK.sub(lambda mark: mark[1] or "", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


DOCUMENTS = [document(str(path.relative_to(ROOT))) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))]
"""Everything that is written for people."""

GUIDES = [one for one in DOCUMENTS if one.name not in {"ARCHITECTURE.md", "CHANGELOG.md"}]
"""What is written for those who use it."""

README = document("README.md")
TUTORIAL = document("docs/tutorial.md")
