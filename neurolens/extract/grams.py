"""One stimulus-by-stimulus Gram matrix per op, for all ops, within a memory budget and with nothing stored."""

from importlib import metadata
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract import products
from neurolens.extract.gram_plan import plan_groups, predict_overhead
from neurolens.extract.gram_sums import GramSums, run_groups
from neurolens.extract.passes import describe_notes, show_progress
from neurolens.extract.plan import Plan, count_elements, materialize_model, open_plan, read_bytes
from neurolens.extract.select import OpSelection, is_named
from neurolens.extract.store import describe_provenance
from neurolens.labels import OP, STIMULUS, STIMULUS_2, list_names
from neurolens.stimuli import StimulusSet


def extract_grams(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    memory: str | int = "4GiB",
    sketch: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    workers: int | None = None,
    client: Any = None,
    resources: dict[str, float] | None = None,
    quiet: bool = False,
) -> xr.Dataset:
    """Return the Gram matrix of every op, from which RDMs, CKA and ridge follow exactly.

    For one op with activations A (stimulus, feature): ``G = A A'``, ``s = A 1`` and the number of features p. Every
    stimulus must meet every other, so the set is run as many times as the budget asks for, each time keeping a group of
    consecutive ops and ending after its last.

    Parameters
    ----------
    model, stimuli, ops, batch_size, device, workers, client, resources, quiet
        As for `extract_activations`; a client's workers take groups of ops. Ops whose results are complex or not finite
        are left out of ``"all"`` and of patterns and listed in the attributes.
    memory : str or int
        Budget for the activations held at once, the Grams, the workspace of their products and one batch of the forward
        pass: ``"4GiB"``, ``"500MB"`` or bytes. The model comes on top, and what torch's
        kernels take as workspace; `forecast` measures both a pass and its planning. An op that does
        not fit what is left of a pass is cut along its features and goes on in the next.
    sketch : int, optional
        Hash each op's features into this many sums first (`Sketch`): for many thousands of stimuli, whose activations
        would take too many passes. The attribute ``sketch_error`` states the error.

    Returns
    -------
    Dataset
        ``gram`` (op, stimulus, stimulus_2) and ``row_sum`` (op, stimulus), float64; ``n_features`` (op); coordinate
        ``alias_of`` (op): the op whose Gram this one shares because it is a view of it or did nothing. The attribute
        ``neurolens_version`` says what made them; Grams of 0.1.0, which could lack features, have none.

    Raises
    ------
    InputError
        When an op asked for by name has results that are complex or not finite, or does not run for all stimuli; when
        the budget cannot be read or does not even hold the Grams and one batch.
    RecordingError
        When the model raises; when the features that were added up are not all features of an op,
        each once: no Gram is returned then.

    Notes
    -----
    Time: passes x forward + ``1.25 n^2 p`` floating-point operations per op. Memory: the budget.
    The result is the same, bit for bit, whatever the budget, when ``batch_size`` is the same and
    the budget leaves 64 MiB for activations; with less it differs by rounding (float64 up to 512
    stimuli, float32 above: the attribute ``eps``).

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.ReLU())
    >>> grams = extract_grams(net, load_stimuli(np.ones((4, 12), np.float32)), quiet=True)
    >>> grams.gram.sizes
    Frozen({'op': 3, 'stimulus': 4, 'stimulus_2': 4})
    """
    settings = {"ops": ops, "reducer": None, "batch_size": batch_size, "memory": memory, "device": device}
    settings["workers"], source = workers, model
    if client is not None:
        model = materialize_model(source)
    with open_plan(model, stimuli, **settings) as plan:
        tally = Tally(plan, is_named(ops), sketch)
        overhead = predict_overhead(plan) + len(tally.shared) * 8 * len(stimuli) ** 2
        groups = plan_groups(tally.own, len(stimuli), read_bytes(memory), overhead, sketch)
        if client is None:
            with show_progress(len(stimuli) * len(groups), "grams", quiet) as progress:
                made = run_groups(plan, groups, progress)
        else:
            from neurolens.extract.cluster import Job, map_grams

            job = Job(source, stimuli, settings | {"batch_size": plan.batch_size}, describe_provenance(plan))
            made = map_grams(client, job, groups, resources)
    return tally.label(made, len(groups))


