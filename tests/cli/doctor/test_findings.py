"""The form of what checks tell."""

import pytest

from neurolens.cli.doctor.findings import Finding, format_bytes, tell_failure


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**40, "1.0 TiB")],
)
def test_bytes_are_written_in_the_unit_that_fits(n_bytes, text):
    assert format_bytes(n_bytes) == text


def test_a_failure_is_told_in_one_line():
    assert tell_failure(OSError("no disk.\nmore")) == "OSError: no disk"
    assert tell_failure(ValueError()) == "ValueError"


def test_only_what_is_needed_does_harm():
    assert Finding("a", "fault", "", needed=True).is_harmful
    assert not Finding("a", "fault", "").is_harmful
    assert not Finding("a", "missing", "", needed=True).is_harmful
