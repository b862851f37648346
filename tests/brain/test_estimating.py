"""Responses from time series: planted responses come back, and nilearn's models give the same."""

import json
import os
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from nilearn.glm.first_level import FirstLevelModel

from neurolens.brain import (
    average_repeats,
    estimate_responses,
    read_map,
    standardize_responses,
    write_map,
)
from neurolens.brain.glm.designs import Model, build_design
from neurolens.errors import InputError, LabelError, MissingToolError, UnknownNameError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
SHAPE = (3, 4, 2)
AFFINE = np.diag([2.0, 2, 2, 1])
T_R = 1.5
N_VOLUMES = 160
MASK = np.ones(SHAPE, dtype=np.uint8)
MASK[0, 0, 0] = 0


def save(path, values, t_r=T_R, unit="sec"):
    image = nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), AFFINE)
    if image.ndim == 4:
        image.header.set_zooms((2, 2, 2, t_r))
        image.header.set_xyzt_units("mm", unit)
    nibabel.save(image, path)
    return path


def make_events(rng, n=12, gap=18.0):
    """Return events of three stimuli, far apart."""
    onset = 4 + gap * np.arange(n) + rng.uniform(0, 2, n)
    stimuli = rng.permutation(np.resize(["a", "b", "c"], n))
    table = {"onset": onset.round(3), "duration": 1.0, "trial_type": stimuli, "rt": rng.random(n)}
    return pd.DataFrame(table)


@pytest.fixture
def series(tmp_path, rng):
    """Return two runs of noise around a mean of 1000, their events and confounds."""
    runs = []
    for run in (1, 2):
        values = 1000 + 5 * rng.standard_normal((*SHAPE, N_VOLUMES))
        path = save(tmp_path / f"sub-01_run-{run}_bold.nii.gz", values)
        confounds = pd.DataFrame(rng.standard_normal((N_VOLUMES, 2)), columns=["x", "y"])
        runs.append((path, make_events(rng), confounds))
    return runs


def fit_nilearn(path, events, confounds=None, **settings):
    """Return the betas (condition, voxel) of nilearn's own model, by condition."""
    options = {"drift_model": "cosine", "high_pass": 1 / 128, "hrf_model": "glover"} | settings
    mask = nibabel.Nifti1Image(MASK, AFFINE)
    model = FirstLevelModel(
        t_r=T_R, noise_model="ols", mask_img=mask, signal_scaling=False, minimize_memory=False,
        **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(path, events=events, confounds=confounds)
        names = events.trial_type.unique()
        maps = [model.compute_contrast(name, output_type="effect_size") for name in names]
    return {name: one.get_fdata()[MASK > 0] for name, one in zip(names, maps, strict=True)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"hrf": "spm", "drift": None}, {"hrf_model": "spm", "drift_model": None}),
        ({"drift": ("polynomial", 3)}, {"drift_model": "polynomial", "drift_order": 3}),
        ({"slice_time_ref": 0.5}, {"slice_time_ref": 0.5}),
    ],
)
def test_responses_to_stimuli_in_a_run_are_those_of_nilearn(series, ours, theirs):
    path, events, confounds = series[0]
    found = estimate_responses(
        path, events=events, mask=MASK, per="run", confounds=confounds, **ours
    )
    expected = fit_nilearn(path, events, confounds, **theirs)
    assert found.stimulus_id.values.tolist() == list(expected)
    assert found.n_events.values.tolist() == [4, 4, 4]
    np.testing.assert_allclose(found, np.stack(list(expected.values())), rtol=1e-4, atol=1e-3)


def test_responses_to_single_events_are_those_of_nilearn(series):
    path, events, _ = series[0]
    found = estimate_responses(path, events=events, mask=MASK)
    single = events.assign(trial_type=[f"e{k}" for k in range(len(events))])
    expected = fit_nilearn(path, single)
    np.testing.assert_allclose(found, np.stack(list(expected.values())), rtol=1e-4, atol=1e-3)
    assert found.stimulus_id.values.tolist() == events.trial_type.tolist()
    np.testing.assert_allclose(found.rt, events.rt)


