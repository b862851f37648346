"""What a picture of a graph shows, as plain records: nodes, runs of modules, edges.

Nothing here knows how it is drawn; files (`view.graph`) and the page (`view.page`) read the same
records, whose positions are computed by `view.layout`.
"""

from dataclasses import dataclass
from functools import cached_property

from neurolens.extract.graph.ops import HostRead

ROLES = ("main", "shortcut", "loop")


@dataclass(frozen=True, slots=True)
class Node:
    """An input, an op, several passes of one layer, or the output.

    Attributes
    ----------
    kind : str
        ``"input"``, ``"op"`` or ``"output"``.
    name : str
        The function of an op (``"conv2d"``), the name of an input, ``"output"``.
    label : str
        What distinguishes it within its run: the module's name (``"conv1"``), ``"@2"`` for a
        second execution that is drawn by itself, unless the run around it is a second call.
    ops : tuple of str
        Names of the ops; several are the passes of one layer, in order.
    run : int
        Position in ``Structure.runs`` of the innermost run around it, -1 for the model itself.
    shape : str
        Of the first output without its batch axis, as it is written on a card.
    n_outputs : int
        How many tensors it returned.
    generated : bool
        Whether no input reaches it, as none does noise and constants.
    steps : tuple of int
        The time step of each of ``ops``, from 1.
    reads : tuple of HostRead
        Values that Python read from it; one read by ``__bool__`` chose the path.
    """

    kind: str
    name: str
    label: str
    ops: tuple[str, ...]
    run: int
    shape: str
    n_outputs: int = 1
    generated: bool = False
    steps: tuple[int, ...] = ()
    reads: tuple[HostRead, ...] = ()

    @property
    def chose_path(self) -> bool:
        """Whether Python read a value of it as true or false."""
        return any(read.function == "__bool__" for read in self.reads)


@dataclass(frozen=True, slots=True)
class Run:
    """One uninterrupted stretch of a module's nodes.

    Attributes
    ----------
    key : str
        ``"<address>#<number>"``, unique; numbers count the stretches of a module from 1. It does
        not change when modules are folded.
    address, module_class : str
        The module, and its class.
    title : str
        What is written on it: the address as seen from the run around it, with a leading dot below
        the first level, and ``@2`` for a second call, unless the run around it is one as well.
    call : int
        Which call of the module it belongs to, from 1; always 1 for a container that is never
        called itself (``ModuleList``), and where passes share nodes.
    part : str
        ``"2 of 4"`` among the stretches of one call, ``""`` for the only one.
    parent : int
        Position of the run around it, -1 for the model itself.
    depth : int
        0 for the outermost.
    first, last : int
        Its nodes: all from ``first`` to ``last``, both included.
    """

    key: str
    address: str
    module_class: str
    title: str
    call: int
    part: str
    parent: int
    depth: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Edge:
    """What node ``tail`` makes is read by node ``head``, both positions in ``Structure.nodes``.

    ``role`` is ``"main"``; ``"shortcut"``, where a longer path leads there too; or ``"loop"``,
    where a later pass reads an earlier one. What is ``left_out`` is not drawn, only counted:
    shortcuts of a dense block would hide everything else.
    """

    tail: int
    head: int
    role: str
    left_out: bool = False


@dataclass(frozen=True)
class Structure:
    """All that can be shown of a graph: nodes in order of execution, runs, edges.

    ``rolled`` says whether passes of a recurrent layer share a node; ``root`` is the innermost
    module that wraps everything, ``""`` for the model itself.
    """

    nodes: tuple[Node, ...]
    runs: tuple[Run, ...]
    edges: tuple[Edge, ...]
    rolled: bool
    root: str

    @property
    def n_left_out(self) -> int:
        """How many edges are only counted."""
        return sum(edge.left_out for edge in self.edges)

    @property
    def chosen_paths(self) -> list[int]:
        """The nodes whose value chose the path: with another, other ops might have run."""
        return [i for i, node in enumerate(self.nodes) if node.chose_path]

    @cached_property
    def node_of(self) -> dict[str, int]:
        """Position of the node that shows an op, by the op's name."""
        return {name: i for i, node in enumerate(self.nodes) for name in node.ops}

    @cached_property
    def run_of(self) -> dict[str, int]:
        """Position of a run by its key."""
        return {run.key: i for i, run in enumerate(self.runs)}

    def list_around(self, run: int) -> list[int]:
        """Return a run and those around it, innermost first; nothing for -1."""
        around = []
        while run >= 0:
            around.append(run)
            run = self.runs[run].parent
        return around
