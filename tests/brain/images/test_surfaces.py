"""GIFTI: vertices of one or both hemispheres, masks and labels of them."""

import nibabel
import numpy as np
import pytest
from nibabel import gifti
from surface_files import LEFT, N_LEFT, N_RIGHT, RIGHT, save_gifti

import neurolens as nl
from neurolens.brain import estimate_responses, find_files
from neurolens.errors import DataError, InputError, LabelError

N_MAPS = 6
IDS = list("abcdef")


@pytest.fixture
def betas(rng):
    """Return betas (map, vertex) of both hemispheres, 0 in the medial wall."""
    left = np.zeros((N_MAPS, N_LEFT), dtype=np.float32)
    right = np.zeros((N_MAPS, N_RIGHT), dtype=np.float32)
    left[:, LEFT] = rng.standard_normal((N_MAPS, len(LEFT)))
    right[:, RIGHT] = rng.standard_normal((N_MAPS, len(RIGHT)))
    return left, right


@pytest.fixture
def pair(betas, tmp_path):
    return [
        save_gifti(tmp_path / f"sub-03_hemi-{side[0].upper()}_betas.func.gii", maps, side)
        for side, maps in zip(("left", "right"), betas, strict=True)
    ]


def test_vertices_of_both_hemispheres_without_the_medial_wall(pair, betas):
    found = nl.read_responses(pair, events=IDS)
    expected = np.concatenate([betas[0][:, LEFT], betas[1][:, RIGHT]], axis=1)
    np.testing.assert_array_equal(found, expected)
    assert found.vertex.values.tolist() == [*LEFT, *RIGHT]
    assert found.hemisphere.values.tolist() == ["left"] * len(LEFT) + ["right"] * len(RIGHT)
    assert found.neuroid_id.values[0] == "left-0"
    assert found.neuroid_id.values[-1] == "right-9"
    assert set(found.subject.values) == {"03"}
    assert found.attrs["left_out"].startswith("8 of 22 vertices, which do not change")
    assert found.attrs["surface_vertices"] == [N_LEFT, N_RIGHT]
    assert "voxel_x" not in found.coords
    # Whatever the order of the files.
    again = nl.read_responses(pair[::-1], events=IDS)
    np.testing.assert_array_equal(again, found)


def test_runs_are_pairs_in_order(betas, tmp_path):
    paths = []
    for run in (1, 2):
        for side, maps in zip("LR", betas, strict=True):
            path = tmp_path / f"sub-03_run-{run}_hemi-{side}_betas.func.gii"
            paths.append(save_gifti(path, run * maps))
    found = nl.read_responses(paths, events=IDS * 2)
    assert found.run.values.tolist() == ["1"] * 6 + ["2"] * 6
    np.testing.assert_array_equal(found[6:], 2 * found[:6].values)
    with pytest.raises(InputError, match="2 files of the left hemisphere and 1 of the right"):
        nl.read_responses(paths[:3], events=IDS * 2)
    with pytest.raises(InputError, match="both hemispheres must be in one order, and sub-03_run-1"):
        nl.read_responses([paths[0], paths[2], paths[3], paths[1]], events=IDS * 2)


def test_one_hemisphere(pair, betas):
    found = nl.read_responses(pair[1], events=IDS)
    np.testing.assert_array_equal(found, betas[1][:, RIGHT])
    assert found.neuroid_id.values.tolist() == [f"right-{k}" for k in RIGHT]


@pytest.mark.parametrize(
    "name", ["lh.betas.gii", "a.L.func.gii", "a_hemi-L_x.func.gii", "left.gii", "x.gii"]
)
def test_where_the_hemisphere_is_said(betas, tmp_path, name):
    side = "left" if name == "x.gii" else None
    path = save_gifti(tmp_path / name, betas[0], side)
    assert set(nl.read_responses(path, events=IDS).hemisphere.values) == {"left"}


def test_hemispheres_that_are_unknown_or_contradict(betas, tmp_path):
    path = save_gifti(tmp_path / "x.func.gii", betas[0])
    with pytest.raises(InputError, match="x.func.gii does not say its hemisphere"):
        nl.read_responses(path, events=IDS)
    path = save_gifti(tmp_path / "a_hemi-L.func.gii", betas[1], "right")
    with pytest.raises(InputError, match="left hemisphere by its name, and of the right by its"):
        nl.read_responses(path, events=IDS)


