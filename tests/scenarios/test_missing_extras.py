"""Where the package of an extra is missing, one line says what to type."""

import shutil
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import missing_extras
import pytest

import neurolens
from neurolens.errors import MissingToolError

ROOT = Path(neurolens.__file__).parents[1]
# Nothing of the package needs these.
OTHERS = {"dev", "docs", "peers", "trained"}


@pytest.mark.parametrize("extra", missing_extras.EXTRAS)
def test_one_line_says_what_to_type(extra, tmp_path, monkeypatch):
    typed, modules, call = missing_extras.EXTRAS[extra]
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    hidden = set(modules)
    monkeypatch.setattr("importlib.util.find_spec", lambda n: None if n in hidden else find_spec(n))
    with pytest.raises(MissingToolError, match=f"{typed}") as caught:
        call(tmp_path)
    assert "\n" not in caught.value.message


def test_every_extra_is_tried():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    tried = {name.partition(",")[0] for name in missing_extras.EXTRAS}
    assert tried == set(extras) - OTHERS


def test_what_is_typed_is_what_the_extra_asks_for():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for name, (typed, _, _) in missing_extras.EXTRAS.items():
        asked = {line.partition(">=")[0] for line in extras[name.partition(",")[0]]}
        first = typed.removeprefix("pip install ").split()[0]
        assert first in asked, name
