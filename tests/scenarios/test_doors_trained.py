"""Trained networks that come with packages: recorded whole, as another library has them."""

import os

import numpy as np
import pytest
import torch
import trained_models

import neurolens as nl

MIRROR = os.environ.get("NEUROLENS_MIRROR")
N_OPS = {0: 161, 1: 211}
SIDES = {0: 224, 1: 240}
NAMES = {number: f"timm/tf_efficientnet_lite{number}.in1k" for number in N_OPS}


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: small inputs on several threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", N_OPS)
def test_every_op_is_verified(number):
    model = trained_models.build_lite(number)
    torch.manual_seed(1)
    picture = torch.randn(1, 3, 96, 96)
    verdict = nl.validate(model, picture)
    assert repr(verdict) == f"verified: {N_OPS[number]} of {N_OPS[number]} ops replayed bit for bit"


@pytest.mark.slow
@pytest.mark.parametrize("number", N_OPS)
def test_the_same_weights_in_two_libraries(number, tmp_path, rng):
    """Weights in a file, with timm's network and preprocessing, give what the package's own do."""
    path = trained_models.rename_for_timm(number, tmp_path)
    loaded = nl.load_model(NAMES[number], weights=path)
    pixels = rng.integers(0, 255, (2, 300, 250, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli(pixels, model=loaded)
    assert stimuli["stim000"].shape == (3, SIDES[number], SIDES[number])
    acts = nl.extract_activations(loaded, stimuli, ops="classifier", quiet=True)
    own = trained_models.build_lite(number)
    with torch.no_grad():
        expected = own(torch.stack([stimuli[name] for name in stimuli.ids]))
    np.testing.assert_allclose(acts["classifier/linear"].activation, expected, atol=1e-5)
    assert loaded.identity.weights == str(path)
    assert loaded.identity.preprocessing == f"timm's data config of {NAMES[number][5:]}"


@pytest.mark.slow
@pytest.mark.skipif(
    not MIRROR, reason="the 92 photographs are not here: set NEUROLENS_MIRROR to a folder of them"
)
def test_trained_weights_are_closer_to_human_cortex_than_random_ones(tmp_path):
    """A late op of a trained network beside human IT, on half of the photographs."""
    op = "blocks.4.2.bn1"
    brain = nl.load_dataset("kriegeskorte2008", quiet=True)
    ids = list(brain.stimuli.ids)[::2]
    part = brain.rdms.sel(region=["IT"], stimulus=ids, stimulus_2=ids)
    human = part.dropna("subject", how="all")
    path = trained_models.rename_for_timm(0, tmp_path)
    scores = {}
    for label, weights in (("trained", path), ("random", None)):
        model = nl.load_model(NAMES[0], weights=weights)
        stimuli = brain.stimuli.select(ids).use_transform(model.transform)
        rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, ops=op, quiet=True))
        found = nl.compare_rdms(rdms, human, n_bootstrap=0, n_splits=0)
        scores[label] = found.score_mean.max().item()
    assert scores["trained"] > 0.15
    assert abs(scores["random"]) < 0.1
