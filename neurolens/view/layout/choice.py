"""Which runs are folded when a picture opens: as few as keep its text readable."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from neurolens.view.layout.lanes import GAP
from neurolens.view.layout.records import Frame, Plan
from neurolens.view.layout.scene import measure_zoom
from neurolens.view.layout.tree import list_runs_around


def choose_folds(
    plan: Plan, frame: Frame, wanted_nodes: Iterable[int], runs_depth: Sequence[int]
) -> frozenset[int]:
    """Return the runs to fold so that the graph is readable in a frame and shows what matters.

    The deepest level of modules is shown at which the zoom is ``frame.least`` or more; everything
    is folded if none is. Then the runs around wanted nodes are opened one node after the other,
    each only if the zoom stays as large.

    Parameters
    ----------
    plan : Plan
        What there is; the folds in it do not count.
    frame : Frame
        The room, and the least zoom.
    wanted_nodes : iterable of int
        Nodes to show, the most important first: best ops, then those that tie with them.
    runs_depth : sequence of int
        Depth of each run, 0 for the outermost.
    """
    folded = _choose_level(plan, frame, runs_depth)
    around = list_runs_around(plan)
    refused: set[frozenset[int]] = set()
    for node in wanted_nodes:
        run = plan.nodes[node][0]
        opened = folded.intersection(around[run] if run >= 0 else ())
        if not opened or opened in refused:
            continue
        if is_readable(replace(plan, folded=folded - opened), frame):
            folded = folded - opened
        else:
            refused.add(opened)
    return folded


def _choose_level(plan: Plan, frame: Frame, runs_depth: Sequence[int]) -> frozenset[int]:
    """Fold everything from the deepest depth on at which the graph is readable."""
    deepest = max(runs_depth, default=-1)
    for level in range(deepest + 1, 0, -1):
        folded = frozenset(run for run, depth in enumerate(runs_depth) if depth >= level)
        if is_readable(replace(plan, folded=folded), frame):
            return folded
    return frozenset(range(len(plan.runs)))


def is_readable(plan: Plan, frame: Frame) -> bool:
    """Whether the zoom that shows all of a plan in a frame is ``frame.least`` or more.

    A plan whose cards alone take more room than the frame has is not laid out.
    """
    room = frame.width * frame.height / frame.least**2
    return _measure_area(plan) <= room and measure_zoom(plan, frame) >= frame.least


def _measure_area(plan: Plan) -> float:
    """Return the area of all visible cards, each with the gap below it."""
    hidden = [not plan.folded.isdisjoint(path) for path in list_runs_around(plan)]
    area = 0.0
    for run, size in plan.nodes:
        if run < 0 or not hidden[run]:
            area += size.width * (size.height + GAP)
    for run, parent in enumerate(plan.runs):
        if run in plan.folded and not (parent >= 0 and hidden[parent]):
            area += plan.folded_sizes[run].width * (plan.folded_sizes[run].height + GAP)
    return area
