"""docs/states.svg shows the table by which the program runs."""

import runpy

from tests.docs.documents import ROOT


def test_the_picture_of_the_states_is_what_the_script_draws() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "draw_states.py"))
    drawn = (ROOT / "docs" / "states.svg").read_text(encoding="utf-8")
    assert drawn == script["picture"](), "run scripts/draw_states.py"
