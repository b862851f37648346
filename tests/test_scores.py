import itertools
import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scores import label_scores, make_scores

from neurolens.errors import InputError, LabelError, NeuroLensError, UnknownNameError
from neurolens.scores import (
    ALWAYS,
    JACKKNIFE,
    MEASURES,
    METHODS,
    REFERENCES,
    REMEDIES,
    VARIABLES,
    Ceiling,
    Intervals,
    build_scores,
    find_remedy,
    list_references,
    read_scores,
)

VALUES = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
BOTH = Intervals("t interval of a two-factor bootstrap", "stimuli and subjects", 0.95)
STIMULI = Intervals("bootstrap percentile", "stimuli", 0.9)


def bound(values=VALUES, low=0.1):
    """Return the variables of intervals about ``values``."""
    wide = np.array(values)[:, :, None]
    per_subject = ("op", "region", "subject")
    return {
        "ci_low": (per_subject, wide - low),
        "ci_high": (per_subject, wide + low),
        "mean_ci_low": (per_subject[:2], wide[..., 0] - low),
        "mean_ci_high": (per_subject[:2], wide[..., 0] + low),
    }


CEILINGS = {"ceiling_lower": ("region", [0.5, 0.6]), "ceiling_upper": ("region", [0.7, 0.8])}


