"""Freeman, Ziemba et al. (2013), on a copy of the published layout made here."""

import h5py
import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, InputError

FAMILIES = [327, 336, 393, 402, 13, 18, 23, 30, 38, 48, 52, 56, 60, 71, 99]
N_CELLS = {"v1": 2, "v2": 3}
N_REPETITIONS = 2


def plant(variable, rng):
    """Return spikes with MATLAB's axes: (family, type, sample, repetition, millisecond, cell)."""
    shape = (15, 2, 15, N_REPETITIONS, 220, N_CELLS[variable])
    return (rng.random(shape, dtype=np.float32) < 0.1).astype(np.uint8)


def write_copy(folder, spikes):
    path = folder / "data/FreemanZiemba2013_V1V2data.mat"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for variable, values in spikes.items():
            file[variable] = values.T
    return path


@pytest.fixture
def spikes(rng):
    return {variable: plant(variable, rng) for variable in N_CELLS}


def load(folder, **options):
    return nl.load_dataset("freemanziemba2013", folder=folder, **options)


def test_rates_are_those_of_the_planted_spikes(tmp_path, spikes):
    write_copy(tmp_path, spikes)
    responses = load(tmp_path).responses
    assert responses.sizes == {"presentation": 450 * N_REPETITIONS, "neuroid": 5}
    assert list(responses.neuroid_id.values) == ["V1.001", "V1.002", "V2.001", "V2.002", "V2.003"]
    assert list(responses.region.values) == ["V1"] * 2 + ["V2"] * 3
    # Every presentation by itself, from its name.
    for row in range(0, responses.sizes["presentation"], 37):
        kind, _, family, sample = responses.stimulus_id.values[row].split("-")
        place = (
            FAMILIES.index(int(family.removeprefix("im"))),
            ["noise", "tex"].index(kind),
            int(sample.removeprefix("smp")) - 1,
            int(responses.repetition.values[row]),
        )
        counts = [spikes[variable][place][50:200].sum(axis=0) for variable in ("v1", "v2")]
        expected = np.concatenate(counts) * 1000 / 150
        np.testing.assert_allclose(responses[row], expected, rtol=1e-12)
    assert responses.attrs["units"] == "spikes/s"
    assert list(responses.texture_type.values[[0, -1]]) == ["noise", "tex"]
    assert list(responses.texture_family.values[[0, -1]]) == [327, 99]


def test_region_and_window_are_chosen(tmp_path, spikes):
    write_copy(tmp_path, spikes)
    responses = load(tmp_path, regions="V2", window=(0, 10)).responses
    first = spikes["v2"][0, 0, 0, 0, :10].sum(axis=0) * 100
    np.testing.assert_allclose(responses[0], first, rtol=1e-12)
    assert set(responses.region.values) == {"V2"}
    with pytest.raises(InputError, match=r"window=\(50, 300\): responses are from 0 to 220 ms"):
        load(tmp_path, window=(50, 300))
    with pytest.raises(InputError, match="window must be two whole numbers"):
        load(tmp_path, window=(50, 60.5))
    with pytest.raises(InputError, match="has no subjects to choose from"):
        load(tmp_path, subjects="m1")


def test_pictures_come_along_where_there_are_any(tmp_path, spikes):
    write_copy(tmp_path, spikes)
    (tmp_path / "stim").mkdir()
    for family in FAMILIES:
        for kind in ("noise", "tex"):
            for sample in range(1, 16):
                gray = family // 2
                path = tmp_path / f"stim/{kind}-320x320-im{family}-smp{sample}.png"
                Image.new("L", (4, 4), gray).save(path)
    brain = load(tmp_path, regions="V1")
    assert set(brain.stimuli.ids) == set(brain.responses.stimulus_id.values)
    assert brain.stimuli.metadata.family["tex-320x320-im71-smp3"] == 71
    dark = brain.stimuli["tex-320x320-im13-smp1"].mean()
    assert dark < brain.stimuli["noise-320x320-im402-smp15"].mean()
    path.unlink()
    with pytest.raises(DataError, match="there is no stim/tex-320x320-im99-smp15.png"):
        load(tmp_path, regions="V1")


def test_axes_in_another_order_are_named(tmp_path, spikes):
    write_copy(tmp_path, {"v1": spikes["v1"].T, "v2": spikes["v2"]})
    with pytest.raises(DataError, match=r"V1V2data.mat must be \(family, type, sample, repetition"):
        load(tmp_path)


def test_a_damaged_copy_is_named(tmp_path, spikes):
    with pytest.raises(DataError, match="needs one file data/FreemanZiemba2013_V1V2data.mat.*Ask"):
        load(tmp_path)
    write_copy(tmp_path, {"v1": spikes["v1"]})
    with pytest.raises(DataError, match="V1V2data.mat holds no array 'v2'"):
        load(tmp_path)
    fewer = {"v1": spikes["v1"], "v2": spikes["v2"][:, :, :, :1]}
    path = write_copy(tmp_path, fewer)
    with pytest.raises(DataError, match="V1V2data.mat have different repetitions"):
        load(tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="V1V2data.mat cannot be read"):
        load(tmp_path)
