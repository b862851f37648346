"""CIFTI: vertices and voxels, and labels that are matched by structure and vertex."""

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import cifti2_axes as axes
from surface_files import (
    AFFINE,
    LEFT,
    N_LEFT,
    N_RIGHT,
    RIGHT,
    build_axis,
    save_cifti,
    save_gifti,
    save_labels,
    save_scalars,
    save_series,
)

import neurolens as nl
from neurolens.brain import estimate_responses
from neurolens.brain.images import cifti
from neurolens.errors import DataError, InputError, LabelError

IDS = list("abcdef")
N_PLACES = len(LEFT) + len(RIGHT) + 8


@pytest.fixture
def values(rng):
    return rng.standard_normal((6, N_PLACES)).astype(np.float32)


@pytest.fixture
def path(values, tmp_path):
    return save_scalars(tmp_path / "sub-04_betas.dscalar.nii", values, build_axis())


def test_vertices_and_voxels(path, values):
    found = nl.read_responses(path, events=IDS)
    np.testing.assert_array_equal(found, values)
    n_vertices = len(LEFT) + len(RIGHT)
    assert found.vertex.values.tolist() == [*LEFT, *RIGHT, *[-1] * 8]
    assert found.structure.values[[0, 8, -1]].tolist() == [
        "CORTEX_LEFT",
        "CORTEX_RIGHT",
        "THALAMUS_LEFT",
    ]
    assert found.hemisphere.values[[0, 8, -1]].tolist() == ["left", "right", "left"]
    index = np.stack([found[f"index_{k}"].values for k in "ijk"], axis=1)
    assert (index[:n_vertices] == -1).all()
    assert index[n_vertices].tolist() == [1, 2, 1]
    place = np.stack([found[f"voxel_{k}"].values for k in "xyz"], axis=1)
    assert np.isnan(place[:n_vertices]).all()
    np.testing.assert_allclose(
        place[n_vertices:], nibabel.affines.apply_affine(AFFINE, index[n_vertices:])
    )
    assert found.neuroid_id.values[-1] == "2-3-2"
    assert set(found.subject.values) == {"04"}


