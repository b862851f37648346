"""What a source is asked for, and how its failures are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from neurolens.errors import DataError, InputError, MissingToolError, NeuroLensError
from neurolens.models.names import PRETRAINED, ModelName


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

    def describe_weights(self, fetched: str) -> str:
        """Return which weights the model has; ``fetched`` names those of the source."""
        if self.weights is None:
            return f"random, rng={self.rng}"
        return fetched if isinstance(self.weights, str) else str(self.weights)


def import_library(name: str, package: str = "") -> ModuleType:
    """Return the module ``name``, or raise MissingToolError saying what to install."""
    try:
        return import_module(name)
    except ImportError as error:
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
    """Turn what a library says of options into InputError."""
    try:
        yield
    except NeuroLensError:
        raise
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in request.options.items())
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{str(request.name)!r} cannot be built with the options ({given}): {reason}"
        ) from error


@contextmanager
def tell_failures(what: str, remedy: str) -> Iterator[None]:
    """Turn failures of the network or of a library into DataError, which say ``remedy``."""
    try:
        yield
    except NeuroLensError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{what} could not be loaded ({type(error).__name__}: {reason}). {remedy}"
        ) from error
