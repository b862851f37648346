"""The version of this package, as its installation says."""

from importlib import metadata

DISTRIBUTION = "neurolens-brain"


def find_own_version() -> str:
    """Return the version of NeuroLens, "unknown" where it runs without being installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


__version__ = find_own_version()
