"""The plan of a picture: cards of everything that can be shown, with their sizes."""

from dataclasses import dataclass

from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Costs
from neurolens.view.annotation import Annotation, describe_interval
from neurolens.view.layout.choice import choose_folds
from neurolens.view.layout.records import Frame, Plan
from neurolens.view.structure.cards import Card, build_card
from neurolens.view.structure.descriptions import describe_card
from neurolens.view.structure.records import Structure
from neurolens.view.structure.sizes import measure_card, measure_title


@dataclass(frozen=True, slots=True)
class Box:
    """What can be drawn as one box: its card, its id and its tooltip."""

    card: Card
    id: str
    tooltip: str


@dataclass(frozen=True)
class Deck:
    """The boxes of all nodes, and those of all runs when they are folded."""

    nodes: tuple[Box, ...]
    runs: tuple[Box, ...]

    def find(self, kind: str, index: int) -> Box | None:
        """Return the box of a node ("node") or folded run ("module"), None for an area ("box")."""
        if kind == "box":
            return None
        return self.nodes[index] if kind == "node" else self.runs[index]


def build_deck(
    graph: Graph,
    structure: Structure,
    annotation: Annotation | None = None,
    costs: Costs | None = None,
) -> Deck:
    """Return the boxes of all that a structure can show.

    The id of an op holds its position among the ops of the graph, that of several passes the first.
    """
    interval = describe_interval(annotation.attrs) if annotation is not None else ""
    nodes = []
    for i, node in enumerate(structure.nodes):
        card = build_card(structure, node, annotation, costs)
        name = f"op-{graph.by_name[node.ops[0]].index}" if node.ops else f"{node.kind}-{i}"
        nodes.append(Box(card, name, "\n".join(describe_card(card, interval))))
    runs = []
    for i, run in enumerate(structure.runs):
        card = build_card(structure, run, annotation, costs)
        runs.append(Box(card, f"module-{i}", "\n".join(describe_card(card, interval))))
    return Deck(tuple(nodes), tuple(runs))


def build_plan(structure: Structure, deck: Deck, folded: frozenset[str] = frozenset()) -> Plan:
    """Return what is to be placed, with the runs of these keys folded."""
    sizes = [measure_card(box.card) for box in deck.nodes]
    drawn = [edge for edge in structure.edges if not edge.left_out]
    return Plan(
        nodes=tuple(zip((node.run for node in structure.nodes), sizes, strict=True)),
        is_end=tuple(node.kind in ("input", "output") for node in structure.nodes),
        runs=tuple(run.parent for run in structure.runs),
        titles=tuple(measure_title(run) for run in structure.runs),
        folded_sizes=tuple(measure_card(box.card) for box in deck.runs),
        folded=frozenset(i for i, run in enumerate(structure.runs) if run.key in folded),
        edges=tuple((edge.tail, edge.head, edge.role) for edge in drawn),
    )


def fold_to_fit(
    structure: Structure, deck: Deck, annotation: Annotation | None, frame: Frame
) -> frozenset[str]:
    """Return the keys of the runs to fold so that all type is readable in a frame.

    Runs around best ops are opened first, then those around their ties, while that holds.
    """
    wanted: list[str] = []
    if annotation is not None:
        wanted = [*annotation.best, *annotation.ties]
    nodes = [structure.node_of[op] for op in wanted]
    depths = [run.depth for run in structure.runs]
    folded = choose_folds(build_plan(structure, deck), frame, nodes, depths)
    return frozenset(structure.runs[i].key for i in folded)
