"""The features of each result that each pass over the set holds, within a budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from neurolens.errors import InputError
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.grams.arena import (
    count_aligned_bytes,
    count_row_bytes,
    floor_row_bytes,
)
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.plan import Plan, count_elements
from neurolens.extract.stream.resume.spills import count_staging_bytes


@dataclass(frozen=True, slots=True)
class FeatureSlice:
    """The features ``start`` to ``stop`` of one result, hashed into ``sketch`` sums where given.

    ``views`` are the results that share the Gram of this one; the pass looks at them too. Of
    ``n_samples`` samples the mean is held, as float64. Products are float64 if ``is_exact``.
    """

    layout: Layout
    start: int
    stop: int
    sketch: int | None = None
    views: tuple[Layout, ...] = ()
    n_samples: int = 1
    is_exact: bool = False

    @property
    def name(self) -> str:
        """Label of the result."""
        return self.layout.name

    @property
    def width(self) -> int:
        """Number of features that are read."""
        return self.stop - self.start

    @property
    def itemsize(self) -> int:
        """Bytes of each value that is held."""
        if self.n_samples > 1:
            return 8
        return 4 if self.sketch else self.layout.dtype.itemsize


Pass = Sequence[FeatureSlice]

# The share of the budget, and the most, that is left to Python and to memory that the C library
# keeps between tensors of different sizes: some 70 MiB for DenseNet-121, of which a batch of 10 has
# 130 MiB alive. Nothing is left of what the first bytes of a budget hold.
_RESERVE_SHARE = 12
_LARGEST_RESERVE = 128 * 2**20
_FIRST_BYTES = 16 * 2**20


def predict_overhead(plan: Plan) -> int:
    """Return the bytes that a batch of the forward pass takes at most: results, inputs, copies.

    Kernels copy what they read and write into other layouts; for that, twice the largest result is
    reserved.
    """
    longest = max(len(rows) for rows in plan.batches)
    n_recorded = plan.layouts.expected.counts.more
    inputs = sum(spec.n_bytes for spec in plan.layouts.graph.inputs.values()) // n_recorded
    sizes = [count_elements(x.shape) * x.dtype.itemsize for x in plan.layouts.by_name.values()]
    return plan.layouts.predict_live_bytes(longest) + longest * (inputs + 2 * max(sizes))


def count_slice_bytes(part: FeatureSlice, n_stimuli: int) -> int:
    """Return the bytes that a slice of all stimuli takes while a pass holds it."""
    return n_stimuli * count_row_bytes(part.sketch or part.width, part.itemsize)


def count_pass_bytes(slices: Pass, n_stimuli: int) -> int:
    """Return the bytes of an arena that holds the rows of a pass."""
    return sum(count_aligned_bytes(count_slice_bytes(part, n_stimuli)) for part in slices)


def count_pass_samples(slices: Pass) -> int:
    """Return how often a pass runs the set: once for each sample."""
    return max(part.n_samples for part in slices)


def count_runs(passes: Sequence[Pass]) -> int:
    """Return how often some passes together run the set."""
    return sum(count_pass_samples(slices) for slices in passes)


def count_gram_bytes(n_results: int, n_stimuli: int) -> int:
    """Return the bytes of the Grams, row sums and residuals of some results."""
    return n_results * 8 * n_stimuli * (n_stimuli + 2)


def count_workspace_bytes(n_stimuli: int, budget: int) -> int:
    """Return the bytes reserved for products: two chunks as float32, or one as float64."""
    return 8 * n_stimuli * products.count_chunk_features(n_stimuli, budget)


def count_activation_bytes(n_results: int, n_stimuli: int, budget: int, overhead: int) -> int:
    """Return the bytes that a budget leaves for activations; negative where it is too small.

    Subtracted are the Grams and row sums of all results, the ``overhead`` of the forward pass, two
    chunks as workspace of the products, what waits to be written, and a small reserve.
    """
    grams = count_gram_bytes(n_results, n_stimuli)
    reserve = min(budget // _RESERVE_SHARE, _LARGEST_RESERVE, max(0, budget - _FIRST_BYTES))
    if budget > _FIRST_BYTES:
        reserve += count_staging_bytes(budget)
    return budget - grams - overhead - count_workspace_bytes(n_stimuli, budget) - reserve


def list_free_bytes(plan: Plan, passes: Sequence[Pass]) -> list[int]:
    """Return the bytes that the budget leaves in each pass, 0 where it leaves none."""
    n_stimuli = len(plan.stimuli)
    results = {part.name for slices in passes for part in slices}
    views = {view.name for slices in passes for part in slices for view in part.views}
    overhead = predict_overhead(plan) + len(views) * 8 * n_stimuli**2
    available = count_activation_bytes(len(results), n_stimuli, plan.budget, overhead)
    free = []
    for slices in passes:
        taken = sum(count_slice_bytes(part, n_stimuli) for part in slices)
        free.append(max(0, available - taken))
    return free


def split_passes(
    layouts: Sequence[Layout],
    n_stimuli: int,
    budget: int,
    overhead: int = 0,
    sketch: int | None = None,
    count_samples: Callable[[Layout], int] = lambda layout: 1,
    is_exact: bool = False,
) -> list[list[FeatureSlice]]:
    """Split results, in execution order, into passes whose activations of all stimuli fit.

    Each pass is filled in turn. A result that does not fit into the rest of one is divided there
    and continued in the next, so that a pass holds at most one slice of a result. Divisions are at
    multiples of the chunks in which features are multiplied, so that sums are added up in the same
    order whatever the budget. ``count_samples`` says of how many samples of a result the mean is
    held, ``is_exact`` whether products are float64.

    Raises
    ------
    InputError
        When the Grams and the pass itself, ``overhead`` bytes, use up the budget, or when the rest
        does not hold one sketch.
    """
    available = count_activation_bytes(len(layouts), n_stimuli, budget, overhead)
    if available < 8 * n_stimuli:
        needed = count_gram_bytes(len(layouts), n_stimuli)
        enough = 2 * (needed + overhead) + 2**20
        raise InputError(
            f"memory={budget} bytes is too little: the Grams of {len(layouts)} ops over "
            f"{n_stimuli} stimuli take {needed} themselves, and one batch {overhead}. Give more "
            f"({enough} or above), a smaller batch_size=, or fewer ops with ops=.",
            anchor="memory-too-small",
        )
    passes: list[list[FeatureSlice]] = [[]]
    free = available
    step = products.count_chunk_features(n_stimuli, budget)
    for layout in layouts:
        n_features = count_elements(layout.shape)
        hashed = sketch if sketch is not None and n_features > sketch else None
        n_samples = count_samples(layout)
        rest = FeatureSlice(layout, 0, n_features, hashed, n_samples=n_samples, is_exact=is_exact)
        if hashed and count_slice_bytes(rest, n_stimuli) > available:
            raise InputError(
                f"memory={budget} bytes leaves {available} for activations; one sketch takes "
                f"{count_slice_bytes(rest, n_stimuli)}. Give more memory=, or a smaller sketch=.",
                anchor="memory-too-small",
            )
        while True:
            part = _cut_slice(rest, n_stimuli, free, step, is_first=not passes[-1])
            if part is not None:
                passes[-1].append(part)
                free -= count_slice_bytes(part, n_stimuli)
                if part.stop == n_features:
                    break
                rest = replace(rest, start=part.stop)
            passes.append([])
            free = available
    return passes


def _cut_slice(
    rest: FeatureSlice, n_stimuli: int, free: int, step: int, is_first: bool
) -> FeatureSlice | None:
    """Return the widest slice at the start of ``rest`` that fits ``free`` bytes, or None.

    It ends at a multiple of ``step`` features.
    The first slice of a pass has all the memory there can be, and is narrower than a chunk where
    that does not hold one.
    """
    if count_slice_bytes(rest, n_stimuli) <= free:
        return rest
    if rest.sketch:
        return None
    n_fitting = floor_row_bytes(free // n_stimuli) // rest.itemsize
    width = n_fitting // step * step
    if width == 0 and is_first:
        width = n_fitting
    return replace(rest, stop=rest.start + width) if width else None
