"""A small analysis whose answer is known: record, check, compare, draw."""

from collections.abc import Iterator
from typing import Any

from neurolens.cli.doctor.findings import FAULT, OK, Finding

ADVICE = (
    "Please report this with the output of neurolens doctor --json. If a package above is at "
    "fault, repair that first."
)


def check_recording() -> Iterator[Finding]:
    """Record a small network, and check the recording against the network itself."""
    import neurolens as nl

    model, inputs = build_network()
    verdict = nl.validate(model, inputs)
    state = OK if verdict.status == "verified" else FAULT
    advice = "" if state == OK else ADVICE
    yield Finding("recording", state, f"a small network is {verdict.status}", advice, needed=True)


def check_comparison() -> Iterator[Finding]:
    """Compare RDMs of three ops with that of the second, which has to win."""
    import neurolens as nl

    model, inputs = build_network()
    stimuli = nl.load_stimuli(inputs.numpy())
    rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, quiet=True), metric="euclidean")
    scores = nl.compare_rdms(rdms, rdms[1].drop_vars("op"), n_bootstrap=0, n_splits=0)
    best = str(scores["score_mean"].idxmax("op").values.ravel()[0])
    highest = float(scores["score_mean"].max())
    wanted = str(rdms["op"].values[1])
    if best == wanted and abs(highest - 1) < 1e-9:
        yield Finding("comparison", OK, "RDMs of a small network: the known op is found")
    else:
        text = f"expected {wanted!r} with a score of 1, got {best!r} with {highest:.6g}"
        yield Finding("comparison", FAULT, text, ADVICE, needed=True)


def check_drawing() -> Iterator[Finding]:
    """Draw the graph of a small network with the own layout."""
    import neurolens as nl

    model, inputs = build_network()
    is_drawn = "<svg" in nl.draw_graph(nl.trace(model, inputs)).render_svg()
    told = "drawn by the own layout, which needs no program" if is_drawn else "no picture was made"
    yield Finding(
        "layout engine", OK if is_drawn else FAULT, told, "" if is_drawn else ADVICE, needed=True
    )


def build_network() -> tuple[Any, Any]:
    """Return a small network and its inputs (8, 6), the same in each run."""
    import torch
    from torch import nn

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.first = nn.Linear(6, 5)
            self.second = nn.Linear(5, 4)
            for parameter in self.parameters():
                parameter.data = torch.randn(parameter.shape, generator=generator)

        def forward(self, x: Any) -> Any:
            return self.second(torch.relu(self.first(x)))

    inputs = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    return Small().eval(), inputs
