"""The page's modules by themselves, in node."""

import shutil
import subprocess
from pathlib import Path

import pytest

from neurolens.view.page import builder

TESTS = sorted((Path(__file__).parents[1] / "view" / "page" / "node").glob("*.test.mjs"))
ASSETS = Path(builder.__file__).parent / "assets"
MODULES = sorted(ASSETS.rglob("*.js"))
MAX_LINES = 300


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_modules_in_node(path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the modules of the page are tested in the browser only")
    done = subprocess.run(
        [node, "--test", str(path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_each_module_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("/**")
    assert len(text.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_makes_markup_of_text(path):
    text = path.read_text(encoding="utf-8")
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in text


def test_every_module_is_part_of_the_page():
    script = builder.join_modules(builder.ENTRY)
    for path in MODULES:
        name = "in_" + str(path.relative_to(ASSETS).with_suffix("")).replace("/", "_")
        assert f"const {name} = " in script, f"nothing imports {path}"