def test_separate_models_are_those_of_nilearn(series):
    """One model for each event, with a regressor for all others (LSS)."""
    path, events, _ = series[0]
    found = estimate_responses(path, events=events, mask=MASK, method="lss")
    for k in (0, 5, 11):
        own = events.assign(trial_type="rest")
        own.loc[k, "trial_type"] = "one"
        expected = fit_nilearn(path, own)["one"]
        np.testing.assert_allclose(found[k], expected, rtol=1e-4, atol=1e-3)


def plant(series, rng, drift=30.0):
    """Write runs that are made of planted responses (run, event, voxel), drift and little noise."""
    model = Model("glover", None, T_R, 0.0)
    planted = []
    for path, events, confounds in series:
        codes = np.arange(len(events))
        none = np.empty((N_VOLUMES, 0))
        design = build_design(model, events, codes, len(events), none)
        betas = rng.normal(10, 20, (len(events), MASK.size))
        slow = drift * np.cos(np.pi * np.arange(N_VOLUMES) / N_VOLUMES)
        values = design.regressors @ betas + slow[:, None]
        values += 7 * confounds.to_numpy() @ rng.standard_normal((2, MASK.size))
        values += 1000 + 0.01 * rng.standard_normal(values.shape)
        save(path, values.T.reshape(*SHAPE, N_VOLUMES))
        planted.append(betas)
    return planted


@pytest.mark.parametrize("method", ["lsa", "lss"])
def test_planted_responses_come_back(series, rng, method):
    planted = plant(series, rng)
    paths, events, confounds = (list(part) for part in zip(*series, strict=True))
    found = estimate_responses(paths, events=events, mask=MASK, confounds=confounds, method=method)
    assert found.run.values.tolist() == ["1"] * 12 + ["2"] * 12
    expected = np.concatenate(planted)[:, MASK.ravel() > 0]
    assert found.sizes["neuroid"] == MASK.sum()
    # Events that are 18 s apart hardly overlap, so that both methods find what was planted.
    least = 0.99999 if method == "lsa" else 0.99
    assert np.corrcoef(found.values.ravel(), expected.ravel())[0, 1] > least
    if method == "lsa":
        np.testing.assert_allclose(found, expected, atol=0.2)
    assert set(found.subject.values) == {"01"}
    assert found.attrs["steps"] == [
        f"responses estimated by least squares ({method}), one per event: glover response, cosine "
        "drift with periods of 128 s and more, 2 confounds, volumes every 1.5 s, slices at 0 of "
        "that, 2 runs"
    ]


def test_the_wrong_confounds_do_harm(series, rng):
    """The confounds of the other run do not take away what was added to this one."""
    planted = plant(series, rng)
    paths, events, confounds = (list(part) for part in zip(*series, strict=True))
    expected = np.concatenate(planted)[:, MASK.ravel() > 0]
    errors = []
    for tables in (confounds, confounds[::-1]):
        found = estimate_responses(paths, events=events, mask=MASK, confounds=tables)
        errors.append(np.abs(found - expected).values.mean())
    assert errors[1] > 20 * errors[0]


def test_one_response_to_a_stimulus_in_all_runs(series, rng):
    """Its sum of squares is over all runs, each with its own drift: that of one long model."""
    plant(series, rng)
    paths, events, _ = (list(part) for part in zip(*series, strict=True))
    found = estimate_responses(paths, events=events, mask=MASK, per="stimulus")
    assert found.stimulus_id.values.tolist() == list(dict.fromkeys(events[0].trial_type))
    assert found.n_events.values.tolist() == [8, 8, 8]
    assert "run" not in found.coords
    model = Model("glover", ("cosine", 128.0), T_R, 0.0)
    columns, data = [], []
    for k, (path, table) in enumerate(zip(paths, events, strict=True)):
        codes = np.array([found.stimulus_id.values.tolist().index(s) for s in table.trial_type])
        design = build_design(model, table, codes, 3, np.empty((N_VOLUMES, 0)))
        own = np.zeros((N_VOLUMES, 2 * design.nuisance.shape[1]))
        width = design.nuisance.shape[1]
        own[:, k * width : (k + 1) * width] = design.nuisance
        columns.append(np.hstack([design.regressors, own]))
        data.append(nibabel.load(path).get_fdata()[MASK > 0].T)
    expected = np.linalg.lstsq(np.vstack(columns), np.vstack(data), rcond=None)[0][:3]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_runs_are_independent_unless_stimuli_are_joined(series):
    paths, events, _ = (list(part) for part in zip(*series, strict=True))
    found = estimate_responses(paths, events=events, mask=MASK, per="run")
    assert found.run.values.tolist() == ["1"] * 3 + ["2"] * 3
    assert found.n_events.values.tolist() == [4] * 6
    for run, path in enumerate(paths):
        alone = estimate_responses(path, events=events[run], mask=MASK, per="run")
        part = found[3 * run : 3 * run + 3]
        np.testing.assert_array_equal(part, alone)
        assert part.stimulus_id.values.tolist() == alone.stimulus_id.values.tolist()


