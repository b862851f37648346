"""Time the layout of every classifier of torchvision with every op shown.

    python benchmarks/layout.py                    # a few minutes, most of it tracing
    python benchmarks/layout.py --only "resnet*"

Each is traced with weights of 0 on a small input; the cards have cells for four regions. Times
are processor time, so that a busy machine does not change them: the median of five layouts for a
frame of 1400 x 700, after a first. The same is asked of the page's modules in node, where that is
installed. Besides, what the layout gives: columns, zoom at which all of it fits the frame, cards
that overlap and arrows that meet a card (each must be 0), arrows that share a line with another of
different ends, corners per arrow. The table is kept in benchmarks/results/.
"""

import argparse
import fnmatch
import gc
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from machine import describe_machine, time_rounds, write_result
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from layouts import find_crossings, find_overlaps, find_shared  # noqa: E402
from layouts_models import list_classifiers, plan_structure, trace_classifier  # noqa: E402
from layouts_page import MODULES, SCRIPT, write_frame, write_plan  # noqa: E402

from neurolens.view.layout.records import Frame, Plan  # noqa: E402
from neurolens.view.layout.scene import lay_out  # noqa: E402
from neurolens.view.structure.building import build_structure  # noqa: E402

FRAME = Frame(1400.0, 700.0)
ROUNDS = 5


class Row(NamedTuple):
    """What was measured of one model."""

    model: str
    n_ops: int
    n_arrows: int
    python_ms: float
    node_ms: float | None
    n_columns: int
    zoom: float
    n_overlaps: int
    n_crossings: int
    n_shared: int
    n_corners: float


def measure_model(name: str) -> Row:
    """Return what the layout of a model costs and gives."""
    structure = build_structure(trace_classifier(name).graph)
    plan = plan_structure(structure)
    times = time_rounds({"layout": lambda: lay_out(plan, FRAME)}, ROUNDS, time.process_time)
    scene = lay_out(plan, FRAME)
    corners = sum(len(arrow.points) - 2 for arrow in scene.arrows)
    return Row(
        model=name,
        n_ops=sum(len(node.ops) for node in structure.nodes),
        n_arrows=len(scene.arrows),
        python_ms=1e3 * statistics.median(times["layout"]),
        node_ms=time_in_node(plan),
        n_columns=scene.n_columns,
        zoom=min(FRAME.width / scene.width, FRAME.height / scene.height),
        n_overlaps=len(find_overlaps(scene)),
        n_crossings=len(find_crossings(scene)),
        n_shared=len(find_shared(scene)),
        n_corners=corners / max(1, len(scene.arrows)),
    )


def time_in_node(plan: Plan) -> float | None:
    """Return the milliseconds that the page's layout takes; None without node."""
    node = shutil.which("node")
    if node is None:
        return None
    case = {"ask": "time", "plan": write_plan(plan), "frame": write_frame(FRAME)}
    command = [node, str(SCRIPT), str(MODULES)]
    done = subprocess.run(
        command, input=json.dumps([case]), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)[0]


def write_table(rows: list[Row]) -> str:
    """Return the result as Markdown."""
    slowest = max(rows, key=lambda row: row.python_ms)
    lines = [
        "# Layout of torchvision's classifiers with every op",
        "",
        describe_machine(),
        "",
        f"{len(rows)} classifiers, {sum(row.n_ops for row in rows)} ops, "
        f"{sum(row.n_arrows for row in rows)} arrows: {sum(row.n_overlaps for row in rows)} cards "
        f"overlap, {sum(row.n_crossings for row in rows)} arrows meet a card or the title of a "
        f"module they do not belong to, {sum(row.n_shared for row in rows)} share a line with "
        f"another. The slowest in Python is {slowest.model}: {slowest.python_ms:.0f} ms of "
        "processor time.",
        "",
        "| model | ops | arrows | Python, ms | page (node), ms | columns | zoom | overlaps | "
        "crossings | shared | corners per arrow |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        node = "" if row.node_ms is None else f"{row.node_ms:.1f}"
        lines.append(
            f"| {row.model} | {row.n_ops} | {row.n_arrows} | {row.python_ms:.0f} | {node} | "
            f"{row.n_columns} | {row.zoom:.2f} | {row.n_overlaps} | {row.n_crossings} | "
            f"{row.n_shared} | {row.n_corners:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="*", help="names of models, as a pattern")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in tqdm([n for n in list_classifiers() if fnmatch.fnmatch(n, asked.only)]):
        rows.append(measure_model(name))
        gc.collect()
    text = write_table(rows)
    if asked.only == "*":
        write_result("layout", text)
    else:
        print(text)


if __name__ == "__main__":
    main()
