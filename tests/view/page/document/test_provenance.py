"""Settings and versions are told as they are."""

import numpy as np

from neurolens.view.page.document import provenance
from neurolens.view.page.document.provenance import list_provenance, list_versions, write_value


def test_facts_come_first_and_settings_have_names():
    pairs = list_provenance(
        {"weights": "v1", "seed": "mine"},
        {"method": "rsa", "rng": 3, "n_bootstrap": 1000, "interval_level": 0.95, "subjects": "a"},
        {"metric": "correlation", "method": "other"},
    )
    assert pairs == [
        ["weights", "v1"],
        ["seed", "mine"],
        ["method", "rsa"],
        ["bootstrap draws", "1000"],
        ["level of intervals", "0.95"],
        ["metric", "correlation"],
    ]


def test_unknown_values_are_left_out_and_long_ones_cut():
    assert write_value(None) == write_value(float("nan")) == write_value(np.nan) == ""
    assert list_provenance({"a": None, "b": "", "c": 0}, {}, {}) == [["c", "0"]]
    assert write_value([1.5, "x"]) == "1.5, x"
    assert write_value(np.arange(3)) == "0, 1, 2"
    assert len(write_value("x" * 1000)) == provenance.MOST_CHARACTERS


def test_packages_that_are_not_installed_say_so(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    versions = list_versions()
    assert versions[0].startswith("python 3")
    assert versions[1] == f"numpy {np.__version__}"
    assert versions[2] == "no-such-package (not installed as a package)"
