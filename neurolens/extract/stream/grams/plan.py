"""Which features of which results each pass over the set holds.

So that it stays within a budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from neurolens.errors import InputError
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.plan import Plan, count_elements


@dataclass(frozen=True, slots=True)
class FeatureSlice:
    """The features ``start`` to ``stop`` of one result, hashed into ``sketch`` sums where given."""

    layout: Layout
    start: int
    stop: int
    sketch: int | None = None

    @property
    def name(self) -> str:
        """Label of the result."""
        return self.layout.name

    @property
    def width(self) -> int:
        """Number of features that are read."""
        return self.stop - self.start


def predict_overhead(plan: Plan) -> int:
    """Return the bytes that a batch of the forward pass takes at most: results, inputs, copies.

    Kernels lay out anew what they read and write; for that, twice the largest result is set aside.
    """
    longest = max(len(rows) for rows in plan.batches)
    n_recorded = plan.layouts.script.counts[1]
    inputs = sum(spec.n_bytes for spec in plan.layouts.graph.inputs.values()) // n_recorded
    sizes = [count_elements(x.shape) * x.dtype.itemsize for x in plan.layouts.by_name.values()]
    return plan.layouts.predict_live_bytes(longest) + longest * (inputs + 2 * max(sizes))


def count_held_bytes(piece: FeatureSlice, n_stimuli: int) -> int:
    """Return the bytes that a slice of all stimuli takes while a pass holds it."""
    if piece.sketch:
        return n_stimuli * 4 * piece.sketch
    return n_stimuli * piece.width * piece.layout.dtype.itemsize


def count_activation_bytes(n_results: int, n_stimuli: int, budget: int, overhead: int) -> int:
    """Return the bytes that a budget leaves for activations; negative where it is too small.

    The Grams and row sums of all results take their part, the forward pass ``overhead``, and the
    workspace of the products two chunks.
    """
    answer = n_results * 8 * n_stimuli * (n_stimuli + 1)
    return budget - answer - overhead - 2 * min(products.CHUNK_BYTES, budget // 8)


def plan_groups(
    layouts: Sequence[Layout],
    n_stimuli: int,
    budget: int,
    overhead: int = 0,
    sketch: int | None = None,
) -> list[list[FeatureSlice]]:
    """Split results, in execution order, into passes whose activations of all stimuli fit.

    Each pass is filled in turn. A result that does not fit what is left of one is cut there and
    goes on in the next, so that a pass holds at most one slice of a result. Cuts are at multiples
    of the chunks in which features are multiplied, so that sums are added up in the same order
    whatever the budget.

    Raises
    ------
    InputError
        When the Grams and the pass itself, ``overhead`` bytes, take the budget, or when what is
        left does not hold one sketch.
    """
    left = count_activation_bytes(len(layouts), n_stimuli, budget, overhead)
    if left < 8 * n_stimuli:
        needed = len(layouts) * 8 * n_stimuli * (n_stimuli + 1)
        enough = 2 * (needed + overhead) + 2**20
        raise InputError(
            f"memory={budget} bytes is too little: the Grams of {len(layouts)} ops over "
            f"{n_stimuli} stimuli take {needed} themselves, and one batch {overhead}. Give more "
            f"({enough} or above), a smaller batch_size=, or fewer ops with ops=."
        )
    groups: list[list[FeatureSlice]] = [[]]
    room = left
    for layout in layouts:
        n_features = count_elements(layout.shape)
        hashed = sketch if sketch is not None and n_features > sketch else None
        if hashed and n_stimuli * 4 * hashed > left:
            raise InputError(
                f"memory={budget} bytes leaves {left} for activations; one sketch takes "
                f"{n_stimuli * 4 * hashed}. Give more memory=, or a smaller sketch=."
            )
        start = 0
        while True:
            piece = _fit_slice(layout, start, n_features, hashed, n_stimuli, room, not groups[-1])
            if piece is not None:
                groups[-1].append(piece)
                room -= count_held_bytes(piece, n_stimuli)
                start = piece.stop
                if start == n_features:
                    break
            groups.append([])
            room = left
    return groups


def _fit_slice(
    layout: Layout,
    start: int,
    n_features: int,
    sketch: int | None,
    n_stimuli: int,
    room: int,
    is_first: bool,
) -> FeatureSlice | None:
    """Return the widest slice from ``start`` that fits ``room`` bytes of a pass, or None.

    The first slice of a pass has all the room there can be, and is narrower than a chunk where
    that does not hold one.
    """
    whole = FeatureSlice(layout, start, n_features, sketch)
    if count_held_bytes(whole, n_stimuli) <= room:
        return whole
    if sketch:
        return None
    n_fitting = room // (n_stimuli * layout.dtype.itemsize)
    step = products.count_chunk_features(n_stimuli)
    width = n_fitting // step * step
    if width == 0 and is_first:
        width = n_fitting
    return FeatureSlice(layout, start, start + width) if width else None
