"""Writes what the layout gives for known input: python tests/helpers/layout_vectors.py.

The files in tests/view/layout/vectors are read by tests in Python and, through node, in the page's
modules; whoever writes a third layout can test it with them. See docs/layout.md.
"""

import json
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from layouts import (
    build_chain,
    build_fan,
    build_plan,
    build_unet,
    list_depths,
    make_plans,
)
from layouts_page import write_frame, write_plan, write_scene

from neurolens.view.layout.choice import choose_folds
from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import lay_out
from neurolens.view.layout.text import measure_text, shorten_text

FOLDER = Path(__file__).parents[1] / "view" / "layout" / "vectors"
FRAMES = (
    Frame(1400.0, 600.0),
    Frame(400.0, 3000.0),
    Frame(900.0, 300.0, least=0.5),
    Frame(800.0, 600.0, single=True),
)
TEXTS = (
    "conv2d batch_norm ★ best V4 held-out .32 ρ ≈ … – − × 64×112² ³ ᵀ ≤ ≥ → |é ü É Ω Ж|"
    "日本語|🧠 op|👩‍🔬|e\u0301|\u00a0|\ufeff|@2|layer1.0.conv1|<b>&amp;</b>|"
).split("|")
BUILT = {
    "one op": build_chain(1),
    "a chain": build_chain(12, ends={0, 11}),
    "U-shaped": build_unet(),
    "U-shaped without modules": build_unet(boxes=False),
    "four branches": build_fan(4),
    "seventeen branches": build_fan(17),
    "apart": build_plan([-1] * 6, [(0, 1), (2, 3)]),
    "dense": build_plan([-1] * 8, [(i, j) for j in range(8) for i in range(j)]),
    "loops": build_plan(
        [-1, 0, 0, 0, 1, 1, -1],
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (3, 1), (5, 2), (4, 4)],
        runs=[-1, -1],
    ),
}


def draw_plans(n: int, most: int) -> list:
    """Return plans drawn by hypothesis, the same in every run."""
    drawn = []

    @settings(
        max_examples=n,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(make_plans(most))
    def keep(plan):
        drawn.append(plan)

    keep()
    return drawn


def write_cases() -> dict[str, list[dict]]:
    """Return cases by file: what is asked, and the answer."""
    plans = {**BUILT, **{f"random {i}": plan for i, plan in enumerate(draw_plans(36, 25))}}
    scenes = []
    folds = []
    for i, (name, plan) in enumerate(plans.items()):
        frame = FRAMES[i % len(FRAMES)]
        case = {"name": name, "plan": write_plan(plan), "frame": write_frame(frame)}
        scenes.append({"ask": "scene", **case, "answer": write_scene(lay_out(plan, frame))})
        wanted = list(range(0, len(plan.nodes), 3))
        depths = list_depths(plan)
        answer = sorted(choose_folds(plan, frame, wanted, depths))
        folds.append({"ask": "folds", **case, "wanted": wanted, "depths": depths, "answer": answer})
    return {"texts": _write_texts(), "scenes": scenes, "folds": folds}


def _write_texts() -> list[dict]:
    """Return cases of widths and of shortened text."""
    cases = []
    for text in TEXTS:
        for size, bold in ((11, False), (12, True), (13.5, False)):
            case = {"text": text, "size": size, "bold": bold}
            cases.append({"ask": "width", **case, "answer": measure_text(text, size, bold)})
            shorter = shorten_text(text, 40, size, bold)
            cases.append({"ask": "short", **case, "width": 40, "answer": shorter})
    return cases


def read_cases(name: str) -> list[dict]:
    """Return the cases of a file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, cases in write_cases().items():
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
