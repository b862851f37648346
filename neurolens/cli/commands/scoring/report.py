"""``neurolens report``: scores on the graph of the model, on one interactive page."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurolens.cli.commands.scoring.answers import choose_best
from neurolens.cli.commands.scoring.sources import (
    ReportSources,
    add_sources,
    find_brain,
    find_network,
    find_rdms,
    find_stimuli,
)
from neurolens.cli.console import Console, add_console
from neurolens.cli.files import check_target, write_whole
from neurolens.cli.parameters.bundles import add_output
from neurolens.cli.parameters.inputs import InputChoice, make_input, place_batch
from neurolens.cli.parameters.networks import (
    RANDOM,
    NetworkChoice,
    add_network_option,
    load_network,
)
from neurolens.cli.parameters.results import Result, open_result
from neurolens.errors import InputError

if TYPE_CHECKING:
    from neurolens.models import LoadedModel
    from neurolens.stimuli import StimulusSet

SUFFIXES = (".html", ".htm")
# Of which the report shows activation maps.
N_PICTURED = 6
# Of data sets that are no recordings.
SIMULATED = "none (simulation)"


@dataclass
class Parts:
    """What a report is made of, the verdict on the recording, and what it lacks, in sentences."""

    recording: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@click.command("report")
@click.argument("scores", type=click.Path(path_type=Path))
@add_network_option
@add_sources
@click.option("--title", help="Of the page. Default: the model and the regions.")
@add_output(".html")
@add_console
def command(
    *,
    scores: Path,
    network: NetworkChoice,
    sources: ReportSources,
    title: str | None,
    output: Path,
    overwrite: bool,
    console: Console,
) -> None:
    r"""Write SCORES, a file of `compare` or `encode`, as one interactive page with the graph.

    The model, the stimuli, the RDMs and the brain data that the scores were made with are found
    again by what the file says; options name others, or where they are now. What is not found is
    left out, and named.

    \b
    Examples:
      neurolens report scores.nc --output report.html
      neurolens report scores.nc --model torchvision/alexnet --weights none -o alexnet.html
      neurolens report encoding.nc --no-stimuli --output shared.html
    """
    from neurolens.report import write_report

    read = [scores, *sources.list_files()]
    check_target(output, overwrite=overwrite, suffixes=SUFFIXES, inputs=read)
    opened = open_result(scores).take("scores")
    controls = dict(opened.controls) | _open_controls(sources.controls)
    choice = find_network(network, opened)
    loaded = load_network(choice)
    _check_identity(loaded, opened, choice)
    parts = Parts()
    shown = find_stimuli(sources, opened, loaded, parts.missing, quiet=console.hides_progress)
    _add_trace(parts, loaded, shown, choice, with_maps=sources.shows_stimuli)
    _add_brain(parts, sources, opened, quiet=console.hides_progress)
    parts.settings["rdms"] = find_rdms(sources, opened, parts.missing)
    parts.settings["stimuli"] = shown if sources.shows_stimuli and shown is not None else ()
    best = choose_best(opened.data, controls)
    regions = ", ".join(str(name) for name in opened.data["region"].values)
    with write_whole(output) as partial:
        write_report(
            partial,
            scores=opened.data,
            best=best,
            control=controls or None,
            title=title or f"{loaded.identity.name}: fit to {regions}",
            facts={
                "scores": scores.name,
                "model": loaded.identity.name,
                "weights": _name_weights(loaded),
                "sha256 of the state dict": loaded.identity.sha256,
                "recording": parts.recording,
            },
            notes=_write_notes(parts, choice),
            **parts.settings,
        )
    lines = [f"{output}: open it in a browser"]
    if not console.quiet:
        lines += [f"Left out: {one}" for one in parts.missing]
        if parts.settings["stimuli"] != ():
            lines.append(
                "The page holds small pictures of the stimuli: mind their terms before you share "
                "it, or pass --no-stimuli"
            )
    facts = {
        "output": output,
        "model": loaded.identity.name,
        "controls": list(controls),
        "recording": parts.recording,
        "left_out": parts.missing,
    }
    console.answer("\n".join(lines), facts)


def _open_controls(files: Sequence[str]) -> dict[str, Any]:
    """Return the scores of each control by its label."""
    from neurolens.cli.commands.scoring.compare import split_label

    controls = {}
    for text in files:
        label, path = split_label(text)
        opened = open_result(path).take("scores")
        network = opened.origin.get("network", {})
        is_random = network.get("weights") == RANDOM
        name = label or ("random weights" if is_random else network.get("model") or path.stem)
        if name in controls:
            raise InputError(f"two controls have the label {name!r}; pass --control LABEL=FILE")
        controls[str(name)] = opened.data
    return controls


def _check_identity(loaded: "LoadedModel", scores: Result, choice: NetworkChoice) -> None:
    """Raise InputError where the scores were made with another model or other weights."""
    made_with = scores.origin.get("network", {}).get("sha256")
    if made_with and made_with != loaded.identity.sha256:
        was = scores.origin["network"]
        raise InputError(
            f"{str(scores.path)!r} was made with other weights: {was.get('model')} with the sha256 "
            f"{made_with[:12]} of its state dict, and {choice.model} has "
            f"{loaded.identity.sha256[:12]}. Pass the --model, --weights and --seed that it was "
            "made with."
        )


def _name_weights(loaded: "LoadedModel") -> str:
    """Return the weights without the folder that their file is in."""
    weights = loaded.identity.weights
    return Path(weights).name if Path(weights).is_absolute() else weights


def _add_trace(
    parts: Parts,
    loaded: "LoadedModel",
    shown: "StimulusSet | None",
    choice: NetworkChoice,
    *,
    with_maps: bool,
) -> None:
    """Trace and validate the model on the first stimulus; with maps, trace it on a few of all."""
    from neurolens.extract import trace, validate

    if shown is None:
        given = make_input(InputChoice(), loaded, choice.seed)
    else:
        given = place_batch(shown.read_rows(range(1)), choice.device, "")
    parts.settings["trace"] = trace(loaded.model, given.inputs, kwargs=given.kwargs)
    parts.recording = repr(validate(loaded.model, given.inputs, kwargs=given.kwargs))
    if shown is None or not with_maps:
        return
    n_pictured = min(N_PICTURED, len(shown))
    ids = [shown.ids[i * len(shown) // n_pictured] for i in range(n_pictured)]
    few = place_batch(shown.select(ids).read_rows(range(n_pictured)), choice.device, "")
    parts.settings["activations"] = (trace(loaded.model, few.inputs, kwargs=few.kwargs), ids)


def _add_brain(parts: Parts, sources: ReportSources, scores: Result, *, quiet: bool) -> None:
    """Add brain RDMs of the regions that have scores, and the card of their data set."""
    from neurolens.cli.parameters.brains import take_rdms

    brain = find_brain(sources, scores, parts.missing, quiet=quiet)
    if brain is None:
        return
    rdms = None
    if scores.data.attrs["method"] == "rsa":
        default = str(scores.data.attrs.get("dissimilarity") or "correlation")
        metric = scores.origin.get("brain_metric")
        rdms = take_rdms(brain, metric, default=default, quiet=quiet)
    if brain.dataset is not None:
        parts.settings["brain"] = replace(brain.dataset, rdms=rdms, responses=None)
    elif rdms is not None:
        parts.settings["brain"] = rdms


def _write_notes(parts: Parts, choice: NetworkChoice) -> list[str]:
    """Return what a reader must know before believing a number."""
    notes = []
    card = getattr(parts.settings.get("brain"), "card", {})
    if card.get("species") == SIMULATED:
        notes.append(f"Simulated responses, no brain: {' '.join(card['description'].split())}")
    if choice.weights == RANDOM:
        notes.append(f"Random weights (seed {choice.seed}): the network was never trained.")
    return notes
