"""Weights of torchvision that cannot be fetched."""

from types import SimpleNamespace
from urllib.error import URLError

import pytest

from neurolens.errors import DataError
from neurolens.models.sources import vision


def test_what_to_do_without_a_network_is_said_for_python_and_the_command_line():
    def refuse(**settings):
        raise URLError("Name or service not known")

    weights = SimpleNamespace(name="V1", url="https://example.org/net-1.pth", get_state_dict=refuse)
    with pytest.raises(
        DataError, match=r"put the file net-1\.pth into .*weights=None .*--weights FILE"
    ):
        vision._fetch_weights(weights)
