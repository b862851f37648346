import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brains import label_responses
from scipy.spatial.distance import pdist, squareform

import neurolens as nl
from neurolens.compare import compute_metadata_rdms
from neurolens.errors import InputError, LabelError, UnknownNameError

IDS = ["cat", "dog", "cup", "car", "oak"]
CLASSES = ["animal", "animal", "tool", "tool", "plant"]
SIZES = [0.3, 0.7, 0.1, 4.2, 20.5]


def build_table(**columns) -> pd.DataFrame:
    return pd.DataFrame({"class": CLASSES, "size": SIZES, **columns}, index=IDS)


def measure(values, metric):
    values = np.reshape(np.asarray(values, dtype=float), (len(IDS), -1))
    return squareform(pdist(values, metric))


class TestKinds:
    def test_categories_and_numbers(self):
        rdms = compute_metadata_rdms(build_table(), ["class", "size"])
        assert rdms.dims == ("op", "stimulus", "stimulus_2")
        assert rdms.op.values.tolist() == ["class", "size"]
        assert rdms.stimulus.values.tolist() == rdms.stimulus_2.values.tolist() == IDS
        codes = pd.factorize(np.array(CLASSES))[0]
        np.testing.assert_array_equal(rdms.sel(op="class"), codes[:, None] != codes)
        np.testing.assert_allclose(rdms.sel(op="size"), measure(SIZES, "cityblock"))
        assert rdms.attrs["metric"] == (
            "class: 0 if the same, 1 if different; size: absolute difference"
        )

    def test_several_columns_together(self, rng):
        x, y = rng.normal(size=(2, 5))
        table = build_table(x=x, y=y)
        asked = {"place": ["x", "y"], "scaled": ["x", "y"]}
        rdms = compute_metadata_rdms(table, asked, kinds={"scaled": "standardized-euclidean"})
        points = np.stack([x, y], axis=1)
        np.testing.assert_allclose(rdms.sel(op="place"), measure(points, "euclidean"))
        np.testing.assert_allclose(
            rdms.sel(op="scaled"), measure(points / points.std(axis=0), "euclidean")
        )
        assert "place: Euclidean distance of x, y" in rdms.attrs["metric"]

    def test_several_categories_are_the_share_that_differ(self):
        table = build_table(color=["red", "tan", "red", "red", "tan"])
        rdms = compute_metadata_rdms(table, {"look": ["class", "color"]})
        codes = np.stack([pd.factorize(table[c])[0] for c in ("class", "color")], axis=1)
        np.testing.assert_allclose(rdms[0], measure(codes, "hamming"))
        assert "share of columns that differ of class, color" in rdms.attrs["metric"]

    def test_ordered_categories_differ_by_their_places(self):
        grades = pd.Categorical(
            ["low", "high", "mid", None, "low"], categories=["low", "mid", "high"], ordered=True
        )
        with pytest.warns(RuntimeWarning, match="'grade': stimuli 'car'"):
            rdms = compute_metadata_rdms(build_table(grade=grades), "grade")
        expected = measure([0, 2, 1, np.nan, 0], "cityblock")
        np.testing.assert_array_equal(rdms[0], expected)

    def test_true_and_false_are_categories(self):
        rdms = compute_metadata_rdms(build_table(alive=[True, True, False, False, True]), "alive")
        assert set(np.unique(rdms)) == {0.0, 1.0}

    def test_whole_numbers_that_repeat_are_said_to_be_a_guess(self):
        ids = [f"s{k}" for k in range(9)]
        table = pd.DataFrame({"label": [1, 1, 1, 2, 2, 2, 7, 7, 7]}, index=ids)
        with pytest.warns(RuntimeWarning, match=r"'label' hold whole numbers.*'category'"):
            guessed = compute_metadata_rdms(table, "label")
        assert guessed.max() == 6
        as_codes = compute_metadata_rdms(table, "label", kinds={"label": "category"})
        assert as_codes.max() == 1
        stated = compute_metadata_rdms(table, "label", kinds={"label": "difference"})
        xr.testing.assert_identical(stated, guessed)

    def test_numbers_as_text_need_a_kind(self):
        table = build_table(rating=["1.5", "2", "2", "9", "4"])
        with pytest.raises(InputError, match="'rating' hold numbers written as text"):
            compute_metadata_rdms(table, "rating")
        rdms = compute_metadata_rdms(table, "rating", kinds={"rating": "difference"})
        np.testing.assert_allclose(rdms[0], measure([1.5, 2, 2, 9, 4], "cityblock"))

    def test_a_column_of_another_unit_is_told(self):
        table = build_table(weight=[1000.0, 8000.0, 300.0, 9e5, 8e6])
        with pytest.warns(RuntimeWarning, match=r"'weight' makes 100.0 %.*standardized-euclidean"):
            compute_metadata_rdms(table, {"body": ["size", "weight"]})


