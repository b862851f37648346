"""Small networks of kinds that torchvision has not: recurrent, with branches, U-shaped."""

import torch
from torch import nn


class Area(nn.Module):
    """An area of a recurrent network in the manner of CORnet (Kubilius et al., 2018)."""

    def __init__(self, n_in: int, n_out: int, times: int, stride: int = 2):
        super().__init__()
        self.times = times
        self.conv_in = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1)
        self.conv = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.norm = nn.GroupNorm(4, n_out)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        state = torch.zeros_like(x)
        for _ in range(self.times):
            state = self.relu(self.norm(self.conv(x + state)))
        return state


class RecurrentNet(nn.Module):
    """Four areas, of which V2 and IT run twice and V4 four times."""

    def __init__(self):
        super().__init__()
        self.V1 = Area(3, 16, 1, stride=4)
        self.V2 = Area(16, 32, 2)
        self.V4 = Area(32, 64, 4)
        self.IT = Area(64, 128, 2)
        self.decoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.IT(self.V4(self.V2(self.V1(x)))))


class BranchingNet(nn.Module):
    """A network that takes a deep or a shallow path, by the mean of what it sees, and adds noise."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU())
        self.shallow = nn.Conv2d(16, 16, 3, padding=1)
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 1))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.deep(x) if x.mean() > 0.05 else self.shallow(x)
        noise = torch.randn_like(x)
        x = torch.relu(x + 0.1 * noise)
        return self.head(x.mean((-2, -1)))


class Double(nn.Sequential):
    """Two convolutions with their activations."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__(
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """An encoder and a decoder with skips between their levels (Ronneberger et al., 2015)."""

    def __init__(self, width: int = 16, depth: int = 3):
        super().__init__()
        sizes = [width * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList()
        for n_in, n_out in zip([3, *sizes[:-2]], sizes[:-1], strict=True):
            self.down.append(Double(n_in, n_out))
        self.pool = nn.MaxPool2d(2)
        self.bottom = Double(sizes[-2], sizes[-1])
        self.up = nn.ModuleList()
        self.decode = nn.ModuleList()
        for n_in, n_out in zip(sizes[:0:-1], sizes[-2::-1], strict=True):
            self.up.append(nn.ConvTranspose2d(n_in, n_out, 2, stride=2))
            self.decode.append(Double(2 * n_out, n_out))
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, block in zip(self.up, self.decode, strict=True):
            x = block(torch.cat([up(x), skips.pop()], 1))
        return self.last(x)


class SequenceNet(nn.Module):
    """An LSTM cell over the rows of a picture."""

    def __init__(self, n_steps: int = 6):
        super().__init__()
        self.n_steps = n_steps
        self.cell = nn.LSTMCell(3 * 64, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x[:, :, : self.n_steps, :64].permute(2, 0, 1, 3).flatten(2)
        state = None
        for row in rows:
            state = self.cell(row, state)
        return self.head(state[0])
