"""Real data, for tests that need them: in the folder that NEUROLENS_MIRROR names."""

import os
from pathlib import Path

import pytest

MIRROR = Path(os.environ.get("NEUROLENS_MIRROR", ""))


def needs_mirror(key):
    """Return the mark of tests that are skipped where the files of a data set are not here."""
    is_here = bool(os.environ.get("NEUROLENS_MIRROR")) and (MIRROR / key).is_dir()
    reason = f"the real files are not here: set NEUROLENS_MIRROR to a folder that has {key}/"
    return pytest.mark.skipif(not is_here, reason=reason)