def test_maps_and_steps_work_on_what_was_estimated(series, tmp_path):
    path, events, _ = series[0]
    found = estimate_responses(path, events=events, mask=MASK)
    mean = average_repeats(found)
    assert mean.sizes["stimulus"] == 3
    assert len(mean.attrs["steps"]) == 2
    found.to_netcdf(tmp_path / "found.nc", engine="h5netcdf")
    again = xr.load_dataarray(tmp_path / "found.nc", engine="h5netcdf")
    np.testing.assert_array_equal(again, found)
    assert again.attrs["t_r"] == T_R
    write_map(found[0], tmp_path / "beta.nii.gz", like=again)
    np.testing.assert_array_equal(read_map(tmp_path / "beta.nii.gz", like=found), found[0])


class TestTiming:
    def test_the_seconds_between_volumes(self, series, tmp_path):
        _, events, _ = series[0]
        values = nibabel.load(series[0][0]).get_fdata()
        right = estimate_responses(series[0][0], events=events, mask=MASK)
        in_ms = save(tmp_path / "ms_bold.nii", values, 1500, "msec")
        np.testing.assert_array_equal(estimate_responses(in_ms, events=events, mask=MASK), right)
        for t_r, unit in ((0, "sec"), (T_R, "unknown")):
            path = save(tmp_path / "none_bold.nii", values, t_r, unit)
            with pytest.raises(InputError, match=r"volumes of none_bold.nii are not known"):
                estimate_responses(path, events=events, mask=MASK)
            found = estimate_responses(path, events=events, mask=MASK, t_r=T_R)
            np.testing.assert_array_equal(found, right)
        with pytest.raises(InputError, match="2 s by t_r, 1.5 s by the header"):
            estimate_responses(series[0][0], events=events, mask=MASK, t_r=2)
        with pytest.raises(InputError, match="must be above 0, got 0 s by t_r"):
            estimate_responses(in_ms, events=events, mask=MASK, t_r=0)

    def test_the_file_beside_the_image(self, series):
        path, events, _ = series[0]
        beside = path.with_name("sub-01_run-1_bold.json")
        beside.write_text(json.dumps({"RepetitionTime": T_R, "StartTime": 0.75}))
        found = estimate_responses(path, events=events, mask=MASK)
        assert found.attrs["slice_time_ref"] == 0.5
        beside.unlink()
        half = estimate_responses(path, events=events, mask=MASK, slice_time_ref=0.5)
        np.testing.assert_array_equal(found, half)
        assert not np.allclose(half, estimate_responses(path, events=events, mask=MASK))
        beside.write_text(json.dumps({"RepetitionTime": 2.0}))
        with pytest.raises(InputError, match="1.5 s by the header, 2 s by RepetitionTime"):
            estimate_responses(path, events=events, mask=MASK)
        beside.write_text(json.dumps({"StartTime": 0.75}))
        with pytest.raises(InputError, match="at 0 s by slice_time_ref, and at 0.75 s by StartTi"):
            estimate_responses(path, events=events, mask=MASK, slice_time_ref=0)

    def test_runs_that_are_sampled_differently(self, series, tmp_path):
        other = save(tmp_path / "other_bold.nii", np.ones((*SHAPE, N_VOLUMES)), 2.0)
        with pytest.raises(InputError, match="all series must be sampled alike"):
            estimate_responses([series[0][0], other], events=[series[0][1]] * 2, mask=MASK)


