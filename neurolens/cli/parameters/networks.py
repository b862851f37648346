"""MODEL: by name, or a function in a user's own file."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from neurolens.cli.parameters.bundles import Command, bundle_options
from neurolens.cli.parameters.functions import (
    FunctionName,
    describe_error,
    load_function,
    read_function_name,
    run_own,
)
from neurolens.errors import InputError

if TYPE_CHECKING:
    from neurolens.models import LoadedModel

# What stands for random weights.
RANDOM = "none"
# Side of the shorter edge after resizing, in units of the side that is cut out, as for ImageNet.
MARGIN = 256 / 224


class ModelParam(click.ParamType):
    """The name of a model, which a shell completes."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names of torchvision and timm that begin so, and files."""
        source, slash, _ = incomplete.partition("/")
        sources = ("torchvision", "timm", "hf", "hub")
        if not slash:
            names = [f"{one}/" for one in sources if one.startswith(incomplete)]
            names += [name for name in _list_names("torchvision") if name.startswith(incomplete)]
        else:
            names = []
            if source in sources[:2]:
                names = [f"{source}/{name}" for name in _list_names(source)]
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


@dataclass(frozen=True)
class NetworkChoice:
    """A model as it was asked for on the command line.

    Attributes
    ----------
    model : str or None
        A name that `load_model` takes, the part of it after the source, or FILE.py:FUNCTION. None
        where it was not given.
    weights : str or None
        "none", a file or a name; None for those of the source.
    part : str or None
    image_size : int or None
        Side of the picture that the model is shown, with the preprocessing of ImageNet.
    transform : str or None
        FILE.py:FUNCTION that prepares one stimulus.
    trust_code : bool
    seed : int
        Of random weights and of everything else.
    device : str
    """

    model: str | None
    weights: str | None = None
    part: str | None = None
    image_size: int | None = None
    transform: str | None = None
    trust_code: bool = False
    seed: int = 0
    device: str = "cpu"

    def describe(self) -> dict[str, Any]:
        """Return the settings from which the same model can be loaded again."""
        return asdict(self)


def load_network(choice: NetworkChoice) -> "LoadedModel":
    """Load a model, and say which where only a part of its name was given.

    Raises
    ------
    InputError, UnknownNameError, DataError, MissingToolError
        As `load_model` does; a file of the user's own has no such function, raises, or returns
        something else than a model; the name is that of several models.
    """
    from neurolens.models import load_model

    name = str(choice.model)
    if choice.image_size is not None and choice.transform is not None:
        raise InputError(
            "--image-size and --transform both say how stimuli are prepared; pass one of the two"
        )
    function = read_function_name(name)
    if function is not None:
        loaded = _load_own(function, choice)
    else:
        weights = {} if choice.weights is None else {"weights": choice.weights}
        loaded = load_model(
            complete_name(name),
            rng=choice.seed,
            part=choice.part,
            trust_code=choice.trust_code,
            device=choice.device,
            **(weights if choice.weights != RANDOM else {"weights": None}),
        )
    transform = _read_transform(choice)
    return loaded if transform is None else loaded._replace(transform=transform)


def complete_name(name: str) -> str:
    """Return the name of a model with its source, which is found where only one has such a model.

    Raises
    ------
    InputError
        Several sources have a model of this name.
    UnknownNameError
        None has; the message lists the closest.
    """
    from neurolens.labels import list_names, suggest_name

    if "/" in name:
        return name
    entry = name.partition(":")[0]
    known = {source: _list_names(source) for source in ("torchvision", "timm")}
    sources = [source for source, names in known.items() if entry in names]
    if len(sources) == 1:
        click.echo(f"neurolens: {name!r} is read as {f'{sources[0]}/{name}'!r}", err=True)
        return f"{sources[0]}/{name}"
    if sources:
        full = list_names(f"{source}/{name}" for source in sources)
        raise InputError(
            f"{len(sources)} libraries have a model {entry!r}: type one of {full}",
            anchor="unknown-model",
        )
    every = [f"{source}/{one}" for source, names in known.items() for one in names]
    raise suggest_name(
        name,
        every,
        "model",
        "See `neurolens models`, or name a file: FILE.py:FUNCTION.",
        anchor="unknown-model",
    )


def _list_names(source: str) -> list[str]:
    """Return the names of a source, none where it is not installed."""
    from neurolens.errors import MissingToolError
    from neurolens.models import list_models

    try:
        names = list_models(source=source)["name"]
    except MissingToolError:
        return []
    return [str(name).partition("/")[2] for name in names]


