"""The package that opens images of brains."""

from typing import Any

from neurolens.errors import MissingToolError


def import_nibabel() -> Any:
    """Return nibabel, or raise MissingToolError saying what to install."""
    try:
        import nibabel
    except ImportError as error:
        raise MissingToolError(
            "images need nibabel, which is not installed. Type pip install nibabel."
        ) from error
    return nibabel
