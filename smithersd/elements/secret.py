"""Secret: a value that an attempt gets from its environment, and that is never stored."""

import re

from smithersd.elements.not_a_value import NotAValue
from smithersd.elements.texts import plain_text, shown
from smithersd.errors import WorkflowError
from smithersd.limits import NODE_ID_LENGTH_MAX

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(NotAValue):
    """The name of a secret: an argument of a `Task`, or a value in `env=` of a `Shell`.

    Each attempt reads it anew: from the environment variable of that name, from the file that the variable NAME_FILE
    names, or from the systemd credential of that name. The task receives it as `str`. It is not stored, and it is
    replaced by asterisks in what the attempt prints and in its errors.

    Examples:
        >>> from smithersd import Secret, Shell, Task
        >>> def deploy(version: str, token: str) -> str:
        ...     return version
        >>> deployed = Task("deploy", deploy, "1.2", Secret("DEPLOY_TOKEN"))
        >>> pushed = Shell("push", "git push", env={"GIT_TOKEN": Secret("DEPLOY_TOKEN")})

    Raises:
        WorkflowError: the name cannot be that of an environment variable.
    """

    __slots__ = ("name",)

    not_a_value = "a secret is read only when an attempt begins"

    def __init__(self, name: str) -> None:
        self.name = _checked_name(name)

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"


def _checked_name(name: object) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name) and len(name) <= NODE_ID_LENGTH_MAX:
        return plain_text(name)
    raise WorkflowError(
        f"The name of a secret is {shown(name)}.",
        remedy='Give the name of an environment variable: letters, digits and "_", such as "DEPLOY_TOKEN".',
    )
