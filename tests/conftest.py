"""Fixtures that every test may use."""

import numpy as np
import pytest
from hypothesis import settings

import neurolens

# Imported before pytest imports the package's files one by one for their doctests: pytest would
# make modules twice, and a test that changes a module would change the unused one.
for room in neurolens.__all__:
    for name in getattr(getattr(neurolens, room), "__all__", ()):
        getattr(getattr(neurolens, room), name)

# The same examples on every run and on slow machines: a test that fails once fails again.
settings.register_profile(
    "repeatable", max_examples=25, deadline=None, derandomize=True, database=None
)
settings.load_profile("repeatable")


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a new generator with a fixed seed, so that a failure can be repeated."""
    return np.random.default_rng(0)
