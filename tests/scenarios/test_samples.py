"""Samples: a stochastic model runs several times on each stimulus, each time with other numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.extract import PCA
from neurolens.extract.stream.stores.store import ActivationStore

N_STIMULI = 8
N_SAMPLES = 4
# What runs, noted outside of models, whose own attributes are put back after each pass.
CALLS: list[str] = []


class Noisy(nn.Module):
    """Doubles, adds noise, rectifies, adds noise again; notes its passes."""

    def forward(self, x):
        CALLS.append("pass")
        first = x * 2 + torch.randn_like(x)
        return torch.relu(first) + torch.rand(x.shape)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def make_values(n_stimuli=N_STIMULI, n_features=5):
    return np.random.default_rng(3).standard_normal((n_stimuli, n_features)).astype(np.float32)


def extract(model=None, n_samples=N_SAMPLES, values=None, **settings):
    stimuli = nl.load_stimuli(make_values() if values is None else values)
    model = Noisy() if model is None else model
    return nl.extract_activations(model, stimuli, n_samples=n_samples, quiet=True, **settings)


def read_arrays(tree):
    nodes = [node for node in tree.subtree if "activation" in node.data_vars]
    return {node["activation"].attrs["op"]: node["activation"] for node in nodes}


def assert_same(tree, other):
    ours, theirs = read_arrays(tree), read_arrays(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.dims == theirs[name].dims
        np.testing.assert_array_equal(array.values, theirs[name].values)


def test_results_that_random_numbers_feed_have_samples_and_others_are_kept_once():
    tree = extract()
    assert tree.sample.values.tolist() == [0, 1, 2, 3]
    arrays = read_arrays(tree)
    assert arrays["/mul"].dims == ("stimulus", "feature")
    for name in ("/randn_like", "/add", "/relu", "/rand", "/add_2"):
        assert arrays[name].dims == ("stimulus", "sample", "feature")
        assert arrays[name].attrs["n_samples"] == N_SAMPLES
    assert tree.attrs["n_samples"] == N_SAMPLES
    assert tree.attrs["random_ops"] == ["/randn_like", "/add", "/relu", "/rand", "/add_2"]


def test_every_stimulus_has_other_noise_in_every_sample():
    values = np.zeros((20, 50), np.float32)
    noise = read_arrays(extract(n_samples=20, values=values))["/randn_like"].values
    assert stats.kstest(noise.ravel(), stats.norm().cdf).pvalue > 0.001
    # Neither samples of a stimulus nor stimuli of a sample share anything.
    rows = noise.reshape(400, 50)
    r = np.corrcoef(rows)[np.triu_indices(400, 1)]
    assert abs(r).max() < 0.75
    assert abs(r.mean()) < 0.01
    assert r.std() == pytest.approx(1 / np.sqrt(49), rel=0.05)


@settings(max_examples=8)
@given(
    n_samples=st.integers(2, 5),
    batch_size=st.integers(1, N_STIMULI + 1),
    n_stimuli=st.integers(3, N_STIMULI),
    memory=st.sampled_from([2**16, "1GiB"]),
)
def test_a_sample_depends_on_nothing_but_seed_and_stimulus(
    n_samples, batch_size, n_stimuli, memory
):
    reference = read_arrays(extract(n_samples=5, batch_size=4))
    some = extract(
        n_samples=n_samples,
        values=make_values()[:n_stimuli],
        batch_size=batch_size,
        memory=memory,
    )
    for name, array in read_arrays(some).items():
        whole = reference[name].isel(stimulus=slice(n_stimuli))
        if "sample" in whole.dims:
            whole = whole.isel(sample=slice(n_samples))
        np.testing.assert_array_equal(array.values, whole.values)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_sample_0_is_the_result_without_samples(batch_size):
    one = read_arrays(extract(n_samples=1, batch_size=batch_size))
    for name, array in read_arrays(extract(batch_size=batch_size)).items():
        first = array.isel(sample=0) if "sample" in array.dims else array
        np.testing.assert_array_equal(first.values, one[name].values)


def read_and_note(value):
    CALLS.append("read")
    return torch.as_tensor(value)


class Late(nn.Module):
    def forward(self, x):
        noise = torch.randn_like(x)
        CALLS.append("noise")
        noisy = x + noise
        late = (x * 3).sum(1, keepdim=True)
        CALLS.append("late")
        return noisy, late


def test_later_samples_end_after_the_last_random_op_and_stimuli_are_read_once():
    counts = []
    for n_samples in (1, N_SAMPLES):
        stimuli = nl.load_stimuli(make_values(6), transform=read_and_note)
        CALLS.clear()
        nl.extract_activations(Late(), stimuli, batch_size=3, n_samples=n_samples, quiet=True)
        counts.append({what: CALLS.count(what) for what in ("read", "noise", "late")})
    one, several = counts
    assert several["read"] == one["read"]
    # Three passes of the planning, and two batches in each further sample.
    assert several["noise"] == one["noise"] + 3 + 2 * (N_SAMPLES - 1)
    assert several["late"] == one["late"]


def test_ops_after_a_random_branch_have_samples():
    def branch(x):
        x = x * 2
        if torch.rand(()) < 0.5:
            x = x + 1
        return x - 3

    arrays = read_arrays(extract(Function(branch), n_samples=12))
    assert "sample" not in arrays["/mul"].dims
    assert arrays["/sub"].dims == ("stimulus", "sample", "feature")
    added = (arrays["/sub"] - arrays["/mul"] + 3).round().values
    assert set(np.unique(added)) == {0, 1}


def test_an_op_that_runs_in_some_samples_only_says_in_which():
    def branch(x):
        if torch.rand(()) < 0.5:
            x = torch.sin(x)
        return x * 2

    tree = extract(Function(branch), n_samples=12)
    arrays = read_arrays(tree)
    node = next((n for n in tree.subtree if n.name == "sin"), None)
    if node is None:  # it did not run for the stimuli looked at first
        assert tree.attrs["ops_only_some_stimuli_have"] == ["/sin"]
        return
    assert node["ran"].dims == ("stimulus", "sample")
    ran = node["ran"].values
    assert 0 < ran.mean() < 1
    assert np.isnan(arrays["/sin"].values).all(2).tolist() == (~ran).tolist()
    assert "/sin" in tree.attrs["ops_some_stimuli_lack"][0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: x + torch.from_numpy(np.random.standard_normal(x.shape)).to(x.dtype),  # noqa: NPY002
        lambda x: x + float(np.random.rand()),  # noqa: NPY002
        lambda x: torch.dropout(x, 0.5, True),
        lambda x: x + torch.multinomial(torch.ones(len(x), 8), 5),
    ],
)
def test_all_ways_of_drawing_give_other_samples(draw):
    tree = extract(Function(lambda x: draw(x * 2) - 1), n_samples=5, batch_size=3)
    array = read_arrays(tree)["/sub"]
    assert array.sizes["sample"] == 5
    spread = array.std("sample")
    assert (spread.max("feature") > 0).all()
    one = read_arrays(extract(Function(lambda x: draw(x * 2) - 1), n_samples=1, batch_size=3))[
        "/sub"
    ]
    np.testing.assert_array_equal(array.isel(sample=0).values, one.values)


def test_inputs_that_the_model_changes_are_as_they_were_in_every_sample():
    def change(x):
        noise = torch.randn_like(x)
        x.mul_(2)
        return x + noise

    arrays = read_arrays(extract(Function(change)))
    signal = arrays["/add"] - arrays["/randn_like"]
    expected = 2 * make_values()[:, None].repeat(N_SAMPLES, 1)
    np.testing.assert_allclose(signal.values, expected, atol=1e-6)


def test_a_model_without_random_numbers_is_told_and_runs_once():
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU())
    with pytest.warns(RuntimeWarning, match="n_samples=4, but no random numbers feed the chosen"):
        tree = extract(net)
    assert "sample" not in tree.coords
    assert_same(tree, extract(net, n_samples=1))
    with pytest.warns(RuntimeWarning, match="no random numbers feed the chosen ops"):
        assert "sample" not in extract(ops="/mul").coords


def test_a_model_that_sets_its_own_seed_is_told():
    def draw(x):
        torch.manual_seed(1)
        return x + torch.randn(x.shape[1:])

    with pytest.warns(RuntimeWarning, match="samples that were looked at are all the same"):
        array = read_arrays(extract(Function(draw)))["/add"]
    assert (array.std("sample") == 0).all()


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, True, "3", None])
def test_a_number_of_samples_that_is_none_is_refused(n_samples):
    for run in (nl.extract_activations, nl.extract_grams):
        with pytest.raises(InputError, match=r"n_samples must be a whole number.*n_samples=10"):
            run(Noisy(), nl.load_stimuli(make_values()), n_samples=n_samples, quiet=True)
    with pytest.raises(InputError, match="n_samples must be a whole number"):
        nl.forecast(Noisy(), nl.load_stimuli(make_values()), n_samples=n_samples)


@pytest.mark.parametrize("reducer", ["float16", PCA(2, fit_on=[f"stim00{i}" for i in range(5)])])
def test_reducers_are_those_of_sample_0(reducer, tmp_path):
    """What is fitted is fitted to sample 0, whatever the number of samples."""
    settings = {"reducer": reducer, "ops": ["/add", "/mul"], "batch_size": 3}
    tree = extract(**settings)
    arrays = read_arrays(tree)
    one = read_arrays(extract(n_samples=1, **settings))
    np.testing.assert_array_equal(arrays["/add"].isel(sample=0).values, one["/add"].values)
    np.testing.assert_array_equal(arrays["/mul"].values, one["/mul"].values)
    assert (arrays["/add"].std("sample") > 0).all()
    assert_same(tree, extract(store=tmp_path / "a.zarr", **settings))


def count_planned():
    """Return how often planning runs the model."""
    CALLS.clear()
    extract(batch_size=3)
    return CALLS.count("pass") - 3 * N_SAMPLES


class TestStore:
    def test_a_store_holds_what_memory_holds(self, tmp_path):
        tree = extract(batch_size=3)
        stored = extract(batch_size=3, store=tmp_path / "a.zarr")
        assert_same(stored, tree)
        assert stored.sample.values.tolist() == [0, 1, 2, 3]
        assert stored.attrs["provenance"]["n_samples"] == N_SAMPLES
        assert stored.attrs["n_samples"] == N_SAMPLES

    @pytest.mark.parametrize("n_steps", [1, 6, 8])
    def test_a_run_goes_on_within_a_sample(self, n_steps, tmp_path, monkeypatch):
        path = tmp_path / "a.zarr"
        whole = extract(batch_size=3)
        n_planned = count_planned()
        close_step = ActivationStore.close_step
        closed = []

        def stop(store, group, step, deviation, checks):
            close_step(store, group, step, deviation, checks)
            closed.append((step.rows.start, step.sample))
            if len(closed) == n_steps:
                raise KeyboardInterrupt

        monkeypatch.setattr(ActivationStore, "close_step", stop)
        with pytest.raises(KeyboardInterrupt):
            extract(batch_size=3, store=path)
        monkeypatch.undo()
        assert closed == [(3 * (i // N_SAMPLES), i % N_SAMPLES) for i in range(n_steps)]
        with pytest.raises(DataError, match=f"{n_steps} of 12 batches are done"):
            nl.extract.open_activations(path)
        CALLS.clear()
        assert_same(extract(batch_size=3, store=path), whole)
        assert CALLS.count("pass") == n_planned + 3 * N_SAMPLES - n_steps

    def test_another_number_of_samples_is_another_store(self, tmp_path):
        extract(store=tmp_path / "a.zarr")
        with pytest.raises(DataError, match="n_samples was 4, is now 3"):
            extract(n_samples=3, store=tmp_path / "a.zarr")

    @pytest.mark.parametrize(
        ("file", "n_steps", "words"),
        [
            ("ops/relu/activation/c/1/2/0", 1, "'/relu' for stimuli 'stim003' to 'stim005' in"),
            ("ops/mul/activation/c/2/0", 1, "'/mul' for stimuli 'stim006' to 'stim007' \\("),
            ("checks/ran/c/0/3/0", 1, "in sample 3"),
            ("checks/done/c/0/7", 1, "'done' of all ops"),
            ("ops/sample/c/0", 0, "the numbers of the samples"),
        ],
    )
    def test_damage_is_told_and_repaired(self, file, n_steps, words, tmp_path):
        path = tmp_path / "a.zarr"
        whole = extract(batch_size=3, store=path).load()
        content = bytearray((path / file).read_bytes())
        content[0] ^= 1
        (path / file).write_bytes(content)
        n_planned = count_planned()
        CALLS.clear()
        with pytest.warns(RuntimeWarning, match=f"damaged: .*{words}"):
            repaired = extract(batch_size=3, store=path)
        assert_same(repaired, whole)
        assert CALLS.count("pass") == n_planned + n_steps
        assert_same(extract(batch_size=3, store=path), whole)

    def test_values_that_are_not_finite_are_counted_in_all_samples(self, tmp_path):
        def blow_up(x):
            return torch.where(torch.rand_like(x) < 0.5, x / 0, x)

        with pytest.warns(RuntimeWarning, match="hold NaN or infinite values"):
            tree = extract(Function(blow_up), store=tmp_path / "a.zarr")
        arrays = read_arrays(tree)
        counts = {name: int((~np.isfinite(array)).sum()) for name, array in arrays.items()}
        expected = [f"{name}: {count}" for name, count in counts.items() if count]
        assert tree.attrs["ops_not_finite"] == expected
        assert counts["/where"] > 0


def test_the_forecast_counts_what_samples_cost(tmp_path):
    stimuli = nl.load_stimuli(make_values())
    costs = nl.forecast(Noisy(), stimuli, n_samples=N_SAMPLES, batch_size=3)
    tree = extract(batch_size=3, store=tmp_path / "a.zarr").load()
    arrays = read_arrays(tree)
    assert costs.kept_bytes.to_dict() == {name: array.nbytes for name, array in arrays.items()}
    assert costs.n_samples["/mul"] == 1
    assert costs.n_samples["/add"] == N_SAMPLES
    chunks = list((tmp_path / "a.zarr" / "ops").glob("*/activation/c/**/*"))
    assert costs.activations.disk_bytes == sum(f.stat().st_size for f in chunks if f.is_file())
    assert costs.activations.passes == N_SAMPLES
    grams = nl.extract_grams(Noisy(), stimuli, n_samples=N_SAMPLES, batch_size=3, quiet=True)
    assert costs.grams.passes == grams.attrs["n_passes"] == N_SAMPLES


class TestGrams:
    @settings(max_examples=8)
    @given(
        n_stimuli=st.integers(3, 9),
        n_features=st.integers(1, 40),
        batch_size=st.integers(1, 9),
        n_samples=st.integers(2, 5),
        room=st.integers(0, 3000),
    )
    def test_a_gram_is_that_of_the_mean_over_samples(
        self, n_stimuli, n_features, batch_size, n_samples, room
    ):
        values = make_values(n_stimuli, n_features)
        tree = extract(n_samples=n_samples, values=values, batch_size=batch_size)
        stimuli = nl.load_stimuli(values)
        chosen = {"n_samples": n_samples, "batch_size": batch_size, "quiet": True}
        chosen = chosen | {"precision": "float64"}
        whole = nl.extract_grams(Noisy(), stimuli, **chosen)
        for name, array in read_arrays(tree).items():
            means = array.astype(np.float64).values
            means = means.mean(1) if "sample" in array.dims else means
            gram = whole.sel(op=name)
            np.testing.assert_allclose(gram.gram, means @ means.T, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(gram.row_sum, means.sum(1), rtol=1e-9, atol=1e-9)
        assert whole.attrs["samples"] == f"mean of {n_samples}"
        # In a budget that takes several passes.
        least = 10 * (6 * 8 * n_stimuli * (n_stimuli + 1) + 400 * n_stimuli + 2000)
        cut = nl.extract_grams(Noisy(), stimuli, memory=least + room, **chosen)
        np.testing.assert_allclose(cut.gram, whole.gram, rtol=1e-9, atol=1e-9)

    def test_few_bytes_take_more_passes_and_give_the_same(self):
        values = make_values(12, 4000)
        stimuli = nl.load_stimuli(values)
        settings = {"n_samples": 3, "batch_size": 4, "precision": "float64", "quiet": True}
        whole = nl.extract_grams(Noisy(), stimuli, **settings)
        cut = nl.extract_grams(Noisy(), stimuli, memory=1_400_000, **settings)
        assert cut.attrs["n_passes"] > 3
        np.testing.assert_allclose(cut.gram, whole.gram, rtol=1e-9)

    def test_deterministic_ops_have_the_gram_of_one_sample(self):
        stimuli = nl.load_stimuli(make_values())
        one = nl.extract_grams(Noisy(), stimuli, quiet=True)
        many = nl.extract_grams(Noisy(), stimuli, n_samples=N_SAMPLES, quiet=True)
        np.testing.assert_array_equal(many.gram.sel(op="/mul"), one.gram.sel(op="/mul"))
        assert "samples" not in one.attrs

    def test_a_sketch_is_of_the_mean(self):
        stimuli = nl.load_stimuli(make_values(6, 3000))
        settings = {"n_samples": 3, "quiet": True, "ops": "/add"}
        exact = nl.extract_grams(Noisy(), stimuli, **settings)
        hashed = nl.extract_grams(Noisy(), stimuli, sketch=1500, **settings)
        size = np.diag(exact.gram[0]).mean()
        assert abs(hashed.gram - exact.gram).max() / size < 4 * hashed.attrs["sketch_error"]
        np.testing.assert_allclose(hashed.row_sum, exact.row_sum, rtol=1e-9)

    def test_narrow_numbers_are_added_up_exactly(self):
        """The sum of samples of float16 and of bool would not fit their dtypes."""

        def draw(x):
            flags = torch.rand_like(x) < 0.5
            half = (torch.randn_like(x) * 2e4).half()
            return flags, half

        values = make_values()
        tree = extract(Function(draw), n_samples=5, values=values)
        grams = nl.extract_grams(Function(draw), nl.load_stimuli(values), n_samples=5, quiet=True)
        for name in ("/lt", "/half"):
            means = read_arrays(tree)[name].astype(np.float64).mean("sample").values
            np.testing.assert_allclose(grams.gram.sel(op=name), means @ means.T, rtol=1e-12)

    def test_a_view_of_a_random_result_shares_its_gram(self):
        def draw(x):
            noisy = x + torch.randn_like(x)
            return noisy.reshape(len(x), -1, 1) * 2

        stimuli = nl.load_stimuli(make_values())
        grams = nl.extract_grams(Function(draw), stimuli, n_samples=3, quiet=True)
        assert grams.alias_of.sel(op="/reshape") == "/add"
        np.testing.assert_array_equal(grams.gram.sel(op="/reshape"), grams.gram.sel(op="/add"))
        np.testing.assert_allclose(
            grams.gram.sel(op="/mul"), 4 * grams.gram.sel(op="/add"), rtol=1e-6
        )

    @pytest.mark.parametrize("sketch", [None, 25])
    def test_a_batch_that_is_run_again_is_added_once(self, sketch):
        """It deviates after results that were taken already."""

        def branch(x):
            noisy = x + torch.randn_like(x)
            if noisy[0, 0] > 0:
                x = torch.sin(x)
            return noisy * 2, x

        values = make_values(n_features=30)
        settings = {"n_samples": 6, "batch_size": 2, "quiet": True, "ops": "/add"}
        stimuli = nl.load_stimuli(values)
        tree = nl.extract_activations(Function(branch), stimuli, **settings)
        means = tree["add"]["activation"].astype(np.float64).mean("sample").values
        grams = nl.extract_grams(Function(branch), stimuli, sketch=sketch, **settings)
        np.testing.assert_allclose(grams.row_sum[0], means.sum(1), rtol=1e-9)
        if sketch is None:
            np.testing.assert_allclose(grams.gram[0], means @ means.T, rtol=1e-9)
        one = nl.extract_grams(
            Function(branch), stimuli, sketch=sketch, **settings | {"n_samples": 1}
        )
        single = tree["add"]["activation"].isel(sample=0).astype(np.float64).values
        atol = one.attrs["eps"] * np.sqrt(30 * (single**2).sum(1).max())
        np.testing.assert_allclose(one.row_sum[0], single.sum(1), atol=atol)

    def test_an_op_that_some_samples_lack_has_no_gram(self):
        def branch(x):
            x = torch.sin(x) if torch.rand(()) < 0.5 else torch.cos(x)
            return x * 2

        grams = nl.extract_grams(
            Function(branch), nl.load_stimuli(make_values()), n_samples=12, quiet=True
        )
        assert "/mul" in grams.op
        assert not {"/sin", "/cos"} & set(grams.op.values.tolist())
        assert "does not run for" in " ".join(grams.attrs["skipped_ops"])


def add_torch_noise(x):
    return x + torch.randn_like(x)


def add_numpy_noise(x):
    return x + torch.from_numpy(np.random.normal(size=x.shape)).float()  # noqa: NPY002


MIXING = {
    "softmax": lambda h: h.softmax(0),
    "mean": lambda h: h - h.mean(0),
    "flip": lambda h: h.flip(0),
    "permutation": lambda h: h[torch.randperm(len(h))],
}


@pytest.mark.parametrize("extractor", [nl.extract_activations, nl.extract_grams])
@pytest.mark.parametrize("n_samples", [1, 3])
@pytest.mark.parametrize("noise", [add_torch_noise, add_numpy_noise])
@pytest.mark.parametrize("mix", MIXING)
def test_what_mixes_the_batch_after_noise_is_left_out(mix, noise, n_samples, extractor):
    model = Function(lambda x: MIXING[mix](noise(x)).tanh())
    stimuli = nl.load_stimuli(make_values(11))
    found = extractor(model, stimuli, n_samples=n_samples, batch_size=4, quiet=True)
    skipped = [text.split(":")[0] for text in found.attrs["skipped_ops"]]
    assert "/tanh" in skipped
    assert "/add" not in skipped


@pytest.mark.parametrize("n_stimuli", [2, 3, 8])
def test_noise_of_numpy_that_stays_in_its_row_is_kept(n_stimuli):
    model = Function(lambda x: add_numpy_noise(x).cumsum(1).tanh())
    found = extract(model, 1, values=make_values(n_stimuli))
    assert not found.attrs.get("skipped_ops")
    assert found.attrs["random_numbers_from"] == ["numpy"]


@pytest.mark.parametrize("n_stimuli", [2, 3])
def test_mixing_after_noise_of_numpy_shows_in_small_sets(n_stimuli):
    model = Function(lambda x: add_numpy_noise(x).softmax(0))
    found = extract(model, 1, values=make_values(n_stimuli))
    assert [text.split(":")[0] for text in found.attrs["skipped_ops"]] == ["/softmax"]
