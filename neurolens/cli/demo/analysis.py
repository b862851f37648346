"""The main analysis from end to end: from a model and a brain to scores, pictures and a report."""

import shlex
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torchvision
import xarray as xr
from torch import nn

from neurolens.cli.demo.tables import format_best
from neurolens.compare import assign_regions, compare_rdms, compute_rdms
from neurolens.datasets import load_dataset
from neurolens.errors import DataError, InputError
from neurolens.extract import Trace, Verdict, extract_grams, trace, validate
from neurolens.labels import suggest_name
from neurolens.models import load_model
from neurolens.models.names import PRETRAINED
from neurolens.report.page import write_report
from neurolens.stimuli import StimulusSet
from neurolens.view import draw_graph, plot_profile
from neurolens.view.plots.canvas.panels import find_figure

REAL_REGIONS = ["IT", "EVA"]
# Of models.
SOURCE = "torchvision"
METRIC = "correlation"
COMPARATOR = "rho-a"
# Of which the report shows activation maps.
N_PICTURED = 6


@dataclass(frozen=True)
class Setup:
    """The model and data of a run, and how to describe them.

    ``brain`` is a Dataset that has both ``stimuli`` and ``rdms``; ``control`` is the same model
    with random weights.
    """

    model: nn.Module
    model_name: str
    weights: str
    brain: Any
    headline: str
    control: nn.Module | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """The results of a run.

    ``pictured`` is a trace of a few stimuli, and their ids.
    """

    trace: Trace
    pictured: tuple[Trace, list[str]]
    verdict: Verdict
    rdms: xr.DataArray
    scores: xr.Dataset
    best: xr.Dataset
    control: xr.Dataset | None

    def __repr__(self) -> str:
        chosen = zip(self.best["region"].values, self.best["best_op"].values, strict=True)
        return f"<Findings: {', '.join(f'{region} {op}' for region, op in chosen)}>"


class Written(NamedTuple):
    """A file that the demo wrote, with its description."""

    path: Path
    description: str


