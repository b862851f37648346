"""What a source is asked for, and how its failures are told."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from neurolens.errors import DataError, InputError, MissingToolError, NeuroLensError
from neurolens.models.names import PRETRAINED, ModelName

# Packages that reach the network.
CLIENTS = ("httpx", "httpcore", "requests", "urllib3")
DAMAGED = (
    "Its files may be damaged, or made for another model or another version of the library: remove "
    "them from where they are kept and try again."
)


@dataclass(frozen=True)
class Request:
    """A model that is asked for.

    ``weights`` is "pretrained", the name of weights, the path of a file, or None for random ones of
    the seed ``rng``; ``options`` go to the library's own function.
    """

    name: ModelName
    weights: str | Path | None = PRETRAINED
    rng: int = 0
    trust_code: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_fetched(self) -> bool:
        """Whether the source is asked for weights."""
        return isinstance(self.weights, str)

    @property
    def given(self) -> str:
        """The options, as they are typed."""
        return ", ".join(f"{key}={value!r}" for key, value in self.options.items())

    def describe_random(self) -> str:
        """Return what random weights are called."""
        return f"random, rng={self.rng}"


def import_library(name: str, package: str = "") -> ModuleType:
    """Return the module ``name``, or raise MissingToolError saying what to install.

    A library may be there and break beside others, with any error.
    """
    try:
        return import_module(name)
    except Exception as error:
        package = package or name
        raise MissingToolError(
            f"models of this source need the package {package!r}, which cannot be imported "
            f"({error}). Type pip install {package}."
        ) from error


def name_version(package: str) -> str:
    """Return a package with its version."""
    return f"{package} {metadata.version(package)}"


@contextmanager
def tell_options(request: Request) -> Iterator[None]:
    """Turn what a library says of options into InputError.

    Errors of files and networks, some of which are ValueErrors too, go through.
    """
    try:
        yield
    except NeuroLensError:
        raise
    except (TypeError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{str(request.name)!r} cannot be built with the options ({request.given}): {reason}"
        ) from error


@contextmanager
def tell_failures(what: str, remedy: str, otherwise: str = DAMAGED) -> Iterator[None]:
    """Turn failures into DataError.

    Those of files and the network say ``remedy``, others ``otherwise``.
    """
    try:
        yield
    except NeuroLensError:
        raise
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        reason = re.sub(r"\x1b\[[0-9;]*m", "", first).rstrip(". ")  # torch writes in bold
        fix = remedy if _is_missing(error) else otherwise
        raise DataError(
            f"{what} could not be loaded ({type(error).__name__}: {reason}). {fix}",
            anchor="model-not-loaded",
        ) from error


def _is_missing(error: Exception) -> bool:
    """Return whether an error is that of a file that is not there, or of a network."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package in CLIENTS or "connection" in str(error)
