"""Networks and graphs for the tests of what a picture of a graph shows."""

import torch
from graphs import GraphBuilder
from hypothesis import strategies as st
from torch import nn

from neurolens import trace
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.steps import number_steps


class Area(nn.Module):
    """Adds what it made in the step before, from the second step on."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.rec = nn.Conv2d(2, 2, 1)
        self.relu = nn.ReLU()

    def forward(self, x, before):
        y = self.conv(x)
        if before is not None:
            y = y + self.rec(before)
        return self.relu(y)


class Recurrent(nn.Module):
    """Like CORnet: two areas with recurrence, unrolled over four steps."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 1)
        self.V1 = Area()
        self.V2 = Area()
        self.fc = nn.Linear(2, 3)

    def forward(self, x):
        x = self.stem(x)
        one = two = None
        for _ in range(4):
            one = self.V1(x, one)
            two = self.V2(one, two)
        return self.fc(two.mean((2, 3)))


class LSTM(nn.Module):
    """An LSTM cell over three time points."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(4, 5)
        self.fc = nn.Linear(5, 2)

    def forward(self, x):
        state = (x.new_zeros(len(x), 5), x.new_zeros(len(x), 5))
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.fc(state[0])


class Gated(nn.Module):
    """Takes one of two paths, and multiplies by a number that Python read."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 1)
        self.yes = nn.Linear(4, 4)
        self.no = nn.Linear(4, 4)

    def forward(self, x):
        x = self.yes(x) if self.gate(x).mean() > 1e6 else self.no(x)
        return x * x.norm().item()


class Double(nn.Sequential):
    """Two convolutions."""

    def __init__(self, n_in, n_out):
        super().__init__(
            nn.Conv2d(n_in, n_out, 1), nn.ReLU(), nn.Conv2d(n_out, n_out, 1), nn.ReLU()
        )


class UNet(nn.Module):
    """Its two paths are ModuleLists, which are never called."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([Double(3, 4), Double(4, 4), Double(4, 4)])
        self.pool = nn.MaxPool2d(2)
        self.middle = Double(4, 4)
        self.up = nn.ModuleList([Double(8, 4), Double(8, 4), Double(8, 4)])

    def forward(self, x):
        kept = []
        for part in self.down:
            x = part(x)
            kept.append(x)
            x = self.pool(x)
        x = self.middle(x)
        for part in self.up:
            x = nn.functional.interpolate(x, scale_factor=2)
            x = part(torch.cat([kept.pop(), x], 1))
        return x


class Shared(nn.Module):
    """Calls one block three times; wrapped so that there is a module around everything."""

    def __init__(self):
        super().__init__()
        self.net = nn.Module()
        self.net.block = Double(3, 3)
        self.net.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        for _ in range(3):
            x = self.net.block(x)
        return self.net.norm(x)


IMAGE = torch.zeros(1, 3, 16, 16)
NETS = {
    "recurrent": (Recurrent, IMAGE),
    "lstm": (LSTM, torch.zeros(1, 3, 4)),
    "gated": (Gated, torch.ones(1, 4)),
    "unet": (UNet, IMAGE),
    "shared": (Shared, IMAGE),
}


def trace_net(name: str):
    """Return the trace of a small network of this file."""
    build, inputs = NETS[name]
    torch.manual_seed(0)
    return trace(build().eval(), inputs)


def trace_torchvision(name: str, side: int = 64):
    """Return the trace of a torchvision classifier with random weights."""
    import torchvision

    model = getattr(torchvision.models, name)(weights=None)
    return trace(model.eval(), torch.zeros(1, 3, side, side))


def build_dense(n_layers: int = 8) -> Graph:
    """Return a graph like a DenseNet of one block: each layer reads all before it."""
    b = GraphBuilder()
    made = [b.add("stem.conv", "conv2d"), b.add("stem.relu", "relu")][1:]
    for i in range(n_layers):
        b.add(f"block.layer{i}", "cat", list(made))
        b.add(f"block.layer{i}.conv", "conv2d")
        made.append(b.add(f"block.layer{i}.relu", "relu"))
    b.add("block", "cat", list(made))
    b.add("head", "linear")
    return b.build()


ADDRESSES = ["", "a", "a.b", "a.b.c", "a.d", "e", "e.f", "e.f.g", "a.b.c.h"]


@st.composite
def draw_graphs(draw) -> Graph:
    """Draw graphs of any nesting of modules, any reads, repeated places, several outputs."""
    b = GraphBuilder()
    names: list[str] = []
    n = draw(st.integers(1, 25))
    for _ in range(n):
        address = draw(st.sampled_from(ADDRESSES))
        function = draw(st.sampled_from(["conv2d", "relu", "add"]))
        sources = st.sampled_from([*names, "input", "mask"])
        parents = draw(st.lists(sources, max_size=3, unique=True))
        names.append(b.add(address, function, parents))
    outputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    b.ops = list(number_steps(b.ops))
    return b.build(outputs)
