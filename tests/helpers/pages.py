"""Documents of the interactive page, invented, with everything that a page can show."""

import base64
import math

import numpy as np

COLORS = [
    ("#5D0703", "#F84F3F"),
    ("#725504", "#DFEC47"),
    ("#0A7D4D", "#72D49D"),
    ("#AA4C7E", "#E381B2"),
]
SPRITE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)  # fmt: skip
LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
FUNCTIONS = ("conv2d", "batch_norm", "relu")


def make_graph(n_blocks=4, per_block=3, name="layer"):
    """Return a chain of modules; the second op of each has a shortcut to the last."""
    ops, nodes, runs, edges = [], [["input", "input", "3×32²", [], -1, "3×32²", False]], [], []
    for block in range(n_blocks):
        first = len(nodes)
        address = f"{name}{block + 1}"
        for i in range(per_block):
            function = FUNCTIONS[i % 3]
            op = len(ops)
            ops.append(make_op(f"{address}.{i}/{function}", function, address))
            nodes.append(["op", function, str(i), [op], block, "64×8²", False])
            edges.append([len(nodes) - 2, len(nodes) - 1, "main", False])
        if per_block > 2:
            edges.append([first, len(nodes) - 1, "shortcut", False])
        runs.append(
            [f"{address}#1", address, "Sequential", address, 1, "", -1, 0, first, len(nodes) - 1]
        )
    nodes.append(["output", "output", "10", [], -1, "10", False])
    edges.append([len(nodes) - 2, len(nodes) - 1, "main", False])
    if len(ops) > 1:
        ops[1]["reads"] = [{"function": "__bool__", "value": "True", "source": "net.py:14"}]
    view = {"rolled": False, "root": "", "nodes": nodes, "runs": runs, "edges": edges}
    return {
        "inputs": [{"name": "input", "shape": "3×32²"}],
        "outputs": [len(ops) - 1],
        "root": "",
        "modules": {"": "Net"},
        "ops": ops,
        "views": [view],
    }


def make_op(name, function, module):
    return {
        "name": name, "site": name, "pass": 1, "function": function, "settings": "_, _", "label": "0",
        "module": module, "moduleClass": "Sequential", "shape": "64×8²",
        "dtype": "float32", "params": 1200, "flops": 5_000_000, "source": "net.py:12", "shares": "",
        "reads": [],
    }  # fmt: skip


def make_scores(n_ops, peak, *, n_subjects=0, n_times=0, height=0.5):
    """Return the scores of one region: a bump around ``peak``, a share of the ops."""
    mean = [
        round(height * math.exp(-(((i / max(1, n_ops - 1)) - peak) ** 2) / 0.05), 4)
        for i in range(n_ops)
    ]
    scores = {
        "mean": mean,
        "low": [round(v - 0.06, 4) for v in mean],
        "high": [round(v + 0.06, 4) for v in mean],
        "p": [0.001 if v > 0.1 else 0.2 for v in mean],
        "q": [0.002 if v > 0.1 else 0.3 for v in mean],
        "ties": [],
        "subjects": None,
        "times": None,
    }
    if n_subjects:
        values = [[round(v + 0.02 * (s - 1), 4) for v in mean] for s in range(n_subjects)]
        scores["subjects"] = {
            "names": [f"sub-{s + 1:02d}" for s in range(n_subjects)],
            "values": values,
        }
    if n_times:
        bins = [[round(v * (t + 1) / n_times, 4) for v in mean] for t in range(n_times)]
        scores["times"] = {
            "labels": [f"{50 * t} ms" for t in range(n_times)], "shown": n_times - 1, "mean": bins,
            "low": None, "high": None,
        }  # fmt: skip
    return scores


def make_best(scores):
    op = int(np.argmax(scores["mean"]))
    return {
        "op": op, "heldout": scores["mean"][op], "low": scores["low"][op], "high": scores["high"][op],
        "p": 0.002, "agreement": 0.9, "doubtful": False, "naive": scores["mean"][op], "control": 0.1,
        "controlName": "random weights",
        "contrast": {"difference": 0.4, "low": 0.3, "high": 0.5, "p": 0.001,
                     "text": "above random weights by .40 [.30, .50], p = .001"},
    }  # fmt: skip


