"""Links lead somewhere, and every page of the site is in its menu."""

import re

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, Document, document


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_to_a_file_or_a_heading_resolves(page: Document) -> None:
    for link in page.links():
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = ((ROOT / page.name).parent / name).resolve() if name else ROOT / page.name
        assert target.is_file(), link
        assert not anchor or anchor in document(str(target.relative_to(ROOT))).anchors(), link


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    pages = {page.name.removeprefix("docs/") for page in DOCUMENTS if page.name.startswith("docs/")}
    assert pages <= set(re.findall(r"[\w/-]+\.md", menu))