def test_names_that_say_both_hemispheres(betas, tmp_path):
    """Tasks are called left and right too; hemi-L is meant for the surface."""
    path = save_gifti(tmp_path / "sub-03_right_hemi-L_stat.func.gii", betas[0])
    found = nl.read_responses(path, events=IDS)
    assert set(found.hemisphere.values) == {"left"}
    both = save_gifti(tmp_path / "lh.right.func.gii", betas[0])
    with pytest.raises(InputError, match="lh.right.func.gii names both hemispheres. Rename it"):
        nl.read_responses(both, events=IDS)


def test_labels_of_both_hemispheres(rng, tmp_path):
    """Numbers mean something else in each file, and names without a region are none."""
    betas = [rng.standard_normal((N_MAPS, n)).astype(np.float32) for n in (N_LEFT, N_RIGHT)]
    pair = [
        save_gifti(tmp_path / f"hemi-{side[0].upper()}.func.gii", maps, side)
        for side, maps in zip(("left", "right"), betas, strict=True)
    ]
    left = np.zeros(N_LEFT)
    left[:4] = 1
    left[4:6] = 2
    left[8:] = 9
    right = np.zeros(N_RIGHT)
    right[:5] = 2
    files = [
        save_gifti(tmp_path / "lh.label.gii", left, "left", {0: "???", 1: "V1", 2: "V4", 9: "FreeSurfer_Medial_Wall"}),
        save_gifti(tmp_path / "rh.label.gii", right, "right", {0: "???", 1: "V4", 2: "V1"}),
    ]  # fmt: skip
    found = nl.read_responses(pair, events=IDS, regions=files)
    assert found.region.values.tolist() == ["V1"] * 4 + ["V4"] * 2 + ["V1"] * 5
    assert found.vertex.values.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]
    expected = np.concatenate([betas[0][:, :6], betas[1][:, :5]], axis=1)
    np.testing.assert_array_equal(found, expected)
    only_left = nl.read_responses(pair, events=IDS, regions=files[0])
    assert set(only_left.hemisphere.values) == {"left"}
    missing = save_gifti(tmp_path / "lh.bad.label.gii", left, "left", {0: "???", 1: "V1", 2: "V4"})
    with pytest.raises(LabelError, match="lh.bad.label.gii holds the number 9 without a name"):
        nl.read_responses(pair, events=IDS, regions=missing)
    with pytest.raises(InputError, match="holds no names of labels"):
        nl.read_responses(pair, events=IDS, regions=pair[0])


def test_masks_of_vertices(pair, betas, tmp_path):
    left = np.zeros(N_LEFT)
    left[[1, 2]] = 1
    right = np.zeros(N_RIGHT)
    right[3] = 1
    masks = [
        save_gifti(tmp_path / "lh.mask.shape.gii", left),
        save_gifti(tmp_path / "rh.mask.shape.gii", right),
    ]
    found = nl.read_responses(pair, events=IDS, mask=masks)
    assert found.neuroid_id.values.tolist() == ["left-1", "left-2", "right-3"]
    by_name = nl.read_responses(pair, events=IDS, regions={"a": masks[0], "b": masks[1]})
    assert by_name.region.values.tolist() == ["a", "a", "b"]
    array = np.concatenate([left, right]) > 0
    np.testing.assert_array_equal(nl.read_responses(pair, events=IDS, mask=array), found)
    numbers = nl.read_responses(pair, events=IDS, regions=(masks, {1: "both"}))
    assert set(numbers.region.values) == {"both"}


def test_another_number_of_vertices_is_refused(pair, tmp_path):
    other = save_gifti(tmp_path / "lh.label.gii", np.ones(N_LEFT + 1), "left", {1: "V1"})
    with pytest.raises(
        InputError, match="one surface: CORTEX_LEFT has 13 vertices in lh.label.gii"
    ):
        nl.read_responses(pair, events=IDS, regions=other)
    longer = save_gifti(tmp_path / "b_hemi-L.func.gii", np.ones((N_MAPS, N_LEFT + 1)))
    shorter = save_gifti(tmp_path / "a_hemi-L.func.gii", np.ones((N_MAPS, N_LEFT)))
    with pytest.raises(InputError, match="of the same vertices and voxels: 13 of 13"):
        nl.read_responses([shorter, longer], events=IDS * 2)


