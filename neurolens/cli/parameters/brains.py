"""BRAIN: a data set, or files of responses or RDMs."""

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from neurolens.cli.parameters.bundles import Command, bundle_options, split_names
from neurolens.errors import DataError, InputError

if TYPE_CHECKING:
    import xarray as xr

    from neurolens.datasets import Dataset

PREFIX = "dataset:"


def list_keys() -> list[str]:
    """Return the keys of all data sets."""
    from neurolens.datasets import list_datasets

    return list_datasets()


class KeyParam(click.ParamType):
    """The key of a data set, which a shell completes."""

    name = "key"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the keys that begin so."""
        return [CompletionItem(key) for key in list_keys() if key.startswith(incomplete)]


class BrainParam(KeyParam):
    """The key of a data set, or a file."""

    name = "brain"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the keys that begin so, and files."""
        found = super().shell_complete(ctx, param, incomplete)
        return [CompletionItem(incomplete, type="file"), *found]


@dataclass(frozen=True)
class DatasetChoice:
    """What of a data set was asked for on the command line, as for `load_dataset`."""

    subjects: list[str] | None = None
    regions: list[str] | None = None
    folder: str | None = None
    accept_terms: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BrainChoice:
    """Brain data as they were asked for on the command line.

    Attributes
    ----------
    source : str or None
        The key of a data set, "dataset:KEY", or a file. None where it was not given.
    events, mask, atlas, labels : str or None
        Files that go with images and arrays of responses, as for `read_responses`.
    dataset : DatasetChoice
        What goes with a data set; of files, ``regions`` and ``subjects`` choose among those that
        they hold.
    """

    source: str | None
    events: str | None
    mask: str | None
    atlas: str | None
    labels: str | None
    dataset: DatasetChoice

    def describe(self) -> dict[str, Any]:
        """Return the settings from which the same data can be read again."""
        return asdict(self)


@dataclass(frozen=True)
class BrainData:
    """Responses, RDMs or both, and the data set that they are of."""

    responses: "xr.DataArray | None" = None
    rdms: "xr.DataArray | None" = None
    dataset: "Dataset | None" = None


def make_brain_choice(
    brain: str | None,
    events: str | None = None,
    mask: str | None = None,
    atlas: str | None = None,
    labels: str | None = None,
    **dataset: Any,
) -> BrainChoice:
    """Return the brain data that a command line asks for."""
    return BrainChoice(brain, events, mask, atlas, labels, DatasetChoice(**dataset))


def load_choice(key: str, choice: DatasetChoice, *, quiet: bool) -> "Dataset":
    """Load a data set with what was asked for of it.

    Raises
    ------
    InputError
        Its terms are not accepted yet.
    DataError, UnknownNameError
        As `load_dataset` does.
    """
    from neurolens.datasets import describe_dataset, load_dataset

    check_terms(describe_dataset(key), accepted=choice.accept_terms)
    return load_dataset(
        key,
        subjects=choice.subjects,
        regions=choice.regions,
        folder=choice.folder,
        accept_terms=choice.accept_terms,
        quiet=quiet,
        **choice.options,
    )


def check_terms(card: dict[str, Any], *, accepted: bool) -> None:
    """Raise InputError with the terms of a data set that asks for it, until they are accepted."""
    if card.get("accept_terms") and not accepted:
        terms = " ".join(str(card["terms"]).split())
        raise InputError(
            f"data set {card['key']!r} asks you to accept its terms: {terms} Licence: "
            f"{card['licence']}. Pass --accept-terms if you do.",
            anchor="terms-not-accepted",
        )


def load_brain(choice: BrainChoice, *, quiet: bool) -> BrainData:
    """Read brain data of a data set or of files.

    Raises
    ------
    InputError
        The file holds something else, or goes with other options.
    DataError, LabelError, UnknownNameError, MissingToolError
        As the functions that read it do.
    """
    source = str(choice.source)
    path = Path(source)
    is_key = source in list_keys()
    if is_key and path.exists():
        raise InputError(
            f"{source!r} is a data set, and also a file here: type {PREFIX}{source} or ./{source}"
        )
    if is_key or source.startswith(PREFIX):
        if choice.events or choice.mask or choice.atlas:
            raise InputError("--events, --mask and --atlas are for files, not for data sets")
        loaded = load_choice(source.removeprefix(PREFIX), choice.dataset, quiet=quiet)
        return BrainData(loaded.responses, loaded.rdms, loaded)
    if not path.exists():
        from neurolens.labels import suggest_name

        hint = "It is no file either; see `neurolens datasets list`."
        raise suggest_name(source, list_keys(), "data set", hint)
    return _choose_labels(_read_files(path, choice), choice.dataset)


