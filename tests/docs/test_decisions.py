"""Records of decisions are numbered without a gap, have the same parts, and are all in the list."""

import re

import pytest

from tests.docs.documents import DOCUMENTS, Document, document

RECORDS = sorted((page for page in DOCUMENTS if re.match(r"docs/decisions/\d", page.name)), key=lambda page: page.name)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_has_its_parts(record: Document) -> None:
    assert re.findall(r"^## (.*)$", record.text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Status: (accepted|replaced by \[\d+\]\(.*\))$", record.text, re.MULTILINE)


def test_records_are_numbered_and_listed_by_their_titles() -> None:
    titles = {page.name.rpartition("/")[2]: page.text.splitlines()[0] for page in RECORDS}
    assert [int(name[:4]) for name in titles] == list(range(1, len(RECORDS) + 1))
    listed = re.findall(r"^(\d+)\. \[(.*)\]\((.*)\)$", document("docs/decisions/index.md").text, re.MULTILINE)
    assert {name: f"# {number}. {title}" for number, title, name in listed} == titles
