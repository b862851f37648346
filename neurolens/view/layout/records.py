"""What the layout takes and what it returns, as plain records.

They have the same form in Python and in the page, where they are JSON; docs/layout.md specifies
the computation between them.
"""

import math
from dataclasses import dataclass

from neurolens.errors import InputError

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a card at zoom 1, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be placed.

    Attributes
    ----------
    nodes : tuple of (int, Size)
        Of each node its run, -1 for none, and the size of its card.
    is_end : tuple of bool
        Whether a node is an input or output; those keep their width.
    runs : tuple of int
        Of each run the run around it, -1 for none. The nodes of a run are consecutive.
    titles : tuple of float
        Of each run the width that its title needs when it is an area.
    folded_sizes : tuple of Size
        Of each run the size of its card when it is folded.
    folded : frozenset of int
        The runs that are folded.
    edges : tuple of (int, int, str)
        Tail, head and role (``view.structure.records.ROLES``) of the edges that are drawn.
    """

    nodes: tuple[tuple[int, Size], ...]
    is_end: tuple[bool, ...]
    runs: tuple[int, ...]
    titles: tuple[float, ...]
    folded_sizes: tuple[Size, ...]
    folded: frozenset[int]
    edges: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The room that the picture should fill.

    ``least`` is the zoom below which text becomes too small; ``single`` asks for one column.

    Raises
    ------
    InputError
        When a length or the zoom is not above 0.
    """

    width: float
    height: float
    least: float = 1.0
    single: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "height", "least"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise InputError(
                    f"The {name} of a frame is a number above 0, not {value!r}: "
                    "Frame(1400, 700) is a usual one."
                )


@dataclass(frozen=True, slots=True)
class Item:
    """A placed card (``"node"``), folded run (``"module"``) or area of an open run (``"box"``).

    ``index`` is a position in ``Plan.nodes`` or ``Plan.runs``. ``axis`` is the x of the straight
    line that leads down through it. A box holds the items of its run in its column.
    """

    kind: str
    index: int
    column: int
    x: float
    y: float
    width: float
    height: float
    axis: float


@dataclass(frozen=True, slots=True)
class Arrow:
    """A placed edge between two items, as corners of a line of straight pieces.

    ``tail`` and ``head`` are positions in ``Scene.items``. A ``wire`` leads to another column. When
    modules are folded, edges between the same two items are one arrow.
    """

    tail: int
    head: int
    role: str
    wire: bool
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A placed graph: items (a box before what stands in it), arrows, and the size of the whole."""

    width: float
    height: float
    n_columns: int
    items: tuple[Item, ...]
    arrows: tuple[Arrow, ...]