class TestForm:
    @given(
        order=st.permutations(["op", "region", "subject", "time_bin"]),
        absent=st.sets(st.sampled_from(["region", "subject", "time_bin"])),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_any_order_of_dimensions_any_missing(self, order, absent, seed):
        rng = np.random.default_rng(seed)
        names = {"op": ["x", "y"], "region": ["V1", "IT", "V4"], "subject": ["A", "B"]}
        names["time_bin"] = [70, 90]
        dims = [dim for dim in order if dim not in absent]
        values = rng.random([len(names[dim]) for dim in dims])
        score = xr.DataArray(values, dims=dims, coords={dim: names[dim] for dim in dims})
        whole = build_scores(score, method="rsa", measure="spearman", n_stimuli=4)
        timed = () if "time_bin" in absent else ("time_bin",)
        for name in ALWAYS:
            assert whole[name].dims == (*VARIABLES[name], *timed)
        assert whole.region.values.tolist() == (
            ["brain"] if "region" in absent else names["region"]
        )
        assert whole.subject.values.tolist() == (
            ["group"] if "subject" in absent else names["subject"]
        )
        for place in itertools.product(*(range(len(names[dim])) for dim in dims)):
            labels = {dim: names[dim][k] for dim, k in zip(dims, place, strict=True)}
            known = whole.score.sel(labels).squeeze()
            assert known.item() == values[place]
        mean = values.mean(axis=dims.index("subject")) if "subject" in dims else values
        left = [dim for dim in dims if dim != "subject"]
        np.testing.assert_allclose(whole.score_mean.squeeze().transpose(*left).values, mean)

    def test_mean_is_over_the_subjects_that_have_the_region(self):
        values = [[[0.2, 0.4, np.nan], [np.nan, np.nan, np.nan]]]
        labels = {"ops": ["a"], "subjects": "ABC"}
        scores = make_scores(values, labels=labels)
        np.testing.assert_allclose(scores.score_mean.values, [[0.3, np.nan]])

    def test_what_is_left_out_is_unknown(self):
        scores = make_scores(VALUES)
        for name in ALWAYS[2:]:
            assert scores[name].isnull().all()
        assert scores.ceiling_upper.dims == ("region",)
        assert "split_score" not in scores

    def test_variables_lack_what_the_score_lacks(self):
        score = xr.DataArray([0.1, 0.3], dims="op", coords={"op": ["a", "b"]})
        halves = np.arange(8.0).reshape(2, 2, 2)
        more = {
            "ci_low": ("op", [0.0, 0.2]),
            "split_score": (("op", "split", "half"), halves),
            "weight": ("component", [1.0, 2.0, 3.0]),
        }
        scores = build_scores(score, method="rsa", measure="r", n_stimuli=4, variables=more)
        assert scores.ci_low.dims == ("op", "region", "subject")
        assert scores.split_score.dims == VARIABLES["split_score"]
        assert scores.split_score.sel(op="b", region="brain")[1, 0].item() == halves[1, 1, 0]
        assert scores.weight.values.tolist() == [1, 2, 3]

    def test_a_region_that_was_selected_keeps_its_name(self):
        score = label_scores(VALUES).sel(region="IT", drop=False)
        scores = build_scores(score, method="rsa", measure="spearman", n_stimuli=4)
        assert scores.region.values.tolist() == ["IT"]

    def test_variables_are_matched_by_label(self):
        score = label_scores(VALUES)
        moved = (score - 0.1).isel(op=[2, 0, 1], region=[1, 0])
        scores = make_scores(VALUES, variables={"ci_low": moved})
        np.testing.assert_allclose(scores.ci_low, scores.score - 0.1)
        fewer = moved.isel(op=[0, 1])
        with pytest.raises(LabelError, match="'ci_low' and the scores must hold the same 3 ids"):
            make_scores(VALUES, variables={"ci_low": fewer})

    def test_other_labels_must_agree_too(self):
        member = xr.DataArray([[True, False]], dims=("split", "stimulus"))
        one = member.assign_coords(stimulus=["s0", "s1"])
        other = xr.DataArray([0, 1], dims="stimulus", coords={"stimulus": ["s1", "s2"]})
        more = {"split_member": one, "stimulus_fold": other}
        with pytest.raises(LabelError, match="must have the same labels"):
            make_scores(VALUES, variables=more)

    def test_wrong_dimensions_are_refused(self):
        with pytest.raises(LabelError, match=r"'ceiling_upper' of scores has dimensions \['region"):
            make_scores(VALUES, variables={"ceiling_upper": ("op", [1.0, 2.0, 3.0])})
        score = label_scores(VALUES).isel(op=0, drop=True)
        with pytest.raises(LabelError, match=r"need the dimension 'op'.*expand_dims\(op="):
            build_scores(score, method="rsa", measure="spearman", n_stimuli=4)
        with pytest.raises(UnknownNameError, match="no method of scores named 'rsaa'"):
            make_scores(VALUES, method="rsaa")

    def test_attributes_say_how_scores_were_made(self):
        scores = make_scores(
            VALUES,
            dissimilarity="correlation",
            intervals=STIMULI,
            variables=bound(),
            details={"rng": 3, "measure": "another"},
        )
        expected = {
            "method": "rsa",
            "measure": "spearman",
            "dissimilarity": "correlation",
            "interval_kind": "bootstrap percentile",
            "interval_over": "stimuli",
            "interval_level": 0.9,
            "n_stimuli": 20,
            "rng": 3,
        }
        assert expected.items() <= scores.attrs.items()
        assert "estimator" not in scores.attrs

    def test_scores_and_ceilings_say_their_kind(self):
        scores = make_scores(VALUES, method="encoding", measure="r2")
        for name in ("score", "score_mean", "ceiling_lower", "ceiling_upper"):
            assert scores[name].attrs["kind"] == "r2"
            assert scores[name].attrs["measure"] == "r2"
        score = label_scores(VALUES).assign_attrs(kind="r", n_repeats=3)
        scores = build_scores(score, method="encoding", measure="r", n_stimuli=4)
        assert scores.ceiling_upper.attrs["n_repeats"] == 3

    def test_a_file_keeps_all_of_it(self, tmp_path):
        scores = make_scores(VALUES, variables=bound(), intervals=BOTH)
        scores.to_netcdf(tmp_path / "scores.nc")
        with xr.open_dataset(tmp_path / "scores.nc") as saved:
            xr.testing.assert_identical(saved.load(), scores)


class TestSentences:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("intervals", [None, STIMULI, BOTH])
    @pytest.mark.parametrize("ceiling", [None, Ceiling("Two subjects.", "exact")])
    @pytest.mark.parametrize("dissimilarity", ["", "crossnobis"])
    def test_are_whole_for_every_method(self, method, intervals, ceiling, dissimilarity):
        variables = bound() if intervals else {}
        variables |= CEILINGS if ceiling else {}
        scores = make_scores(
            VALUES,
            method=method,
            variables=variables,
            intervals=intervals,
            ceiling=ceiling,
            dissimilarity=dissimilarity,
        )
        text = scores.attrs["methods_text"]
        assert re.search(r"[{}]|\(\)|nan|None|  |\.\.|,\.", text) is None
        assert text[0].isupper()
        assert text.endswith(".")
        assert "20 stimuli" in text
        assert "spearman (Spearman's rank correlation)" in text
        assert ("crossnobis" in text) == (bool(dissimilarity) and "rsa" in method)
        assert ("Intervals: " in text) == (intervals is not None)
        assert ("No noise ceiling was computed." in text) == (ceiling is None)
        assert ("No model can exceed the upper ceiling." in text) == (ceiling is not None)
        if intervals:
            assert f"{100 * intervals.level:g} %, over {intervals.over}." in text

    def test_do_not_claim_intervals_that_are_nan(self):
        scores = make_scores(VALUES, intervals=BOTH)
        assert scores.attrs["interval_kind"] == "none"
        assert "Intervals" not in scores.attrs["methods_text"]
        assert "schuett2023" not in scores.attrs["reference"]

    def test_do_not_deny_ceilings_that_are_there(self):
        text = make_scores(VALUES, variables=CEILINGS).attrs["methods_text"]
        assert "No noise ceiling" not in text
        assert "Noise ceilings were computed." in text

    def test_do_not_claim_bounds_of_ceilings_that_are_nan(self):
        attrs = make_scores(VALUES, ceiling=Ceiling("One subject only.", "exact")).attrs
        assert attrs["ceiling_bound"] == "none"
        assert attrs["methods_text"].endswith("stimuli. One subject only.")

    @pytest.mark.parametrize(("estimator", "said"), [("", "a linear model"), ("pls", "pls")])
    def test_name_the_estimator(self, estimator, said):
        scores = make_scores(VALUES, method="encoding", measure="r", estimator=estimator)
        assert f"features ({said}) and scored by r (Pearson's" in scores.attrs["methods_text"]

    def test_print_an_unknown_measure_as_it_is(self):
        assert "region by rv." in make_scores(VALUES, measure="rv").attrs["methods_text"]

    def test_name_every_measure_of_the_package(self):
        from neurolens.compare import ALIGNMENTS, COMPARATORS

        others = {"partial-pearson", "partial-spearman", "beta", "r", "r2"}
        assert {*ALIGNMENTS, *COMPARATORS} | others == set(MEASURES)


class TestReferences:
    def test_every_key_is_a_citation_with_a_doi(self):
        for method in METHODS.values():
            assert set(method.references) <= set(REFERENCES)
        for key, citation in REFERENCES.items():
            assert f"({key[-4:]})" in citation
            assert re.search(r"https://doi\.org/10\.\d+/\S+$", citation)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_bootstrap_is_cited_where_subjects_were_drawn_too(self, method):
        for intervals, expected in (
            (None, False),
            (STIMULI, False),
            (Intervals("t interval of halves", "stimuli", 0.95), False),
            (BOTH, True),
        ):
            scores = make_scores(VALUES, method=method, intervals=intervals, variables=bound())
            cited = any("e82566" in one for one in list_references(scores.attrs))
            assert cited == expected

    def test_influences_are_cited(self):
        """And the correction for two factors, where they are over subjects too."""
        for over, expected in (
            ("stimuli", ["efron1981"]),
            ("stimuli and subjects", ["efron1981", "schuett2023"]),
        ):
            intervals = Intervals(f"t interval of the infinitesimal {JACKKNIFE}", over, 0.95)
            scores = make_scores(VALUES, method="rsa", intervals=intervals, variables=bound())
            keys = scores.attrs["reference"].split(",")
            assert [key for key in keys if key in ("efron1981", "schuett2023")] == expected
            assert f"infinitesimal {JACKKNIFE}, 95 %, over {over}." in scores.attrs["methods_text"]

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("there", [False, True])
    def test_ceilings_are_cited_where_they_were_computed(self, method, there):
        variables = CEILINGS if there else {}
        for note, named in (("RDM ceiling of Nili et al. 2014.", True), ("Split halves.", False)):
            ceiling = Ceiling(note, "exact")
            scores = make_scores(VALUES, method=method, variables=variables, ceiling=ceiling)
            cited = any("pcbi.1003553" in one for one in list_references(scores.attrs))
            assert cited == (there and named)

    def test_the_ncsnr_is_cited_where_it_was_used(self):
        note = Ceiling("ncsnr per neuroid, for the mean of 3 presentations.", "expected")
        for variables, expected in (({}, False), (CEILINGS, True)):
            scores = make_scores(VALUES, method="encoding", ceiling=note, variables=variables)
            assert ("allen2022" in scores.attrs["reference"]) == expected

    def test_of_no_scores_there_are_none(self):
        assert list_references({}) == []


class TestReading:
    def test_returns_what_it_read(self):
        scores = make_scores(VALUES)
        assert read_scores(scores, "locate_peaks") is scores

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (None, "got NoneType"),
            (xr.DataArray([1.0], dims="op"), r"a DataArray with dimensions \['op'\]"),
            (xr.Dataset({"score": ("op", [1.0])}), "and the method None"),
            (xr.Dataset({"x": ("op", [1.0])}, attrs={"method": "rsa"}), r"with \['x'\]"),
            (xr.Dataset({"score": ("op", [1.0])}, attrs={"method": "veRSA"}), "method 'veRSA'"),
        ],
    )
    def test_anything_else_is_refused_by_name(self, wrong, said):
        with pytest.raises(InputError, match=f"compare_ops takes scores, .*'fit_enc.*{said}"):
            read_scores(wrong, "compare_ops")

    def test_time_bins_are_refused_with_a_way_out_that_works(self):
        score = xr.concat([label_scores(VALUES), label_scores(VALUES)], "time_bin")
        scores = build_scores(score, method="rsa", measure="spearman", n_stimuli=4)
        assert read_scores(scores, "plot_times", over_time=True) is scores
        message = r"locate_peaks takes one time bin\. Select with (scores\.isel\(.*\))\. There"
        with pytest.raises(InputError, match=message) as refusal:
            read_scores(scores, "locate_peaks")
        selected = eval(re.search(message, str(refusal.value))[1], {"scores": scores})
        assert read_scores(selected, "locate_peaks").score.dims == ("op", "region", "subject")

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("name", [*VARIABLES, "weight"])
    def test_what_is_needed_and_lacks_is_told_with_a_remedy(self, method, name):
        scores = make_scores(VALUES, method=method).drop_vars(name, errors="ignore")
        if name == "score":
            return
        message = rf"compare_ops needs '{name}', which these scores \({method}\) do not hold\. "
        with pytest.raises(InputError, match=message + r"Make scores with \w+.*\.\n"):
            read_scores(scores, "compare_ops", needs=[name])

    def test_remedies_name_functions_that_exist(self):
        from neurolens import compare

        for remedies in REMEDIES.values():
            for sentence in remedies.values():
                named = re.findall(r"\b(?:compare|fit|permute|compute)_\w+", sentence)
                assert named
                assert all(hasattr(compare, function) for function in named)
        for method in METHODS.values():
            assert hasattr(compare, method.function)
        assert find_remedy("weight", "reweighted-rsa") == "fit_reweighted_rdms(...)"

    def test_nan_is_not_enough_unless_no_score_is_known(self):
        with pytest.raises(InputError, match="needs 'ceiling_upper'.*two or more subjects"):
            read_scores(make_scores(VALUES), "normalize_scores", needs=["ceiling_upper"])
        lost = make_scores(np.full((3, 2), np.nan))
        assert read_scores(lost, "normalize_scores", needs=["ceiling_upper"]) is lost
        empty = lost.assign(split_score=(VARIABLES["split_score"], np.empty((0, 2, 3, 2))))
        with pytest.raises(InputError, match="needs 'split_score'"):
            read_scores(empty, "assign_regions", needs=["split_score"])

    @pytest.mark.parametrize("label", [{"op": "b"}, {"region": "IT"}, {"subject": "group"}])
    def test_a_single_label_that_was_selected_is_a_dimension_again(self, label):
        scores = make_scores(VALUES, variables=bound() | CEILINGS, intervals=BOTH)
        found = read_scores(scores.sel(label), "locate_peaks")
        kept = scores.sel({dim: [name] for dim, name in label.items()})
        for name in ALWAYS:
            xr.testing.assert_equal(found[name].transpose(*VARIABLES[name]), kept[name])

    def test_a_dimension_that_is_gone_is_asked_for(self):
        scores = make_scores(VALUES)
        with pytest.raises(InputError, match=r"needs the dimension 'op'.*scores\.sel\(op=\[\.\.\."):
            read_scores(scores.mean("op", keep_attrs=True), "locate_peaks")
        halves = np.zeros((2, 2, 3, 2))
        scores = make_scores(VALUES, variables={"split_score": (VARIABLES["split_score"], halves)})
        with pytest.raises(NeuroLensError, match="needs the dimension 'split'"):
            read_scores(scores.isel(split=0), "assign_regions")


def test_selected_subjects_are_refused_with_the_means_of_all():
    labels = {"subjects": ["A", "B"]}
    scores = make_scores(np.arange(12.0).reshape(3, 2, 2), labels=labels)
    read_scores(scores, "this")
    for chosen in (scores.isel(subject=[0]), scores.isel(subject=1)):
        with pytest.raises(InputError, match=r"made with, 'A', 'B', got '[AB]': score_mean and"):
            read_scores(chosen, "this")
