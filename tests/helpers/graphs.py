"""Graphs, scores and best ops built by hand for the tests of pictures."""

from dataclasses import replace

import numpy as np
import xarray as xr

from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op, Parent, TensorSpec
from neurolens.scores import Ceiling, Intervals, build_scores

WEIGHTED = ("conv2d", "linear", "batch_norm")
HOSTILE = "a<b>&c:0/f\"oo'@2"


class GraphBuilder:
    """Adds ops one after another; by default each reads the op before it."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.modules: dict[str, str] = {}

    def add(
        self, address: str, function: str, parents=None, shape=(1, 8, 4, 4), classes=(), name=None
    ) -> str:
        """Append one op and return its name; ``parents`` are op names.

        ``parents`` may also be ``"input"`` or empty.
        """
        site = f"{address}/{function}"
        passes = 1 + sum(op.site == site for op in self.ops)
        name = name or (site if passes == 1 else f"{site}@{passes}")
        if parents is None:
            parents = [self.ops[-1].name] if self.ops else ["input"]
        parts = address.split(".") if address else []
        for i in range(len(parts)):
            self.modules.setdefault(
                ".".join(parts[: i + 1]), classes[i] if i < len(classes) else "Sequential"
            )
        kinds = {op.name for op in self.ops}
        reads = [
            Parent("op" if p in kinds else "input", p, 0, str(i)) for i, p in enumerate(parents)
        ]
        if function in WEIGHTED:
            reads.append(Parent("parameter", f"{name}.weight", 0, "weight"))
        self.ops.append(
            Op(
                len(self.ops), name, function, f"torch.{function}", "_", "", address, "", passes, site,
                passes, tuple(reads),
                (TensorSpec(tuple(shape), "float32", "cpu", 4 * int(np.prod(shape))),), "", "model.py:1", 0.0,
            )
        )  # fmt: skip
        return name

    def build(self, outputs=None) -> Graph:
        outputs = outputs or [self.ops[-1].name]
        return Graph(
            tuple(self.ops),
            {"input": TensorSpec((1, 3, 224, 224), "float32", "cpu", 602112)},
            tuple(Parent("op", name, 0, "0") for name in outputs),
            self.modules,
        )


def build_chain(n: int, per_module: int = 5) -> Graph:
    """Return a plain chain of ``n`` ops, ``per_module`` of them in each block.

    Each stage has six blocks.
    """
    builder = GraphBuilder()
    for i in range(n):
        block = i // per_module
        builder.add(f"stage{block // 6}.{block % 6}", ("conv2d", "relu")[i % 2])
    return builder.build()


def build_large(n: int) -> Graph:
    """Return a graph of ``n`` ops without edges, whose names are long and hold tags."""
    op = build_hostile().ops[0]
    ops = [replace(op, index=i, name=f"<{i}>" + "x&" * 150, parents=()) for i in range(n)]
    return Graph(tuple(ops), outputs=tuple(Parent("op", one.name, 0, "0") for one in ops))


def build_residual(stages: int = 4) -> Graph:
    """Return a graph like ResNet-18: a stem, stages of two blocks with shortcuts, a head."""
    b = GraphBuilder()
    b.add("conv1", "conv2d", shape=(1, 64, 112, 112))
    b.add("bn1", "batch_norm", shape=(1, 64, 112, 112))
    b.add("relu", "relu", shape=(1, 64, 112, 112))
    last = b.add("maxpool", "max_pool2d", shape=(1, 64, 56, 56))
    for stage in range(stages):
        shape = (1, 64 * 2**stage, 56 // 2**stage, 56 // 2**stage)
        for block in range(2):
            at, cls = f"layer{stage + 1}.{block}", ("Sequential", "BasicBlock")
            came = last
            b.add(f"{at}.conv1", "conv2d", [last], shape, cls)
            b.add(f"{at}.bn1", "batch_norm", shape=shape)
            b.add(f"{at}.relu", "relu", shape=shape)
            b.add(f"{at}.conv2", "conv2d", shape=shape)
            main = b.add(f"{at}.bn2", "batch_norm", shape=shape)
            if stage and not block:
                b.add(f"{at}.downsample.0", "conv2d", [came], shape, (*cls, "Sequential"))
                came = b.add(f"{at}.downsample.1", "batch_norm", shape=shape)
            b.add(at, "add", [main, came], shape)
            last = b.add(f"{at}.relu", "relu", shape=shape)
    b.add("avgpool", "adaptive_avg_pool2d", shape=(1, 512, 1, 1))
    b.add("", "flatten", shape=(1, 512))
    b.add("fc", "linear", shape=(1, 1000))
    return b.build()


def build_branches(n: int = 8) -> Graph:
    """Return a graph like SqueezeNet: modules that split in two and join again."""
    b = GraphBuilder()
    last = b.add("features.0", "conv2d", shape=(1, 64, 111, 111))
    for i in range(1, n + 1):
        at, cls = f"features.{i}", ("Sequential", "Fire")
        b.add(f"{at}.squeeze", "conv2d", [last], (1, 16, 55, 55), cls)
        squeezed = b.add(f"{at}.squeeze_activation", "relu", shape=(1, 16, 55, 55))
        b.add(f"{at}.expand1x1", "conv2d", [squeezed], (1, 64, 55, 55))
        one = b.add(f"{at}.expand1x1_activation", "relu", shape=(1, 64, 55, 55))
        b.add(f"{at}.expand3x3", "conv2d", [squeezed], (1, 64, 55, 55))
        three = b.add(f"{at}.expand3x3_activation", "relu", shape=(1, 64, 55, 55))
        last = b.add(at, "cat", [one, three], (1, 128, 55, 55))
    b.add("classifier.1", "conv2d", shape=(1, 1000, 55, 55), classes=("Sequential",))
    b.add("classifier.2", "relu", shape=(1, 1000, 55, 55))
    b.add("classifier.3", "adaptive_avg_pool2d", shape=(1, 1000, 1, 1))
    b.add("", "flatten", shape=(1, 1000))
    return b.build()


def build_hostile() -> Graph:
    """Return a graph whose names and functions contain characters special in DOT, HTML or SVG."""
    b = GraphBuilder()
    b.add("a<b>.c&d:0", "f<o>")
    b.add("a<b>.c&d:0", "g", name=HOSTILE)
    b.add("a<b>.c&d:0", "back\\slash]]>")
    return b.build()


def fake_scores(
    graph: Graph, rng, regions=("V1", "V2", "V4", "IT"), subjects=4, without_ceiling=()
) -> xr.Dataset:
    """Return scores with one peak per region along the network, intervals and ceilings."""
    names = [op.name for op in graph]
    place = np.linspace(0, 1, len(names))[:, None]
    peaks = np.linspace(0.2, 0.9, len(regions))
    mean = (
        0.08
        + 0.42 * np.exp(-(((place - peaks) / 0.25) ** 2))
        + rng.normal(0, 0.02, (len(names), len(regions)))
    )
    score = mean[..., None] + rng.normal(0, 0.02, (*mean.shape, subjects))
    lower = np.array([np.nan if r in without_ceiling else 0.55 for r in regions])
    names_of_subjects = [f"s{i}" for i in range(subjects)]
    coords = {"op": names, "region": list(regions), "subject": names_of_subjects}
    array = xr.DataArray(score, coords, ("op", "region", "subject"))
    lower = array.isel(op=0, subject=0, drop=True).copy(data=lower)
    return build_scores(
        array,
        method="rsa",
        measure="rho-a",
        dissimilarity="correlation",
        n_stimuli=92,
        variables={
            "ci_low": array - 0.05,
            "ci_high": array + 0.05,
            "mean_ci_low": array.mean("subject") - 0.03,
            "mean_ci_high": array.mean("subject") + 0.03,
            "ceiling_lower": lower,
            "ceiling_upper": lower + 0.1,
        },
        intervals=Intervals("bootstrap percentile", "stimuli and subjects", 0.95),
        ceiling=Ceiling("Ceilings are leave-one-out bounds over subjects.", "exact"),
    )


def name_best(best: xr.Dataset, scores: xr.Dataset, ops) -> xr.Dataset:
    """Return ``best`` with these best ops, one per region, and their scores; "" for none."""
    pairs = zip(ops, scores.region.values, strict=True)
    means = [
        float(scores.score_mean.sel(op=op, region=region)) if op else np.nan for op, region in pairs
    ]
    return best.assign(best_op=("region", list(ops)), naive_score=("region", means))


def fake_best(scores: xr.Dataset) -> xr.Dataset:
    """Return the naive best op per region in the form of a chosen one."""
    mean = scores.score_mean.transpose("region", "op")
    at = mean.argmax("op").values
    top = mean.max("op").values
    names = scores.op.values[at]
    return xr.Dataset(
        {
            "best_op": ("region", names),
            "selection_score": ("region", top + 0.02),
            "naive_score": ("region", top),
            "heldout_mean": ("region", top - 0.03),
            "heldout_ci_low": ("region", top - 0.1),
            "heldout_ci_high": ("region", top + 0.04),
            "agreement": ("region", np.full(len(top), 0.75)),
            "doubtful": ("region", np.zeros(len(top), dtype=bool)),
            "indistinguishable": (("region", "op"), mean.values > top[:, None] - 0.012),
        },
        coords={"region": scores.region.values, "op": scores.op.values},
        attrs={
            "best_note": "Best op: the one named. Held-out score: beside the star.",
            "set_note": "Cannot be told apart from the best op: a set made by hand.",
            "doubt_note": "",
        },
    )