class TestRefused:
    def test_events_outside_the_series(self, series):
        path, events, _ = series[0]
        in_ms = events.assign(onset=events.onset * 1000)
        with pytest.raises(InputError, match=r"12 events of sub-01_run-1.*outside.* 240 s long"):
            estimate_responses(path, events=in_ms, mask=MASK)
        early = events.assign(onset=events.onset - 50)
        with pytest.raises(InputError, match="2 events of .* are outside"):
            estimate_responses(path, events=early, mask=MASK)
        late = pd.concat([events, events[:1].assign(onset=238.0)], ignore_index=True)
        with pytest.warns(RuntimeWarning) as told:
            estimate_responses(path, events=late, mask=MASK)
        assert "1 events begin less than 4 s before the end" in str(told[0].message)

    def test_events_that_cannot_be_used(self, series):
        path, events, _ = series[0]
        with pytest.raises(InputError, match="need the column 'duration', in s; 0 is an impulse"):
            estimate_responses(path, events=events.drop(columns="duration"), mask=MASK)
        unknown = events.assign(onset=["n/a", *events.onset[1:]])
        with pytest.raises(InputError, match="must be numbers, in s, got 'n/a' in row 0"):
            estimate_responses(path, events=unknown, mask=MASK)
        with pytest.raises(InputError, match="have durations below 0"):
            estimate_responses(path, events=events.assign(duration=-1), mask=MASK)
        unnamed = events.assign(trial_type=["n/a", *events.trial_type[1:]])
        with pytest.raises(LabelError, match="'trial_type' is empty in 1 rows"):
            estimate_responses(path, events=unnamed, mask=MASK)
        with pytest.raises(InputError, match="must be a list of 2 tables, one for each"):
            estimate_responses([one[0] for one in series], events=events, mask=MASK)
        with pytest.raises(InputError, match="there are no events for"):
            estimate_responses(path, events=events[:0], mask=MASK)
        with pytest.raises(InputError, match="pass a table for each run"):
            estimate_responses(path, mask=MASK)

    def test_milliseconds(self, series, tmp_path):
        path, events, _ = series[0]
        in_ms = events.assign(duration=1000.0)
        with pytest.raises(InputError, match=r"is 240 s long, the longest 1000 s. .* by 1000"):
            estimate_responses(path, events=in_ms, mask=MASK)
        with pytest.raises(InputError, match=r"7 of 12 events of .* last beyond the end of the"):
            estimate_responses(path, events=events.assign(duration=150.0), mask=MASK)
        bare = save(tmp_path / "bare_bold.nii", np.ones((*SHAPE, N_VOLUMES)), 0.0, "unknown")
        with pytest.raises(InputError, match=r"at most 60, got 1500 s by t_r, which may be milli"):
            estimate_responses(bare, events=events, mask=MASK, t_r=1500)

    def test_events_of_all_runs_for_one(self, series, tmp_path):
        path = save(tmp_path / "bold.nii", np.ones((*SHAPE, N_VOLUMES)))
        both = pd.concat([one[1].assign(run=run) for run, one in enumerate(series, 1)])
        with pytest.raises(
            InputError, match=r"onsets of bold.nii begin again in each run, such as"
        ):
            estimate_responses(path, events=both, mask=MASK)

    @pytest.mark.parametrize("wrong", ["0.5", None, (1,)])
    def test_settings_that_are_no_numbers(self, series, wrong):
        path, events, _ = series[0]
        with pytest.raises(InputError, match="drift must be"):
            estimate_responses(path, events=events, mask=MASK, drift=("cosine", wrong))
        if wrong is not None:
            with pytest.raises(InputError, match="slice_time_ref must be a fraction of t_r"):
                estimate_responses(path, events=events, mask=MASK, slice_time_ref=wrong)

    def test_columns_of_stimuli_that_differ(self, series):
        paths = [one[0] for one in series]
        empty = series[0][1].assign(stim_file="n/a")
        used = series[1][1].assign(stim_file="a.png")
        with pytest.raises(InputError, match="got 'trial_type', 'stim_file': the first is empty"):
            estimate_responses(paths, events=[empty, used], mask=MASK)

    def test_tables_of_other_runs(self, series, tmp_path):
        paths = [one[0] for one in series]
        events = [one[1].assign(run=run) for run, one in enumerate(series, 1)]
        with pytest.raises(InputError, match="row 0 has run '2' beside sub-01_run-1"):
            estimate_responses(paths, events=events[::-1], mask=MASK)
        tables = [tmp_path / f"sub-01_run-{run}_desc-confounds_timeseries.tsv" for run in (1, 2)]
        for table, (_, _, confounds) in zip(tables, series, strict=True):
            confounds.to_csv(table, sep="\t", index=False)
        for swapped in (tables[::-1], (tables[::-1], ["x"])):
            with pytest.raises(InputError, match="tables of confounds must be in one order, and"):
                estimate_responses(paths, events=events, mask=MASK, confounds=swapped)
        found = estimate_responses(paths, events=events, mask=MASK, confounds=tables)
        assert found.confounds == ["x", "y"]

    def test_confounds(self, series):
        path, events, confounds = series[0]
        with pytest.raises(InputError, match="got 159 rows for 160 volumes of sub-01_run-1"):
            estimate_responses(path, events=events, mask=MASK, confounds=confounds[:-1])
        gap = confounds.copy()
        gap.loc[3, "y"] = np.nan
        with pytest.raises(InputError, match="confound 'y' of .* got 'nan' in row 3"):
            estimate_responses(path, events=events, mask=MASK, confounds=gap)
        with pytest.raises(InputError, match="have no column 'z'; there are 'x', 'y'"):
            estimate_responses(path, events=events, mask=MASK, confounds=([confounds], ["z"]))
        with pytest.raises(InputError, match="no table was found for 'sub-01_run-1_bold.nii.gz'"):
            estimate_responses(path, events=events, mask=MASK, confounds=["x"])
        with pytest.raises(InputError, match="2 tables of confounds for 1 series"):
            estimate_responses(path, events=events, mask=MASK, confounds=[confounds, confounds])

    def test_a_missing_first_row_of_confounds_is_the_mean(self, series):
        path, events, confounds = series[0]
        first = confounds.astype(object)
        first.loc[0, "y"] = "n/a"
        found = estimate_responses(path, events=events, mask=MASK, confounds=first)
        filled = confounds.copy()
        filled.loc[0, "y"] = confounds.y[1:].mean()
        expected = estimate_responses(path, events=events, mask=MASK, confounds=filled)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert "the first row of y was missing and is the mean" in found.attrs["steps"][0]

    def test_responses_that_cannot_be_told_apart(self, series):
        path, events, _ = series[0]
        pair = events.assign(trial_type=[f"{k}" for k in range(12)])
        cue = pair.assign(trial_type="cue of " + pair.trial_type)
        twice = pd.concat([pair, cue], ignore_index=True)
        with pytest.raises(InputError, match="cannot be told from each other, or from drifts"):
            estimate_responses(path, events=twice, mask=MASK)
        # A regressor that the confounds hold.
        model = Model("glover", None, T_R, 0.0)
        none = np.empty((N_VOLUMES, 0))
        design = build_design(model, events, np.arange(12), 12, none)
        with pytest.raises(InputError, match=f"responses to '{events.trial_type[4]} at "):
            estimate_responses(
                path, events=events, mask=MASK, confounds=pd.DataFrame(design.regressors[:, [4]])
            )

    def test_events_in_quick_succession_are_told(self, series):
        path, _, _ = series[0]
        quick = pd.DataFrame(
            {"onset": 4 + 2.0 * np.arange(50), "duration": 0.5, "trial_type": range(50)}
        )
        with pytest.warns(RuntimeWarning, match=r"events overlap: \d+ of 50 responses have 10"):
            found = estimate_responses(path, events=quick, mask=MASK)
        assert found.variance_inflation.max() > 10
        apart = estimate_responses(path, events=series[0][1], mask=MASK)
        assert apart.variance_inflation.max() < 2
        assert estimate_responses(path, events=quick, mask=MASK, method="lss").sizes == found.sizes

    def test_too_many_regressors(self, series, rng):
        path, events, _ = series[0]
        many = pd.DataFrame(rng.standard_normal((N_VOLUMES, 150)))
        with pytest.raises(InputError, match="has 160 volumes for 12 responses and 15[0-9] drifts"):
            estimate_responses(path, events=events, mask=MASK, confounds=many)

    def test_settings(self, series, tmp_path):
        path, events, _ = series[0]
        for wrong in ({"hrf": "gamma"}, {"per": "trial"}, {"method": "ols"}, {"drift": ("x", 2)}):
            with pytest.raises(UnknownNameError, match="no "):
                estimate_responses(path, events=events, mask=MASK, **wrong)
        for drift in ("cosine", ("cosine", 0), ("cosine", "128"), 3):
            with pytest.raises(InputError, match="drift must be"):
                estimate_responses(path, events=events, mask=MASK, drift=drift)
        with pytest.raises(InputError, match="order of a polynomial drift must be a whole"):
            estimate_responses(path, events=events, mask=MASK, drift=("polynomial", 1.5))
        with pytest.raises(InputError, match="t_r must be a number of seconds, got '1.5'"):
            estimate_responses(path, events=events, mask=MASK, t_r="1.5")
        with pytest.raises(InputError, match="slice_time_ref must be a fraction"):
            estimate_responses(path, events=events, mask=MASK, slice_time_ref=2)
        single = save(tmp_path / "mean.nii", MASK)
        with pytest.raises(InputError, match="must be a time series of three or more volumes"):
            estimate_responses(single, events=events)
        with pytest.raises(InputError, match="bold must be images of time series"):
            estimate_responses(np.zeros((3, 3)), events=events)


