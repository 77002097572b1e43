"""What the documentation site shows beside docs/: the documents of the project's root, and files that pages link to.

A page is written for whoever reads it in the repository, so its links lead to files there. On the site README.md is the
front page, a link to ARCHITECTURE.md leads to its page, and any other file that is linked is copied.
"""

import logging
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "explanation/architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Where a document of the root stands on the site."""

_log = logging.getLogger("mkdocs.site_pages")  # a warning of mkdocs fails a strict build

_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]* src=\"?(https?:[^\"\s>]+)|<link\b[^>]* href=\"?(https?:[^\"\s>]+)"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose source stands outside of docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to where their targets stand on the site."""

    def moved(link: re.Match[str]) -> str:
        target = link[2]
        if "://" in target:
            return link[0]
        place = _place_of((source.parent / target).resolve(), files, config)
        return f"{link[1]}{os.path.relpath(place, Path(page.file.src_uri).parent)}{link[3] or ''}{link[4]}"

    assert page.file.abs_src_path is not None
    source = Path(page.file.abs_src_path)
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 # what mkdocs calls
    """Refuse a page that makes its reader's browser ask another host for something."""
    for sources in _FETCHED.findall(output):
        _log.warning("%s would be fetched from another host: %s", page.file.src_uri, "".join(sources))
    return output


def _place_of(target: Path, files: Files, config: MkDocsConfig) -> str:
    """Say where a file of the repository stands on the site; copy one that is no page."""
    name = target.relative_to(ROOT).as_posix()
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if name in PAGES:
        return PAGES[name]
    if target.is_file() and files.get_file_from_path(name) is None:
        files.append(File.generated(config, name, abs_src_path=str(target)))
    return name
