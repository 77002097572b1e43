"""Which years are leap years."""

__all__ = ["is_leap_year"]


def is_leap_year(year: int) -> bool:
    """Whether February of a Gregorian year has 29 days.

    >>> [year for year in (1900, 2000, 2027, 2028) if is_leap_year(year)]
    [2000, 2028]
    """
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
