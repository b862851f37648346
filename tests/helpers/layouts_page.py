"""Runs the page's layout in node, and writes plans and scenes as the page has them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import neurolens
from neurolens.view.layout.records import Frame, Plan, Scene, Size

MODULES = Path(neurolens.__file__).parent / "view" / "page" / "assets" / "layout"
SCRIPT = Path(__file__).parents[1] / "view" / "layout" / "run_layout.mjs"


def ask_page(cases: list[dict]) -> list:
    """Return the page's answers to cases; skip the test where node is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the page's layout is not compared with Python's")
    done = subprocess.run(
        [node, str(SCRIPT), str(MODULES)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_plan(plan: Plan) -> dict:
    """Return a plan as JSON of the page."""
    return {
        "nodes": [
            [run, size.width, size.height, end]
            for (run, size), end in zip(plan.nodes, plan.is_end, strict=True)
        ],
        "runs": list(plan.runs),
        "titles": list(plan.titles),
        "foldedSizes": [[size.width, size.height] for size in plan.folded_sizes],
        "folded": sorted(plan.folded),
        "edges": [list(edge) for edge in plan.edges],
    }


def read_plan(data: dict) -> Plan:
    """Return the plan that ``write_plan`` wrote."""
    return Plan(
        nodes=tuple((run, Size(width, height)) for run, width, height, _ in data["nodes"]),
        is_end=tuple(node[3] for node in data["nodes"]),
        runs=tuple(data["runs"]),
        titles=tuple(data["titles"]),
        folded_sizes=tuple(Size(*size) for size in data["foldedSizes"]),
        folded=frozenset(data["folded"]),
        edges=tuple((tail, head, role) for tail, head, role in data["edges"]),
    )


def write_frame(frame: Frame) -> dict:
    """Return a frame as JSON of the page."""
    return {
        "width": frame.width,
        "height": frame.height,
        "least": frame.least,
        "single": frame.single,
    }


def write_scene(scene: Scene) -> dict:
    """Return a scene as the page has it."""
    return {
        "width": scene.width,
        "height": scene.height,
        "nColumns": scene.n_columns,
        "items": [
            {
                "kind": item.kind,
                "index": item.index,
                "column": item.column,
                "x": item.x,
                "y": item.y,
                "width": item.width,
                "height": item.height,
                "axis": item.axis,
            }
            for item in scene.items
        ],
        "arrows": [
            {
                "tail": arrow.tail,
                "head": arrow.head,
                "role": arrow.role,
                "wire": arrow.wire,
                "points": [list(point) for point in arrow.points],
            }
            for arrow in scene.arrows
        ],
    }
