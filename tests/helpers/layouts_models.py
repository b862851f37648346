"""Plans of real networks: a structure with the sizes of its cards."""

from unittest import mock

import torch
from torchvision import models
from torchvision.models.regnet import BlockParams

from neurolens.extract.tracing import Trace, trace
from neurolens.view.layout.records import Plan, Size
from neurolens.view.structure.cards import build_card
from neurolens.view.structure.records import Structure
from neurolens.view.structure.sizes import measure_card, measure_title

ROWS = 17.0  # a row of cells of a card with scores
STRIPS = 40.0  # rows of cells of a folded run
LEAST = 140.0
SIZE_BLOCKS = BlockParams.from_init_params
SIDES = {
    "inception_v3": 75,
    "maxvit_t": 224,
    "vit_b_32": 64,
    "vit_l_32": 64,
    "vit_b_16": 112,
    "vit_l_16": 112,
}


def plan_structure(structure: Structure, folded: frozenset[int] = frozenset()) -> Plan:
    """Return the plan of a structure whose cards have cells for four regions."""
    sizes = [measure_card(build_card(structure, node)) for node in structure.nodes]
    folded_sizes = [measure_card(build_card(structure, run)) for run in structure.runs]
    is_end = tuple(node.kind != "op" for node in structure.nodes)
    return Plan(
        nodes=tuple(
            (node.run, size if end else Size(max(size.width, LEAST), size.height + ROWS))
            for node, size, end in zip(structure.nodes, sizes, is_end, strict=True)
        ),
        is_end=is_end,
        runs=tuple(run.parent for run in structure.runs),
        titles=tuple(measure_title(run) for run in structure.runs),
        folded_sizes=tuple(Size(s.width, s.height + STRIPS) for s in folded_sizes),
        folded=folded,
        edges=tuple((e.tail, e.head, e.role) for e in structure.edges if not e.left_out),
    )


def list_classifiers() -> list[str]:
    """Return the names of torchvision's classifiers."""
    return models.list_models(module=models)


def _size_blocks(*args, **kwargs):
    """Compute the sizes of RegNet's blocks with tensors that have values."""
    with torch.device("cpu"):
        return SIZE_BLOCKS(*args, **kwargs)


def trace_classifier(name: str) -> Trace:
    """Trace a classifier of torchvision, its weights all 0, on a small input.

    To draw random weights would take longer than everything else.
    """
    settings: dict[str, object] = {}
    if name in ("googlenet", "inception_v3"):
        settings["init_weights"] = False
    if name.startswith("vit"):
        settings["image_size"] = SIDES.get(name, 56)
    with mock.patch.object(BlockParams, "from_init_params", _size_blocks), torch.device("meta"):
        model = models.get_model(name, weights=None, **settings)
    model = model.to_empty(device="cpu").eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.zero_()
        side = SIDES.get(name, settings.get("image_size", 64))
        return trace(model, torch.zeros(1, 3, side, side))
