"""Settings of a run of a model over a set of stimuli, shared by forecast, extract and grams."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from neurolens.cli.parameters.bundles import Command, bundle_options
from neurolens.errors import InputError

# As in `neurolens.extract`, which takes seconds to import.
PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class RunChoice:
    """Settings as they were asked for on the command line, as for `extract_activations`."""

    ops: tuple[str, ...] = ()
    memory: str = "4GiB"
    batch_size: int | None = None
    workers: int | None = None
    attention: str = "fused"
    batch_dependent: bool = False
    n_samples: int = 1

    def list_settings(self) -> dict[str, Any]:
        """Return the keyword arguments of the functions that run a model."""
        chosen = list(self.ops) or ["all"]
        return asdict(self) | {"ops": chosen[0] if len(chosen) == 1 else chosen}


def read_reducers(names: Sequence[str]) -> Any:
    """Return the reducers that are named, such as "mean" or "subsample:500"; None for none.

    Raises
    ------
    InputError
        One of them needs a number, or takes none.
    UnknownNameError
        There is no such reducer.
    """
    from neurolens.extract import REDUCERS
    from neurolens.labels import check_name

    reducers: list[Any] = []
    for text in names:
        name, sign, number = text.partition(":")
        check_name(name, REDUCERS, "reducer")
        known = REDUCERS[name]
        takes_number = isinstance(known, type) or name == "project"
        if sign and not (takes_number and number.isdecimal()):
            raise InputError(
                f"reducer {text!r} is not understood; numbers belong to subsample, project and "
                "pca, such as subsample:500",
                anchor="reducer-settings",
            )
        if isinstance(known, type) and not sign:
            raise InputError(
                f"reducer {name!r} needs a number, such as {name}:50", anchor="reducer-settings"
            )
        if not sign:
            reducers.append(name)
            continue
        kind: Any = known if isinstance(known, type) else type(known)
        reducers.append(kind(int(number)))
    return reducers or None


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--ops"],
        multiple=True,
        metavar="PATTERN",
        help='Names, modules or patterns of operations, such as "*relu*"; may be repeated. '
        "Default: all.",
    ),
    click.Option(
        ["--memory"],
        default="4GiB",
        show_default=True,
        metavar="BYTES",
        help="What a pass may hold beside the model.",
    ),
    click.Option(
        ["--batch-size"], type=click.IntRange(min=1), metavar="N", help="Stimuli per pass."
    ),
    click.Option(
        ["--workers"],
        type=click.IntRange(min=0),
        metavar="N",
        help="Processes that read stimuli ahead.",
    ),
    click.Option(
        ["--attention"],
        type=click.Choice(["fused", "open"]),
        default="fused",
        show_default=True,
        help="open: attention is its scores, softmax and weighted sum.",
    ),
    click.Option(
        ["--batch-dependent"],
        is_flag=True,
        help="Keep results whose rows depend on the rest of the batch.",
    ),
    click.Option(
        ["--samples", "n_samples"],
        default=1,
        show_default=True,
        type=click.IntRange(min=1),
        metavar="N",
        help="How often a stochastic model runs on each stimulus.",
    ),
)


def add_run(command: Command) -> Command:
    """Give a command the options of a run over stimuli, as ``run``."""
    return bundle_options("run", RunChoice, OPTIONS)(command)


def add_precision(command: Command) -> Command:
    """Give a command the option ``--precision`` of Grams."""
    return click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=PRECISIONS[0],
        show_default=True,
        help="Of the products between stimuli; sums are float64.",
    )(command)
