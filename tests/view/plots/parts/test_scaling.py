"""Points of multidimensional scaling have the distances that were asked for, as near as can be."""

import numpy as np
import pytest

from neurolens.view.plots.parts.scaling import (
    measure_distances,
    scale_classically,
    scale_points,
)


def test_points_in_a_plane_are_found_again_without_stress(rng):
    distances = measure_distances(rng.normal(size=(12, 2)))
    for points in (scale_classically(distances), scale_points(distances).points):
        np.testing.assert_allclose(measure_distances(points), distances, atol=1e-7)
    assert scale_points(distances).stress < 1e-7


def test_stress_is_that_of_scikit_learn_from_the_same_start(rng):
    manifold = pytest.importorskip("sklearn.manifold")
    distances = measure_distances(rng.normal(size=(15, 6)))
    scaled = scale_points(distances)
    _, raw = manifold.smacof(
        distances, init=scale_classically(distances), n_init=1, max_iter=3000, eps=1e-12,
        normalized_stress=False,
    )  # fmt: skip
    found = measure_distances(scaled.points)
    ours = ((found - distances) ** 2).sum() / 2
    assert ours == pytest.approx(raw, rel=1e-3)
    upper = np.triu_indices(15, 1)
    kruskal = np.sqrt(((found - distances)[upper] ** 2).sum() / (found[upper] ** 2).sum())
    assert scaled.stress == pytest.approx(kruskal)


def test_equal_points_stand_in_one_place():
    scaled = scale_points(np.zeros((4, 4)))
    assert not scaled.points.any()
    assert scaled.stress == 0
