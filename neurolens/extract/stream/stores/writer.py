"""Writers of the results of a run: the interface, the labels of results, results in memory."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import InputError, warn_user
from neurolens.extract.reducers.pool import INCLUDED
from neurolens.extract.stream.layouts.finding import Layouts
from neurolens.extract.stream.layouts.padding import find_padded
from neurolens.extract.stream.metadata import label_nodes, read_columns, warn_of_others
from neurolens.extract.stream.passes import (
    BatchDeviation,
    describe_deviations,
    list_unplaced,
    merge_deviations,
)
from neurolens.extract.stream.plan import Output, Plan, Step, find_numpy_dtype
from neurolens.extract.stream.resume.report import ResumeReport
from neurolens.labels import SAMPLE, STIMULUS, LabelList, list_names
from neurolens.stimuli import WHOLE, describe_preprocessing

KEPT_UNIT = "kept_unit"
# Counts per op and stimulus: values that are not finite, finite values that a cast made infinite,
# whether the op ran.
CHECKS = {"n_nonfinite": "int32", "n_overflowed": "int32", "ran": "bool"}
Checks = dict[str, dict[str, np.ndarray]]


class Writer:
    """The interface of writers; this one keeps nothing."""

    def is_done(self, group: int, number: int) -> bool:
        """Return whether a step, a batch in one sample, is complete already."""
        return False

    def write(self, output: Output, step: Step, values: np.ndarray, is_view: bool = False) -> None:
        """Take a result's values, (stimulus, ...), of a step.

        ``is_view`` says that they may be overwritten when this returns.
        """

    def close_step(self, group: int, step: Step, deviation: BatchDeviation, checks: Checks) -> None:
        """Take the counts of a step that is complete, by check and output."""

    def flush(self) -> None:
        """Wait until everything that was taken is kept."""

    def abandon(self) -> None:
        """Let go of what was taken of steps that are not complete, after an error."""

    def note_passes(self, report: ResumeReport) -> None:
        """Take what the runs over the set computed, once all steps are complete."""


class ArrayWriter(Writer):
    """Results in memory.

    Raises
    ------
    InputError
        When the values would take more than four fifths of the machine's memory.
    """

    def __init__(self, plan: Plan) -> None:
        _check_memory(plan)
        self._plan = plan
        n_stimuli = len(plan.stimuli)
        self._arrays = {}
        for output in plan.outputs:
            shape = (n_stimuli, *name_samples(output).values(), *output.kept.shape)
            self._arrays[output.name] = np.empty(shape, find_numpy_dtype(output.kept.dtype))
        self._row = {output.name: i for i, output in enumerate(plan.outputs)}
        shape = (len(plan.outputs), plan.n_rounds, n_stimuli)
        self._checks = {key: np.zeros(shape, kind) for key, kind in CHECKS.items()}
        self._deviations: dict[int, BatchDeviation] = {}
        self._report = ResumeReport()

    def write(self, output: Output, step: Step, values: np.ndarray, is_view: bool = False) -> None:
        """Keep a result's values of a step."""
        self._arrays[output.name][find_place(output, step)] = values

    def close_step(self, group: int, step: Step, deviation: BatchDeviation, checks: Checks) -> None:
        """Keep the counts of a step."""
        rows = step.rows
        before = self._deviations.get(rows.start, BatchDeviation())
        self._deviations[rows.start] = merge_deviations(before, deviation)
        for key, by_output in checks.items():
            for name, values in by_output.items():
                self._checks[key][self._row[name], step.sample, rows.start : rows.stop] = values

    def note_passes(self, report: ResumeReport) -> None:
        """Keep what the runs over the set computed."""
        self._report.add(report)

    def label(self) -> xr.DataTree:
        """Return the labelled tree, as `open_activations` would."""
        warn_of_others(self._plan.stimuli.metadata)
        coords: dict[str, Any] = {STIMULUS: np.array(self._plan.stimuli.ids, dtype=object)}
        if self._plan.n_rounds > 1:
            coords[SAMPLE] = np.arange(self._plan.n_rounds)
        nodes = {"/": xr.Dataset(coords=coords)}
        unplaced = list_unplaced(self._deviations.values())
        for node, ran in zip(describe_nodes(self._plan), self._checks["ran"], strict=True):
            if node.output.name in unplaced:
                continue
            values = self._arrays[node.output.name]
            variables = {"activation": xr.DataArray(values, dims=node.dims, attrs=node.attributes)}
            for key, value in node.output.arrays.items():
                variables[key] = xr.DataArray(value, dims=KEPT_UNIT)
            if lacks_some(node.output, ran):
                variables["ran"] = xr.DataArray(arrange_ran(node.output, ran), dims=node.lead)
            nodes[node.path] = xr.Dataset(variables)
        labelled = label_nodes(nodes, read_columns(self._plan.stimuli.metadata))
        tree = xr.DataTree.from_dict(labelled, name="activations")
        tree.attrs.update(describe_result(self._plan, self._deviations, self._checks))
        if self._report.n_passes > 1:
            tree.attrs.update(self._report.describe())
        return tree