def test_packages_that_are_not_installed(series, monkeypatch):
    path, events, _ = series[0]
    monkeypatch.setitem(sys.modules, "nilearn.glm", None)
    with pytest.raises(MissingToolError, match="nilearn, which is not installed. Type pip install"):
        estimate_responses(path, events=events, mask=MASK)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(MissingToolError, match="nibabel, which is not installed. Type pip install"):
        estimate_responses(path, events=events, mask=MASK)


def test_voxels_with_gaps_are_left_out_and_told(series, tmp_path):
    path, events, _ = series[0]
    values = nibabel.load(path).get_fdata()
    values[1, 1, 1, 7] = np.nan
    gap = save(tmp_path / "gap_bold.nii", values)
    with pytest.warns(RuntimeWarning, match="1 voxels of 23 in the mask are not finite in some"):
        found = estimate_responses(gap, events=events, mask=MASK)
    assert found.sizes["neuroid"] == 22
    assert found.notnull().all()


def list_blocks(labels, t_r):
    """Return the events of a series whose volumes have labels; rest is none."""
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    ends = np.r_[starts[1:], len(labels)]
    table = pd.DataFrame({"onset": t_r * starts, "duration": t_r * (ends - starts)})
    return table.assign(trial_type=labels[starts])[labels[starts] != "rest"]


