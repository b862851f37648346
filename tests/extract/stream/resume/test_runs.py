"""Passes that start where the last one ended: the same Grams, or whole passes, and why."""

import gc
import os
import tempfile
import warnings

import numpy as np
import pytest
import torch
from resumed import (
    CHUNK,
    LIMITED,
    WHOLLY_RESUMED,
    Attention,
    Blocks,
    Peeping,
    Recurrent,
    Residual,
    assert_same_grams,
    choose_budget,
    extract_in_passes,
    whole_passes,
)
from small_grams import small_chunks

import neurolens as nl
from neurolens.extract.reducers.pca import PCA
from neurolens.extract.stream.resume import placeholders, recorder, runs, spills, states
from neurolens.extract.stream.stores import store


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((10, 3, 8, 8)).astype(np.float32))


@pytest.mark.parametrize("make", WHOLLY_RESUMED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_grams_are_those_of_one_pass_and_ops_run_once(make, share, stimuli):
    one, many, whole = extract_in_passes(make(), stimuli, share)
    assert_same_grams(one, many)
    assert_same_grams(one, whole)
    assert one.forward_passes == 1
    assert one.resumed_passes == 0
    assert many.resumed_passes > 0
    assert many.spilled_bytes > 0
    assert len(many.resume_cuts) == many.resumed_passes
    assert many.forward_passes < whole.forward_passes
    assert "recompute_reason" not in many.attrs


def test_transformers_start_between_their_layers(stimuli):
    one, many, whole = extract_in_passes(Attention(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.forward_passes < 2 < whole.forward_passes


@pytest.mark.filterwarnings("ignore:something unseen", "ignore:.*depend on the other stimuli")
@pytest.mark.filterwarnings("ignore:.*computed from values of the whole batch")
@pytest.mark.parametrize(("make", "reason"), LIMITED, ids=lambda one: getattr(one, "__name__", ""))
def test_what_cannot_be_skipped_is_run_again_and_told(make, reason, rng):
    stimuli = nl.load_stimuli(rng.standard_normal((10, 3, 8, 8)).astype(np.float32))
    one, many, whole = extract_in_passes(make(), stimuli, 0.2, batch_dependent=True)
    assert_same_grams(one, many)
    assert_same_grams(whole, many)
    assert many.recompute_reason == [reason]
    assert many.forward_passes >= 1.5


def test_passes_start_before_what_cannot_be_skipped(stimuli):
    (limited, _) = LIMITED[1]
    _, many, whole = extract_in_passes(limited(), stimuli, 0.15)
    assert 0 < many.resumed_passes < many.n_passes
    assert many.forward_passes < whole.forward_passes


def test_hooks_may_keep_results(stimuli):
    net = Blocks()
    kept = []
    net.second.register_forward_hook(lambda module, args, result: kept.append(result))
    one, many, _ = extract_in_passes(net, stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.resumed_passes == 0
    assert many.recompute_reason == ["modules have hooks, which may look at values or keep them"]
    assert all(torch.isfinite(result).all() for result in kept)


def test_hooks_of_torch_that_make_weights_are_no_obstacle(stimuli):
    net = Residual()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.nn.utils.weight_norm(net.second)
    one, many, _ = extract_in_passes(net, stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.resumed_passes > 0


def test_another_forward_in_place_of_a_module_s_own(stimuli):
    net = Blocks()
    forward = net.third.forward
    net.third.forward = lambda x: forward(x) * 2
    one, many, _ = extract_in_passes(net, stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.recompute_reason == ["modules have another forward in place of their own"]


def test_a_batch_that_runs_otherwise_starts_at_the_input(rng):
    class Longer(Blocks):
        def between(self, x):
            return self.third(x) if len(x) == 5 else x

    stimuli = nl.load_stimuli(rng.standard_normal((9, 3, 8, 8)).astype(np.float32))
    one, many, whole = extract_in_passes(Longer(), stimuli, 0.2)
    assert one.changed_batches
    assert many.changed_batches == whole.changed_batches
    assert many.resumed_passes > 0
    assert_same_grams(one, many)


@pytest.mark.parametrize("n_copied", [4, 5])
def test_an_alias_in_some_batches_only_is_noticed(n_copied, rng):
    class Aliased(Blocks):
        """The same object in batches of one size, a copy in those of another."""

        def between(self, x):
            y = x.to(x.dtype, copy=len(x) == n_copied)
            y.add_(1)
            return self.second(self.third(y)) + self.third(x) * y

    stimuli = nl.load_stimuli(rng.standard_normal((9, 3, 8, 8)).astype(np.float32))
    one, many, whole = extract_in_passes(Aliased(), stimuli, 0.15)
    assert_same_grams(one, many)
    assert many.resumed_passes > 0
    assert 1.5 < many.forward_passes < whole.forward_passes


def test_a_dtype_in_some_batches_only_is_noticed(rng):
    class Double(Blocks):
        """Python takes the dtype of a result, which is another in the last batch."""

        def between(self, x):
            y = x.to(torch.float64 if len(x) == 5 else torch.float32, copy=True)
            x = self.third(self.second(x))
            return x * torch.finfo(y.dtype).bits

    stimuli = nl.load_stimuli(rng.standard_normal((9, 3, 8, 8)).astype(np.float32))
    one, many, _ = extract_in_passes(Double(), stimuli, 0.15)
    assert_same_grams(one, many)
    assert many.resumed_passes > 0


def test_other_values_in_a_pass_that_starts_later_end_that(stimuli, monkeypatch):
    class Forgetful(recorder.ResumingRecorder):
        def __init__(self, *args, alive, **settings):
            for tensor in alive.values():
                tensor += 1e-3
            super().__init__(*args, alive=alive, **settings)

    monkeypatch.setattr(runs, "ResumingRecorder", Forgetful)
    one, many, _ = extract_in_passes(Residual(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.resumed_passes == 0
    (reason,) = many.recompute_reason
    assert "had other values than in a whole pass" in reason


def test_what_no_function_mode_sees_meets_a_placeholder(stimuli):
    class Sly(Blocks):
        """An operator that is called behind the back of function modes, for its effect only."""

        def between(self, x):
            with torch._C.DisableTorchFunction():
                self.seen = torch.sin(x)
            return self.third(x)

    one, many, _ = extract_in_passes(Sly(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert "starting in the middle failed: aten.sin.default wants" in many.recompute_reason[0]


def test_a_full_disk_is_told_and_passes_are_whole(stimuli, monkeypatch):
    def fail(self, flat, n_bytes, fail):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(states.SavedStates, "_write", fail)
    one, many, _ = extract_in_passes(Residual(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.resumed_passes == 0
    assert "No space left on device" in many.recompute_reason[0]


@pytest.mark.parametrize("full_from", [0, 5000])
def test_a_disk_that_turns_full_is_told_and_those_batches_run_whole(
    full_from, stimuli, monkeypatch
):
    write = spills._write_whole
    n_written = []

    def fail(file, offset, piece):
        if sum(n_written) >= full_from:
            raise OSError(28, "No space left on device")
        n_written.append(len(piece))
        write(file, offset, piece)

    monkeypatch.setattr(spills, "_write_whole", fail)
    one, many, _ = extract_in_passes(Residual(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert (many.resumed_passes > 0) == bool(full_from)
    assert "No space left on device" in many.recompute_reason[0]


def test_a_disk_without_room_is_told(stimuli, monkeypatch):
    monkeypatch.setattr(runs, "find_room_on_disk", lambda: 1000)
    one, many, _ = extract_in_passes(Residual(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.recompute_reason == ["the disk has no room for what is alive"]


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_the_file_is_gone_after_an_error(end, stimuli, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = []
    write = states.SavedStates._write

    def note(self, flat, n_bytes, fail):
        write(self, flat, n_bytes, fail)
        opened.append(self._file)
        if len(opened) > 5:
            raise end("in the middle")

    monkeypatch.setattr(states.SavedStates, "_write", note)
    with pytest.raises((nl.errors.NeuroLensError, RuntimeError, KeyboardInterrupt), match="middle"):
        extract_in_passes(Residual(), stimuli, 0.2)
    assert all(file.closed for file in opened)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_stops_a_pass_before_its_cut_stops_the_run(end, stimuli, monkeypatch):
    """The end of ``with`` calls torch where the script has another call."""
    skip = recorder.ResumingRecorder._skip_op
    skipped = []

    def stop(self, *args):
        skipped.append(args)
        if len(skipped) == 3:
            raise end("stopped")
        return skip(self, *args)

    monkeypatch.setattr(recorder.ResumingRecorder, "_skip_op", stop)
    with pytest.raises(end, match="stopped"):
        extract_in_passes(Residual(), stimuli, 0.2)
    assert len(skipped) == 3


def test_what_the_caller_handles_does_not_stop_the_run(stimuli, monkeypatch):
    def fail(self, *args):
        raise placeholders.PlaceholderRead("not this time")

    monkeypatch.setattr(recorder.ResumingRecorder, "_skip_op", fail)
    try:
        raise KeyboardInterrupt("earlier")
    except KeyboardInterrupt:
        one, many, _ = extract_in_passes(Residual(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.recompute_reason == ["starting in the middle failed: not this time"]


def test_a_cache_outside_of_the_model_gets_no_placeholders(stimuli):
    cache = {}

    class Keeping(Blocks):
        def between(self, x):
            cache["x"] = x
            return x + 1

    one, many, _ = extract_in_passes(Keeping(), stimuli, 0.2)
    assert_same_grams(one, many)
    assert many.recompute_reason == ["results are kept beyond the pass"]
    assert type(cache["x"]) is torch.Tensor


def test_split_features_start_at_one_cut(rng):
    stimuli = nl.load_stimuli(rng.standard_normal((10, 3, 8, 8)).astype(np.float32))
    _, many, whole = extract_in_passes(Blocks(), stimuli, 0.02)
    assert_same_grams(many, whole)
    assert len(set(many.resume_cuts)) < len(many.resume_cuts)


def test_samples_start_from_one_state(stimuli):
    class Late(Blocks):
        def forward(self, x):
            x = super().forward(x)
            x = x + torch.randn_like(x)
            return self.third(x)

    one, many, _ = extract_in_passes(Late(), stimuli, 0.15, n_samples=3)
    assert_same_grams(one, many)
    assert many.resumed_passes > 0


def test_modules_and_generators_are_as_before(stimuli):
    net = Residual()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    extract_in_passes(net, stimuli, 0.2)
    assert torch.equal(state, torch.get_rng_state())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
    assert not net.second._forward_hooks
    gc.collect()
    with whole_passes():
        assert runs.find_obstacle(None) == "not tried"


class CountedReads:
    """Pictures that count how often they are read."""

    def __init__(self, pictures):
        self.pictures = pictures
        self.n_read = 0

    def __call__(self, picture):
        self.n_read += 1
        return torch.as_tensor(picture)


@pytest.mark.parametrize(
    ("make", "is_read_again"), [(Residual, False), (Recurrent, True), (Peeping, True)]
)
def test_stimuli_are_read_again_only_where_something_takes_them(make, is_read_again, rng):
    pictures = rng.standard_normal((10, 3, 8, 8)).astype(np.float32)
    count = CountedReads(pictures)
    stimuli = nl.load_stimuli(pictures, transform=count)
    one, many, _ = extract_in_passes(make(), stimuli, 0.1)
    assert_same_grams(one, many)
    count.n_read = 0
    with small_chunks(CHUNK):
        memory = choose_budget(make(), stimuli, 0.1, 4)
        count.n_read = 0
        again = nl.extract_grams(make(), stimuli, memory=memory, batch_size=4, quiet=True)
    assert again.resumed_passes > 5
    assert (count.n_read > 5 * again.n_passes) == is_read_again


@pytest.mark.parametrize(
    ("ops", "memory"), [("third*", "1GiB"), ("third*", 20_000), ("all", 20_000)]
)
def test_reducers_that_are_fitted_and_groups_of_ops_go_on(ops, memory, stimuli):
    net = Residual()
    settings = {
        "ops": ops,
        "reducer": PCA(3, fit_on=stimuli.ids),
        "memory": memory,
        "batch_size": 3,
        "quiet": True,
    }
    found = nl.extract_activations(net, stimuli, **settings)
    with whole_passes():
        whole = nl.extract_activations(net, stimuli, **settings)
    assert found.attrs["resumed_passes"] > 0
    assert found.attrs["forward_passes"] < whole.attrs["forward_passes"]
    for name in whole.attrs["ops"]:
        path = name.removeprefix("/")
        np.testing.assert_array_equal(found[path].activation, whole[path].activation)


def test_reducers_that_are_fitted_on_some_stimuli_do_not_go_on(stimuli):
    settings = {"reducer": PCA(3, fit_on=stimuli.ids[1:7]), "batch_size": 3, "quiet": True}
    found = nl.extract_activations(Residual(), stimuli, ops="third*", **settings)
    assert "resumed_passes" not in found.attrs


def test_a_store_that_is_half_full_is_filled_to_the_same(stimuli, tmp_path, monkeypatch):
    net = Residual()
    settings = {
        "ops": "*third*",
        "reducer": PCA(3, fit_on=stimuli.ids),
        "memory": 20_000,
        "batch_size": 3,
        "quiet": True,
    }
    with whole_passes():
        whole = nl.extract_activations(net, stimuli, **settings)
    close = store.ActivationStore.close_step
    closed = []

    def stop(self, *args):
        close(self, *args)
        closed.append(args)
        if len(closed) == 2:
            raise KeyboardInterrupt("stopped")

    monkeypatch.setattr(store.ActivationStore, "close_step", stop)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", **settings)
    found = nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", **settings)
    for name in whole.attrs["ops"]:
        path = name.removeprefix("/")
        np.testing.assert_array_equal(found[path].activation, whole[path].activation)
