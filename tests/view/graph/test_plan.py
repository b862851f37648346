"""The plan: sizes and ids of boxes, and folds that keep every default picture readable."""

import numpy as np
import pytest
import torch
from graphs import build_chain, build_residual, fake_best, fake_scores
from pictures import list_labels, list_touching

from neurolens import trace
from neurolens.view.annotation import annotate_ops
from neurolens.view.graph.drawing import SQUARE, draw_graph
from neurolens.view.graph.plan import build_deck, build_plan, fold_to_fit
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.folding import find_visible

SHOWN_WIDTH = 1400
LEAST_TYPE = 7
NETS = {"resnet18": 64, "resnet50": 64, "densenet121": 64, "vit_b_16": 224, "googlenet": 64}


@pytest.fixture(scope="module", params=NETS)
def graph(request):
    models = pytest.importorskip("torchvision").models
    options = {"init_weights": False, "aux_logits": False} if request.param == "googlenet" else {}
    model = getattr(models, request.param)(weights=None, **options).eval()
    side = NETS[request.param]
    return trace(model, torch.zeros(1, 3, side, side)).graph


def find_smallest_type(picture):
    """Return the height of the smallest letters when the picture is shown 1400 pixels wide."""
    scale = min(1.0, SHOWN_WIDTH / picture.width)
    return scale * min(label.text.size for label in list_labels(picture.shapes))


def count_shown(drawing):
    """Return how many ops have a card, or a column in the strip of a folded module."""
    visible = find_visible(drawing.structure, drawing.folded)
    cards = [drawing.deck.nodes[i].card for i in visible.nodes]
    folded = [drawing.deck.runs[i].card for i in visible.folded]
    return sum(card.n_ops for card in cards) + sum(len(card.strip[0]) for card in folded)


def test_default_pictures_are_readable_and_hide_no_op(graph, rng):
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    drawing = draw_graph(graph, scores=scores, best=best)
    assert find_smallest_type(drawing.picture) >= LEAST_TYPE
    assert find_smallest_type(draw_graph(graph).picture) >= LEAST_TYPE
    assert list_touching(drawing.picture.shapes) == []
    assert count_shown(drawing) == len(graph)


def test_best_ops_are_opened_first_where_there_is_room(rng):
    graph = build_chain(1200)
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    structure = build_structure(graph)
    annotation = annotate_ops(scores, best=best)
    deck = build_deck(graph, structure, annotation)
    folded = fold_to_fit(structure, deck, annotation, SQUARE)
    plain = fold_to_fit(structure, deck, None, SQUARE)
    assert folded < plain
    wanted = {structure.node_of[op] for op in (*annotation.best, *annotation.ties)}
    around = {run for node in wanted for run in structure.list_around(structure.nodes[node].run)}
    assert plain - folded <= {structure.runs[run].key for run in around}


def test_plans_hold_what_the_layout_needs():
    graph = build_residual()
    structure = build_structure(graph)
    deck = build_deck(graph, structure)
    plan = build_plan(structure, deck, frozenset({"layer1#1"}))
    assert [run for run, _ in plan.nodes] == [node.run for node in structure.nodes]
    assert plan.folded == {structure.run_of["layer1#1"]}
    assert [i for i, is_end in enumerate(plan.is_end) if is_end] == [0, len(structure.nodes) - 1]
    assert len(plan.folded_sizes) == len(plan.titles) == len(plan.runs) == len(structure.runs)
    assert len(plan.edges) == len(structure.edges)


def test_ids_hold_the_position_of_the_op_in_the_graph():
    graph = build_residual()
    deck = build_deck(graph, build_structure(graph))
    ids = [box.id for box in deck.nodes]
    assert ids == ["input-0", *[f"op-{op.index}" for op in graph], f"output-{len(graph) + 1}"]
    assert len(np.unique([box.id for box in (*deck.nodes, *deck.runs)])) == len(ids) + len(
        deck.runs
    )
