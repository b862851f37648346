"""The page lays out, folds and measures text as Python does."""

import pytest
from layout_vectors import FRAMES, draw_plans, read_cases
from layouts import list_depths
from layouts_page import ask_page, write_frame, write_plan, write_scene

from neurolens.view.layout.choice import choose_folds
from neurolens.view.layout.scene import lay_out


@pytest.mark.parametrize("name", ["texts", "scenes", "folds"])
def test_the_page_gives_the_known_answers(name):
    cases = read_cases(name)
    answers = ask_page(cases)
    for case, answer in zip(cases, answers, strict=True):
        assert answer == case["answer"], case.get("name", case.get("text"))


@pytest.mark.slow
def test_the_page_places_random_graphs_alike():
    cases = [(plan, FRAMES[i % len(FRAMES)]) for i, plan in enumerate(draw_plans(40, 60))]
    asked = [{"plan": write_plan(p), "frame": write_frame(f)} for p, f in cases]
    extra = [{"wanted": list(range(len(p.nodes))), "depths": list_depths(p)} for p, _ in cases]
    scenes = ask_page([{"ask": "scene", **each} for each in asked])
    again = ask_page([{"ask": "again", **each} for each in asked])
    folds = ask_page(
        [{"ask": "folds", **each, **more} for each, more in zip(asked, extra, strict=True)]
    )
    for i, (plan, frame) in enumerate(cases):
        assert scenes[i] == write_scene(lay_out(plan, frame))
        assert again[i] == scenes[i]
        found = choose_folds(plan, frame, extra[i]["wanted"], extra[i]["depths"])
        assert folds[i] == sorted(found)
