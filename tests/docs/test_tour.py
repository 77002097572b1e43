"""README's tour shows what really happens."""

from pathlib import Path

from tests.docs.documents import README
from tests.docs.tour import masked, play


def test_the_tour_shows_what_a_reader_sees(tmp_path: Path) -> None:
    shown = masked(README)
    for name, seen in play(tmp_path).items():
        assert masked(seen).strip() in shown, name