def run_demo(
    *,
    output: str | Path = "demo_output",
    model: str | None = None,
    weights: str | Path | None = None,
    offline: bool = False,
    seed: int = 0,
    quiet: bool = False,
) -> Findings:
    """Compare every op of a model with brain regions and write pictures and a report.

    Parameters
    ----------
    output : path
        Folder for ``report.html``, ``graph.svg``, ``graph.gv``, ``profile.png`` and ``scores.nc``.
    model : str, optional
        A torchvision classifier. Default: squeezenet1_0 with real data, resnet18 with the planted
        brain.
    weights : path, optional
        A local state dict for the model.
    offline : bool
        Use the planted brain and random weights even where real data are at hand.
    seed : int
        For random weights, the planted brain, bootstrap draws and halves of the stimuli.
    quiet : bool
        Print only the first line and the result. Progress is shown on a terminal only.

    Returns
    -------
    Findings

    Raises
    ------
    DataError
        When the output folder cannot be written.
    InputError, UnknownNameError
        For an unknown model, or weights that do not fit it.
    """
    say: Callable[[str], None] = (
        (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    )
    folder = _make_folder(output)
    hides_progress = quiet or not sys.stderr.isatty()
    setup = _prepare_setup(model, weights, offline, seed, hides_progress)
    print(setup.headline, flush=True)
    for note in setup.notes:
        print(_wrap_note(note), flush=True)
    findings = _find_best_ops(setup, seed, hides_progress, say)
    command = _write_command(setup.model_name, weights, offline, seed)
    files = _write_findings(setup, findings, folder, command)
    table = format_best(findings.scores, findings.best, _list_planted(setup.brain))
    print(f"\n{table}\n\nWhere to look next:")
    for file in files:
        print(f"  {file.path!s:32} {file.description}")
    return findings


def _wrap_note(note: str) -> str:
    """Return a note in indented lines; addresses and paths stay whole, to be copied."""
    return textwrap.fill(
        note,
        100,
        initial_indent="  ! ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _write_command(model: str, weights: str | Path | None, offline: bool, seed: int) -> str:
    """Return the command that repeats a run; of weights it has the file's name only."""
    parts = ["neurolens", "demo", "--model", model, "--seed", str(seed)]
    if weights is not None:
        parts += ["--weights", Path(weights).name]
    return shlex.join([*parts, "--offline"] if offline else parts)


def _make_folder(output: str | Path) -> Path:
    """Make the output folder, checking that it can be written before anything is computed."""
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"cannot write into {str(folder)!r} ({error.strerror}). Pass another folder with "
            f"--output.",
            anchor="cannot-write",
        ) from error
    return folder


def _prepare_setup(
    model: str | None, weights: str | Path | None, offline: bool, seed: int, quiet: bool
) -> Setup:
    """Return real data and trained weights, or else the planted brain and random weights."""
    if model is not None:
        _check_model_name(model)
    if weights is not None and not Path(weights).is_file():
        raise DataError(
            f"no weights file {str(weights)!r}; pass the path of a state dict saved with "
            "torch.save, or --offline for random ones",
            anchor="file-not-found",
        )
    if weights is not None and offline:
        raise InputError("--weights needs real data; leave out --offline")
    reason = "--offline was given"
    if not offline:
        try:
            return _prepare_real(
                load_dataset("kriegeskorte2008", quiet=quiet),
                model or "squeezenet1_0",
                weights,
                seed,
            )
        except DataError as error:
            if weights is not None:
                raise
            reason = error.message
    return _prepare_planted(model or "resnet18", seed, reason)


def _check_model_name(name: str) -> None:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise suggest_name(
            name,
            known,
            "torchvision classifier",
            "See torchvision.models.list_models().",
            anchor="unknown-model",
        )


def _prepare_real(brain: Any, name: str, weights: str | Path | None, seed: int) -> Setup:
    chosen = PRETRAINED if weights is None else Path(weights)
    model, transform, identity = load_model(f"{SOURCE}/{name}", weights=chosen, rng=seed)
    control = load_model(f"{SOURCE}/{name}", weights=None, rng=seed).model
    described = identity.weights if weights is None else Path(weights).name
    rdms = brain.rdms.sel(region=REAL_REGIONS).dropna("subject", how="all")
    headline = (
        f"neurolens demo: {name} (weights: {described}) on the 92 photographs of Kriegeskorte et "
        "al. (2008), against human IT (4 subjects) and early visual cortex (EVA, group)."
    )
    brain = replace(brain, stimuli=brain.stimuli.use_transform(transform), rdms=rdms)
    return Setup(model, name, described, brain, headline, control)


def _prepare_planted(name: str, seed: int, reason: str) -> Setup:
    model, _, identity = load_model(f"{SOURCE}/{name}", weights=None, rng=seed)
    brain: Any = load_dataset("planted", model=model, seed=seed)
    brain = replace(brain, rdms=compute_rdms(brain.responses, metric=METRIC, quiet=True))
    headline = (
        f"neurolens demo: NOT REAL DATA. {name} with random weights (seed {seed}) and a planted "
        "brain."
    )
    notes = (
        "Planted brain: simulated voxels that are noisy random readouts of known ops of this very "
        "network. The right answer is known; nothing here says anything about a brain.",
        f"Random weights (seed {seed}): the network was never trained.",
        f"Why not real data: {reason}",
    )
    return Setup(model, name, identity.weights, brain, headline, notes=notes)


def _find_best_ops(setup: Setup, seed: int, quiet: bool, say: Callable[[str], None]) -> Findings:
    """Record and validate the model, compute an RDM per op, compare with each region."""
    _, batch = next(setup.brain.stimuli.iterate_batches(1))
    traced = trace(setup.model, batch)
    say(traced.summary())
    verdict = validate(setup.model, batch)
    say(f"validated: {verdict!r}")
    rdms = _compute_model_rdms(setup.model, setup.brain.stimuli, quiet)
    n_ops = rdms.sizes["op"]
    n_stimuli = rdms.sizes["stimulus"]
    say(f"{n_ops} RDMs of {n_stimuli} x {n_stimuli} stimuli ({METRIC} distance)")
    scores = compare_rdms(rdms, setup.brain.rdms, comparator=COMPARATOR, rng=seed)
    control = None
    if setup.control is not None:
        say("the same with random weights, as a control")
        control_rdms = _compute_model_rdms(setup.control, setup.brain.stimuli, quiet)
        # With the same seed, so that differences are paired by stimuli.
        control = compare_rdms(control_rdms, setup.brain.rdms, comparator=COMPARATOR, rng=seed)
        control.attrs["label"] = "random weights"
    best = assign_regions(scores, control=() if control is None else control)
    pictured = _trace_few(setup.model, setup.brain.stimuli)
    return Findings(traced, pictured, verdict, rdms, scores, best, control)


def _trace_few(model: nn.Module, stimuli: StimulusSet) -> tuple[Trace, list[str]]:
    """Return a trace of some stimuli, spread evenly over the set, and their ids."""
    n = min(N_PICTURED, len(stimuli))
    ids = [stimuli.ids[i * len(stimuli) // n] for i in range(n)]
    return trace(model, stimuli.select(ids).read_rows(range(n))), ids


def _compute_model_rdms(model: nn.Module, stimuli: StimulusSet, quiet: bool) -> xr.DataArray:
    grams = extract_grams(model, stimuli, quiet=quiet)
    # An RDM needs features to correlate over: single numbers per stimulus have none.
    return compute_rdms(grams.isel(op=(grams.n_features > 1).values), metric=METRIC, quiet=quiet)


def _write_findings(setup: Setup, findings: Findings, folder: Path, command: str) -> list[Written]:
    """Write the report, the graph, the profile and the scores."""
    title = f"{setup.model_name}: fit to {', '.join(map(str, findings.scores.region.values))}"
    drawing = draw_graph(findings.trace, scores=findings.scores, best=findings.best, title=title)
    drawing.save(folder / "graph.gv")
    picture = drawing.save(folder / "graph.svg")
    graph = Written(picture, "the network's operations, colored by their fit")
    profile = plot_profile(
        findings.scores, best=findings.best, graph=findings.trace, control=findings.control
    )
    find_figure(profile[0]).savefig(folder / "profile.png", dpi=150)
    findings.scores.to_netcdf(folder / "scores.nc", engine="h5netcdf")
    report = write_report(
        folder / "report.html",
        trace=findings.trace,
        scores=findings.scores,
        rdms=findings.rdms,
        brain=setup.brain,
        best=findings.best,
        control=findings.control,
        activations=findings.pictured,
        title=title,
        facts={
            "command": command,
            "weights": setup.weights,
            "recording": repr(findings.verdict),
        },
        notes=setup.notes,
    )
    return [
        Written(report, "everything on one interactive page: open it in a browser"),
        graph,
        Written(folder / "profile.png", "scores along the network, with noise ceilings"),
        Written(folder / "scores.nc", "all scores: xarray.load_dataset(path)"),
    ]


def _list_planted(brain: Any) -> tuple[str, dict[str, str]] | None:
    """Return the right answer by region, where it is known."""
    responses = brain.responses
    if responses is None or "planted_op" not in responses.coords:
        return None
    pairs = zip(responses.region.values, responses.planted_op.values, strict=True)
    return "planted op", {str(region): str(op) for region, op in pairs}
