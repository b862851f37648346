"""Every classifier of torchvision with every op: no card on another, no arrow through a card."""

import pytest
import torch
from layouts import find_crossings, find_overlaps, find_shared
from layouts_models import list_classifiers, plan_structure, trace_classifier

from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import lay_out
from neurolens.view.structure.building import build_structure

FEW = (
    "densenet121",
    "googlenet",
    "inception_v3",
    "mobilenet_v3_small",
    "resnet50",
    "squeezenet1_1",
    "swin_t",
    "vit_b_32",
)


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: small inputs on several threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def check_layouts(name):
    plan = plan_structure(build_structure(trace_classifier(name).graph))
    for frame in (Frame(1400.0, 700.0), Frame(600.0, 2000.0, single=True)):
        scene = lay_out(plan, frame)
        assert len(scene.items) >= len(plan.nodes)
        assert not find_overlaps(scene)
        assert not find_crossings(scene)
        assert not find_shared(scene)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_a_few_classifiers(name):
    check_layouts(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in list_classifiers() if n not in FEW])
def test_all_other_classifiers(name):
    check_layouts(name)
