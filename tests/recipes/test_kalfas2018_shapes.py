"""64 shapes and 119 neurons: columns belong to the pictures of their names."""

import numpy as np
import pytest
from mirror import MIRROR, needs_mirror
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.errors import DataError

pytestmark = needs_mirror("kalfas2018_shapes")
KEY = "kalfas2018_shapes"
# Mean distances between the shapes of a pair, R IC ISC ISS, and between ISC and ISS, a and b: as
# the authors' code states them, DeepNets_vs_human_and_neural_data.m.
PUBLISHED = [7.4958, 5.0244, 5.3185, 5.5513, 6.6415, 6.6724]


@pytest.fixture(scope="module")
def data():
    return nl.load_dataset(KEY)


def test_there_are_64_shapes_and_119_neurons_of_two_monkeys(data):
    responses = data.responses
    assert dict(responses.sizes) == {"presentation": 64, "neuroid": 119}
    assert len(set(responses.neuroid_id.values)) == 119
    subjects = responses.subject.values.tolist()
    assert (subjects.count("monkey1"), subjects.count("monkey2")) == (76, 43)
    for name, subject in zip(responses.neuroid_id.values, subjects, strict=True):
        assert name.startswith(f"{subject}-cell")
    assert responses.stimulus_id.values.tolist() == list(data.stimuli.ids)
    assert np.isfinite(responses.values).all()
    assert responses.values.min() >= 0
    size = (MIRROR / KEY / "regular_irregular_SPIKES_yannis.mat").stat().st_size
    assert data.bytes_read == size


def test_distances_between_pairs_are_the_published_ones(data):
    """They depend on which column is which shape; four times the spikes, as the authors take."""
    responses = 4 * data.responses

    def measure(first, second):
        a, b = (responses.values[responses.stimulus_id == name][0] for name in (first, second))
        return np.sqrt(np.mean((a - b) ** 2))

    found = []
    for group in ("R", "IC", "ISC", "ISS"):
        found.append(np.mean([measure(f"{group}{k}a", f"{group}{k}b") for k in range(1, 9)]))
    for side in "ab":
        found.append(np.mean([measure(f"ISC{k}{side}", f"ISS{k}{side}") for k in range(1, 9)]))
    np.testing.assert_allclose(found, PUBLISHED, atol=6e-5)


def test_pictures_are_those_of_their_names(data):
    table = data.stimuli.metadata
    assert table.category.value_counts().to_dict() == {"R": 16, "IC": 16, "ISC": 16, "ISS": 16}
    assert (table.pair.value_counts() == 2).all()
    stimuli = data.stimuli.use_transform(pil_to_tensor)
    for name in ("R1a", "ISS8b"):
        with Image.open(MIRROR / KEY / f"regularIrregular/{name}.bmp") as picture:
            expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(stimuli[name].permute(1, 2, 0).numpy(), expected)
        assert expected.shape == (350, 350, 3)


def test_one_monkey_alone_can_be_loaded(data):
    some = nl.load_dataset(KEY, subjects="monkey2", regions="IT").responses
    expected = data.responses[:, data.responses.subject == "monkey2"]
    assert some.sizes["neuroid"] == 43
    np.testing.assert_array_equal(some.values, expected.values)
    assert some.neuroid_id.values.tolist() == expected.neuroid_id.values.tolist()


def test_a_table_of_other_columns_is_refused(monkeypatch):
    read = nl.brain.read_matlab
    monkeypatch.setattr(
        nl.brain, "read_matlab", lambda *args: read(*args).rename(columns={"R1a": "R9a"})
    )
    with pytest.raises(DataError, match=r"the columns of .*mat are not the shapes: 'R1a', 'R9a'"):
        nl.load_dataset(KEY)


def test_columns_that_are_no_numbers_are_refused(monkeypatch):
    read = nl.brain.read_matlab
    monkeypatch.setattr(nl.brain, "read_matlab", lambda *args: read(*args).assign(R1a="many"))
    with pytest.raises(DataError, match=r"the columns of .*mat must be numbers, got object"):
        nl.load_dataset(KEY)


def test_what_is_no_table_is_refused(monkeypatch):
    monkeypatch.setattr(nl.brain, "read_matlab", lambda *args: np.eye(2))
    with pytest.raises(DataError, match=r"is no table of MATLAB"):
        nl.load_dataset(KEY)
