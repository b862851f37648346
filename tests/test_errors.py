"""Warnings point at the line that called into the package."""

import numpy as np
import pytest
from torch import nn

import neurolens as nl


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
