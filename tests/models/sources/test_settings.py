import sys

import pytest

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.models.names import read_name
from neurolens.models.sources.settings import (
    Request,
    import_library,
    tell_failures,
    tell_options,
)

REQUEST = Request(read_name("timm/x"), options={"depth": 3})


class LocalEntryNotFoundError(FileNotFoundError, ValueError):
    """As that of Hugging Face, which is a ValueError too."""


def test_errors_of_options():
    for error in (TypeError, ValueError):
        with (
            pytest.raises(InputError, match=r"'timm/x' .* with the options \(depth=3\): no depth"),
            tell_options(REQUEST),
        ):
            raise error("no depth\nand more")


@pytest.mark.parametrize("error", [OSError, ConnectionError, LocalEntryNotFoundError])
def test_errors_of_files_are_not_those_of_options(error):
    with (
        pytest.raises(DataError, match=r"weights could not be loaded \(.*: no network\)\. Fetch"),
        tell_failures("weights", "Fetch them."),
        tell_options(REQUEST),
    ):
        raise error("no network")


def test_reasons_hold_no_codes_of_a_terminal():
    with (
        pytest.raises(DataError, match=r"\(RuntimeError: two options, do those\)\. Its files"),
        tell_failures("weights", "Fetch them."),
    ):
        raise RuntimeError("two options, \x1b[1mdo those\x1b[0m. \nAnd more.")


def test_what_is_damaged_is_not_for_want_of_a_network():
    with (
        pytest.raises(
            DataError, match=r"\(RuntimeError: invalid hash\)\. Its files may be damaged"
        ),
        tell_failures("weights", "Fetch them."),
    ):
        raise RuntimeError("invalid hash.\nAnd more.")
    with (
        pytest.raises(DataError, match=r"\(RuntimeError: no internet connection\)\. Fetch them"),
        tell_failures("weights", "Fetch them."),
    ):
        raise RuntimeError("no internet connection")


def test_libraries_that_cannot_be_imported(tmp_path, monkeypatch):
    """Missing, or broken beside others."""
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('operator does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "absent_library", None)
    with pytest.raises(MissingToolError, match=r"'broken_library', .*operator does not exist"):
        import_library("broken_library")
    with pytest.raises(MissingToolError, match="'absent', which cannot .*Type pip install absent"):
        import_library("absent_library", "absent")


def test_which_weights_are_asked_for(tmp_path):
    assert REQUEST.is_fetched
    assert not Request(read_name("timm/x"), weights=None).is_fetched
    assert not Request(read_name("timm/x"), weights=tmp_path).is_fetched
    assert Request(read_name("timm/x"), weights=None, rng=3).describe_random() == "random, rng=3"
    assert REQUEST.given == "depth=3"
