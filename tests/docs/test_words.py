"""Every word that names a file or a public class is in ARCHITECTURE's tables, and nothing else is."""

import ast
import re
from collections import defaultdict

from tests.docs.documents import ROOT

PACKAGE = ROOT / "smithersd"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def singular(word: str) -> str:
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("s", "")):
        if word.endswith(ending) and len(word) > 3 and not word.endswith(("ss", "us", "is")):
            return word.removesuffix(ending) + replacement
    return word


def words_of(name: str) -> set[str]:
    """Return the words of a name in snake or camel case."""
    return {singular(word.lower()) for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def names() -> dict[str, set[str]]:
    """Return each word with the files and classes that it names."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE)
        classes = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
        named = [part for part in path.with_suffix("").parts if not part.startswith("__")]
        for name in (*named, *(name for name in classes if not name.startswith("_"))):
            for word in words_of(name):
                found[word].add(f"{path}: {name}")
    return found


def table(heading: str) -> str:
    """Return what stands under a heading, up to the next one."""
    section = ARCHITECTURE.split(f"\n{heading}\n", 1)[1]
    return re.split(r"\n##", section, maxsplit=1)[0]


def own_words() -> set[str]:
    return {word for phrase in re.findall(r"\*([a-z ]+)\*", table("## The words")) for word in words_of(phrase)}


def field_words() -> set[str]:
    rows = [line.split("|")[2] for line in table("### Words of the field").splitlines() if line.startswith("| ")]
    return {word for row in rows[1:] for word in re.findall(r"[a-z]+", row)}


def test_every_word_that_names_something_is_in_a_table() -> None:
    known = own_words() | field_words()
    assert {word: sorted(uses) for word, uses in names().items() if word not in known} == {}


def test_no_table_lists_a_word_that_names_nothing() -> None:
    assert field_words() - names().keys() == set()


def test_no_word_stands_in_both_tables() -> None:
    assert field_words() & own_words() == set()
