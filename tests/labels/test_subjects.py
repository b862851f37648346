import numpy as np
import pytest
import xarray as xr

import neurolens as nl
from neurolens.errors import InputError
from neurolens.labels import refuse_mixed_subjects


@pytest.fixture
def responses(rng):
    """Return two presentations of each of four stimuli."""
    return xr.DataArray(
        rng.normal(size=(8, 3)),
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", list("abcdabcd"))},
    )


@pytest.mark.parametrize("key", ["subject", "event_subject", "participant_id"])
def test_subjects_in_one_neuroid(responses, key):
    both = responses.assign_coords({key: ("presentation", np.repeat(["s1", "s2"], 4))})
    with pytest.raises(InputError, match=f"of several subjects, 's1', 's2' by {key!r}, which"):
        refuse_mixed_subjects(both)
    with pytest.raises(InputError, match="of several subjects"):
        nl.compute_rdms(both)
    refuse_mixed_subjects(both[:4])
    refuse_mixed_subjects(both.drop_vars(key))


def test_subjects_that_are_joined_along_presentations(responses):
    """xr.concat gives each entry its own subject."""
    parts = [responses[:4].assign_coords(subject=("neuroid", [one] * 3)) for one in ("s1", "s2")]
    joined = xr.concat(parts, "presentation", coords="different", compat="equals", join="outer")
    assert joined.subject.dims == ("presentation", "neuroid")
    with pytest.raises(InputError, match=r"'s1', 's2' by 'subject'.*concat\(\.\.\., 'neuroid'\)"):
        refuse_mixed_subjects(joined)


def test_subjects_of_neuroids_of_their_own(responses):
    """Of two subjects, each neuroid is NaN in the presentations of the other."""
    apart = responses.assign_coords(event_subject=("presentation", np.repeat(["s1", "s2"], 4)))
    apart[:4, 0] = np.nan
    apart[4:, 1:] = np.nan
    refuse_mixed_subjects(apart)
