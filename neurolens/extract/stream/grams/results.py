"""Which results get a Gram, which share one, which are left out and why.

And the labelled answer.
"""

from importlib import metadata

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.grams.sums import GramSums
from neurolens.extract.stream.passes import describe_notes
from neurolens.extract.stream.plan import Plan, count_elements
from neurolens.labels import OP, STIMULUS, STIMULUS_2, list_names


class GramPlan:
    """Which results get a Gram, which share one, which are left out and why; and the labelled answer.

    Attributes
    ----------
    own : list of Layout
        Those that are computed.
    shared : dict of str
        Result -> the one whose Gram it shares.
    """

    def __init__(self, plan: Plan, named: bool, sketch: int | None) -> None:
        self._plan = plan
        self._named = named
        self._sketch = sketch
        self._skipped = dict(plan.layouts.skipped)
        chosen = [slot.layout for slot in plan.slots]
        for layout in chosen:
            if layout.dtype.is_complex:
                self._leave_out(layout.name, "is complex, and a Gram wants real features")
        self._chosen = [x for x in chosen if not x.dtype.is_complex]
        names = {x.name for x in self._chosen}
        self.shared = {x.name: x.shares for x in self._chosen if x.shares in names}
        self.own = [x for x in self._chosen if x.name not in self.shared]
        if sketch is not None and (
            isinstance(sketch, bool) or not isinstance(sketch, int) or sketch < 1
        ):
            raise InputError(f"sketch must be a number of sums, such as 8192, got {sketch!r}")

    def _leave_out(self, name: str, reason: str) -> None:
        """Leave an op out with its reason, or raise when it was asked for by name."""
        if self._named:
            raise InputError(
                f"{name!r} {reason}. Leave it out of ops=, or look at the model's output for this "
                f"stimulus."
            )
        self._skipped[name] = reason

    def label(self, made: GramSums, n_passes: int) -> xr.Dataset:
        """Return the labelled Grams."""
        stimuli = self._plan.stimuli
        for layout in self.own:
            bad = ~np.isfinite(np.diag(made.grams[layout.name]))
            lacking = ~made.ran[layout.name]
            for which, what in (
                (lacking, "does not run for"),
                (bad, "has values that are not finite for"),
            ):
                if which.any():
                    first = stimuli.ids[int(which.argmax())]
                    self._leave_out(
                        layout.name, f"{what} {int(which.sum())} stimuli, first {first!r}"
                    )
                    break
        for layout in self.own:
            if layout.name not in self._skipped:
                made.check_features(layout)
        kept = [
            layout
            for layout in self._chosen
            if self.shared.get(layout.name, layout.name) not in self._skipped
        ]
        if not kept:
            raise InputError(
                f"none of the {len(self._chosen)} selected ops has a Gram: "
                f"{list_names(self._skipped.values())}"
            )
        n = len(stimuli)
        names = [layout.name for layout in kept]
        grams = np.empty((len(kept), n, n))
        totals = np.empty((len(kept), n))
        last = {self.shared.get(name, name): i for i, name in enumerate(names)}
        for i, name in enumerate(names):
            source = self.shared.get(name, name)
            grams[i] = made.grams[source]
            totals[i] = made.totals[source]
            products.mirror_triangle(grams[i])
            if last[source] == i:
                del made.grams[source]
        ids = np.array(stimuli.ids, dtype=object)
        sketch = self._sketch
        told = (
            {}
            if sketch is None
            else {"sketch": sketch, "sketch_error": products.find_sketch_error(sketch)}
        )
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
                "alias_of": (
                    OP,
                    np.array([self.shared.get(name, "") for name in names], dtype=object),
                ),
            },
            attrs={
                "model": self._plan.layouts.graph.modules[""],
                "stimulus_hash": stimuli.hash_content(),
                "n_passes": n_passes,
                "neurolens_version": metadata.version("neurolens-brain"),
                "eps": float(
                    np.finfo(np.float64 if n <= products.EXACT_STIMULI else np.float32).eps
                ),
                "skipped_ops": [f"{name}: {reason}" for name, reason in self._skipped.items()],
                **told,
                **describe_notes(stimuli.ids, made.notes, made.ran),
            },
        )
