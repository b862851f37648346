"""Models with loops and long skips, of full size, with random weights."""

import torch
from torch import nn

# Areas: channels, times that each runs.
_AREAS = ((64, 2), (128, 4), (256, 2), (512, 2))


class _Area(nn.Module):
    """An area that runs several times on its input and its own state, as in CORnet-S."""

    def __init__(self, n_in: int, n_out: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.enter = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.grow = nn.Conv2d(n_out, 4 * n_out, 1, bias=False)
        self.see = nn.Conv2d(4 * n_out, 4 * n_out, 3, padding=1, groups=4, bias=False)
        self.shrink = nn.Conv2d(4 * n_out, n_out, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(n_out) for _ in range(times)])
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the state after the last time."""
        state = self.enter(x)
        for norm in self.norms:
            rest = torch.relu(self.see(torch.relu(self.grow(state))))
            state = torch.relu(norm(self.shrink(rest)) + state)
        return self.pool(state)


class RecurrentNet(nn.Module):
    """A recurrent network of four areas, after CORnet-S (Kubilius et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 4, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        )
        widths = [64, *(channels for channels, _ in _AREAS)]
        self.areas = nn.Sequential(
            *(_Area(n_in, *area) for n_in, area in zip(widths, _AREAS, strict=False))
        )
        self.head = nn.Linear(512, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.areas(self.stem(x)).mean((2, 3)))


def _convolve_twice(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in (n_in, n_out):
        layers += [nn.Conv2d(n, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class SmallUNet(nn.Module):
    """A U-Net of five levels: what goes down is kept until it comes up (Ronneberger et al. 2015)."""

    def __init__(self, n_channels: int = 16, n_levels: int = 5) -> None:
        super().__init__()
        widths = [n_channels * 2**level for level in range(n_levels)]
        self.down = nn.ModuleList(
            [_convolve_twice(*pair) for pair in zip([3, *widths], widths, strict=False)]
        )
        self.rise = nn.ModuleList(
            [nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in reversed(widths[:-1])]
        )
        self.up = nn.ModuleList([_convolve_twice(2 * n, n) for n in reversed(widths[:-1])])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(n_channels, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a map of two classes."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for rise, block in zip(self.rise, self.up, strict=True):
            x = block(torch.cat([skips.pop(), rise(x)], 1))
        return self.head(x)
