"""Names of axes, followed through attention, windows and other operations that move axes."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import neurolens as nl
from neurolens.extract.stream.layouts.finding import find_layouts


def name_all(model, shape=(3, 4, 8, 8)):
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    with torch.no_grad():
        found = find_layouts(model.eval(), x[:-1], x)
    return {layout.name: layout.dims for layout in found.by_name.values()}


class Wrap(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.flatten(2).transpose(1, 2), ("token", "channel")),
        (lambda x: x.permute(0, 2, 3, 1).reshape(-1, 64, 4), ("token", "channel")),
        (lambda x: x.flatten(1), ("feature",)),
        (lambda x: x.flatten(2), ("channel", "token")),
        (lambda x: x.flatten(0, 1).reshape(-1, 4, 8, 8), ("channel", "y", "x")),
        (
            lambda x: x.reshape(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1),
            ("window", "window_2", "y", "x", "channel"),
        ),
        (
            lambda x: x.reshape(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 4),
            ("window", "token", "channel"),
        ),
        (
            lambda x: x.reshape(-1, 2, 2, 8, 8).transpose(1, 2).reshape(-1, 4, 8, 8),
            ("channel", "y", "x"),
        ),
        (lambda x: x.reshape(-1, 2, 2, 8, 8), ("group", "channel", "y", "x")),
        (lambda x: x.reshape(-1, 4, 4, 16), ("channel", "window", "token")),
        (lambda x: x.movedim(1, -1), ("y", "x", "channel")),
        (lambda x: x.mean((2, 3)), ("feature",)),
        (lambda x: x.mean(dim=1), ("y", "x")),
        (lambda x: x.std(-1, correction=1), ("channel", "y")),
        (lambda x: x.mean((1, 2, 3)).t(), ()),
        (lambda x: x.mean(-1, keepdim=True), ("channel", "y", "x")),
        (lambda x: x[:, 1:3, ..., 2], ("channel", "y")),
        (lambda x: x[:, None, :, 0], ("dim_1", "channel", "x")),
        (lambda x: x.roll(2, 3) * 2 + 1, ("channel", "y", "x")),
        (lambda x: torch.cat([x, x], 2), ("channel", "y", "x")),
        (lambda x: nn.functional.pad(x, (1, 1)), ("channel", "y", "x")),
        (lambda x: torch.einsum("bchw,bcij->bhwij", x, x), ("y", "x", "key", "key_2")),
        (lambda x: torch.einsum("b c h w -> b w c", x), ("x", "channel")),
        (lambda x: x.flatten(2) @ x.flatten(2).mT, ("channel", "channel_2")),
        (lambda x: x.flatten(2).mT @ x.flatten(2), ("token", "key")),
        (lambda x: x @ torch.ones(8, 5), ("channel", "y", "feature")),
        (lambda x: x.reshape(-1, 2, 128), ("group", "feature")),
        (
            lambda x: nn.functional.linear(x.mT.movedim(1, 3), torch.ones(6, 4)),
            ("x", "y", "channel"),
        ),
    ],
)
def test_axes_keep_their_names(function, expected):
    dims = list(name_all(Wrap(function)).values())[-1]
    assert dims == expected


def test_where_names_cannot_be_told_none_are_made_up():
    sliding = name_all(Wrap(lambda x: x.flatten(2).unfold(2, 5, 5)))
    assert list(sliding.values())[-1] == ("dim_1", "dim_2", "dim_3")
    # 4 channels of 8 rows cannot be divided into threes
    assert list(name_all(Wrap(lambda x: x[..., :6].reshape(-1, 3, 64))).values())[-1] == (
        "dim_1",
        "dim_2",
    )
    mixed = [
        lambda x: torch.tensordot(x, torch.ones(4, 8), ([1], [0])),
        lambda x: torch.cdist(x.flatten(2), x.flatten(2)),
        lambda x: x.as_strided((len(x), 4, 8, 8), (256, 64, 1, 8)),
        lambda x: nn.functional.unfold(x, 2),
        lambda x: torch.fft.rfft(x).abs(),
    ]
    for function in mixed:
        assert set(list(name_all(Wrap(function)).values())[-1]) <= {"dim_1", "dim_2", "dim_3"}


def test_a_convolution_says_what_it_gives_whatever_it_was_given():
    weight = torch.ones(5, 3, 3, 3)
    for function in (
        lambda x: nn.functional.conv2d(x[:, [2, 1, 0]], weight),
        lambda x: nn.functional.conv2d(torch.stack(x.unbind(1), 1)[:, :3], weight).relu(),
        lambda x: nn.functional.conv2d(
            nn.functional.fold(nn.functional.unfold(x, 2), 8, 2)[:, :3], weight
        ),
    ):
        assert list(name_all(Wrap(function)).values())[-1] == ("channel", "y", "x")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: torch.ones(10, 6) @ x, ("feature", "x")),
        (lambda x: torch.bmm(torch.ones(10, 6).expand(len(x), -1, -1), x), ("feature", "x")),
        (lambda x: torch.einsum("bct,dc->bdt", x, torch.ones(10, 6)), ("feature", "x")),
        (lambda x: x[:, [0, 2]], ("channel", "x")),
        (lambda x: x[:, torch.tensor([0, 2, 3])], ("channel", "x")),
        (lambda x: torch.movedim(x, destination=1, source=2), ("x", "channel")),
        (lambda x: x.transpose(1, np.int64(2)), ("x", "channel")),
        (lambda x: x.mH, ("x", "channel")),
        (lambda x: x.unflatten(2, (2, 4)).mean(axis=2), ("channel", "x")),
        (lambda x: x.unflatten(2, (2, 4)).norm(dim=1), ("window", "x")),
        (lambda x: x.unflatten(2, (2, 4)).unbind(3)[0], ("channel", "window")),
        (lambda x: x.unflatten(2, (2, 4)).select(1, 0), ("window", "x")),
        (lambda x: x.unflatten(2, (2, 4)).nanmean(3), ("channel", "window")),
        (lambda x: x.unflatten(2, (2, 4)) @ torch.ones(4), ("channel", "window")),
        (lambda x: torch.stack([x, x], -1).flatten(2), ("dim_1", "dim_2")),
    ],
)
def test_products_and_picks_of_a_signal(function, expected):
    conv = nn.Conv1d(4, 6, 1)
    dims = list(name_all(Wrap(lambda x: function(conv(x))), (3, 4, 8)).values())[-1]
    assert dims == expected


def test_heads_are_not_taken_for_tokens():
    block = nn.Linear(8, 8)  # of (token, feature)
    for function in (
        lambda x: block(x).reshape(-1, 5, 2, 4).reshape(-1, 10, 4),
        lambda x: block(x).reshape(-1, 5, 2, 4).transpose(1, 2).reshape(-1, 10, 4),
    ):
        assert list(name_all(Wrap(function), (3, 5, 8)).values())[-1] == ("feature", "feature_2")
    norm = nn.BatchNorm1d(5)
    assert list(name_all(Wrap(lambda x: norm(block(x))), (3, 5, 8)).values())[-1] == (
        "token",
        "feature",
    )


def test_attention_knows_heads_from_tokens():
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    dims = name_all(Wrap(lambda x: block(x.flatten(2).mT @ torch.ones(4, 8))))
    attention = next(v for k, v in dims.items() if k.endswith("scaled_dot_product_attention"))
    assert attention == ("group", "token", "feature")
    assert list(dims.values())[-1] == ("token", "feature")
    weights = nn.MultiheadAttention(8, 2, batch_first=True)
    dims = name_all(
        Wrap(
            lambda x: weights(
                *[x.flatten(2).mT @ torch.ones(4, 8)] * 3, average_attn_weights=False
            )[1]
        )
    )
    assert next(v for k, v in dims.items() if "softmax" in k)[-2:] == ("token", "key")


def test_frames_that_pass_one_by_one():
    conv = nn.Conv2d(4, 5, 3)
    dims = name_all(Wrap(lambda x: conv(x.flatten(0, 1)).unflatten(0, (-1, 2))), (3, 2, 4, 8, 8))
    assert set(dims.values()) == {("dim_1", "channel", "y", "x")}


def test_the_mean_of_windows_is_that_of_the_picture(rng):
    torch.manual_seed(0)
    swin = torchvision.models.swin_transformer.SwinTransformer(
        [4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=3
    )
    images = nl.load_stimuli(rng.standard_normal((5, 3, 64, 64)).astype(np.float32))
    found = nl.forecast(swin, images, reducer="mean")
    assert max(np.prod(shape) for shape in found.kept_shape) <= 4 * 16 * 4
    before, windows = "features.1.0.norm1/layer_norm", "features.1.0.attn/reshape"
    acts = nl.extract_activations(swin, images, ops=[before, windows], reducer="mean", quiet=True)
    np.testing.assert_allclose(acts[windows]["activation"], acts[before]["activation"], atol=1e-6)
    whole = nl.extract_activations(swin, images, ops=windows, quiet=True)[windows]["activation"]
    assert whole.dims == ("stimulus", "window", "token", "channel")
