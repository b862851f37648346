import numpy as np
import pytest
import scipy.io
import xarray as xr

from neurolens.datasets.folders import Folder
from neurolens.datasets.rdms import (
    check_shape,
    choose_subjects,
    choose_times,
    close_rdms,
    label_rdms,
    list_pictures,
    open_named_pictures,
    read_structs,
    read_variable,
)
from neurolens.errors import DataError, InputError


@pytest.fixture
def raw(tmp_path):
    return Folder(tmp_path, {"key": "made"})


def save_pictures(raw, rng, pictures):
    entries = np.zeros(len(pictures), dtype=[("names", object), ("pixels", object)])
    for row, picture in enumerate(pictures):
        entries[row] = (f"picture{row}.jpg", picture)
    scipy.io.savemat(raw.path / "images.mat", {"visual_stimuli": entries})


def test_pictures_get_the_names_of_their_files(raw, rng):
    pictures = [rng.integers(0, 256, (4, 5, 3), dtype=np.uint8) for _ in range(3)]
    save_pictures(raw, rng, pictures)
    stimuli = open_named_pictures(raw, "images.mat").use_transform(None)
    assert stimuli.ids == ("picture0", "picture1", "picture2")
    assert stimuli.metadata.file.tolist() == ["picture0.jpg", "picture1.jpg", "picture2.jpg"]
    np.testing.assert_array_equal(stimuli["picture2"].numpy(), pictures[2])


def test_what_is_no_picture_is_refused(raw, rng):
    save_pictures(raw, rng, [rng.random((4, 5, 3))] * 2)
    with pytest.raises(DataError, match=r"the pixels in .*images.mat must be uint8"):
        open_named_pictures(raw, "images.mat")
    with pytest.raises(DataError, match=r"images.mat must hold the struct visual_stimuli: place"):
        read_structs(raw, "images.mat", "visual_stimuli", ("place",))
    with pytest.raises(DataError, match="the p in .* must be uint8"):
        list_pictures([{"p": np.zeros((2, 2), np.uint8)}], "p", raw.path)


def test_a_variable_that_is_missing_is_named(raw):
    scipy.io.savemat(raw.path / "x.mat", {"a": np.eye(2)})
    np.testing.assert_array_equal(read_variable(raw, "x.mat", "a"), np.eye(2))
    with pytest.raises(DataError, match=r"x.mat is not the published file: .*'b'"):
        read_variable(raw, "x.mat", "b")


def test_axes_are_as_published(tmp_path):
    axes = ("subject", "stimulus", "stimulus")
    check_shape(tmp_path, "RDMs", axes, (9, 4, 4), (None, 4, 4))
    for found in ((4, 4, 9), (9, 4), (9, 4, 5)):
        with pytest.raises(DataError, match=r"\(subject, 4, 4\) in MATLAB, got \(.*\)"):
            check_shape(tmp_path, "RDMs", axes, found, (None, 4, 4))


def test_subjects_are_chosen_by_name():
    assert choose_subjects(None, "meg", 2) == ([0, 1], ["meg01", "meg02"])
    assert choose_subjects(["meg03", "meg01"], "meg", 3) == ([2, 0], ["meg03", "meg01"])
    with pytest.raises(InputError, match="'meg04' have no such data: choose from meg01 to meg03"):
        choose_subjects(["meg04"], "meg", 3)


def test_times_are_chosen_with_both_ends():
    known = np.arange(-2, 4)
    assert known[choose_times((0, 2), known)].tolist() == [0, 1, 2]
    assert choose_times(None, known).all()
    for wrong in ((1,), ("a", "b"), 3):
        with pytest.raises(InputError, match="times must be two numbers, the first and last ms"):
            choose_times(wrong, known)
    with pytest.raises(InputError, match="MEG is from -2 to 3 ms"):
        choose_times((7, 9), known)


def test_diagonals_are_closed_and_what_is_not_symmetric_is_refused(rng, tmp_path):
    half = rng.random((2, 4, 4))
    square = half + half.swapaxes(1, 2)
    given = square.copy()
    given[:, range(4), range(4)] = np.nan
    expected = square.copy()
    expected[:, range(4), range(4)] = 0
    np.testing.assert_array_equal(close_rdms(given, tmp_path), expected)
    for row, value in ((0, 9.0), (1, np.nan)):
        wrong = square.copy()
        wrong[row, 0, 1] = value
        with pytest.raises(DataError, match="are not symmetric or not finite"):
            close_rdms(wrong, tmp_path)


def test_labels_are_on_all_axes():
    rdms = xr.DataArray(np.zeros((1, 2, 2)), dims=("subject", "stimulus", "stimulus_2"))
    found = label_rdms(rdms, ["meg01"], ["a", "b"])
    assert found.subject.values.tolist() == ["meg01"]
    assert found.stimulus.values.tolist() == found.stimulus_2.values.tolist() == ["a", "b"]
