"""A figure: what was measured, how often, and what is asked of it."""

import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Target:
    """What the median has to be."""

    bound: float
    is_minimum: bool

    def is_met_by(self, value: float) -> bool:
        """Whether the value is on the right side of the bound."""
        return value >= self.bound if self.is_minimum else value <= self.bound


def at_least(bound: float) -> Target:
    """The more the better."""
    return Target(bound, is_minimum=True)


def at_most(bound: float) -> Target:
    """The less the better."""
    return Target(bound, is_minimum=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    samples: Sequence[float]
    unit: str
    target: Target | None = None

    @property
    def is_missed(self) -> bool:
        """Whether its target is not met."""
        return self.target is not None and not self.target.is_met_by(median(self.samples))


def table(figures: Sequence[Figure]) -> str:
    """Write figures as aligned lines: median, spread, target."""
    rows = [("", "median", "min", "max", "", "target", ""), *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join(_line(row, widths).rstrip() for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    samples, target = figure.samples, figure.target
    wanted = "" if target is None else f"{'>=' if target.is_minimum else '<='} {target.bound:g}"
    verdict = "" if target is None else "MISSED" if figure.is_missed else "met"
    return figure.name, *map(_number, (median(samples), min(samples), max(samples))), figure.unit, wanted, verdict


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, unit, wanted, verdict = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return "  ".join([name, *(number.strip().rjust(len(number)) for number in numbers), unit, wanted, verdict])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are what is certain


def machine() -> str:
    """Say what this was measured on."""
    processor = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    return (
        f"{platform.system()} {platform.release()}, {os.cpu_count()} cores of {processor}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {os.getloadavg()[0]:.1f}"
    )


def is_busy() -> bool:
    """Whether more ran in the last minute than a benchmark of ours: it keeps one core busy, and half of another."""
    return os.getloadavg()[0] > 1.5  # noqa: PLR2004 - said above


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
