"""How a run is to be begun."""

from enum import StrEnum


class StartMode(StrEnum):
    """Whether a run may, must or must not exist."""

    NEW = "new"
    RESUME = "resume"
    EITHER = "either"
