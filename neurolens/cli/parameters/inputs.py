"""What a model is shown once, to list or validate its operations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from neurolens.cli.parameters.bundles import Command, bundle_options
from neurolens.errors import InputError

if TYPE_CHECKING:
    from neurolens.models import LoadedModel

# Side of the random pictures, in pixels, before the model's own preprocessing.
SIDE = 256


@dataclass(frozen=True)
class InputChoice:
    """An input as it was asked for on the command line; by default random pictures.

    Attributes
    ----------
    input : str or None
        A file: a picture, a sound, a video.
    text : str or None
    input_shape : tuple of int or None
        Of one stimulus, filled with random numbers of a normal distribution.
    batch : int
        How many stimuli; a file or text is repeated.
    """

    input: str | None = None
    text: str | None = None
    input_shape: tuple[int, ...] | None = None
    batch: int = 1


@dataclass(frozen=True)
class ShownInput:
    """Arguments of a forward pass, and what they are in a few words."""

    inputs: Any
    kwargs: dict[str, Any] | None
    description: str


def make_input(choice: InputChoice, network: "LoadedModel", seed: int) -> ShownInput:
    """Return what a model is shown.

    Raises
    ------
    InputError
        Several inputs were asked for, or the model's preprocessing does not take them.
    """
    import torch

    given = [one for one in (choice.input, choice.text, choice.input_shape) if one is not None]
    if len(given) > 1:
        raise InputError("pass one of --input, --text and --input-shape")
    n_rows = choice.batch
    device = _find_device(network.model)
    if choice.input_shape is not None:
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn((n_rows, *choice.input_shape), generator=generator)
        size = "x".join(map(str, values.shape))
        return ShownInput(values.to(device), None, f"random numbers {size} (seed {seed})")
    batch, description = _prepare(choice, network, seed)
    return place_batch(batch, device, description)


def place_batch(batch: Any, device: Any, description: str) -> ShownInput:
    """Return a batch of stimuli as the arguments of a forward pass on a device."""
    if isinstance(batch, dict):
        named = {name: value.to(device) for name, value in batch.items()}
        return ShownInput(None, named, description)
    if isinstance(batch, tuple):
        return ShownInput(tuple(value.to(device) for value in batch), None, description)
    return ShownInput(batch.to(device), None, description)


def _find_device(model: Any) -> Any:
    import torch

    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _prepare(choice: InputChoice, network: "LoadedModel", seed: int) -> tuple[Any, str]:
    """Return a batch as the model's preprocessing makes it, and what it is."""
    from neurolens.stimuli import load_stimuli

    n_rows = choice.batch
    ids = [f"input{row}" for row in range(n_rows)]
    source: Any
    settings: dict[str, Any] = {}
    if choice.input is not None:
        source = [choice.input] * n_rows
        description = choice.input
    elif choice.text is not None:
        source = [choice.text] * n_rows
        settings = {"kind": "text"}
        description = repr(choice.text)
    else:
        rng = np.random.default_rng(seed)
        source = rng.integers(0, 256, (n_rows, SIDE, SIDE, 3), dtype=np.uint8)
        description = f"{'a random picture' if n_rows == 1 else 'random pictures'} (seed {seed})"
    try:
        stimuli = load_stimuli(source, ids=ids, model=network, **settings)
        return stimuli.read_rows(range(n_rows)), description
    except InputError as error:
        if choice.input is not None or choice.text is not None:
            raise
        raise InputError(
            f"{network.identity.name} is not shown a random picture: {error} Pass --input FILE, "
            "--text TEXT or --input-shape SIZES."
        ) from error


class ShapeParam(click.ParamType):
    """Sizes of the axes of one stimulus, such as 3,224,224."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the sizes as whole numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).replace("x", ",").split(",")
        if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no list of sizes such as 3,224,224", param, ctx)
        return tuple(int(part) for part in parts)


def add_input(n_rows: int = 1) -> Any:
    """Return a decorator that gives a command the options of an input, as ``shown``."""
    parameters: tuple[click.Parameter, ...] = (
        click.Option(["--input"], metavar="FILE", help="A picture, sound or video to show it."),
        click.Option(["--text"], help="A text to show it."),
        click.Option(
            ["--input-shape"],
            type=ShapeParam(),
            metavar="SIZES",
            help="Random numbers of this shape, such as 3,224,224, without preprocessing.",
        ),
        click.Option(
            ["--batch"],
            default=n_rows,
            show_default=True,
            type=click.IntRange(min=1),
            metavar="N",
            help="How many stimuli at once.",
        ),
    )

    def decorate(command: Command) -> Command:
        return bundle_options("shown", InputChoice, parameters)(command)

    return decorate
