"""A command whose help shows its options under headings."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

_OTHERS = "Other"


class SectionedCommand(click.Command):
    """A command whose help groups its options in sections; those of no section come last, as "Other"."""

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **attributes: Any) -> None:
        """`sections` maps headings to parameter names, in the order in which they are shown."""
        super().__init__(*args, **attributes)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options section by section."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        shown = {option.name: record for option in options if (record := option.get_help_record(ctx)) is not None}
        for title, names in self._sections.items():
            _write(formatter, title, [shown.pop(name) for name in names])
        _write(formatter, _OTHERS, list(shown.values()))


def _write(formatter: click.HelpFormatter, title: str, records: list[tuple[str, str]]) -> None:
    with formatter.section(title):
        formatter.write_dl(records)
