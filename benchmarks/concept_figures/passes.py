"""Two meanings of a pass: calls of a layer in one forward pass, and passes over the set."""

import numpy as np
import torch
from torch import nn

import neurolens as nl
from concept_figures.canvas import BLUE, FAINT, GRID, ORANGE, open_figure, save_figure

BUDGETS = ("256MiB", "96MiB", "48MiB")


class Recurrent(nn.Module):
    """The network of docs/concepts/pass.md: a cell that runs three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 8)
        self.cell = nn.Linear(8, 8)
        self.act = nn.Tanh()
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = self.stem(x)
        for _ in range(3):
            state = self.act(self.cell(state))
        return self.out(state)


def build_convolutions() -> nn.Module:
    """Return a feedforward network of nine operations, none of which runs twice."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AvgPool2d(16),
        nn.Flatten(),
    ).eval()  # fmt: skip


def draw_passes() -> dict[str, int]:
    """Draw the figure, and return the number of passes over the set by budget."""
    torch.manual_seed(0)
    graph = nl.trace(Recurrent().eval(), torch.randn(1, 6)).graph
    net = build_convolutions()
    noise = np.random.default_rng(0).normal(size=(200, 3, 32, 32)).astype(np.float32)
    stimuli = nl.load_stimuli(noise)
    figure, (left, right) = open_figure(7.6, 2.9, [1, 1.15])

    layers = [layer.name for layer in graph.layers]
    for op in graph.ops:
        row = layers.index(op.site)
        column = op.time_step or (0 if row == 0 else 4)
        left.plot(column, -row, "o", markersize=17, color=BLUE if op.time_step else FAINT)
        label = f"@{op.pass_number}" if op.pass_number > 1 else ""
        left.text(column, -row, label, color="white", ha="center", va="center", fontsize=7.5)
    left.set_title("One forward pass: calls")
    left.set_yticks([-i for i in range(len(layers))], layers)
    left.set_xticks([1, 2, 3])
    left.set_xlabel("time_step")
    left.set_xlim(-0.6, 4.6)
    left.set_ylim(-len(layers) + 0.4, 0.6)

    passes = {}
    for i, budget in enumerate(BUDGETS):
        forecast = nl.forecast(net, stimuli, memory=budget, batch_size=8)
        begins = [int(n) for n in forecast["gram_pass"]]
        passes[budget] = forecast.grams.passes
        for j, (name, first) in enumerate(zip(forecast.index, begins, strict=True)):
            text = f"{first}" if not forecast["alias_of"][name] else "="
            shade = BLUE if first % 2 else ORANGE
            right.barh(-i, 0.92, left=j + 0.04, height=0.6, color=shade if text != "=" else GRID)
            right.text(j + 0.5, -i, text, ha="center", va="center", fontsize=8,
                       color="white" if text != "=" else FAINT)  # fmt: skip
    right.set_title("Grams: passes over 200 stimuli")
    labels = [
        f"{budget}\n{passes[budget]} " + ("pass" if passes[budget] == 1 else "passes")
        for budget in BUDGETS
    ]
    right.set_yticks([-i for i in range(len(BUDGETS))], labels)
    right.set_xticks([j + 0.5 for j in range(9)], [name.split("/")[1] for name in forecast.index],
                     rotation=45, ha="right")  # fmt: skip
    right.tick_params(length=0)
    right.set_xlabel("number: pass in which it begins; =: a view")
    save_figure(figure, "pass")
    return passes