def test_files_that_are_no_maps(pair, betas, tmp_path):
    points = gifti.GiftiDataArray(np.zeros((4, 3), np.float32), intent="NIFTI_INTENT_POINTSET")
    mesh = tmp_path / "lh.white.surf.gii"
    nibabel.save(gifti.GiftiImage(darrays=[points]), mesh)
    with pytest.raises(InputError, match="lh.white.surf.gii is the mesh of a surface"):
        nl.read_responses(mesh, events=IDS)
    with pytest.raises(InputError, match="one image was expected here, got"):
        nl.read_responses(pair, events=IDS, mask=[pair[0], pair[0]])
    counts = save_gifti(tmp_path / "sub-03_hemi-R_betas.func.gii", betas[1][:3])
    with pytest.raises(InputError, match="holds 6 maps and sub-03_hemi-R_betas.func.gii 3"):
        nl.read_responses([pair[0], counts], events=IDS)
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2, 6)), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="all images must be of one kind, got GIFTI, NIfTI"):
        nl.read_responses([pair[0], tmp_path / "a.nii"], events=IDS)


def test_files_of_some_vertices_are_refused(tmp_path):
    """Their first array would be taken for a map, and the others for those of other vertices."""
    nodes = gifti.GiftiDataArray(np.array([2, 5, 7], np.int32), intent="NIFTI_INTENT_NODE_INDEX")
    values = gifti.GiftiDataArray(np.ones(3, np.float32), intent="NIFTI_INTENT_NONE")
    path = tmp_path / "lh.sparse.gii"
    nibabel.save(gifti.GiftiImage(darrays=[nodes, values]), path)
    with pytest.raises(InputError, match=r"lh.sparse.gii holds some vertices and their numbers"):
        nl.read_responses(path, events=["a", "b"])


@pytest.mark.parametrize("damage", ["cut", "text", "flip", "missing"])
def test_damaged_files(pair, damage):
    path = pair[0]
    raw = path.read_bytes()
    place = raw.index(b"<Data>") + 40
    content = {
        "cut": raw[: len(raw) // 2],
        "text": b"no xml",
        "flip": raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :],
    }.get(damage)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"sub-03_hemi-L_betas\.func\.gii"):
        nl.read_responses(pair, events=IDS)


def test_numbers_in_other_files_are_not_opened(pair, tmp_path):
    (tmp_path / "secret.bin").write_bytes(np.ones(12, np.float32).tobytes())
    text = pair[0].read_text()
    pair[0].write_text(text.replace("GZipBase64Binary", "ExternalFileBinary"))
    with pytest.raises(InputError, match="keeps its numbers in another file, which is not opened"):
        nl.read_responses(pair, events=IDS)


def test_one_array_of_all_maps(betas, tmp_path):
    """Some programs write one array (vertex, map) in place of one for each map."""
    array = gifti.GiftiDataArray(np.ascontiguousarray(betas[0].T), intent="NIFTI_INTENT_NONE")
    path = tmp_path / "lh.all.gii"
    nibabel.save(gifti.GiftiImage(darrays=[array]), path)
    np.testing.assert_array_equal(nl.read_responses(path, events=IDS), betas[0][:, LEFT])


def test_series_of_both_hemispheres_in_bids(rng, tmp_path):
    """Found by entities, with the events of the left for both."""
    func = tmp_path / "sub-1/func"
    func.mkdir(parents=True)
    (tmp_path / "task-x_events.tsv").write_text(
        "onset\tduration\ttrial_type\n4\t1\ta\n30\t1\tb\n60\t1\ta\n"
    )
    (tmp_path / "task-x_bold.json").write_text('{"RepetitionTime": 2.0}')
    for run in (1, 2):
        for side, n in (("L", N_LEFT), ("R", N_RIGHT)):
            name = f"sub-1_task-x_run-{run}_hemi-{side}_space-fsaverage6_bold.func.gii"
            save_gifti(func / name, 100 + rng.standard_normal((45, n)))
    files = find_files(tmp_path, sub="1", space="fsaverage6")
    assert files.hemi.tolist() == ["L", "R", "L", "R"]
    found = estimate_responses(files)
    assert found.sizes == {"presentation": 6, "neuroid": 22}
    assert found.attrs["t_r"] == 2.0
    alone = estimate_responses(files[files.hemi == "R"])
    np.testing.assert_array_equal(found[:, N_LEFT:], alone)
    with pytest.raises(InputError, match="volumes of .* are not known"):
        estimate_responses(files.path.tolist(), events=[tmp_path / "task-x_events.tsv"] * 2)
