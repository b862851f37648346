"""The labelled Grams of a run."""

from importlib import metadata

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.extract.stream.grams.plan import GramPlan, leave_out
from neurolens.extract.stream.grams.products import DOUBLE, SINGLE, mirror_triangle
from neurolens.extract.stream.grams.sketches import find_sketch_error
from neurolens.extract.stream.grams.totals import GramSums
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.metadata import list_coordinates, read_columns, warn_of_others
from neurolens.extract.stream.passes import describe_deviations, list_unplaced
from neurolens.extract.stream.plan import count_elements
from neurolens.extract.stream.stores.writer import describe_rows
from neurolens.labels import OP, SAMPLES, STIMULUS, STIMULUS_2, describe_samples, list_names


def label_grams(gram_plan: GramPlan, sums: GramSums, n_passes: int) -> xr.Dataset:
    """Return the labelled Grams; ``sums`` is emptied meanwhile.

    Raises
    ------
    InputError
        When no result has a Gram, or one that was asked for by name has none.
    RecordingError
        When the features that were added up are not all features of a result.
    """
    stimuli = gram_plan.plan.stimuli
    warn_of_others(stimuli.metadata)
    skipped = find_unusable(gram_plan, sums)
    for layout in gram_plan.own:
        if layout.name not in skipped:
            sums.check_features(layout)
    kept = [layout for layout in gram_plan.chosen if layout.name not in skipped]
    if not kept:
        raise InputError(
            f"none of the {len(gram_plan.chosen)} selected ops has a Gram: "
            f"{list_names(skipped.values())}",
            anchor="no-result-per-stimulus",
        )
    names = [layout.name for layout in kept]
    n_features = [count_elements(layout.shape) for layout in kept]
    aliases = [gram_plan.shared.get(name, "") for name in names]
    variables = _copy_sums(gram_plan, sums, kept)
    ids = np.array(stimuli.ids, dtype=object)
    graph = gram_plan.plan.layouts.graph
    ops = [graph.by_name[layout.op] for layout in kept]
    # Outside of loops, None becomes NaN.
    executions = graph.executions.describe()
    time_steps = np.array([op.time_step for op in ops], dtype=float)
    attributes = {
        "model": graph.modules[""],
        "stimulus_hash": stimuli.hash_content(),
        "n_passes": n_passes,
        "neurolens_version": metadata.version("neurolens-brain"),
        "skipped_ops": [f"{name}: {reason}" for name, reason in skipped.items()],
        **describe_precision(sums),
    }
    n_samples = gram_plan.plan.count_samples(kept)
    if n_samples > 1:
        attributes[SAMPLES] = describe_samples(n_samples)
    if gram_plan.sketch is not None:
        attributes["sketch"] = gram_plan.sketch
        attributes["sketch_error"] = find_sketch_error(gram_plan.sketch)
    attributes |= sums.report.describe()
    attributes |= describe_rows(gram_plan.plan, names, sums.deviations.values())
    attributes |= describe_deviations(stimuli.ids, sums.deviations, sums.ran)
    return xr.Dataset(
        variables | {"n_features": (OP, np.array(n_features))},
        coords={
            OP: np.array(names, dtype=object),
            STIMULUS: ids,
            STIMULUS_2: ids,
            "alias_of": (OP, np.array(aliases, dtype=object)),
            "time_step": (OP, time_steps),
            "executions": (OP, np.array([executions[op.name] for op in ops], dtype=object)),
            **list_coordinates(read_columns(stimuli.metadata)),
        },
        attrs=attributes,
    )


def find_unusable(gram_plan: GramPlan, sums: GramSums) -> dict[str, str]:
    """Return the results without a Gram and why, including those found during the run."""
    stimuli = gram_plan.plan.stimuli
    skipped = dict(gram_plan.skipped)
    unplaced = list_unplaced(sums.deviations.values())
    for layout in gram_plan.chosen:
        if layout.name in unplaced:
            skipped[layout.name] = unplaced[layout.name]
            continue
        diagonal = np.diag(sums.grams[gram_plan.find_source(layout.name)])  # (stimulus,)
        lacking = ~sums.ran[layout.name]  # (stimulus,)
        not_finite = ~np.isfinite(diagonal)  # (stimulus,)
        if lacking.any():
            which = lacking
            what = "does not run for"
        elif not_finite.any():
            which = not_finite
            what = "has values that are not finite for"
        else:
            continue
        first = stimuli.ids[int(which.argmax())]
        reason = f"{what} {int(which.sum())} stimuli, first {first!r}"
        leave_out(skipped, layout.name, reason, gram_plan.plan.named)
    return skipped


def describe_precision(sums: GramSums) -> dict[str, object]:
    """Return the attributes that say in which precision products were taken, and their error."""
    if not sums.eps:
        attributes: dict[str, object] = {
            "precision": DOUBLE,
            "eps": float(np.finfo(np.float64).eps),
        }
    else:
        attributes = {"precision": SINGLE, "eps": sums.eps}
    if sums.inexact:
        attributes["precision_note"] = (
            f"float32 products of the device have an error of {sums.inexact:.1g}, so products were "
            "taken in float64"
        )
    return attributes


def _copy_sums(
    gram_plan: GramPlan, sums: GramSums, kept: list[Layout]
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Return the sums of results as variables, deleting those no longer needed."""
    n_stimuli = len(gram_plan.plan.stimuli)
    grams = np.empty((len(kept), n_stimuli, n_stimuli))
    totals = np.empty((len(kept), n_stimuli))
    residuals = np.empty((len(kept), n_stimuli))
    sources = [gram_plan.find_source(layout.name) for layout in kept]
    last = {source: i for i, source in enumerate(sources)}
    for i, source in enumerate(sources):
        grams[i] = sums.grams[source]
        totals[i] = sums.totals[source]
        residuals[i] = sums.residuals[source]
        mirror_triangle(grams[i])
        if last[source] == i:
            del sums.grams[source]
    variables = {
        "gram": ((OP, STIMULUS, STIMULUS_2), grams),
        "row_sum": ((OP, STIMULUS), totals),
    }
    return variables | ({"residual": ((OP, STIMULUS), residuals)} if sums.eps else {})
