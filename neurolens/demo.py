"""The main job, end to end: a model and a brain go in, scores, pictures and a report come out."""

import os
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torchvision
import xarray as xr
from torch import nn

from neurolens.compare import assign_regions, compare_rdms, compute_rdms
from neurolens.datasets import Dataset, load_dataset
from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.extract import Trace, Verdict, extract_grams, trace, validate
from neurolens.labels import suggest_name
from neurolens.report import write_report
from neurolens.stimuli import StimulusSet
from neurolens.view import draw_graph, plot_profile

REAL_REGIONS = ["IT", "EVA"]
METRIC = "correlation"
COMPARATOR = "spearman"


@dataclass(frozen=True)
class Setup:
    """What a run uses, and how to say so."""

    model: nn.Module
    model_name: str
    weights: str
    stimuli: StimulusSet
    dataset: Dataset
    rdms: xr.DataArray
    control: nn.Module | None
    headline: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """What a run found."""

    trace: Trace
    verdict: Verdict
    rdms: xr.DataArray
    scores: xr.Dataset
    best: xr.Dataset
    control: xr.Dataset | None


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
        A torchvision classifier. Default: squeezenet1_0 with real data, resnet18 with the planted brain.
    weights : path, optional
        A local state dict for the model.
    offline : bool
        Use the planted brain and random weights even where real data are at hand.
    seed : int
        For random weights, the planted brain, bootstrap draws and halves of the stimuli.
    quiet : bool
        Print only the first line and the result.

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
    folder = make_folder(output)
    setup = prepare_setup(model, weights, offline, seed, quiet)
    print(setup.headline, flush=True)
    for note in setup.notes:
        print(textwrap.fill(note, 100, initial_indent="  ! ", subsequent_indent="    "), flush=True)
    found = find_best_ops(setup, seed, quiet)
    written = write_findings(setup, found, folder, quiet)
    print("\n" + format_best(found, setup.dataset) + "\n")
    print("Where to look next:")
    for path, what in written:
        print(f"  {path!s:32} {what}")
    return found


def prepare_setup(model: str | None, weights: str | Path | None, offline: bool, seed: int, quiet: bool) -> Setup:
    """Return real data and trained weights where they can be had, else the planted brain and random weights."""
    if model is not None:
        _check_model_name(model)
    if weights is not None and not Path(weights).is_file():
        raise DataError(f"no weights file {str(weights)!r}; pass the path of a state dict saved with torch.save")
    reason = "--offline was given"
    if not offline:
        try:
            dataset = load_dataset("kriegeskorte2008", quiet=quiet)
            return _prepare_real(dataset, model or "squeezenet1_0", weights, seed)
        except DataError as error:
            if weights is not None:
                raise
            reason = str(error)
    if weights is not None:
        raise InputError("--weights needs real data; leave out --offline")
    return _prepare_planted(model or "resnet18", seed, reason)


def find_best_ops(setup: Setup, seed: int, quiet: bool) -> Findings:
    """Record and validate the model, compute an RDM per op, compare with each region."""
    say = _make_speaker(quiet)
    _, batch = next(setup.stimuli.iterate_batches(1))
    training = setup.model.training
    try:
        setup.model.eval()
        traced = trace(setup.model, batch)
        say(traced.summary())
        verdict = validate(setup.model, batch)
        say(f"validated: {verdict!r}")
    finally:
        setup.model.train(training)
    rdms = _compute_model_rdms(setup.model, setup.stimuli, quiet)
    say(f"{rdms.sizes['op']} RDMs of {rdms.sizes['stimulus']} x {rdms.sizes['stimulus']} stimuli ({METRIC} distance)")
    scores = compare_rdms(rdms, setup.rdms, comparator=COMPARATOR, rng=seed)
    control = None
    if setup.control is not None:
        say("the same with random weights, as a control")
        control_rdms = _compute_model_rdms(setup.control, setup.stimuli, quiet)
        control = compare_rdms(control_rdms, setup.rdms, comparator=COMPARATOR, n_bootstrap=0, n_splits=0)
        control.attrs["label"] = "random weights"
    return Findings(traced, verdict, rdms, scores, assign_regions(scores), control)


def write_findings(setup: Setup, found: Findings, folder: Path, quiet: bool) -> list[tuple[Path, str]]:
    """Write the report, the graph, the profile and the scores; return (path, what it is)."""
    say = _make_speaker(quiet)
    title = f"{setup.model_name}: fit to {', '.join(str(r) for r in found.scores.region.values)}"
    written = []
    drawing = draw_graph(found.trace, scores=found.scores, best=found.best, title=title)
    drawing.save(folder / "graph.gv")
    try:
        drawing.save(folder / "graph.svg")
        written.append((folder / "graph.svg", "the network's operations, coloured by their fit"))
    except MissingToolError as error:
        say(f"graph.svg not drawn: {error}")
        written.append((folder / "graph.gv", "the network's operations as DOT text"))
    profile = plot_profile(found.scores, best=found.best, graph=found.trace.graph, control=found.control)
    profile.savefig(folder / "profile.png", dpi=150)
    written.append((folder / "profile.png", "scores along the network, with noise ceilings"))
    found.scores.to_netcdf(folder / "scores.nc", engine="h5netcdf")
    written.append((folder / "scores.nc", "all scores: xarray.load_dataset(path)"))
    report = write_report(
        folder / "report.html",
        trace=found.trace,
        scores=found.scores,
        rdms=found.rdms,
        brain=replace(setup.dataset, rdms=setup.rdms),
        best=found.best,
        control=found.control,
        title=title,
        facts={"weights": setup.weights, "recording": repr(found.verdict)},
        notes=setup.notes,
    )
    return [(report, "everything on one page: open it in a browser"), *written]