@pytest.mark.skipif(not MIRROR, reason="NEUROLENS_MIRROR names no folder with data sets")
def test_categories_are_decoded_from_the_half_slice_of_haxby(tmp_path):
    """Twelve runs of eight blocks: the nearest mean of the other runs, chance is .125."""
    folder = Path(MIRROR) / "haxby2001_slice"
    table = pd.read_csv(folder / "attributes_literal.txt", sep=r"\s+", names=["label", "run"])
    image = nibabel.load(folder / "bold.nii.gz")
    data = np.asarray(image.dataobj)
    paths = []
    events = []
    for run, rows in table.groupby("run"):
        part = nibabel.Nifti1Image(data[..., rows.index], image.affine, image.header)
        paths.append(tmp_path / f"run-{run}_bold.nii")
        nibabel.save(part, paths[-1])
        events.append(list_blocks(rows.label.to_numpy(), 2.5))
    found = estimate_responses(paths, events=events, mask=folder / "mask.nii.gz")
    assert found.sizes == {"presentation": 96, "neuroid": 530}
    values = standardize_responses(found, by="run").values
    runs = found.run.values
    stimuli = found.stimulus_id.values
    names = np.unique(stimuli)
    n_right = 0
    for run in np.unique(runs):
        means = [values[(runs != run) & (stimuli == name)].mean(axis=0) for name in names]
        test = values[runs == run]
        similarity = np.corrcoef(test, np.stack(means))[: len(test), len(test) :]
        n_right += (names[similarity.argmax(axis=1)] == stimuli[runs == run]).sum()
    assert n_right / 96 > 0.4