def name_samples(output: Output) -> dict[str, int]:
    """Return the dimension of samples of an output and its size; none where they are the same."""
    return {SAMPLE: output.n_samples} if output.is_sampled else {}


def find_place(output: Output, step: Step) -> tuple[slice | int, ...]:
    """Return the position of a step's values in an output's array, (stimulus, sample, ...)."""
    rows = slice(step.rows.start, step.rows.stop)
    return (rows, step.sample) if output.is_sampled else (rows,)


def lacks_some(output: Output, ran: np.ndarray) -> bool:
    """Return whether an op did not run for some stimuli; ``ran`` is (sample, stimulus)."""
    return not bool(ran[: output.n_samples].all())


def arrange_ran(output: Output, ran: np.ndarray) -> np.ndarray:
    """Return for which stimuli an op ran, as it stands beside its activations.

    ``ran`` is (sample, stimulus); the result (stimulus, sample), or (stimulus,).
    """
    return ran[: output.n_samples].T if output.is_sampled else ran[0]


def _check_memory(plan: Plan) -> None:
    """Raise unless the machine holds the values that are kept."""
    n_stimuli = len(plan.stimuli)
    needed = n_stimuli * sum(output.n_bytes for output in plan.outputs)
    if not hasattr(os, "sysconf"):
        return
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.8 * available:
        raise InputError(
            f"the {len(plan.outputs)} chosen ops over {n_stimuli} stimuli need "
            f"{needed / 2**30:.1f} GiB and this machine has {available / 2**30:.1f} GiB. Write "
            "them to disk with store=, make them smaller with reducer=, choose fewer with ops=, "
            "or use extract_grams, which stores no activations.",
            anchor="memory-too-small",
        )


