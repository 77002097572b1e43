"""The program of a command: what is wrong with it is said before it is begun."""

import os

import pytest

from smithersd.executors.shell.program import check_program


@pytest.mark.parametrize(
    ("argv", "error"),
    [((), ValueError), (("/no/such/program",), FileNotFoundError), (("/etc/passwd",), PermissionError)],
)
def test_a_program_that_is_not_there_is_an_error_and_no_exit_code(argv, error):
    with pytest.raises(error):
        check_program(argv, None, dict(os.environ))


def test_a_program_is_found_from_the_folder_that_it_runs_in(tmp_path):
    (tmp_path / "tool").symlink_to("/bin/true")

    check_program(("./tool",), str(tmp_path), {})
    check_program(("true",), None, {"PATH": "/bin"})
    with pytest.raises(FileNotFoundError, match=r"./tool"):
        check_program(("tool",), str(tmp_path), {"PATH": "/bin"})