class Tally:
    """Which results get a Gram, which share one, which are left out and why; and the labelled answer.

    Attributes
    ----------
    own : list of Layout
        Those that are computed.
    shared : dict of str
        Result -> the one whose Gram it shares.
    """

    def __init__(self, plan: Plan, named: bool, sketch: int | None) -> None:
        self._plan, self._named, self._sketch = plan, named, sketch
        self._skipped = dict(plan.layouts.skipped)
        chosen = [slot.layout for slot in plan.slots]
        for layout in chosen:
            if layout.dtype.is_complex:
                self._leave_out(layout.name, "is complex, and a Gram wants real features")
        self._chosen = [x for x in chosen if not x.dtype.is_complex]
        names = {x.name for x in self._chosen}
        self.shared = {x.name: x.shares for x in self._chosen if x.shares in names}
        self.own = [x for x in self._chosen if x.name not in self.shared]
        if sketch is not None and (isinstance(sketch, bool) or not isinstance(sketch, int) or sketch < 1):
            raise InputError(f"sketch must be a number of sums, such as 8192, got {sketch!r}")

    def _leave_out(self, name: str, reason: str) -> None:
        """Leave an op out with its reason, or raise when it was asked for by name."""
        if self._named:
            raise InputError(
                f"{name!r} {reason}. Leave it out of ops=, or look at the model's output for this stimulus."
            )
        self._skipped[name] = reason

    def label(self, made: GramSums, n_passes: int) -> xr.Dataset:
        """Return the labelled Grams."""
        stimuli = self._plan.stimuli
        for layout in self.own:
            bad, lacking = ~np.isfinite(np.diag(made.grams[layout.name])), ~made.ran[layout.name]
            for which, what in ((lacking, "does not run for"), (bad, "has values that are not finite for")):
                if which.any():
                    first = stimuli.ids[int(which.argmax())]
                    self._leave_out(layout.name, f"{what} {int(which.sum())} stimuli, first {first!r}")
                    break
        for layout in self.own:
            if layout.name not in self._skipped:
                made.check_features(layout)
        kept = [layout for layout in self._chosen if self.shared.get(layout.name, layout.name) not in self._skipped]
        if not kept:
            raise InputError(
                f"none of the {len(self._chosen)} selected ops has a Gram: {list_names(self._skipped.values())}"
            )
        n, names = len(stimuli), [layout.name for layout in kept]
        grams, totals = np.empty((len(kept), n, n)), np.empty((len(kept), n))
        last = {self.shared.get(name, name): i for i, name in enumerate(names)}
        for i, name in enumerate(names):
            source = self.shared.get(name, name)
            grams[i], totals[i] = made.grams[source], made.totals[source]
            products.mirror_triangle(grams[i])
            if last[source] == i:
                del made.grams[source]
        ids = np.array(stimuli.ids, dtype=object)
        sketch = self._sketch
        told = {} if sketch is None else {"sketch": sketch, "sketch_error": products.find_sketch_error(sketch)}
        return xr.Dataset(
            {
                "gram": ((OP, STIMULUS, STIMULUS_2), grams),
                "row_sum": ((OP, STIMULUS), totals),
                "n_features": (OP, np.array([count_elements(layout.shape) for layout in kept])),
            },
            coords={
                OP: np.array(names, dtype=object),
                STIMULUS: ids,
                STIMULUS_2: ids,
                "alias_of": (OP, np.array([self.shared.get(name, "") for name in names], dtype=object)),
            },
            attrs={
                "model": self._plan.layouts.graph.modules[""],
                "stimulus_hash": stimuli.hash_content(),
                "n_passes": n_passes,
                "neurolens_version": metadata.version("neurolens"),
                "eps": float(np.finfo(np.float64 if n <= products.EXACT_STIMULI else np.float32).eps),
                "skipped_ops": [f"{name}: {reason}" for name, reason in self._skipped.items()],
                **told,
                **describe_notes(stimuli.ids, made.notes, made.ran),
            },
        )
