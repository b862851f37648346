"""Tests of the package; a package themselves, so that no other of this name is taken for them."""
