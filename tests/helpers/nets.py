"""Small models, one behaviour each, with the parents that their ops must have."""

import torch
from torch import nn
from torch import sin as bound_before
from torch.nn import functional as F


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))


class InPlace(nn.Module):
    """A value kept before in-place changes must stay what it was."""

    def forward(self, x):
        y = x * 2
        y.relu_()
        y += 1
        y[0] = 7
        return y


class SliceWrite(nn.Module):
    """Writing into a slice changes the base that is read afterwards."""

    def forward(self, x):
        y = x + 0
        part = y[:, :2]
        part.mul_(3)
        return y.sum() + part.sum()


class Reused(nn.Module):
    """One module called twice, one line run three times, two lines with the same function."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.fc(x))
        x = self.relu(self.fc(x))
        for _ in range(3):
            x = torch.tanh(x)
        a = x.exp()
        b = x.exp()
        return a + b


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x + 1
        return x - 1


class MultiOutput(nn.Module):
    def forward(self, x):
        a, b = x.split(2, dim=1)
        values, _ = x.max(dim=1)
        return {"product": a * b, "values": values}


class Noisy(nn.Module):
    def forward(self, x):
        return F.dropout(x + torch.rand_like(x), 0.5, training=True)


class Bound(nn.Module):
    def forward(self, x):
        return bound_before(x)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        return self.layer(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x):
        return self.lstm(x)[0][:, -1]


class MadeOutside(nn.Module):
    """A tensor held by the model but registered nowhere."""

    def __init__(self):
        super().__init__()
        self.scale = [torch.tensor(3.0)]

    def forward(self, x):
        return x * self.scale[0]


class Raises(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(5, 2)

    def forward(self, x):
        return self.inner(x.cos())


class Complains(nn.Module):
    def forward(self, x):
        x.cos()
        raise KeyError("nothing here")


class BatchNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.bn(x)


class Operators(nn.Module):
    def forward(self, x):
        return (2 - x) ** 2 / (1 + x.T.T) @ x.mT


class Windows(nn.Module):
    """Puts windows and stimuli into one axis, and tokens before stimuli, as attention layers do."""

    def forward(self, x):
        n = x.shape[0]
        windows = x.reshape(n * 4, 2)
        tokens_first = x.reshape(n, 4, 2).transpose(0, 1).contiguous()
        interleaved = tokens_first.reshape(4 * n, 2)
        similarity = x @ x.T
        bias = torch.ones(3) * 2
        return windows.sum() + interleaved.sum() + similarity.sum() + bias.sum()


# name -> (model, shape of the input)
NETS = {
    "chain": (Chain, (2, 3, 6, 6)),
    "in-place": (InPlace, (3, 4)),
    "slice-write": (SliceWrite, (3, 4)),
    "reused": (Reused, (3, 4)),
    "multi-output": (MultiOutput, (3, 4)),
    "noisy": (Noisy, (3, 4)),
    "bound-before": (Bound, (3, 4)),
    "attention": (Attention, (2, 3, 8)),
    "recurrent": (Recurrent, (2, 3, 4)),
    "made-outside": (MadeOutside, (3, 4)),
    "batch-norm": (BatchNormed, (2, 3, 4, 4)),
    "operators": (Operators, (4, 4)),
}


def make_net(name):
    """Return a seeded model in evaluation mode and an input."""
    build, shape = NETS[name]
    torch.manual_seed(0)
    return build().eval(), torch.randn(shape)
