"""Which stimuli train and which test, by name."""

import numpy as np
import pytest
from brains import label_responses

from neurolens.compare.encoding.encoders.named_sets import read_inner, read_sets
from neurolens.compare.inputs.responses import read_presented
from neurolens.errors import InputError, LabelError, UnknownNameError

NAMES = ["train"] * 6 + ["test"] * 4 + ["sketch"] * 3


def present(names=NAMES, ids=None, **more):
    n = len(names)
    responses = label_responses(np.zeros((n, 1)), ids=ids)
    columns = {"set": names, **more}
    coords = {name: ("presentation", column) for name, column in columns.items()}
    return read_presented(responses.assign_coords(coords), "responses")


def test_all_but_train_are_test_sets():
    sets = read_sets("set", None, present())
    assert sets.names == ["test", "sketch"]
    assert sets.number.tolist() == [-1] * 6 + [0] * 4 + [1] * 3
    for fold, size in ((0, 4), (1, 3)):
        assert sets.folds.find_train(fold).tolist() == list(range(6))
        assert len(sets.folds.find_test(fold)) == size
        assert sets.folds.select(np.arange(1, 13)).find_train(fold).tolist() == list(range(5))


def test_what_is_no_test_set_trains():
    sets = read_sets("set", "sketch", present())
    assert sets.number.tolist() == [-1] * 10 + [0] * 3
    runs = [1] * 6 + [2] * 7
    assert read_sets("run", 2, present(run=runs)).number.tolist() == [-1] * 6 + [0] * 7
    assert read_sets("run", np.array([2]), present(run=runs)).names == [2]


def test_a_mapping_names_the_set_of_each_stimulus():
    mapping = {f"s{k}": name for k, name in enumerate(NAMES)}
    presented = present()
    sets = read_sets(mapping, None, presented)
    assert sets.number.tolist() == read_sets("set", None, presented).number.tolist()
    del mapping["s3"], mapping["s9"]
    with pytest.raises(LabelError, match=r"the set of each stimulus, and lacks 's3', 's9'\. Add"):
        read_sets(mapping, None, presented)


def test_repeats_of_a_stimulus_are_in_one_set():
    ids = [f"s{k % 7}" for k in range(14)]
    sets = read_sets(
        "set", None, present(["train"] * 4 + ["test"] * 3 + NAMES[:4] + ["test"] * 3, ids)
    )
    assert sets.number.tolist() == [-1] * 4 + [0] * 3
    with pytest.raises(
        InputError,
        match=r"7 stimuli are in several sets, such as 's0' in 'train', 'test': .* hold the same "
        r"ones\. Leave .* name each presentation on both sides, own = .*responses\['set'\]",
    ):
        read_sets("set", None, present(["train"] * 7 + ["test"] * 7, ids))


def test_runs_that_train_may_share_stimuli():
    ids = ["a", "b", "c"] * 2 + ["d", "e", "f"]
    presented = present(["x"] * 9, ids, run=[1] * 3 + [2] * 3 + [3] * 3)
    assert read_sets("run", 3, presented).number.tolist() == [-1] * 3 + [0] * 3


@pytest.mark.parametrize(
    ("split", "test", "error", "message"),
    [
        ("set", "skecth", UnknownNameError, "no set of stimuli named 'skecth'. Closest: 'sketch'"),
        ("set", ["train", "test", "sketch"], InputError, r"got training: 0, 'train': 6"),
        ("part", None, LabelError, "no coordinate 'part' along 'presentation' that names sets"),
        ("run", None, InputError, r"no stimuli are named 'train', only 1, 2\. .* test=2; all"),
        ("small", None, InputError, r"must be 3 stimuli or more, got training: 11, 'test': 2\. J"),
        ("holes", None, LabelError, "'holes' of presentations must be known throughout"),
        (3, None, InputError, "split must be the name of a coordinate or a mapping .* got int"),
    ],
)
def test_refusals(split, test, error, message):
    columns = {
        "run": [1] * 6 + [2] * 7,
        "small": ["train"] * 11 + ["test"] * 2,
        "holes": np.array([*NAMES[:12], None], dtype=object),
    }
    with pytest.raises(error, match=message):
        read_sets(split, test, present(**columns))


class TestInner:
    def build(self, ids=None):
        runs = ["r1"] * 3 + ["r2"] * 3 + ["r3"] * 3 + ["r4"] * 4
        return present(["train"] * 9 + ["test"] * 4, ids, run=runs)

    def test_training_groups_are_left_out_in_turn(self):
        presented = self.build()
        inner = read_inner("run", read_sets("set", None, presented), presented, 0)
        assert inner.number.tolist() == [0] * 3 + [1] * 3 + [2] * 3

    def test_training_groups_that_share_all_stimuli_are_refused_as_folds_are(self):
        presented = self.build(["a", "b", "c"] * 3 + ["d", "e", "f", "g"])
        sets = read_sets("set", None, presented)
        with pytest.raises(
            InputError, match=r"leaving out one 'run' at a time .* leaves out no stimulus: its 3"
        ):
            read_inner("run", sets, presented, 0)

    def test_without_groups_all_are_one(self):
        presented = self.build()
        assert not read_inner(None, read_sets("set", None, presented), presented, 0).number.any()
