"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import smithersd.elements
import smithersd.engine
import smithersd.posix


def _modules() -> list[str]:
    packages = (smithersd.elements, smithersd.engine, smithersd.posix)
    found = [f"{package.__name__}.{it.name}" for package in packages for it in pkgutil.iter_modules(package.__path__)]
    return [*found, "smithersd.testing"]


@pytest.mark.parametrize("name", _modules())
def test_the_examples_of_a_module_work(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs=vars(module)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in _modules()]
    assert sum(len(test.examples) for module in modules for test in finder.find(module)) > 10
