"""Locks are read, refused and compared."""

import json

import pytest

from neurolens.cli.analysis.locks import LOCK, find_differences, read_lock, write_lock
from neurolens.errors import DataError

WHOLE = {
    "format": 1,
    "analysis": {},
    "settings": {"compare": {"cv": 5, "alphas": [1, 2]}},
    "inputs": {"model": {"sha256": "a" * 64}},
    "versions": {"torch": "2.9"},
    "machine": {"threads": 2},
    "results": {},
}


def test_a_lock_is_read_as_it_was_written(tmp_path):
    assert read_lock(tmp_path) is None
    write_lock(tmp_path / LOCK, WHOLE)
    assert read_lock(tmp_path) == WHOLE
    assert find_differences(WHOLE, json.loads(json.dumps(WHOLE))) == []


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "{", "\xff"])
def test_what_is_no_lock_is_refused(tmp_path, text):
    (tmp_path / LOCK).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=f"{LOCK} (cannot be read as a|is no) lock.*Remove it"):
        read_lock(tmp_path)


def test_a_lock_of_another_format_is_refused(tmp_path):
    write_lock(tmp_path / LOCK, WHOLE | {"format": 2})
    with pytest.raises(DataError, match="no lock of this version"):
        read_lock(tmp_path)


def test_every_difference_is_told_in_a_line():
    now = WHOLE | {
        "settings": {"compare": {"cv": 6, "alphas": [1, 2], "fit": "pls"}},
        "inputs": {"model": {"sha256": "b" * 64}},
        "machine": {},
        "results": {"scores.nc": "c"},
    }
    assert find_differences(WHOLE, now) == [
        "settings, compare, cv: 5 then, 6 now",
        "settings, compare, fit: none then, pls now",
        f"inputs, model, sha256: {'a' * 12}... then, {'b' * 12}... now",
        "machine, threads: 2 then, none now",
    ]
