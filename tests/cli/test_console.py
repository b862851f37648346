"""JSON of anything that commands answer."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurolens.cli.console import Console, simplify


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.nan, None),
        (np.float32("inf"), None),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.array(["a"], dtype=object), ["a"]),
        (pd.NA, None),
        (pd.NaT, None),
        ((1, "a"), [1, "a"]),
        ({1: Path("a/b")}, {"1": "a/b"}),
        (None, None),
        (float, "<class 'float'>"),
    ],
)
def test_values_become_what_json_has(value, plain):
    found = simplify(value)
    assert found == plain
    assert type(found) is type(plain)


def test_answers_are_one_document_and_the_way_is_silent(capsys):
    console = Console(as_json=True)
    console.tell("on the way")
    console.answer("for people", {"ä": np.nan})
    assert json.loads(capsys.readouterr().out) == {"ä": None}
    console = Console(quiet=True)
    console.tell("on the way")
    console.answer("for people", {})
    assert capsys.readouterr().out == "for people\n"
