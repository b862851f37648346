"""What a picture of a graph shows, free of how it is drawn.

``records``       nodes, runs of modules and edges
``building``      from a graph to those; ``order`` of nodes, ``runs`` of modules, ``edges``
``folding``       which runs are drawn as one card
``cards``         what stands on a card; ``sizes`` of cards; ``descriptions`` of them in words
"""

from neurolens.view.structure.building import build_structure
from neurolens.view.structure.cards import Card, Cell, Row, Tag, build_card
from neurolens.view.structure.descriptions import describe_card
from neurolens.view.structure.folding import (
    Visible,
    find_visible,
    fold_matching,
    fold_to_depth,
    read_fold,
    unfold_matching,
)
from neurolens.view.structure.records import ROLES, Edge, Node, Run, Structure
from neurolens.view.structure.sizes import measure_card, measure_title

__all__ = [
    "ROLES",
    "Card",
    "Cell",
    "Edge",
    "Node",
    "Row",
    "Run",
    "Structure",
    "Tag",
    "Visible",
    "build_card",
    "build_structure",
    "describe_card",
    "find_visible",
    "fold_matching",
    "fold_to_depth",
    "measure_card",
    "measure_title",
    "read_fold",
    "unfold_matching",
]