def _read_files(path: Path, choice: BrainChoice) -> BrainData:
    """Return responses where events go with a file, what a .nc file holds, or published RDMs."""
    from neurolens.brain import read_rdms, read_responses
    from neurolens.cli.parameters.results import is_saved, open_result

    if is_saved(path):
        found = open_result(path).take("brain RDMs", "responses")
        is_rdms = found.kind == "brain RDMs"
        return BrainData(rdms=found.data) if is_rdms else BrainData(responses=found.data)
    if choice.events is None:
        if choice.mask or choice.atlas:
            raise InputError(
                "responses need --events, a table that says what each of them shows; without it "
                f"{path.name!r} is read as RDMs",
                anchor="events-table",
            )
        return BrainData(rdms=read_rdms(path))
    regions: Any = choice.atlas
    if choice.labels is not None:
        if choice.atlas is None:
            raise InputError(
                "--labels are the names of the numbers in an --atlas; pass both",
                anchor="regions-of-images",
            )
        regions = (choice.atlas, choice.labels)
    responses = read_responses(path, events=choice.events, mask=choice.mask, regions=regions)
    return BrainData(responses=responses)


def _choose_labels(brain: BrainData, choice: DatasetChoice) -> BrainData:
    """Return the regions and subjects of files that were asked for."""
    if choice.regions is None and choice.subjects is None:
        return brain
    if brain.rdms is None:
        raise InputError(
            "--regions and --subjects choose among those of a data set or of RDMs; responses of a "
            "file are used whole"
        )
    from neurolens.labels import REGION, SUBJECT, suggest_name

    rdms = brain.rdms
    for dim, names in ((REGION, choice.regions), (SUBJECT, choice.subjects)):
        if names is None:
            continue
        known = [str(name) for name in rdms[dim].values] if dim in rdms.dims else []
        for name in names:
            if name not in known:
                raise suggest_name(name, known, f"{dim} of these RDMs")
        rdms = rdms.sel({dim: names})
    return BrainData(rdms=rdms)


def read_option(ctx: click.Context, parameter: click.Parameter, value: Any) -> dict[str, Any]:
    """Return the options NAME=VALUE of a data set; values are those of TOML, or else text."""
    options: dict[str, Any] = {}
    for text in value or ():
        name, sign, written = text.partition("=")
        if not sign or not name.isidentifier():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE, such as n_subjects=2")
        try:
            options[name] = tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = written
    return options


DATASET_OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(
        ["--subjects"],
        multiple=True,
        callback=split_names,
        metavar="NAME,NAME",
        help="Some of the subjects.",
    ),
    click.Option(
        ["--regions"],
        multiple=True,
        callback=split_names,
        metavar="NAME,NAME",
        help="Some of the regions.",
    ),
    click.Option(["--folder"], metavar="FOLDER", help="Your own copy of the data set."),
    click.Option(["--accept-terms"], is_flag=True, help="Accept the terms of the data set."),
    click.Option(
        ["--option", "options"],
        multiple=True,
        callback=read_option,
        metavar="NAME=VALUE",
        help="An option of the data set; `neurolens datasets describe` lists them.",
    ),
)
FILE_OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(["--events"], metavar="FILE", help="A table of what each response shows."),
    click.Option(["--mask"], metavar="FILE", help="Voxels of images to use."),
    click.Option(["--atlas"], metavar="FILE", help="Regions of images: an atlas."),
    click.Option(["--labels"], metavar="FILE", help="Names of the numbers in the atlas."),
)


def add_brain(metavar: str = "BRAIN") -> Any:
    """Return a decorator that gives a command the argument BRAIN and its options, as ``brain``."""
    argument = click.Argument(["brain"], type=BrainParam(), metavar=metavar)
    parameters = (argument, *FILE_OPTIONS, *DATASET_OPTIONS)

    def decorate(command: Command) -> Command:
        return bundle_options("brain", make_brain_choice, parameters)(command)

    return decorate


def take_rdms(brain: BrainData, metric: str | None, *, default: str, quiet: bool) -> "xr.DataArray":
    """Return RDMs as they were published, or of responses where there are none.

    Parameters
    ----------
    brain : BrainData
    metric : str or None
        A dissimilarity that was asked for: RDMs are then made of the responses.
    default : str
        The dissimilarity of responses otherwise.
    quiet : bool
        Show no progress.

    Raises
    ------
    InputError
        There are no responses to make RDMs of.
    """
    from neurolens.compare import compute_rdms

    if brain.rdms is not None and metric is None:
        rdms = brain.rdms
        # Subjects without any of the regions that were asked for.
        return rdms.dropna("subject", how="all") if "subject" in rdms.dims else rdms
    if brain.responses is None:
        raise InputError(
            "these brain data are RDMs as they were published, so that no dissimilarity can be "
            f"chosen; leave out the option that asks for {metric!r}"
        )
    return compute_rdms(brain.responses, metric=metric or default, quiet=quiet)


def take_responses(brain: BrainData) -> "xr.DataArray":
    """Return the responses of brain data.

    Raises
    ------
    InputError
        There are RDMs only.
    """
    if brain.responses is None:
        raise InputError(
            "these brain data are RDMs, and responses of neuroids are needed here; "
            "`neurolens datasets list` says what data sets hold",
            anchor="wrong-object",
        )
    return brain.responses


def restore_brain(recorded: dict[str, Any]) -> BrainChoice:
    """Return the brain data that a file was made with.

    Raises
    ------
    DataError
        The record is of another version.
    """
    try:
        settings = dict(recorded)
        dataset = DatasetChoice(**settings.pop("dataset"))
        return BrainChoice(dataset=dataset, **settings)
    except (TypeError, KeyError) as error:
        raise DataError(
            "the record of the brain data in this file cannot be read; pass --brain"
        ) from error
