"""Values of one stimulus in other batches: an ordinary operation, and one that mixes the batch."""

import numpy as np
import torch
from torch import nn

import neurolens as nl
from concept_figures.canvas import BLUE, GREEN, ORANGE, open_figure, save_figure

N_COMPANIES = 12


class Mixing(nn.Module):
    """The network of docs/concepts/per_stimulus.md: normalized by statistics of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.conv(x)))


def draw_company() -> dict[str, float]:
    """Draw the figure, and return by operation how far a unit moves between batches."""
    torch.manual_seed(0)
    net = Mixing().eval()
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 3, 8, 8)).astype(np.float32)
    images *= rng.uniform(0.3, 2, size=(64, 1, 1, 1)).astype(np.float32)
    units = {"conv": [], "norm": []}
    for _ in range(N_COMPANIES):
        others = rng.choice(np.arange(1, 64), size=7, replace=False)
        stimuli = nl.load_stimuli(images[[0, *others]], ids=["s0", *(f"s{j}" for j in others)])
        found = nl.extract_activations(net, stimuli, batch_size=8, batch_dependent=True, quiet=True)
        for op, values in units.items():
            node = found[f"{op}/{'conv2d' if op == 'conv' else 'batch_norm'}"]["activation"]
            values.append(node.sel(stimulus="s0").values.reshape(-1)[:3])
    spread = {op: np.ptp(np.array(values), axis=0).max() for op, values in units.items()}
    kept = nl.extract_activations(net, nl.load_stimuli(images), quiet=True)

    figure, (left, right) = open_figure(7.4, 2.9, [1, 1])
    titles = {"conv": "conv/conv2d: kept", "norm": "norm/batch_norm: left out"}
    for axes, (op, values) in zip((left, right), units.items(), strict=True):
        for unit, color in enumerate((BLUE, ORANGE, GREEN)):
            heights = [row[unit] for row in values]
            axes.plot(range(1, N_COMPANIES + 1), heights, "o-", color=color, markersize=4,
                      linewidth=1, label=f"unit {unit}")  # fmt: skip
        axes.set_title(titles[op])
        axes.set_xlabel("batch of 8 in which stimulus s0 stands")
        axes.set_xticks(range(1, N_COMPANIES + 1))
    left.set_ylabel("value for stimulus s0")
    right.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.02))
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.2 * (high - low))
    assert [str(op) for op in kept.attrs["ops"]] == ["conv/conv2d"]  # as the titles say
    save_figure(figure, "per_stimulus")
    return {op: float(value) for op, value in spread.items()}
