"""The planted brain: made from its seed alone."""

import json

import numpy as np
import pytest

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError

SMALL = {"model": "alexnet", "n_per_category": 2, "n_voxels": 4, "n_subjects": 2}


def test_it_is_made_from_its_seed():
    first, again = (nl.load_dataset("planted", seed=3, **SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.responses, again.responses)
    assert first.stimuli.hash_content() == again.stimuli.hash_content()
    other = nl.load_dataset("planted", seed=4, **SMALL)
    assert not np.array_equal(first.responses, other.responses)
    assert first.responses.sizes == {"presentation": 24, "neuroid": 24}
    assert set(first.responses.subject.values) == {"sub-01", "sub-02"}
    assert first.bytes_read == 0


def test_the_ops_to_read_out_can_be_chosen():
    data = nl.load_dataset("planted", ops={"early": "features.1/relu"}, **SMALL)
    assert data.regions == ["early"]
    assert json.loads(data.responses.attrs["planted_ops"]) == {"early": "features.1/relu"}


def test_there_is_nothing_to_choose_from():
    with pytest.raises(InputError, match="'planted' has no regions to choose from"):
        nl.load_dataset("planted", regions=["V1"])
    with pytest.raises(
        UnknownNameError,
        match=r"no option of data set 'planted' named 'voxels'. Closest: 'n_voxels'",
    ):
        nl.load_dataset("planted", voxels=3)
