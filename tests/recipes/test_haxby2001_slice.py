"""A half slice of Haxby et al.: voxels in nilearn's order, categories that can be told apart."""

import numpy as np
import pytest
from mirror import MIRROR, needs_mirror
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.svm import SVC

import neurolens as nl

pytestmark = needs_mirror("haxby2001_slice")


@pytest.fixture(scope="module")
def responses():
    return nl.load_dataset("haxby2001_slice").responses


def test_there_is_a_block_of_each_category_per_run(responses):
    assert dict(responses.sizes) == {"presentation": 96, "neuroid": 530}
    cells = list(zip(responses.stimulus_id.values, responses.run.values, strict=True))
    assert len(set(cells)) == 96
    assert set(responses.run.values) == set(range(12))
    assert abs(float(responses.mean())) < 1
    steps = np.diff(np.unique(responses.voxel_x)), np.diff(np.unique(responses.voxel_y))
    np.testing.assert_allclose([step.min() for step in steps], [3.1, 3.75], atol=1e-5)


def test_categories_are_decoded_from_other_runs_at_the_known_rate(responses):
    """Near .7, where chance is .125; with labels shuffled within runs, near chance."""
    values = nl.brain.standardize_responses(responses, by="run").values
    labels = responses.stimulus_id.values.astype(str)

    def decode(labels):
        scores = cross_val_score(
            SVC(kernel="linear"), values, labels, groups=responses.run.values, cv=LeaveOneGroupOut()
        )
        return scores.mean()

    assert 0.62 < decode(labels) < 0.78
    rng = np.random.default_rng(0)
    shuffled = labels.copy()
    for run in range(12):
        here = np.flatnonzero(responses.run.values == run)
        shuffled[here] = rng.permutation(labels[here])
    assert decode(shuffled) < 0.25


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_voxels_and_blocks_are_as_nilearn_has_them(responses):
    """Voxels in the order of NiftiMasker; blocks averaged from its series with other code."""
    import pandas as pd
    from nilearn.maskers import NiftiMasker

    folder = MIRROR / "haxby2001_slice"
    masker = NiftiMasker(folder / "mask.nii.gz", standardize=False)
    series = masker.fit_transform(folder / "bold.nii.gz")  # (time, voxel)
    index = np.argwhere(masker.mask_img_.get_fdata() > 0)
    own = np.stack([responses[f"index_{axis}"].values for axis in "ijk"], axis=1)
    np.testing.assert_array_equal(own, index)
    table = pd.read_csv(folder / "attributes_literal.txt", sep=r"\s+", names=["name", "run"])
    inside = (table.run == 4).to_numpy()
    time = np.arange(inside.sum())
    lines = np.polynomial.polynomial.polyfit(time, series[inside].astype(float), 1)
    trend = np.outer(time - time.mean(), lines[1])
    level = series[inside] - trend
    names = table.name.to_numpy()[inside]
    late = np.concatenate([["rest", "rest"], names[:-2]])
    expected = 100 * (level[late == "face"].mean(axis=0) / level[names == "rest"].mean(axis=0) - 1)
    found = responses.values[(responses.run == 4) & (responses.stimulus_id == "face")][0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_categories_differ(responses):
    """Crossnobis is 0 on average without a difference, as with shuffled labels.

    With the real labels it is not.
    """
    pairs = np.triu_indices(8, 1)
    options = {"metric": "crossnobis", "runs": "run"}
    rdm = nl.compute_rdms(responses, **options)
    assert rdm.values[0, 0][pairs].min() > 0
    rng = np.random.default_rng(0)
    shuffled = responses.copy(deep=True)
    for run in range(12):
        here = np.flatnonzero(responses.run.values == run)
        shuffled["stimulus_id"].values[here] = responses.stimulus_id.values[rng.permutation(here)]
    by_chance = nl.compute_rdms(shuffled, **options).values[0, 0][pairs]
    assert abs(by_chance.mean()) < 0.2 * rdm.values[0, 0][pairs].mean()


def test_a_map_of_them_is_written_where_the_voxels_are(responses, tmp_path):
    values = responses.isel(presentation=0, drop=True)
    path = nl.brain.write_map(values, tmp_path / "map.nii", like=responses)
    read = nl.brain.read_map(path, like=responses)
    np.testing.assert_allclose(read.values.ravel(), values.values, atol=1e-5)
