"""From features to a Gram to an RDM, and the bytes that each takes."""

import numpy as np
import torch
from torch import nn

import neurolens as nl
from concept_figures.canvas import BLUE, INK, ORANGE, open_figure, save_figure

N_STIMULI = 36
SIDES = (100, 300, 1_000, 3_000, 10_000, 30_000)


def draw_products() -> dict[str, float]:
    """Draw the figure, and return the difference of both RDMs and the gigabytes of 1,000 stimuli."""
    rng = np.random.default_rng(0)
    # Four categories of nine stimuli that share a pattern.
    patterns = np.repeat(rng.normal(size=(4, 3, 16, 16)), 9, axis=0)
    images = (patterns + rng.normal(size=patterns.shape)).astype(np.float32)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten()).eval()
    stimuli = nl.load_stimuli(images)
    grams = nl.extract_grams(net, stimuli, quiet=True)
    activations = nl.extract_activations(net, stimuli, quiet=True)
    op = "1/relu"
    features = activations[op]["activation"].values.reshape(N_STIMULI, -1)
    from_grams = nl.compute_rdms(grams).sel(op=op).values
    from_features = 1 - np.corrcoef(features.astype(np.float64))
    difference = np.abs(from_grams - from_features).max()

    figure, (first, second, third, fourth) = open_figure(8.6, 2.75, [1.5, 1, 1, 1.5])
    first.imshow(features[:, :72], cmap="Blues", aspect="auto", interpolation="nearest")
    first.set_title("Features A")
    first.set_xlabel(f"72 of {features.shape[1]:,} features")
    first.set_ylabel(f"{N_STIMULI} stimuli")
    gram = grams.gram.sel(op=op).values
    second.imshow(gram, cmap="Blues", interpolation="nearest")
    second.set_title("Gram A A'")
    second.set_xlabel(f"{N_STIMULI} × {N_STIMULI}")
    third.imshow(from_grams, cmap="Oranges", interpolation="nearest")
    third.set_title("RDM")
    third.set_xlabel(f"from features, the\nsame to {difference:.0e}")
    for axes in (first, second, third):
        axes.set_xticks([])
        axes.set_yticks([])
    n_features = 802_816  # of one stimulus: the first convolution of ResNet-50 at 224 pixels
    kept = np.array([4 * n * n_features for n in SIDES]) / 1e9
    products = np.array([8 * n * n for n in SIDES]) / 1e9
    fourth.loglog(SIDES, kept, "o-", color=ORANGE, markersize=4)
    fourth.loglog(SIDES, products, "o-", color=BLUE, markersize=4)
    fourth.text(SIDES[0], kept[0] * 22, "features, float32", color=ORANGE)
    fourth.text(SIDES[2] * 1.25, products[2] * 0.28, "Gram, float64", color=BLUE)
    fourth.set_title("802,816 features: gigabytes")
    fourth.set_xlabel("stimuli")
    fourth.tick_params(which="both", color=INK)
    fourth.set_ylim(1e-5, 1e3)
    save_figure(figure, "gram")
    where = SIDES.index(1_000)
    return {
        "largest difference of RDMs": float(f"{difference:.0e}"),
        "GB of features": float(kept[where]),
        "GB of a Gram": float(products[where]),
    }
