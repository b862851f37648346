"""Plan of Grams: which results get one, which share one, which are left out and why."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from neurolens.errors import InputError
from neurolens.extract.stream.grams.products import DOUBLE, PRECISIONS, SINGLE
from neurolens.extract.stream.grams.slices import (
    FeatureSlice,
    count_activation_bytes,
    predict_overhead,
    split_passes,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.plan import Plan
from neurolens.labels import check_name


@dataclass(frozen=True)
class GramPlan:
    """Which results get a Gram, which share one, which are left out and why.

    Attributes
    ----------
    plan : Plan
    chosen : tuple of Layout
        Of the results that get one.
    own : tuple of Layout
        Of those whose Gram is computed.
    shared : dict of str
        Result -> the one whose Gram it shares.
    skipped : dict of str
        Result or op without a Gram -> why.
    sketch : int or None
        How many sums the features of a result are hashed into.
    precision : str
        Of products, one of `PRECISIONS`.
    """

    plan: Plan
    chosen: tuple[Layout, ...]
    own: tuple[Layout, ...]
    shared: dict[str, str]
    skipped: dict[str, str]
    sketch: int | None = None
    precision: str = SINGLE

    @property
    def overhead(self) -> int:
        """Bytes that a batch takes, and the copies of the Grams that are shared."""
        return predict_overhead(self.plan) + len(self.shared) * 8 * len(self.plan.stimuli) ** 2

    @property
    def fits(self) -> bool:
        """Whether the budget holds the Grams and one batch."""
        n_stimuli = len(self.plan.stimuli)
        available = count_activation_bytes(
            len(self.own), n_stimuli, self.plan.budget, self.overhead
        )
        return available >= 8 * n_stimuli

    def split_passes(self) -> list[list[FeatureSlice]]:
        """Return what each pass over the set holds; raise InputError if the budget is too small."""
        n_stimuli = len(self.plan.stimuli)
        budget = self.plan.budget
        passes = split_passes(
            self.own,
            n_stimuli,
            budget,
            self.overhead,
            self.sketch,
            self._count_samples,
            is_exact=self.precision == DOUBLE,
        )
        views = self._list_views()
        for slices in passes:
            slices[:] = [_watch_views(part, views) for part in slices]
        return passes

    def _count_samples(self, layout: Layout) -> int:
        return self.plan.count_samples([layout])

    def _list_views(self) -> dict[str, tuple[Layout, ...]]:
        """Return the results that share the Gram of each, by its label."""
        views: dict[str, tuple[Layout, ...]] = {}
        for layout in self.chosen:
            if layout.name in self.shared:
                source = self.shared[layout.name]
                views[source] = (*views.get(source, ()), layout)
        return views

    def unshare(self, names: Collection[str]) -> "GramPlan":
        """Return the plan in which these results have Grams of their own."""
        shared = {name: source for name, source in self.shared.items() if name not in names}
        own = tuple(layout for layout in self.chosen if layout.name not in shared)
        return replace(self, own=own, shared=shared)

    def select(self, names: Collection[str]) -> "GramPlan":
        """Return the plan of these results only, of those that have Grams of their own."""
        own = tuple(layout for layout in self.own if layout.name in names)
        return replace(self, chosen=own, own=own, shared={})

    def find_source(self, name: str) -> str:
        """Return the label of the result whose Gram is that of ``name``."""
        return self.shared.get(name, name)


def _watch_views(part: FeatureSlice, views: dict[str, tuple[Layout, ...]]) -> FeatureSlice:
    """Return the slice with the views of its result, if it is the first of that result."""
    return replace(part, views=views.get(part.name, ())) if part.start == 0 else part


def plan_grams(
    plan: Plan, sketch: int | None = None, named: bool = False, precision: str = SINGLE
) -> GramPlan:
    """Return which results of a plan get a Gram.

    Parameters
    ----------
    plan : Plan
    sketch : int, optional
    named : bool
        Whether an op that can have no Gram is an error.
    precision : str

    Raises
    ------
    InputError
        For a ``sketch`` that is no number of sums.
    UnknownNameError
        For a ``precision`` that is not known.
    """
    check_name(precision, PRECISIONS, "precision of products")
    if sketch is not None and (
        isinstance(sketch, bool) or not isinstance(sketch, int) or sketch < 1
    ):
        raise InputError(f"sketch must be a number of sums, such as 8192, got {sketch!r}")
    skipped = dict(plan.layouts.skipped)
    chosen = []
    for layout in [output.layout for output in plan.outputs]:
        if layout.dtype.is_complex:
            leave_out(skipped, layout.name, "is complex, and a Gram wants real features", named)
        else:
            chosen.append(layout)
    by_name = {layout.name: layout for layout in chosen}
    shared = {}
    for layout in chosen:
        source = by_name.get(layout.shares)
        # What runs in other samples only shares no Gram with what does not.
        if source and plan.count_samples([source]) == plan.count_samples([layout]):
            shared[layout.name] = source.name
    own = tuple(layout for layout in chosen if layout.name not in shared)
    return GramPlan(plan, tuple(chosen), own, shared, skipped, sketch, precision)


def leave_out(skipped: dict[str, str], name: str, reason: str, named: bool) -> None:
    """Add a result to those without a Gram, or raise when its op was asked for by name."""
    if named:
        raise InputError(
            f"{name!r} {reason}. Leave it out of ops=, or look at the model's output for this "
            "stimulus.",
            anchor="no-result-per-stimulus",
        )
    skipped[name] = reason
