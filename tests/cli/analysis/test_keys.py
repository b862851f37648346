"""The table of keys agrees with the functions that values are handed to."""

import inspect

import pytest

import neurolens as nl
from neurolens.cli.analysis.keys import KEYS, SECTIONS

FUNCTIONS = {"read_rdms": nl.brain.read_rdms}
HANDED = [key for key in KEYS if key.argument]


def find_argument(key):
    function, _, argument = key.argument.partition(".")
    found = FUNCTIONS.get(function) or getattr(nl, function)
    return inspect.signature(found).parameters[argument]


@pytest.mark.parametrize("key", HANDED, ids=lambda key: key.address)
def test_defaults_are_those_of_the_functions(key):
    default = find_argument(key).default
    if key.default is not None and default is not inspect.Parameter.empty:
        assert key.default == default


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.address)
def test_each_row_is_sound(key):
    assert key.section in SECTIONS
    assert key.text.endswith(".")
    if key.default is not None:
        assert key.kind.fits(key.default)
        assert not key.choices or key.default in key.choices
    if key.needs:
        address, _, value = key.needs.partition("=")
        [other] = [one for one in KEYS if one.address == address]
        assert not value or not other.choices or value in other.choices


def test_no_key_is_there_twice():
    addresses = [key.address for key in KEYS]
    assert len(set(addresses)) == len(addresses)
