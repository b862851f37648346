"""Where a report finds what its scores were made with: in options, or by what their file says."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurolens.cli.files import hash_file
from neurolens.cli.parameters.brains import (
    DATASET_OPTIONS,
    BrainChoice,
    BrainData,
    BrainParam,
    DatasetChoice,
    load_brain,
    make_brain_choice,
    restore_brain,
)
from neurolens.cli.parameters.bundles import Command, bundle_options, list_given
from neurolens.cli.parameters.networks import NetworkChoice
from neurolens.cli.parameters.results import Result, open_result
from neurolens.cli.parameters.stimuli import (
    StimuliChoice,
    StimuliParam,
    load_shown,
    restore_stimuli,
)
from neurolens.errors import DataError, InputError, NeuroLensError

if TYPE_CHECKING:
    import xarray as xr

    from neurolens.models import LoadedModel
    from neurolens.stimuli import StimulusSet

# Options that say which model it is, beside --model.
SETTINGS = ("weights", "part", "image_size", "transform", "seed")


@dataclass(frozen=True)
class ReportSources:
    """What goes into a report beside scores and model, as it was asked for on the command line."""

    rdms: str | None
    brain: str | None
    stimuli: str | None
    controls: tuple[str, ...]
    shows_stimuli: bool
    dataset: DatasetChoice

    def list_files(self) -> list[Path]:
        """Return the files that are read."""
        names = [one for one in (self.rdms, self.brain, self.stimuli) if one is not None]
        return [Path(one) for one in (*names, *self.controls)]


def _make_sources(
    rdms: str | None,
    brain: str | None,
    stimuli: str | None,
    controls: tuple[str, ...],
    no_stimuli: bool,
    **dataset: Any,
) -> ReportSources:
    chosen = DatasetChoice(**dataset)
    return ReportSources(rdms, brain, stimuli, controls, not no_stimuli, chosen)


def find_network(asked: NetworkChoice, scores: Result) -> NetworkChoice:
    """Return the model that was asked for, else the one that the scores were made with.

    Raises
    ------
    InputError
        Neither is known; options of a model were given without a model, which they would not
        change.
    """
    if asked.model is not None:
        return asked
    unused = list_given(SETTINGS)
    if unused:
        raise InputError(
            f"without --model the model is the one that {str(scores.path)!r} names, which "
            f"{', '.join(unused)} cannot change; pass --model too, or leave {unused[0]} out"
        )
    recorded = dict(scores.origin.get("network", {}))
    recorded.pop("sha256", None)
    if not recorded.get("model"):
        raise InputError(
            f"{str(scores.path)!r} does not say which model it is of; pass --model, and --weights "
            "and --seed as they were"
        )
    try:
        found = NetworkChoice(**recorded)
    except TypeError as error:
        raise DataError(
            f"the record of the model in {str(scores.path)!r} cannot be read; pass --model"
        ) from error
    return replace(found, device=asked.device, trust_code=asked.trust_code or found.trust_code)


def find_stimuli(
    sources: ReportSources,
    scores: Result,
    network: "LoadedModel",
    missing: list[str],
    *,
    quiet: bool,
) -> "StimulusSet | None":
    """Return the stimuli; where the file's own are not found, say so in ``missing``."""
    if sources.stimuli is not None:
        choice = StimuliChoice(sources.stimuli, None, None, None, sources.dataset)
        return load_shown(choice, network, quiet=quiet)
    recorded = scores.origin.get("stimuli")
    if not recorded:
        missing.append("the stimuli, which the scores do not name; pass --stimuli")
        return None
    try:
        return load_shown(_accept(restore_stimuli(recorded), sources), network, quiet=quiet)
    except NeuroLensError as error:
        missing.append(f"the stimuli ({error}); pass --stimuli")
        return None


def _accept(choice: Any, sources: ReportSources) -> Any:
    """Return a recorded choice with the copy and the terms that this call names."""
    asked = sources.dataset
    dataset = replace(
        choice.dataset,
        folder=asked.folder or choice.dataset.folder,
        accept_terms=asked.accept_terms or choice.dataset.accept_terms,
    )
    return replace(choice, dataset=dataset)


def find_brain(
    sources: ReportSources, scores: Result, missing: list[str], *, quiet: bool
) -> BrainData | None:
    """Return the brain data; where the file's own are not found, say so in ``missing``."""
    if sources.brain is not None:
        choice: BrainChoice = replace(make_brain_choice(sources.brain), dataset=sources.dataset)
        return load_brain(choice, quiet=quiet)
    recorded = scores.origin.get("brain")
    if not recorded:
        missing.append("the brain data, which the scores do not name; pass --brain")
        return None
    try:
        return load_brain(_accept(restore_brain(recorded), sources), quiet=quiet)
    except NeuroLensError as error:
        missing.append(f"the brain data ({error}); pass --brain")
        return None


def find_rdms(sources: ReportSources, scores: Result, missing: list[str]) -> "xr.DataArray | None":
    """Return the model's RDMs; where the file's own are not found, say so in ``missing``."""
    if sources.rdms is not None:
        given = open_result(Path(sources.rdms)).take("model RDMs")
        _check_network(given, scores)
        return given.data
    if scores.data.attrs["method"] != "rsa":
        return None
    recorded = scores.origin.get("rdms")
    if not recorded:
        missing.append("the model's RDMs, which the scores do not name; pass --rdms")
        return None
    path = Path(recorded["path"])
    if not path.is_file():
        missing.append(f"the model's RDMs: there is no file {str(path)!r}; pass --rdms")
        return None
    if hash_file(path) != recorded["sha256"]:
        missing.append(
            f"the model's RDMs: {str(path)!r} has changed since the scores were made; compare again"
        )
        return None
    return open_result(path).take("model RDMs").data


def _check_network(rdms: Result, scores: Result) -> None:
    """Raise InputError for RDMs of another network than that of the scores, where both say it."""
    hashes = {one.origin.get("network", {}).get("sha256") for one in (rdms, scores)}
    if None not in hashes and len(hashes) == 2:
        raise InputError(
            f"{str(rdms.path)!r} holds RDMs of another network, or of other weights, than the "
            f"scores in {str(scores.path)!r}; pass the --rdms that the scores were made of"
        )


OPTIONS: tuple[click.Parameter, ...] = (
    click.Option(["--rdms"], metavar="FILE", help="The model's RDMs."),
    click.Option(
        ["--brain"], type=BrainParam(), help="A data set or RDMs of the brain, to be shown."
    ),
    click.Option(["--stimuli"], type=StimuliParam(), help="A folder, a table or dataset:KEY."),
    click.Option(
        ["--control", "controls"],
        multiple=True,
        metavar="[LABEL=]FILE",
        help="Scores of a control, beside those that `compare --control` has saved.",
    ),
    click.Option(["--no-stimuli"], is_flag=True, help="Leave out the small pictures of stimuli."),
)


def add_sources(command: Command) -> Command:
    """Give a command the options of what goes into a report, as ``sources``."""
    parameters = (*OPTIONS, *DATASET_OPTIONS)
    return bundle_options("sources", _make_sources, parameters)(command)
