"""Values at their vertices and voxels, by id; volumes projected to the surface."""

import sys
import warnings

import numpy as np
import pytest
import xarray as xr
from maps import AFFINE, N_VERTICES, OPS, make_surface, make_volume, score_gradient, score_places

from neurolens.errors import DataError, InputError, LabelError, MissingToolError
from neurolens.view.brain_maps.meshes import compute_normals, load_fsaverage, load_meshes
from neurolens.view.brain_maps.places import place_in_volume, place_on_surface
from neurolens.view.brain_maps.values import Shown, choose_values

nilearn = pytest.importorskip("nilearn.datasets", reason="needs the extra 'maps'")


@pytest.fixture(scope="module")
def like():
    return make_surface()


def show(like, values):
    array = xr.DataArray(values, dims="neuroid", coords={"neuroid_id": like.neuroid_id})
    return Shown(array, None, "value", None, [])


def test_vertices_get_their_values_in_any_order(like):
    values = np.arange(float(like.sizes["neuroid"]))
    order = np.random.default_rng(0).permutation(len(values))
    shown = show(like, values)
    turned = shown._replace(values=shown.values.isel(neuroid=order[:20000]))
    placed = place_on_surface(turned, like).map.values
    joined = np.concatenate([placed["left"], placed["right"]])
    assert np.isnan(joined[order[20000:]]).all()
    assert np.array_equal(joined[order[:20000]], values[order[:20000]])


def test_names_are_numbered_in_their_order(like, rng):
    shown = choose_values(score_gradient(like, rng), show="best op")
    placed = place_on_surface(shown, like).map
    assert placed.names == list(OPS)
    assert set(np.unique(placed.values["left"])) <= {1.0, 2.0, 3.0}
    assert placed.values["left"][0] == 1
    assert placed.values["right"][-1] == 3


def test_finer_meshes_of_freesurfer_begin_with_the_coarse_one():
    fine = make_surface(40962, 40962)
    values = np.arange(float(fine.sizes["neuroid"]))
    surface = place_on_surface(show(fine, values), fine)
    assert np.array_equal(surface.map.values["right"], 40962 + np.arange(N_VERTICES))
    assert "drawn are the 10242 vertices of fsaverage6 in fsaverage5" in surface.map.notes


def test_a_mesh_of_ones_own_has_the_vertices(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    arrays = [
        nibabel.gifti.GiftiDataArray(points, intent="NIFTI_INTENT_POINTSET"),
        nibabel.gifti.GiftiDataArray(faces, intent="NIFTI_INTENT_TRIANGLE"),
    ]
    path = tmp_path / "lh.surf.gii"
    nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), path)
    like = make_surface(4, 4)
    left = like.isel(neuroid=slice(0, 4)).assign_attrs(
        surface_structures=["CORTEX_LEFT"], surface_vertices=[4]
    )
    surface = place_on_surface(show(left, np.arange(4.0)), left, {"left": path})
    assert np.array_equal(surface.map.values["left"], [0, 1, 2, 3])
    assert np.allclose(surface.meshes["left"].vertices, points)
    outward = (points[faces].mean(axis=1) - points.mean(axis=0)) * compute_normals(
        surface.meshes["left"]
    )
    assert (outward.sum(axis=1) > 0).all()
    with pytest.raises(InputError, match="has 4 vertices in like, and the mesh has 10242"):
        place_on_surface(show(left, np.arange(4.0)), left)
    with pytest.raises(InputError, match="has a right hemisphere, and space= no mesh of it"):
        place_on_surface(show(like, np.arange(8.0)), like, {"left": path})
    with pytest.raises(DataError, match="cannot be read"):
        load_meshes({"left": tmp_path / "nowhere.surf.gii"})
    with pytest.raises(InputError, match='mapping of "left" and "right"'):
        load_meshes({"lh": path})


def test_normals_of_fsaverage_point_outward():
    for mesh in load_fsaverage("white").values():
        corners = mesh.vertices[mesh.faces]
        volume = np.einsum("fi,fi->", corners[:, 0], compute_normals(mesh))
        assert volume > 0


