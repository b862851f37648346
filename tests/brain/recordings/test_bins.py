import numpy as np
import pytest

from neurolens.brain.recordings.bins import check_window, label_bins, read_bins
from neurolens.errors import InputError


def test_a_width_edges_and_pairs_say_the_same():
    pairs = [[0.0, 0.1], [0.1, 0.2], [0.2, 0.3]]
    np.testing.assert_allclose(read_bins(0.1, 0.0, 0.3), pairs)
    np.testing.assert_allclose(read_bins([0.0, 0.1, 0.2, 0.3], 0.0, 0.3), pairs)
    np.testing.assert_allclose(read_bins(pairs, 0.0, 0.3), pairs)
    overlapping = [(0.0, 0.2), (0.1, 0.3)]
    np.testing.assert_array_equal(read_bins(overlapping, 0.0, 0.3), overlapping)


def test_bins_are_named_in_ms():
    coords = label_bins(np.array([[0.07, 0.12], [0.12, 0.17]]))
    assert coords["time_bin"][1].tolist() == [95, 145]
    assert coords["time_bin_start"][1].tolist() == [70, 120]
    assert coords["time_bin_end"][1].tolist() == [120, 170]


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (0.07, "bins of 0.07 s do not divide the 0.3 s"),
        (-0.1, "do not divide"),
        (True, "bins must be a width in seconds"),
        ("all", "bins must be a width in seconds"),
        ([0.1], "bins must be a width in seconds"),
        ([0.2, 0.1], "must end after it starts"),
        ([0.0, np.nan], "must end after it starts"),
        ([0.0, 0.1, 0.4], "must lie between 0 and 0.3 s, got 0 to 0.4 s"),
        ([50, 200], "must lie between 0 and 0.3 s, got 50 to 200 s. Times are in seconds"),
    ],
)
def test_bins_that_cannot_be(bins, message):
    with pytest.raises(InputError, match=message):
        read_bins(bins, 0.0, 0.3)


@pytest.mark.parametrize("window", [(0.2, 0.1), (0, np.inf)])
def test_windows_have_an_end_after_their_start(window):
    with pytest.raises(InputError, match="window must end after it starts"):
        check_window(window)


@pytest.mark.parametrize("window", [None, 0.1, (1, 2, 3), "ab"])
def test_windows_are_pairs(window):
    with pytest.raises(InputError, match=r"window must be \(start, end\)"):
        check_window(window)
