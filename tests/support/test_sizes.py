"""Sizes in bytes, as users write them."""

import pytest

from neurolens.errors import InputError
from neurolens.support.sizes import read_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4GiB", 4 * 2**30),
        ("500 MB", 5 * 10**8),
        ("1.5KiB", 1536),
        ("4000000", 4 * 10**6),
        ("7B", 7),
        (7, 7),
    ],
)
def test_sizes_are_read(text, expected):
    assert read_bytes(text) == expected


@pytest.mark.parametrize("text", ["4 gigs", "-1GiB", "0GB", "0.2", "GB", "", "9" * 400, 0, -3])
def test_sizes_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="memory must be a size such as '4GiB'"):
        read_bytes(text)
