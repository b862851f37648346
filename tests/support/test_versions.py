from importlib import metadata

import neurolens
from neurolens.support import versions


def test_the_version_is_that_of_the_installation():
    assert neurolens.__version__ == metadata.version("neurolens-brain")


def test_a_copy_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(versions, "DISTRIBUTION", "neurolens-not-installed")
    assert versions.find_own_version() == "unknown"