class TestMissing:
    @pytest.mark.parametrize("gap", [None, np.nan, "", "nan", pd.NA])
    def test_of_a_category(self, gap):
        with pytest.warns(RuntimeWarning, match="'class': stimuli 'cup'"):
            rdms = compute_metadata_rdms(
                build_table(**{"class": ["animal", "animal", gap, "tool", "plant"]}), "class"
            )
        missing = np.isnan(rdms[0].values)
        expected = np.zeros((5, 5), dtype=bool)
        expected[2] = expected[:, 2] = True
        expected[2, 2] = False
        np.testing.assert_array_equal(missing, expected)

    def test_goes_on_into_scores_with_a_word(self, rng):
        with pytest.warns(RuntimeWarning, match="stimuli 'cup'"):
            rdms = compute_metadata_rdms(build_table(size=[1, 2, None, 4, 8.5]), ["class", "size"])
        brain = compute_metadata_rdms(build_table(x=rng.normal(size=5)), "x").isel(op=0, drop=True)
        with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of 'op size'"):
            scores = nl.compare_rdms(rdms, brain, n_bootstrap=0, n_splits=0)
        assert np.isfinite(scores.score).all()
        assert scores.n_pairs.values.ravel().tolist() == [10, 6]
        assert scores.attrs["dissimilarity"] == rdms.attrs["metric"]

    def test_infinite(self):
        with pytest.raises(
            InputError, match="'size' holds infinite numbers, for the stimuli 'oak'"
        ):
            compute_metadata_rdms(build_table(size=[1, 2, 3, 4, np.inf]), "size")


