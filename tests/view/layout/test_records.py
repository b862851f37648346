"""Records say what they cannot hold."""

import math

import pytest

from neurolens.errors import InputError
from neurolens.view.layout.records import Frame


@pytest.mark.parametrize("name", ["width", "height", "least"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_a_frame_has_room(name, value):
    with pytest.raises(InputError, match=f"{name} of a frame is a number above 0"):
        Frame(**{"width": 10.0, "height": 10.0, "least": 1.0, name: value})