@pytest.mark.parametrize("axis", range(3))
def test_a_projected_coordinate_is_that_of_the_vertex(axis):
    nibabel = pytest.importorskip("nibabel")
    from nilearn.surface import vol_to_surf

    like = make_volume()
    values = like[f"voxel_{'xyz'[axis]}"].values
    surface = place_on_surface(show(like, values), like, "MNI152")
    ours = surface.map.values["right"]
    white = load_fsaverage("white")["right"].vertices
    pial = load_fsaverage("pial")["right"].vertices
    ends = np.stack([white, pial]) @ np.linalg.inv(AFFINE)[:3, :3].T + np.linalg.inv(AFFINE)[:3, 3]
    inside = ((ends > 0) & (ends < np.array(like.attrs["shape"]) - 1)).all(axis=(0, 2))
    assert inside.sum() > 300
    assert np.abs(ours - (white + pial)[:, axis] / 2)[inside].max() <= 2  # half of a voxel
    image = nibabel.Nifti1Image(values.reshape(like.attrs["shape"]), AFFINE)
    files = nilearn.fetch_surf_fsaverage("fsaverage5")
    depth = np.linspace(0, 1, 7)
    settings = {"kind": "depth", "depth": depth, "inner_mesh": files.white_right}
    with warnings.catch_warnings():  # of vertices that lie outside of the image
        warnings.simplefilter("ignore")
        theirs = vol_to_surf(image, files.pial_right, interpolation="linear", **settings)
    assert np.abs(ours - theirs)[inside].max() <= 2
    assert "taken to be in MNI152 space" in surface.map.notes[-1]


def test_projected_means_leave_unknown_voxels_out():
    like = make_volume()
    values = np.full(like.sizes["neuroid"], 2.5)
    values[::2] = np.nan
    placed = place_on_surface(show(like, values), like, "MNI152").map.values["left"]
    known = placed[np.isfinite(placed)]
    assert len(known) > 300
    assert np.allclose(known, 2.5)


def test_projected_names_are_not_mixed(rng):
    like = make_volume()
    numbers = rng.integers(0, 2, like.sizes["neuroid"])
    texts = np.array(["a", "c"], dtype=object)[numbers]
    shown = show(like, texts)._replace(order=["a", "b", "c"])
    placed = place_on_surface(shown, like, "MNI152").map
    values = np.concatenate(list(placed.values.values()))
    assert set(values[np.isfinite(values)]) == {1.0, 3.0}
    assert "most frequent" in placed.notes[-1]


def test_a_volume_holds_values_at_its_voxels():
    like = make_volume()
    values = np.arange(float(like.sizes["neuroid"]))
    part = like.isel(neuroid=slice(100, None))
    volume = place_in_volume(show(part, values[100:]), part)
    assert np.array_equal(volume.map.values["volume"].ravel()[100:], values[100:])
    assert volume.inside.sum() == len(values) - 100
    assert np.isnan(volume.map.values["volume"].ravel()[:100]).all()


def test_what_cannot_be_placed_is_told(like, monkeypatch):
    volume = make_volume()
    ones = np.ones(volume.sizes["neuroid"])
    with pytest.raises(InputError, match="only in a known space. Pass space='MNI152'"):
        place_on_surface(show(volume, ones), volume)
    with pytest.raises(InputError, match="Use plot_surface"):
        place_in_volume(show(like, np.ones(like.sizes["neuroid"])), like)
    with pytest.raises(InputError, match="no value at any place"):
        place_in_volume(show(volume, ones * np.nan), volume)
    with pytest.raises(InputError, match="infinite"):
        place_in_volume(show(volume, ones * np.inf), volume)
    with pytest.raises(InputError, match="like must be the responses"):
        place_in_volume(show(volume, ones), "brain.nii")
    with pytest.raises(LabelError, match="values hold .* neuroids that like lacks"):
        place_in_volume(show(volume, ones), volume.isel(neuroid=[0]))
    two = score_places(volume, np.stack([ones, ones]))["score_mean"]
    with pytest.raises(InputError, match="one map, and there are 2 along 'op'"):
        place_in_volume(Shown(two, None, "x", None, []), volume)
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(MissingToolError, match="Type pip install nilearn"):
        place_on_surface(show(like, np.ones(like.sizes["neuroid"])), like)
