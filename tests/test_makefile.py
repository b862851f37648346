"""``make test`` and ``make test-slow`` run every test between them, and CI runs both."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()


def read_recipe(target):
    """Return the commands of a target of the Makefile, its variables replaced."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    values = dict(re.findall(r"^(PYTEST|WORKERS) *= *(.*)$", MAKEFILE, re.MULTILINE))
    for name, value in values.items():
        recipe = recipe.replace(f"$({name})", value)
    return recipe


@pytest.mark.parametrize(
    ("target", "chosen"), [("test", '-m "not slow"'), ("test-slow", "-m slow")]
)
def test_tests_are_left_out_by_one_mark_only(target, chosen):
    options = read_recipe(target).partition("-m pytest ")[2]
    assert options.strip() == f"-n auto --maxprocesses 4 {chosen}"


def test_no_setting_leaves_out_tests():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert settings["testpaths"] == ["tests", "neurolens"]
    for word in ("-m", "-k", "--ignore", "--deselect"):
        assert not [option for option in settings["addopts"] if option.split("=")[0] == word]


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="CI is not part of the distribution")
def test_ci_runs_both():
    commands = [line.partition(" #")[0] for line in (ROOT / ".ci/run").read_text().splitlines()]
    assert {"make demo", "make test", "make test-slow", "make docs", "make wheel"} <= set(commands)


def test_the_first_set_up_says_that_it_takes_long():
    recipe = re.search(r"^\$\(READY\):.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    assert 0 <= recipe.find('@echo "Setting up') < recipe.find("-m venv")


def test_the_fast_tests_are_there():
    fast = re.search(r"^FAST = ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ")
    for pattern in fast.split():
        assert list(ROOT.glob(pattern)), pattern


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_pages_say_that_slow_tests_are_another_target(page):
    text = (ROOT / page).read_text()
    line = next(line for line in text.splitlines() if line.startswith("make test "))
    assert "slow" in line
    assert "test-slow" in text
    for target in re.findall(r"^make ([\w-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
