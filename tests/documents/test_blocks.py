"""Every block of code on every page runs, and commands that pages name exist."""

import re
import shlex
import tomllib

import click
import page_world
import pytest
from page_blocks import PAGES, ROOT, list_blocks, list_starting_names, name_page

from neurolens.cli import app

# Blocks that are no code, and programs beside ours: they are read, not run.
TEXTS = {"text", "json", "yaml", "bibtex", "html"}
NOT_RUN = {
    "git": "it would change a repository",
    "cd": "it only moves",
    "python3": "it would make an environment",
    "pip": "what it installs is checked, nothing is installed",
    "open": "it would start a browser",
    "sbatch": "it needs a cluster",
}
# Commands that take no time are run. Of the others the command line is read, with all its options:
# their own tests run them.
QUICK = {"completion", "datasets", "init", "models"}
# Warnings of what pages show on purpose, or that noise in place of data brings about.
EXPECTED = (
    "the best penalty ends the grid",
    "20 stimuli are in a and b. 4 of 24 left out",
)


def list_pages(language):
    return [page for page in PAGES if any(b.language == language for b in list_blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_block_is_of_a_known_kind(page):
    for block in list_blocks(page):
        assert block.language in {"python", "sh", "toml", *TEXTS}, (block.line, block.language)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder to run in, and stand-ins for what would be fetched."""
    monkeypatch.chdir(tmp_path)
    page_world.stand_in(monkeypatch)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", list_pages("python"), ids=name_page)
def test_the_python_of_a_page_runs_in_order(page, world, rng):
    if name_page(page) in page_world.READ_FILES:
        page_world.write_files(world, rng)
    starting = list_starting_names(page)
    names = {name: page_world.analyze()[name] for name in starting}
    if name_page(page) in page_world.EXTRAS:
        names |= page_world.EXTRAS[name_page(page)]()
    with pytest.MonkeyPatch.context() as patch, page_world.ignore_warnings(EXPECTED):
        patch.setattr("matplotlib.pyplot.show", lambda: None)
        for block in list_blocks(page):
            if block.language == "python":
                # Lines are counted as on the page. Code of other packages is compiled only.
                code = compile("\n" * block.line + block.code, str(page), "exec")
                if not block.is_peers:
                    exec(code, names)


def read_lines(block):
    """Return the commands of a block, without comments and continued lines joined."""
    text = block.code.replace("\\\n", " ")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


COMMANDS = [
    pytest.param(words, id=f"{name_page(page)}: {' '.join(words)}")
    for page in list_pages("sh")
    for block in list_blocks(page)
    if block.language == "sh" and not block.is_peers
    for words in read_lines(block)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_of_a_page_works(words, world, rng):
    page_world.write_files(world, rng)
    program, *arguments = words
    program = program.removeprefix(".venv/bin/")
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        for goal in arguments:
            assert re.search(rf"^{goal}:", makefile, re.MULTILINE), goal
    elif program == "neurolens":
        check_call(arguments)
    else:
        assert program in NOT_RUN, f"say in NOT_RUN why {program} is not run"
        check_extras(arguments)


def check_call(arguments):
    """Run a call of neurolens, or read its command line where it takes long."""
    if arguments[0] in QUICK:
        assert app.main(arguments) == app.DONE
    else:
        command = app.root.get_command(click.Context(app.root), arguments[0])
        command.make_context(arguments[0], list(arguments[1:]))


def check_extras(arguments):
    """Check that extras which a line installs exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for argument in arguments:
        for extra in re.findall(r"\[([\w,]+)\]", argument):
            assert set(extra.split(",")) <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", list_pages("toml"), ids=name_page)
def test_toml_of_a_page_can_be_read(page):
    for block in list_blocks(page):
        if block.language == "toml":
            tomllib.loads(block.code)