class TestSources:
    def test_all_say_the_same(self):
        table = build_table()
        expected = compute_metadata_rdms(table, ["class", "size"])
        on_stimulus = xr.DataArray(
            np.zeros((5, 2)),
            dims=("stimulus", "feature"),
            coords={
                "stimulus": IDS,
                "class": ("stimulus", CLASSES),
                "size": ("stimulus", SIZES),
            },
        )
        mapping = {"class": dict(zip(IDS, CLASSES, strict=True)), "size": table["size"][::-1]}
        variables = xr.Dataset(
            {"class": ("stimulus", CLASSES), "size": ("stimulus", SIZES)}, {"stimulus": IDS}
        )
        for source in (on_stimulus, on_stimulus.to_dataset(name="x"), variables, mapping):
            xr.testing.assert_identical(compute_metadata_rdms(source, ["class", "size"]), expected)

    def test_presentations_that_agree(self):
        shown = label_responses(np.zeros((10, 2)), ids=IDS * 2)
        shown = shown.assign_coords({"class": ("presentation", CLASSES * 2)})
        rdms = compute_metadata_rdms(shown, "class")
        xr.testing.assert_identical(rdms, compute_metadata_rdms(build_table(), "class"))
        other = [*CLASSES, "plant", *CLASSES[1:]]
        shown = shown.assign_coords({"class": ("presentation", other)})
        with pytest.raises(LabelError, match="differ in 'class', for 'cat'"):
            compute_metadata_rdms(shown, "class")

    def test_arrays_without_the_column_or_ids(self):
        array = xr.DataArray(np.zeros(5), dims="stimulus", coords={"label": ("stimulus", CLASSES)})
        with pytest.raises(LabelError, match="metadata must have the dimension 'stimulus' with"):
            compute_metadata_rdms(array, "label")
        labelled = array.assign_coords(stimulus=IDS)
        with pytest.raises(UnknownNameError, match="no coordinate on 'stimulus' named 'lable'"):
            compute_metadata_rdms(labelled, "lable")

    def test_without_ids(self):
        table = build_table()
        with pytest.raises(LabelError, match=r"set_index\('stimulus_id'\)"):
            compute_metadata_rdms(table.rename_axis("stimulus_id").reset_index(), "class")
        with pytest.raises(InputError, match="values of 'class' are list, which has no ids"):
            compute_metadata_rdms({"class": CLASSES}, "class")
        with pytest.raises(InputError, match="metadata must be a DataFrame.*got list"):
            compute_metadata_rdms(CLASSES, "class")
        with pytest.raises(LabelError, match="repeat: 'cat'"):
            compute_metadata_rdms(pd.concat([table, table[:1]]), "class")
        with pytest.raises(LabelError, match="same ids, but 'b' differs.* 'x'"):
            compute_metadata_rdms({"a": {"x": 1, "y": 2}, "b": {"y": 1}}, "a")


@pytest.mark.parametrize(
    ("columns", "kinds", "error", "message"),
    [
        ("clas", None, UnknownNameError, "no column of metadata named 'clas'. Closest: 'class'"),
        ("class", {"class": "ordinal"}, UnknownNameError, "no kind of metadata named 'ordinal'"),
        ("class", {"size": "category"}, UnknownNameError, "no RDM of columns named 'size'"),
        ("class", {"class": "difference"}, InputError, "needs numbers, but 'class' holds 'animal'"),
        ("same", None, InputError, "'same' does not vary over pairs: all stimuli have the same"),
        ("name", None, InputError, "'name' does not vary over pairs: all stimuli are equally far"),
        ({"a": ["size", "class"]}, None, InputError, "'a' is made of numbers and of categories"),
        ({"a": ["size", "x"]}, {"a": "difference"}, InputError, "cannot be 'difference'"),
        ([], None, InputError, "columns must name the columns of each RDM"),
        (["class", "class"], None, InputError, "columns repeat"),
        ("day", {"day": "difference"}, InputError, "needs numbers, but 'day' holds"),
    ],
)
def test_what_cannot_be_made(columns, kinds, error, message):
    table = build_table(same="a", name=IDS, x=SIZES, day=pd.date_range("2020-01-01", periods=5))
    with pytest.raises(error, match=message):
        compute_metadata_rdms(table, columns, kinds=kinds)


def test_spellings_of_one_category_are_told():
    table = build_table(**{"class": ["animal", "Animal ", "tool", "tool", "plant"]})
    with pytest.warns(RuntimeWarning, match="'animal', 'Animal '"):
        compute_metadata_rdms(table, "class")


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2020-01-01"] * 3 + ["2020-01-05"] * 3),
        pd.to_timedelta([1, 1, 1, 2, 2, 3], unit="s"),
        [datetime.date(2020, 1, day) for day in (1, 1, 2, 3, 4, 5)],
        pd.period_range("2020-01", periods=6, freq="M"),
    ],
    ids=["times", "spans", "dates", "periods"],
)
def test_dates_are_no_categories(values):
    table = pd.DataFrame({"when": values}, index=list("abcdef"))
    with pytest.raises(InputError, match=r"'when' hold dates or times\. Make numbers of them"):
        compute_metadata_rdms(table, ["when"])
    if len(set(values)) < 6:
        made = compute_metadata_rdms(table, ["when"], kinds={"when": "category"})
        assert made.values[0, 0, 1] == 0