def test_blocks_of_maps_do_not_change_numbers(path, values, monkeypatch):
    monkeypatch.setattr(cifti, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(nl.read_responses(path, events=IDS), values)


def test_labels_with_names_are_matched_by_vertex(path, values, tmp_path):
    """Labels of the cortex alone, as of Glasser: the voxels below it are in no region."""
    numbers = np.arange(len(LEFT) + len(RIGHT)) % 3
    names = {0: "???", 1: "L_V1_ROI", 2: "R_V2_ROI"}
    labels = save_labels(tmp_path / "a.dlabel.nii", numbers, names, build_axis(volume=False))
    found = nl.read_responses(path, events=IDS, regions=labels)
    inside = np.flatnonzero(numbers)
    np.testing.assert_array_equal(found, values[:, inside])
    assert found.region.values.tolist() == [names[k] for k in numbers[inside]]
    # The same labels on whole surfaces, in GIFTI.
    whole = {"left": np.zeros(N_LEFT), "right": np.zeros(N_RIGHT)}
    whole["left"][LEFT] = numbers[: len(LEFT)]
    whole["right"][RIGHT] = numbers[len(LEFT) :]
    files = [
        save_gifti(tmp_path / f"{side}.label.gii", one, side, names) for side, one in whole.items()
    ]
    again = nl.read_responses(path, events=IDS, regions=files)
    assert again.identical(found)


def test_labels_of_cifti_on_data_of_gifti(rng, tmp_path):
    numbers = np.ones(len(LEFT) + len(RIGHT))
    labels = save_labels(tmp_path / "a.dlabel.nii", numbers, {1: "cortex"}, build_axis(False))
    maps = rng.standard_normal((6, N_LEFT)).astype(np.float32)
    surface = save_gifti(tmp_path / "lh.func.gii", maps, "left")
    found = nl.read_responses(surface, events=IDS, regions=labels)
    assert found.vertex.values.tolist() == LEFT.tolist()
    np.testing.assert_array_equal(found, maps[:, LEFT])


def test_masks(path, values, tmp_path):
    mask = np.zeros(N_PLACES)
    mask[[0, 9, 20]] = 1
    file = save_scalars(tmp_path / "mask.dscalar.nii", mask[None], build_axis())
    found = nl.read_responses(path, events=IDS, mask=file)
    np.testing.assert_array_equal(found, values[:, mask > 0])
    np.testing.assert_array_equal(nl.read_responses(path, events=IDS, mask=mask), found)
    two = save_scalars(tmp_path / "two.dscalar.nii", np.ones((2, N_PLACES)), build_axis())
    with pytest.raises(InputError, match="two.dscalar.nii must be a single map, got 2"):
        nl.read_responses(path, events=IDS, mask=two)


def test_places_that_differ(path, tmp_path, values):
    other = save_labels(
        tmp_path / "a.dlabel.nii",
        np.ones(len(LEFT) + len(RIGHT)),
        {1: "a"},
        build_axis(False, n_left=N_LEFT + 2),
    )
    with pytest.raises(InputError, match="CORTEX_LEFT has 14 vertices in a.dlabel.nii and 12 in"):
        nl.read_responses(path, events=IDS, regions=other)
    shorter = save_scalars(tmp_path / "b.dscalar.nii", values[:, :14], build_axis(False))
    with pytest.raises(InputError, match="must be of the same vertices and voxels"):
        nl.read_responses([path, shorter], events=IDS * 2)
    moved = build_axis()
    moved.affine = AFFINE + np.eye(4)[:, [3, 0, 1, 2]]
    elsewhere = save_scalars(tmp_path / "c.dscalar.nii", np.ones((1, N_PLACES)), moved)
    with pytest.raises(InputError, match="the voxels of c.dscalar.nii and of the responses must"):
        nl.read_responses(path, events=IDS, mask=elsewhere)
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 4)), AFFINE), tmp_path / "d.nii")
    with pytest.raises(InputError, match="d.nii and the responses must be"):
        nl.read_responses(path, events=IDS, mask=tmp_path / "d.nii")


def test_parcels_are_averages_already(tmp_path):
    parcels = axes.ParcelsAxis.from_brain_models([("a", build_axis()), ("b", build_axis()[:3])])
    rows = axes.ScalarAxis(["x"])
    file = save_cifti(
        tmp_path / "p.pscalar.nii", np.ones((1, 2)), rows, parcels, "PARCELLATED_SCALAR"
    )
    with pytest.raises(InputError, match="must hold vertices and voxels, got ParcelsAxis"):
        nl.read_responses(file, events=["a"])


def test_numbers_without_names(path, tmp_path):
    labels = save_labels(tmp_path / "a.dlabel.nii", np.full(14, 5), {1: "a"}, build_axis(False))
    with pytest.raises(LabelError, match="a.dlabel.nii holds the number 5 without a name"):
        nl.read_responses(path, events=IDS, regions=labels)


@pytest.mark.parametrize(
    ("end", "message"), [(100, ""), (700, ""), (-1, "ends before the last"), (-200, "ends before")]
)
def test_files_that_were_cut_short(path, end, message):
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match=rf"sub-04_betas\.dscalar\.nii .*{message}"):
        nl.read_responses(path, events=IDS)


def test_series(tmp_path, rng):
    """The seconds between volumes are in the header."""
    table = tmp_path / "events.tsv"
    table.write_text("onset\tduration\ttrial_type\n4\t1\ta\n30\t1\tb\n60\t1\ta\n")
    data = 100 + rng.standard_normal((45, N_PLACES)).astype(np.float32)
    path = save_series(tmp_path / "a.dtseries.nii", data, build_axis())
    found = estimate_responses(path, events=table)
    assert found.attrs["t_r"] == 2.0
    image = nibabel.Nifti1Image(data.T.reshape(N_PLACES, 1, 1, 45), np.eye(4))
    image.header.set_zooms((1, 1, 1, 2))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "a.nii")
    expected = estimate_responses(tmp_path / "a.nii", events=table)
    np.testing.assert_allclose(found, expected.values, rtol=1e-5)