def format_best(found: Findings, dataset: Dataset) -> str:
    """Return the table of the best op per region as text."""
    best, scores = found.best, found.scores
    planted = _read_planted(dataset)
    header = ["region", "best op", "held-out", "ceiling", "same choice", "naive maximum"]
    rows = [[*header, "planted op"] if planted else header]
    for region in best.region.values:
        row = best.sel(region=region)
        low, high = (float(scores[f"ceiling_{side}"].sel(region=region)) for side in ("lower", "upper"))
        ceiling = "none (1 subject)" if low != low else f"{low:.2f}-{high:.2f}"
        cells = [
            str(region),
            str(row.best_op.item()),
            f"{float(row.heldout_score):.2f}",
            ceiling,
            f"{float(row.agreement):.0%}",
            f"{float(row.naive_score):.2f} {row.naive_op.item()}",
        ]
        rows.append([*cells, planted[str(region)]] if planted else cells)
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    n_splits = scores.sizes["split"]
    lines.insert(1, "  ".join("-" * w for w in widths))
    lines.append(
        f"Best op: chosen on one half of the stimuli, scored ({COMPARATOR}, mean over subjects) on the other. Same\n"
        f"choice: share of {2 * n_splits} random halves that choose it. Naive maximum: chosen and scored on "
        "all stimuli, too high."
    )
    return "\n".join(lines)


def make_folder(output: str | Path) -> Path:
    """Make the output folder, checking that it can be written before anything is computed.

    Raises
    ------
    DataError
        When it cannot.
    """
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(
            f"cannot write into {str(folder)!r} ({error.strerror}). Pass another folder with --output."
        ) from error
    return folder


def load_model(name: str, weights: str | Path | None, seed: int, *, trained: bool) -> tuple[nn.Module, str]:
    """Return a torchvision classifier in evaluation mode, and a sentence on its weights.

    Parameters
    ----------
    name : str
    weights : path or None
        A local state dict, opened with ``weights_only=True``.
    seed : int
        Of random weights.
    trained : bool
        Without a file: whether to fetch torchvision's default weights or leave seeded random ones.

    Raises
    ------
    InputError
        When the file does not fit the model.
    DataError
        When torchvision's weights cannot be fetched.
    """
    _check_model_name(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        options: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = torchvision.models.get_model(name, weights=None, **options)
    if weights is not None:
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            model.load_state_dict(state)
        except Exception as error:
            first = str(error).strip().splitlines()[0]
            raise InputError(f"{str(weights)!r} is not a state dict of {name}: {first}") from error
        return model.eval(), f"from {Path(weights).name}"
    if not trained:
        return model.eval(), f"random, seed {seed}"
    default = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state = default.get_state_dict(progress=False, check_hash=True)
    except Exception as error:
        raise DataError(
            f"torchvision's weights for {name} could not be fetched from {default.url} ({error}). Connect to the "
            "network, or pass a local state dict with --weights FILE."
        ) from error
    model.load_state_dict(state)
    return model.eval(), f"torchvision {default}"


def _prepare_real(dataset: Dataset, name: str, weights: str | Path | None, seed: int) -> Setup:
    model, described = load_model(name, weights, seed, trained=True)
    control, _ = load_model(name, None, seed, trained=False)
    assert dataset.rdms is not None
    assert dataset.stimuli is not None
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    rdms = dataset.rdms.sel(region=REAL_REGIONS).dropna("subject", how="all")
    headline = (
        f"neurolens demo: {name} (weights: {described}) on the 92 photographs of Kriegeskorte et al. (2008), "
        "against human IT (4 subjects) and early visual cortex (EVA, group)."
    )
    stimuli = dataset.stimuli.use_transform(transform)
    return Setup(model, name, described, stimuli, dataset, rdms, control, headline, ())


def _prepare_planted(name: str, seed: int, reason: str) -> Setup:
    model, described = load_model(name, None, seed, trained=False)
    dataset = load_dataset("planted", model=model, seed=seed)
    assert dataset.responses is not None
    assert dataset.stimuli is not None
    headline = f"neurolens demo: NOT REAL DATA. {name} with random weights (seed {seed}) and a planted brain."
    notes = (
        "Planted brain: simulated voxels that are noisy random readouts of known ops of this very network. "
        "The right answer is known; nothing here says anything about a brain.",
        f"Random weights (seed {seed}): the network was never trained.",
        f"Why not real data: {reason}",
    )
    rdms = compute_rdms(dataset.responses, metric=METRIC)
    return Setup(model, name, described, dataset.stimuli, dataset, rdms, None, headline, notes)


def _compute_model_rdms(model: nn.Module, stimuli: StimulusSet, quiet: bool) -> xr.DataArray:
    grams = extract_grams(model, stimuli, quiet=quiet)
    # An RDM needs features to correlate over: single numbers per stimulus have none.
    return compute_rdms(grams.isel(op=(grams.n_features > 1).values), metric=METRIC)


def _check_model_name(name: str) -> None:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise suggest_name(name, known, "torchvision classifier", "See torchvision.models.list_models().")


def _read_planted(dataset: Dataset) -> dict[str, str]:
    responses = dataset.responses
    if responses is None or "planted_op" not in responses.coords:
        return {}
    pairs = zip(responses.region.values, responses.planted_op.values, strict=True)
    return {str(region): str(op) for region, op in pairs}


def _make_speaker(quiet: bool) -> Any:
    return (lambda text: None) if quiet or os.environ.get("NEUROLENS_QUIET") else (lambda text: print(text, flush=True))