def describe_result(
    plan: Plan, deviations: Mapping[int, BatchDeviation], checks: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return the attributes of a result, and warn of values that are not finite.

    Parameters
    ----------
    plan : Plan
    deviations : dict of int
        By first row of a batch.
    checks : dict of str
        Check -> (op, sample, stimulus).
    """
    names = [output.name for output in plan.outputs]
    unplaced = list_unplaced(deviations.values())
    if len(unplaced) == len(names):
        raise InputError(
            f"none of the {len(names)} selected ops has a result per stimulus: "
            f"{list_names(unplaced.values())}",
            anchor="no-result-per-stimulus",
        )
    skipped = {**plan.layouts.skipped, **unplaced}
    ran = {}
    for output, has_run in zip(plan.outputs, checks["ran"], strict=True):
        ran[output.name] = has_run[: output.n_samples].all(0)  # (stimulus,)
    attributes = {
        "model": plan.layouts.graph.modules[""],
        "ops": LabelList(name for name in names if name not in unplaced),
        "stimulus_hash": plan.stimuli.hash_content(),
        "skipped_ops": [f"{name}: {reason}" for name, reason in skipped.items()],
        "batch_size": plan.batch_size,
        **describe_deviations(plan.stimuli.ids, deviations, ran),
    }
    attributes |= describe_rows(plan, names, deviations.values())
    attributes |= _describe_padding(plan, unplaced)
    for key, counts, what in (
        ("ops_not_finite", checks["n_nonfinite"], "hold NaN or infinite values"),
        (
            "ops_overflowed",
            checks["n_overflowed"],
            "hold finite values that a narrower dtype made infinite",
        ),
    ):
        totals = counts.sum((1, 2))  # (op,)
        bad = [f"{name}: {n}" for name, n in zip(names, totals, strict=True) if n]
        if bad:
            attributes[key] = bad
            warn_user(
                f"{len(bad)} ops {what} (kept as they are): {list_names(bad)}; see .attrs['{key}']"
            )
    return attributes


def describe_rows(
    plan: Plan, names: Iterable[str], deviations: Collection[BatchDeviation]
) -> dict[str, Any]:
    """Return the attributes that say which results are random or follow the batch.

    ``random_ops`` are the ops that random numbers feed, drawn for each stimulus from ``rng``;
    ``random_numbers_from`` the generators whose numbers cannot be, so that results follow the batch
    too; ``batch_dependent_ops`` the results whose rows do not follow their stimuli;
    ``ops_after_mixing`` results that were computed from values of the whole batch;
    ``depends_on_history`` what passes change in the model for good; ``unseen_sources`` what takes
    tensors that something unseen made; ``ran_with_gradients`` that the model differentiates in its
    forward; ``padded_inputs`` the inputs that are padded to one length; ``kwargs`` the keyword
    arguments of the model.
    """
    layouts = plan.layouts
    kept = set(names)
    found = {*layouts.mixing, *[name for one in deviations for name in one.mixing]}
    mixing = [name for name in layouts.by_name if name in kept & found]
    attributes = _describe_inputs(plan)
    attributes |= _describe_random(plan) | _describe_pass(layouts)
    suspects = [name for name in layouts.suspects if name in kept - found]
    if suspects and plan.batch_size != 1:
        attributes["ops_after_mixing"] = suspects
        warn_user(
            f"{len(suspects)} results are computed from values of the whole batch; they followed "
            f"their stimuli where they were compared, and may not everywhere: "
            f"{list_names(suspects)}. Run with batch_size=1 to be sure; see "
            ".attrs['ops_after_mixing']"
        )
    if mixing:
        attributes["batch_dependent_ops"] = mixing
        warn_user(
            f"{len(mixing)} results depend on the other stimuli of their batch: "
            f"{list_names(mixing)}; see .attrs['batch_dependent_ops']"
        )
    return attributes


def _describe_padding(plan: Plan, unplaced: Collection[str]) -> dict[str, Any]:
    """Return which results are pooled together with positions that only pad stimuli; warn of them.

    Such results have another length than the padded inputs, or their positions in another order.
    """
    padded = find_padded(plan.layouts, plan.stimuli)
    pooled = [
        output.name
        for output in plan.outputs
        if output.layout.op in padded and output.name not in unplaced and _includes_padding(output)
    ]
    if not pooled:
        return {}
    warn_user(
        f"{len(pooled)} results are pooled with the positions that pad shorter stimuli, which "
        f"cannot be told apart in them: {list_names(pooled)}. They follow the length of the "
        "longest stimulus: give stimuli of one length, or pool the whole results by "
        "stimuli.lengths; see .attrs['pooled_with_padding']"
    )
    return {"pooled_with_padding": pooled}


def _includes_padding(output: Output) -> bool:
    """Return whether a result is a mean or maximum that may include positions that only pad."""
    steps = json.loads(output.attributes.get("reducers", "[]"))
    return any(step.get("padding") == INCLUDED and step.get("how") != "cls" for step in steps)


def _describe_random(plan: Plan) -> dict[str, Any]:
    """Return the attributes that say what random numbers feed, and where they come from."""
    layouts = plan.layouts
    attributes: dict[str, Any] = {}
    if layouts.random:
        attributes["random_ops"] = list(layouts.random)
        attributes["rng"] = plan.noise.seed
    if plan.n_samples > 1:
        attributes["n_samples"] = plan.n_samples
    if layouts.drawn:
        attributes["random_numbers_from"] = list(layouts.drawn)
    return attributes


def _describe_pass(layouts: Layouts) -> dict[str, Any]:
    """Return the attributes that say what every pass of the model does beside its ops."""
    attributes: dict[str, Any] = {}
    if layouts.history:
        attributes["depends_on_history"] = list(layouts.history)
        warn_user(
            f"each pass changes {list_names(layouts.history)} of the model, which cannot be put "
            "back: results depend on the batches before; see .attrs['depends_on_history']"
        )
    if layouts.gradients:
        attributes["ran_with_gradients"] = 1
    if layouts.unseen:
        attributes["unseen_sources"] = list(layouts.unseen)
        warn_user(
            f"something unseen (a thread, vmap, numpy, scripted or compiled code) made what is "
            f"{list_names(layouts.unseen)}: the ops there are not among the results; see "
            ".attrs['unseen_sources']"
        )
    return attributes


def _describe_inputs(plan: Plan) -> dict[str, Any]:
    """Return the attributes that say what the model was given beside the stimuli themselves."""
    attributes: dict[str, Any] = {}
    padded = plan.stimuli.padding.describe()
    if padded:
        attributes["padded_inputs"] = padded
    if plan.kwargs:
        described = {key: describe_preprocessing(value) for key, value in plan.kwargs.items()}
        attributes["kwargs"] = [f"{key}: {one.parts[WHOLE]}" for key, one in described.items()]
    return attributes


class Node(NamedTuple):
    """One result in the tree: its path there, its dimensions and its attributes.

    ``lead`` are the dimensions before those of the result itself.
    """

    output: Output
    path: str
    lead: tuple[str, ...]
    dims: tuple[str, ...]
    attributes: dict[str, Any]


def describe_nodes(plan: Plan) -> Iterator[Node]:
    """Yield the node of each result."""
    layouts = plan.layouts
    paths = name_paths([output.name for output in plan.outputs])
    # Where an op of the model itself has a module's branch as its node, xarray requires one size
    # per dimension.
    branches = {name.split("/")[0] for name in paths}
    executions = plan.layouts.graph.executions.describe()
    for output in plan.outputs:
        is_branch = output.name.startswith("/") and output.name[1:] in branches
        dims = [f"model_{dim}" if is_branch else dim for dim in output.kept.dims]
        attributes = {
            "op": output.name,
            "batch_dependent": int(output.name in layouts.mixing),
            "random": int(output.layout.op in layouts.random),
            "executions": executions[output.layout.op],
            **output.attributes,
        }
        time_step = plan.layouts.graph.by_name[output.layout.op].time_step
        if time_step is not None:
            attributes["time_step"] = time_step
        if output.is_sampled:
            attributes["n_samples"] = output.n_samples
        lead = (STIMULUS, *name_samples(output))
        yield Node(output, paths[output.name], lead, (*lead, *dims), attributes)


def name_paths(names: Iterable[str]) -> dict[str, str]:
    """Return each result's path in the tree: its label without a slash at the beginning."""
    paths = {}
    for name in names:
        path = name.removeprefix("/")
        # The coordinate of that name is stored beside the ops.
        paths[name] = f"module_{path}" if path.split("/")[0] == STIMULUS else path
    return paths