def make_document(
    n_blocks=4, per_block=3, regions=("V1", "V2", "V4", "IT"), n_subjects=0, n_times=0, report=False
):
    """Return a document with two models of one graph, and one of another."""
    graph = make_graph(n_blocks, per_block)
    n = len(graph["ops"])
    scores, control, records = {}, {}, []
    for k, name in enumerate(regions):
        peak = (k + 0.5) / len(regions)
        scores[name] = make_scores(n, peak, n_subjects=n_subjects, n_times=n_times)
        control[name] = make_scores(n, 0.5, height=0.12, n_times=n_times)
        records.append(
            {
                "id": name, "name": f"area {name}", "colors": list(COLORS[k % 4]),
                "ceiling": [0.45, 0.6], "ceilingNote": "", "best": make_best(scores[name]),
            }
        )  # fmt: skip
        scores[name]["ties"] = [max(0, records[-1]["best"]["op"] - 1)]
    other = make_graph(2, 3, "stage")
    other_scores = {name: make_scores(6, 0.5, height=0.3, n_times=n_times) for name in regions}
    document = {
        "schema": 2, "title": "A small network", "badges": ["scores invented"],
        "facts": [f"{n} operations"], "notes": [], "methods": ["Scores are invented."],
        "references": [{"text": "Author (2020)", "bibtex": "@article{author2020,\n}"}],
        "command": "", "provenance": [["seed", "0"]], "versions": ["neurolens 0"], "summary": [],
        "measure": {"name": "Spearman correlation", "symbol": "ρ", "stimuli": 4, "interval": "95 % intervals",
                    "heldoutInterval": "", "splits": 20, "permutations": 1000, "control": "random weights"},
        "regions": records,
        "models": [
            {"id": "model", "label": "trained", "scores": scores, "graph": None, "rdms": None},
            {"id": "other1", "label": "random weights", "scores": control, "graph": None, "rdms": None},
            {"id": "other2", "label": "a second network", "scores": other_scores, "graph": other, "rdms": None},
        ],
        "contrasts": {"other1": {name: {"text": "above random weights by .40"} for name in regions}},
        "graph": graph,
        "stimuli": {"ids": ["cat", "dog", "car", "bus"], "category": ["animal", "animal", "thing", "thing"],
                    "tile": 1, "columns": 2, "numbered": False, "sprite": SPRITE},
        "rdms": make_rdms(n, regions),
        "activations": {"ops": [0, 1], "stimuli": [0, 2], "side": [[2, 3], [2, 3]],
                        "data": encode(range(24)), "caption": "Mean absolute activation."},
        "brain": None, "sections": [], "downloads": [],
    }  # fmt: skip
    if report:
        document |= make_sections(n)
    return document


def make_rdms(n_ops, regions, n=4):
    pairs = n * (n - 1) // 2
    ranks = "".join(LEVELS[int(63 * i / (pairs - 1))] for i in range(pairs))
    return {
        "n": n, "ids": ["cat", "dog", "car", "bus"], "ops": list(range(n_ops)),
        "model": ranks * n_ops, "brain": dict.fromkeys(regions, ranks), "leftOut": [],
    }  # fmt: skip


def make_sections(n):
    rows = [[str(i), f"op {i}", ".42 [.40, .44]"] for i in range(120)]
    return {
        "sections": [
            {"id": "summary", "title": "Summary", "blocks": [{"kind": "text", "text": "One.\n\nTwo."}]},
            {"id": "rdms", "title": "RDMs", "blocks": [
                {"kind": "rdms", "pairs": [{"region": "V1", "op": 1}], "caption": "Ranks."}]},
            {"id": "stimuli", "title": "Stimuli", "blocks": [{"kind": "stimuli", "caption": "4 stimuli."}]},
            {"id": "scores", "title": "All scores", "blocks": [
                {"kind": "table", "caption": "Scores", "columns": ["#", "operation", "score"],
                 "rows": [*rows, ["last", "the very last row", ".99"]]}]},
            {"id": "own", "title": "Every score", "blocks": [{"kind": "scores", "caption": "All stimuli."}]},
            {"id": "figure", "title": "Figure", "blocks": [{"kind": "figure", "src": SPRITE, "alt": "a dot"}]},
        ],
        "downloads": [{"name": "scores.csv", "kind": "text/csv", "text": "a,b\n1,2\n"}],
        "command": "neurolens demo",
    }  # fmt: skip


def encode(values):
    return base64.b64encode(bytes(values)).decode()
