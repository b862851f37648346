"""Errors end with a section of docs/errors.md; warnings point at the user's line."""

import ast
import contextlib
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses
from squares import draw_square, label_squares
from torch import nn

import neurolens as nl
from neurolens import compare, errors
from neurolens.errors import (
    DataError,
    InputError,
    LabelError,
    NeuroLensError,
    tell_error,
    warn_user,
)

PACKAGE = Path(errors.__file__).parent
PAGE = PACKAGE.parent / "docs" / "errors.md"
SECTIONS = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, NeuroLensError)
}
# Functions that hand an anchor on to the error that they return or raise.
HANDED_ON = {"suggest_name", "check_name"}


def name_called(node):
    """Return the name of what a call calls, without the module before it."""
    function = node.func
    return getattr(function, "id", getattr(function, "attr", ""))


def list_anchors():
    """Return (file:line, anchor) of every error that the package makes, and of the classes."""
    found = [(f"class {name}", kind.default_anchor) for name, kind in CLASSES.items()]
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name_called(node) in {*CLASSES, *HANDED_ON}:
                place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
                given = [word.value for word in node.keywords if word.arg == "anchor"]
                if given and not (isinstance(given[0], ast.Name) and given[0].id == "anchor"):
                    found.append((place, ast.literal_eval(given[0])))
    return found


def test_every_error_names_a_section_of_the_page_and_every_section_is_named():
    anchors = list_anchors()
    assert len(anchors) > 400
    strange = [f"{place}: {anchor}" for place, anchor in anchors if anchor not in SECTIONS]
    assert not strange
    assert not set(SECTIONS) - {anchor for _, anchor in anchors}


def test_the_page_lists_each_section_once():
    assert len(SECTIONS) == len(set(SECTIONS))
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in SECTIONS)
    listed = re.findall(r"\[([a-z-]+)\]\(#([a-z-]+)\)", PAGE.read_text())
    assert all(text == target for text, target in listed)
    assert sorted(text for text, _ in listed) == sorted(SECTIONS)


def test_no_error_is_made_without_a_class_of_neurolens():
    """What users meet is NeuroLensError; the builtins raised inside are not for them."""
    for name, kind in CLASSES.items():
        if kind is not NeuroLensError:
            builtin = kind.__mro__[2]
            assert builtin in (ValueError, LookupError, RuntimeError), name


def test_an_error_ends_with_its_section():
    error = LabelError("ids differ. Rename them.", anchor="ids-differ")
    assert str(error) == "ids differ. Rename them.\nMore: neurolens explain ids-differ"
    assert error.message == tell_error(error) == "ids differ. Rename them."
    assert repr(error) == "LabelError('ids differ. Rename them.')"
    assert (str(InputError("no")), InputError("no").anchor) == (
        "no\nMore: neurolens explain argument",
        "argument",
    )


def test_a_quoted_error_leaves_its_section_and_no_second_line():
    inner = LabelError("ids differ", anchor="ids-differ")
    outer = InputError(f"input 'x': {inner}. Rename them.")
    assert outer.message == "input 'x': ids differ. Rename them."
    assert outer.anchor == "ids-differ"
    assert str(outer).count("More:") == 1
    chosen = DataError(f"the file: {inner}", anchor="file-unusable")
    assert str(chosen) == "the file: ids differ\nMore: neurolens explain file-unusable"
    assert str(DataError(str(chosen))) == str(chosen)


def test_other_errors_are_told_as_they_are():
    assert tell_error(OSError("disk full")) == "disk full"


@pytest.mark.parametrize("kind", list(CLASSES.values()), ids=lambda kind: kind.__name__)
def test_an_error_travels_between_processes(kind):
    error = kind("ids differ", anchor="ids-differ")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.message, again.anchor, str(again)) == (error.message, error.anchor, str(error))
    plain = pickle.loads(pickle.dumps(kind("no")))
    assert plain.anchor == kind.default_anchor


def build_responses(rng):
    values = rng.normal(size=(12, 3))
    values[:, 1] = 1.0
    return label_responses(values)


def fit_constant(rng):
    compare.fit_encoding(label_features(rng.normal(size=(12, 4))), build_responses(rng), cv=2)


def fit_constant_over_time(rng):
    timed = xr.concat([build_responses(rng)] * 2, "time_bin")
    compare.fit_encoding(label_features(rng.normal(size=(12, 4))), timed, cv=2)


def correlate_constant(rng):
    compare.compute_rdms(label_features(np.ones((4, 3))))


def score_constant(rng):
    model = label_squares([draw_square(rng, 6), 1 - np.eye(6)], op=["a", "b"])
    compare.compare_rdms(model, label_squares(draw_square(rng, 6)), n_bootstrap=0, n_splits=0)


def score_constant_over_time(rng):
    model = label_squares([draw_square(rng, 6), 1 - np.eye(6)], op=["a", "b"])
    brain = xr.concat([label_squares(draw_square(rng, 6)) for _ in "xy"], "time_bin")
    compare.compare_rdms(model, brain, n_bootstrap=0, n_splits=0)


def measure_constant(rng):
    compare.compute_ncsnr(label_responses(np.ones((12, 2)), ids=[f"s{i % 6}" for i in range(12)]))


def weigh_constant(rng):
    compare.fit_reweighted_rdms(
        label_features(np.ones((12, 2))), label_squares(draw_square(rng, 12)), n_folds=3
    )


@pytest.mark.parametrize(
    "cause",
    [
        fit_constant,
        fit_constant_over_time,
        correlate_constant,
        score_constant,
        score_constant_over_time,
        measure_constant,
        weigh_constant,
    ],
    ids=lambda cause: cause.__name__,
)
def test_a_warning_points_at_the_line_of_the_user(rng, cause):
    first = cause.__code__.co_firstlineno
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        cause(rng)
    assert records
    for record in records:
        assert record.filename == __file__
        assert first < record.lineno < first + 6


def test_a_warning_of_code_without_a_user_is_still_told():
    """In a thread or a callback no frame but the caller's own is outside the package."""
    with pytest.warns(RuntimeWarning, match="^so$") as records, contextlib.ExitStack() as stack:
        stack.callback(warn_user, "so")
    assert records[0].filename == contextlib.__file__


class Logs(nn.Module):
    def forward(self, x):
        return x.log()


@pytest.mark.parametrize("store", [None, "a.zarr"])
def test_a_warning_is_at_the_users_line(store, tmp_path):
    stimuli = nl.load_stimuli(np.zeros((4, 3), np.float32))
    store = store and tmp_path / store
    with pytest.warns(RuntimeWarning, match="hold NaN or infinite values") as caught:
        nl.extract_activations(Logs(), stimuli, store=store, quiet=True)
    assert [warning.filename for warning in caught] == [__file__]
