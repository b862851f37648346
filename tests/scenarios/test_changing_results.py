"""Models whose results have another source, form or number for some stimuli than for the first."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import InputError

N_STIMULI = 8
# The models ask for the sum of the whole batch, which is told.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*results are computed from values of the whole batch:RuntimeWarning"
)


def make_stimuli():
    """Stimuli of which the second half have a sum above 100."""
    x = np.random.default_rng(0).standard_normal((N_STIMULI, 6)).astype(np.float32)
    x[N_STIMULI // 2 :] += 1000
    return torch.from_numpy(x.copy()), nl.load_stimuli(x)


class TwoLayers(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)


def is_late(x):
    return float(x.sum()) > 100


class OtherSource(TwoLayers):
    """The view is of another op for late stimuli; every op runs for all."""

    def forward(self, x):
        u = self.a(x)
        v = self.b(x)
        return (v if is_late(x) else u).reshape(len(x), 2, 3)


class OtherHalf(TwoLayers):
    """The view is of another part of the same memory for late stimuli."""

    def forward(self, x):
        u, v = self.a(x).split(3, dim=1)
        return (v if is_late(x) else u).unsqueeze(1)


class WrittenBetween(TwoLayers):
    """For late stimuli the memory is written to between the op and its view."""

    def forward(self, x):
        h = self.a(x)
        if is_late(x):
            h.mul_(3)
        return h.reshape(len(x), 2, 3)


class SourceRunsForSome(TwoLayers):
    """The view runs for all, what it views for the first stimuli only."""

    def forward(self, x):
        h = self.a(x)
        if not is_late(x):
            h = h * 2
        return h.reshape(len(x), 2, 3)


CHANGING = {
    "other source": (OtherSource, "/reshape"),
    "other half": (OtherHalf, "/unsqueeze"),
    "written between": (WrittenBetween, "/reshape"),
    "source runs for some": (SourceRunsForSome, "/reshape"),
}


@pytest.mark.filterwarnings("ignore:.*results depend on the other stimuli")
@pytest.mark.parametrize("case", CHANGING)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_view_that_is_one_for_some_stimuli_only_gets_a_gram_of_its_own(case, batch_size):
    make, op = CHANGING[case]
    model = make().eval()
    x, stimuli = make_stimuli()
    with torch.no_grad():
        rows = torch.cat([model(row[None]) for row in x]).flatten(1).double()
    settings = {"batch_size": batch_size, "batch_dependent": True}
    grams = nl.extract_grams(model, stimuli, **settings, quiet=True)
    np.testing.assert_allclose(grams.gram.sel(op=op), rows @ rows.T, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(grams.row_sum.sel(op=op), rows.sum(1), rtol=1e-5, atol=1e-4)
    assert grams.alias_of.sel(op=op) != "a/linear"


def test_a_view_that_stays_one_shares_its_gram():
    class Plain(TwoLayers):
        def forward(self, x):
            return self.a(x).reshape(len(x), 2, 3)

    grams = nl.extract_grams(Plain(), make_stimuli()[1], quiet=True)
    assert grams.alias_of.sel(op="/reshape") == "a/linear"
    assert grams.attrs["n_passes"] == 1


def test_a_view_that_does_not_run_for_all_has_no_gram():
    class Sometimes(TwoLayers):
        def forward(self, x):
            h = self.a(x)
            if not is_late(x):
                h.reshape(len(x), 2, 3)
            return self.b(h)

    grams = nl.extract_grams(Sometimes(), make_stimuli()[1], batch_size=4, quiet=True)
    assert "/reshape" not in grams.op
    assert "/reshape: does not run for 4 stimuli, first 'stim004'" in grams.attrs["skipped_ops"]


def test_a_view_of_values_that_are_not_finite_is_told_too():
    class Infinite(TwoLayers):
        def forward(self, x):
            h = self.a(x)
            (h * float("inf")).view(len(x), 2, 3)
            return self.b(h)

    stimuli = make_stimuli()[1]
    grams = nl.extract_grams(Infinite(), stimuli, quiet=True)
    told = [sentence.partition(":")[0] for sentence in grams.attrs["skipped_ops"]]
    assert {"/mul", "/view"} <= set(told)


class OtherDtype(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        h.to(torch.float32 if is_late(x) else torch.int64)
        return self.b(h)


class OtherNumber(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        parts = torch.split(h, 6 if not is_late(x) else 3, dim=1)
        return self.b(torch.cat(parts, 1))


class OtherWidth(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        h[:, : 6 if not is_late(x) else 3].exp()
        return self.b(h)


ODD = {
    "dtype": (
        OtherDtype,
        "/to",
        r"has dtype torch.float32 for these stimuli, expected torch.int64",
    ),
    "number": (OtherNumber, "/split", r"gave 2 results for 'stim004'"),
    "width": (OtherWidth, "/exp", r"expected \(6,\) per stimulus"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("kind", ["grams", "activations", "store"])
def test_an_odd_result_is_left_out_with_the_reason(case, kind, tmp_path):
    make, op, reason = ODD[case]
    model = make().eval()
    stimuli = make_stimuli()[1]
    settings = {"batch_size": 4, "quiet": True}
    if kind == "grams":
        result = nl.extract_grams(model, stimuli, **settings)
        kept = set(result.op.values.tolist())
    else:
        store = {"store": tmp_path / "a.zarr"} if kind == "store" else {}
        result = nl.extract_activations(model, stimuli, **settings, **store)
        if kind == "store":
            result = nl.open_activations(tmp_path / "a.zarr")
        kept = {str(leaf["activation"].attrs["op"]) for leaf in result.leaves}
    assert op not in kept
    assert {"a/linear", "b/linear"} <= kept
    (told,) = [text for text in result.attrs["skipped_ops"] if text.startswith(f"{op}:")]
    assert re.search(reason, told)
    with pytest.raises(InputError, match=reason):
        nl.extract_grams(model, stimuli, ops=op, **settings)


def test_nothing_but_odd_results_is_an_error():
    stimuli = make_stimuli()[1]
    with pytest.raises(InputError, match="none of the 1 selected ops has a result per stimulus"):
        nl.extract_activations(OtherWidth().eval(), stimuli, ops="/ex*", batch_size=4, quiet=True)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("sketch", [None, 4])
def test_models_that_choose_their_own_gradient_mode(mode, sketch):
    class Chooses(TwoLayers):
        def forward(self, x):
            with mode():
                h = self.a(x)
                return h.exp() if not is_late(x) else h.neg()

    x, stimuli = make_stimuli()
    model = Chooses().eval()
    grams = nl.extract_grams(model, stimuli, sketch=sketch, batch_size=4, quiet=True)
    with torch.no_grad():
        rows = model.a(x).double()
    if sketch is None:
        np.testing.assert_allclose(
            grams.gram.sel(op="a/linear"), rows @ rows.T, rtol=1e-6, atol=1e-5
        )


def test_a_view_made_before_its_base_is_written_to_and_used_after():
    class Late(TwoLayers):
        def forward(self, x):
            h = self.a(x)
            v = h.view(len(x), 2, 3)
            h.relu_()
            return v.permute(0, 2, 1)

    x, stimuli = make_stimuli()
    model = Late().eval()
    with torch.no_grad():
        rows = model(x).flatten(1).double()
    grams = nl.extract_grams(model, stimuli, quiet=True)
    np.testing.assert_allclose(grams.gram.sel(op="/permute"), rows @ rows.T, rtol=1e-6)
