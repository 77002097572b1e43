"""What the guides say to type exists: commands, flags, scripts, routes, events, codes, metrics, wherever they stand."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import split_arg_string

import smithersd
from smithersd import limits
from smithersd.core.log.events import EVENT_TYPES
from tests.docs.documents import GUIDES, ROOT, Document, document
from tests.docs.test_reference import COMMANDS, ERROR_CODES, flags_of, metric_names, routes

PROMPT = re.compile(r"^(?:alpha|beta)?\$ (.*)$")
FLAGS = set().union(*map(flags_of, COMMANDS.values())) | {"-h", "--help", "--version", "--lease"}
FLAGS_OF_OTHERS = {
    *("--all", "--python", "--lowest", "--serve", "--quick", "--strict"),  # our scripts'
    *("--init", "-p"),  # docker's, journalctl's
}
OPERATORS = {"|", "&&", ";", "#", ">", "<"}

each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


def typed_lines(guide: Document) -> Iterator[str]:
    """What a reader types, continued lines joined."""
    for block in guide.blocks("console"):
        for line in block.replace("\\\n", " ").splitlines():
            if match := PROMPT.match(line):
                yield match[1]


def parse(words: list[str]) -> None:
    """Let click say whether a command line of `smithers` has a flag that does not exist."""
    two = " ".join(words[:3])
    name = two if two in COMMANDS else " ".join(words[:2])
    assert name in COMMANDS, words
    command = COMMANDS[name]
    context = click.Context(command, info_name=name)
    command.make_parser(context).parse_args(words[len(name.split()) :])


@each_guide
def test_every_command_that_is_typed_is_one(guide: Document) -> None:
    for line in typed_lines(guide):
        words = shlex.split(line)
        if words[0] == "smithers":
            parse(list(itertools.takewhile(lambda word: word not in OPERATORS, words)))
        elif words[0].startswith("./scripts/"):
            assert (ROOT / words[0]).is_file(), line
        for word in words:
            if word.startswith("examples/"):
                assert (ROOT / word).is_file(), line


@each_guide
def test_every_command_and_flag_that_is_mentioned_is_one(guide: Document) -> None:
    for code in guide.inline_code():
        words = split_arg_string(code)
        if words[:1] == ["smithers"] and len(words) > 1:
            parse(words)
        elif words[:1] == ["up"] or words[:1] == ["down"]:
            parse(["smithers", *words])
        elif re.match(r"--[a-z]|-[a-z]\b", code):
            assert words[0] in FLAGS | FLAGS_OF_OTHERS, code
        elif code.startswith("scripts/"):
            assert (ROOT / words[0]).is_file(), code


def test_the_command_of_the_container_is_one() -> None:
    compose = document("docs/how-to/containers.md").file("compose.yaml")
    (command,) = re.findall(r"command: (.*)", compose)
    parse(shlex.split(command))


@each_guide
async def test_every_route_that_is_mentioned_is_one(guide: Document, tmp_path: Path) -> None:
    patterns = [re.sub(r":node", "[^ ]+", route) for route in await routes(tmp_path)]
    mentioned = [code for code in guide.inline_code() if re.match(r"(GET|POST) /", code)]
    asked = [(line, re.search(r"^curl.*localhost:\d+(/[^\s'\"?]*)", line)) for line in typed_lines(guide)]
    mentioned += [f"{'POST' if '-X POST' in line else 'GET'} {url[1]}" for line, url in asked if url]
    for route in mentioned:
        assert any(re.fullmatch(pattern, route) for pattern in patterns), route


@each_guide
def test_every_event_that_is_mentioned_is_one(guide: Document) -> None:
    text = " ".join((*guide.inline_code(), *typed_lines(guide)))
    for name in re.findall(r"\b(?:Run|Node|Task|Approval|Branch|Frame)[A-Z][a-z]\w+", text):
        assert name in EVENT_TYPES or name in smithersd.__all__, name


@each_guide
def test_every_code_variable_and_limit_that_is_mentioned_is_one(guide: Document) -> None:
    variables = document("docs/reference/cli.md").section("Environment").first_cells()
    secrets = re.findall(r'Secret\("(\w+)"\)', document("docs/reference/workflows.md").text)
    variables = [*variables, *secrets, *(f"{name}_FILE" for name in secrets)]
    for code in guide.inline_code():
        if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code):
            assert code in {*ERROR_CODES, *variables, *vars(limits)}, code


@each_guide
def test_every_metric_that_is_mentioned_is_one(guide: Document) -> None:
    for code in guide.inline_code():
        if name := re.match(r"smithers_\w+", code):
            assert name[0] in metric_names(), code
