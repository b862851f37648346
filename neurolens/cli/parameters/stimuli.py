"""STIMULI: a folder, a table, an array, or those of a data set."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from neurolens.cli.parameters.brains import (
    DATASET_OPTIONS,
    PREFIX,
    DatasetChoice,
    list_keys,
    load_choice,
)
from neurolens.cli.parameters.bundles import Command, bundle_options
from neurolens.errors import DataError, InputError

if TYPE_CHECKING:
    from neurolens.models import LoadedModel
    from neurolens.stimuli import StimulusSet

KINDS = ("picture", "sound", "video", "text")


class StimuliParam(click.ParamType):
    """A path, or the name of a data set, which a shell completes."""

    name = "stimuli"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the data sets that begin so, and files."""
        names = [f"{PREFIX}{key}" for key in list_keys()]
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file"), *found]


@dataclass(frozen=True)
class StimuliChoice:
    """Stimuli as they were asked for on the command line.

    Attributes
    ----------
    source : str or None
        A path, or "dataset:KEY". None where it was not given.
    kind, ids, layout : str or None
        As for `load_stimuli`.
    dataset : DatasetChoice
        What goes with "dataset:KEY".
    """

    source: str | None
    kind: str | None
    ids: str | None
    layout: str | None
    dataset: DatasetChoice

    def describe(self) -> dict[str, Any]:
        """Return the settings from which the same stimuli can be loaded again."""
        return asdict(self)


def make_stimuli_choice(
    stimuli: str | None,
    kind: str | None = None,
    ids: str | None = None,
    layout: str | None = None,
    **dataset: Any,
) -> StimuliChoice:
    """Return the stimuli that a command line asks for."""
    return StimuliChoice(stimuli, kind, ids, layout, DatasetChoice(**dataset))


def load_shown(choice: StimuliChoice, network: "LoadedModel", *, quiet: bool) -> "StimulusSet":
    """Load stimuli, prepared for a model.

    Raises
    ------
    InputError, LabelError, DataError, UnknownNameError, MissingToolError
        As `load_stimuli` and `load_dataset` do.
    """
    from neurolens.stimuli import load_stimuli

    source = str(choice.source)
    if source.startswith(PREFIX):
        loaded = load_choice(source.removeprefix(PREFIX), choice.dataset, quiet=quiet)
        if loaded.stimuli is None:
            raise InputError(
                f"data set {loaded.card['key']!r} has no stimuli; pass a folder or a table"
            )
        if network.transform is None:
            return loaded.stimuli
        return loaded.stimuli.use_transform(network.transform)
    settings: dict[str, Any] = {"kind": choice.kind, "ids": choice.ids, "layout": choice.layout}
    array = _open_array(Path(source))
    return load_stimuli(source if array is None else array, model=network, **settings)


def _open_array(path: Path) -> Any:
    """Return the array of a .npy or .zarr file, read row by row; None for other files."""
    if path.suffix.lower() == ".npy":
        import numpy as np

        if not path.is_file():
            raise InputError(f"there is no file {str(path)!r}", anchor="file-not-found")
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise DataError(f"{str(path)!r} cannot be read as an array: {error}") from error
    if path.suffix.lower() == ".zarr":
        import zarr

        if not path.exists():
            raise InputError(f"there is no folder {str(path)!r}", anchor="file-not-found")
        try:
            opened = zarr.open(path, mode="r")
        except Exception as error:
            raise DataError(f"{str(path)!r} cannot be read as an array: {error}") from error
        if not isinstance(opened, zarr.Array):
            raise InputError(
                f"{str(path)!r} holds several arrays; name one of them, such as {path}/NAME",
                anchor="choose-an-array",
            )
        return opened
    return None


def restore_stimuli(recorded: dict[str, Any]) -> StimuliChoice:
    """Return the stimuli that a file was made with.

    Raises
    ------
    DataError
        The record is of another version.
    """
    try:
        settings = dict(recorded)
        dataset = DatasetChoice(**settings.pop("dataset"))
        return StimuliChoice(dataset=dataset, **settings)
    except (TypeError, KeyError) as error:
        raise DataError("the record of the stimuli in this file cannot be read") from error


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--kind"], type=click.Choice(KINDS), help="Default: as the suffixes of files say."
    ),
    click.Option(["--ids"], metavar="COLUMN", help="Column of a table with the ids of stimuli."),
    click.Option(
        ["--layout"],
        metavar="NAMES",
        help='Names of the axes of one stimulus: "frame channel y x".',
    ),
)


def add_stimuli(command: Command) -> Command:
    """Give a command the argument STIMULI and its options, as ``stimuli``."""
    argument = click.Argument(["stimuli"], type=StimuliParam())
    parameters = (argument, *OPTIONS, *DATASET_OPTIONS)
    return bundle_options("stimuli", make_stimuli_choice, parameters)(command)
