"""What a dict of hooks by module name keeps of a block, beside every operation of it."""

import torch
from torch import nn

import neurolens as nl
from concept_figures.canvas import BLUE, FAINT, INK, ORANGE, open_figure, save_figure


class Block(nn.Module):
    """The block of docs/concepts/op.md: one ReLU, in place, used twice, and an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.conv2(y) + x).flatten(1)


def hook_modules(model: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what hooks on modules leave in a dict by module name."""
    kept: dict[str, torch.Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _, __, out, name=name: kept.__setitem__(name, out))
        for name, module in model.named_modules()
        if name
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return kept


def draw_operations() -> dict[str, float]:
    """Draw the figure, and return the smallest value of bn1 by who kept it."""
    torch.manual_seed(0)
    model = Block().eval()
    x = torch.randn(1, 3, 8, 8)
    trace = nl.trace(model, x)
    kept = hook_modules(model, x)
    found = {}
    for traced in trace:
        hooked = kept.get(traced.op.module)
        if hooked is None:
            found[traced.name] = "no module, no hook"
        elif hooked.shape == traced.value.shape and torch.equal(hooked, traced.value):
            found[traced.name] = "kept"
        elif traced.op.module_call < 2 and traced.op.module == "relu":
            found[traced.name] = "replaced by the second call"
        else:
            found[traced.name] = "overwritten in place"
    figure, (left, right) = open_figure(7.6, 2.9, [1.35, 1])
    left.set_axis_off()
    left.set_title("Every operation, and what hooks leave")
    left.set_xlim(0, 1)
    left.set_ylim(-len(found) + 0.3, 0.9)
    for i, (name, state) in enumerate(found.items()):
        good = state == "kept"
        left.plot(0.02, -i, "o", color=BLUE, markersize=6)
        if i:
            left.plot([0.02, 0.02], [-i + 0.82, -i + 0.18], color=FAINT, linewidth=1)
        left.text(0.07, -i, name, va="center", family="DejaVu Sans Mono", fontsize=8.5)
        left.text(0.5, -i, state, va="center", color=INK if good else ORANGE, fontsize=8.5)
    hooked, traced = (
        values.detach().flatten().numpy() for values in (kept["bn1"], trace["bn1"].value)
    )
    edges = [i / 4 for i in range(-8, 13)]
    right.hist(traced, edges, color=BLUE, alpha=0.85, label=f"trace, minimum {traced.min():.2f}")
    right.hist(
        hooked, edges, histtype="step", color=ORANGE, linewidth=1.8,
        label=f"hook, minimum {hooked.min():.2f}",
    )  # fmt: skip
    right.set_title("Values of bn1")
    right.set_xlabel("value")
    right.set_ylabel("number of values")
    right.legend(loc="center right", handlelength=1, fontsize=7.5)
    for name, state in found.items():
        print(f"{name:16} {state}")
    save_figure(figure, "op")
    return {"least in trace": float(traced.min()), "least in hook": float(hooked.min())}