def _load_own(name: FunctionName, choice: NetworkChoice) -> "LoadedModel":
    """Return the model that a function of a user's own file returns."""
    from torch import nn

    from neurolens.extract import randomize_weights
    from neurolens.models import LoadedModel
    from neurolens.models.identity import ModelIdentity, hash_state
    from neurolens.models.weights import fill_weights, seed_torch

    where = f"{name.path.name}:{name.function}"
    with seed_torch(choice.seed), run_own(name.path):
        function = load_function(name)
        try:
            made = function()
        except (Exception, SystemExit) as error:
            raise InputError(f"{where} raises {describe_error(error)}") from error
    model = made.model if isinstance(made, LoadedModel) else made
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{where} must return a torch.nn.Module, got {type(made).__name__}; return the model",
            anchor="not-a-model",
        )
    if any(nn.parameter.is_lazy(one) for one in model.parameters()):
        raise InputError(
            f"{where} returns a model with lazy layers, whose weights are made by its first pass; "
            "run it once in the function, on an input of the right shape, before it is returned"
        )
    weights = f"as {where} makes them, seed {choice.seed}"
    if choice.weights == RANDOM:
        model = randomize_weights(model, rng=choice.seed)
        weights = f"random, seed {choice.seed}"
    elif choice.weights is not None:
        weights = fill_weights(model, Path(str(choice.weights)))
    if choice.part is not None:
        model = _take_part(model, choice.part)
    identity = ModelIdentity(
        name=where,
        weights=weights,
        sha256=hash_state(model),
        source="a file of the user's own",
        n_parameters=sum(one.numel() for one in model.parameters()),
        part=choice.part or "",
    )
    transform = made.transform if isinstance(made, LoadedModel) else None
    return LoadedModel(_move(model.eval(), choice.device), transform, identity)


def _take_part(model: Any, part: str) -> Any:
    from neurolens.labels import suggest_name

    try:
        return model.get_submodule(part)
    except AttributeError:
        names = [name for name, _ in model.named_modules() if name]
        raise suggest_name(part, names, f"part of {type(model).__name__}") from None


def _move(model: Any, device: str) -> Any:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = describe_error(error)
        raise InputError(
            f"there is no device {device!r} here ({reason}); pass cpu", anchor="device-unavailable"
        ) from error


def _read_transform(choice: NetworkChoice) -> Callable[[Any], Any] | None:
    """Return the preprocessing that was asked for, None for the model's own."""
    from neurolens.stimuli import ImageTransform

    if choice.image_size is not None:
        return ImageTransform(resize=round(choice.image_size * MARGIN), crop=choice.image_size)
    if choice.transform is None:
        return None
    name = read_function_name(choice.transform)
    if name is None:
        raise InputError(
            f"--transform names a function of one stimulus as FILE.py:FUNCTION, got "
            f"{choice.transform!r}"
        )
    return load_function(name)


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--weights"],
        metavar="none|NAME|FILE",
        help="none: random, from --seed; the name of trained ones; a file with a state dict. "
        "Default: trained ones of the library.",
    ),
    click.Option(["--part"], metavar="ADDRESS", help="Use a submodule instead of the whole model."),
    click.Option(
        ["--image-size"],
        type=click.IntRange(min=1),
        metavar="PIXELS",
        help="Prepare pictures as for ImageNet, with this side, instead of the model's own way.",
    ),
    click.Option(
        ["--transform"],
        metavar="FILE.py:FUNCTION",
        help="Prepare each stimulus with your own function.",
    ),
    click.Option(
        ["--trust-code"], is_flag=True, help="Run code that comes with a model (hub/..., hf/...)."
    ),
    click.Option(
        ["--seed"],
        default=0,
        show_default=True,
        type=click.IntRange(min=0, max=2**32 - 1),
        metavar="N",
        help="Of random weights and everything else that is random.",
    ),
    click.Option(["--device"], default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps."),
)


def add_network(command: Command) -> Command:
    """Give a command the argument MODEL and its options, as ``network``."""
    argument = click.Argument(["model"], type=ModelParam())
    return bundle_options("network", NetworkChoice, (argument, *OPTIONS))(command)


def add_network_option(command: Command) -> Command:
    """Give a command the option ``--model`` and those that go with it, as ``network``."""
    option = click.Option(
        ["--model"], type=ModelParam(), help="Default: the one that the scores were made with."
    )
    return bundle_options("network", NetworkChoice, (option, *OPTIONS))(command)
