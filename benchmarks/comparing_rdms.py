"""RDMs of many ops from activations and from Grams beside rsatoolbox's calc_rdm, asserted equal.

python benchmarks/comparing_rdms.py
"""

import argparse

import numpy as np
import xarray as xr
from deadlines import Deadline, add_minutes
from machine import GrowingResult, compare_times, describe_machine, time_rounds
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm

import neurolens as nl

N_STIMULI = 92
# Features per op, as in a small convolutional network: 20 ops.
N_FEATURES = [50_000] * 2 + [25_000] * 4 + [10_000] * 6 + [2_000] * 6 + [1_000] * 2
ROUNDS = 5


def build_data(rng):
    ids = [f"s{i:02d}" for i in range(N_STIMULI)]
    arrays = {
        f"op{k:02d}": np.maximum(rng.normal(size=(N_STIMULI, p)), 0)
        for k, p in enumerate(N_FEATURES)
    }
    tree = xr.DataTree.from_dict(
        {
            f"/{op}": xr.Dataset(
                {"activation": (("stimulus", "feature"), values)}, coords={"stimulus": ids}
            )
            for op, values in arrays.items()
        }
    )
    grams = xr.Dataset(
        {
            "gram": (
                ("op", "stimulus", "stimulus_2"),
                np.stack([x @ x.T for x in arrays.values()]),
            ),
            "row_sum": (("op", "stimulus"), np.stack([x.sum(axis=1) for x in arrays.values()])),
            "n_features": ("op", N_FEATURES),
        },
        coords={"op": list(arrays), "stimulus": ids, "stimulus_2": ids},
    )
    return tree, grams, [Dataset(x) for x in arrays.values()]


def build_runs(rng, n_runs=8, n_voxels=400):
    stimuli, runs = np.tile(np.arange(N_STIMULI), n_runs), np.repeat(np.arange(n_runs), N_STIMULI)
    values = rng.normal(size=(N_STIMULI, n_voxels))[stimuli] + rng.normal(
        size=(len(runs), n_voxels)
    )
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", stimuli), "run": ("presentation", runs)},
    )
    return responses, Dataset(values, obs_descriptors={"stimulus": stimuli, "run": runs})


def ask_crossnobis(data):
    from rsatoolbox.data.noise import prec_from_unbalanced

    precision = prec_from_unbalanced(data, "stimulus", method="shrinkage_eye")
    return calc_rdm(
        data, method="crossnobis", descriptor="stimulus", cv_descriptor="run", noise=precision
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_minutes(parser)
    deadline = Deadline(parser.parse_args().minutes)
    rng = np.random.default_rng(0)
    tree, grams, datasets = build_data(rng)
    result = GrowingResult("comparing_rdms")
    result.add(
        "# RDMs beside rsatoolbox",
        "",
        f"{describe_machine()}",
        "",
        f"{len(N_FEATURES)} ops of {N_STIMULI} stimuli, {sum(N_FEATURES):,} features in all, "
        "float64. Ratio of times to rsatoolbox's `calc_rdm` in the same round: median (lowest to "
        f"highest) of at most {ROUNDS}; below 1 is faster.",
        "",
        "| metric | rsatoolbox | from activations | from Grams |",
        "|---|---|---|---|",
    )
    for number, metric in enumerate(("correlation", "euclidean")):
        expected = calc_rdm(datasets, method=metric).get_matrices()
        for data in (tree, grams):
            np.testing.assert_allclose(
                nl.compute_rdms(data, metric=metric).values, expected, atol=1e-9
            )
        times = time_rounds(
            {
                "rsatoolbox": lambda m=metric: calc_rdm(datasets, method=m),
                "activations": lambda m=metric: nl.compute_rdms(tree, metric=m),
                "grams": lambda m=metric: nl.compute_rdms(grams, metric=m),
            },
            ROUNDS,
            deadline=deadline.share_time(3 - number),
        )
        result.add(format_row(metric, times))
    responses, data = build_runs(rng)
    expected = ask_crossnobis(data).get_matrices()[0]
    np.testing.assert_allclose(
        nl.compute_rdms(responses, metric="crossnobis", noise="ledoit-wolf").values,
        expected,
        rtol=1e-7,
        atol=1e-9,
    )
    times = time_rounds(
        {
            "rsatoolbox": lambda: ask_crossnobis(data),
            "activations": lambda: nl.compute_rdms(
                responses, metric="crossnobis", noise="ledoit-wolf"
            ),
        },
        ROUNDS,
        deadline=deadline,
    )
    result.add(format_row("crossnobis, 8 runs, 400 voxels, with its Ledoit-Wolf", times))


def show_factor(factor):
    """Return a ratio of speeds with at least two digits."""
    return f"{factor:.1f}x" if factor < 10 else f"{factor:.0f}x"


def format_row(metric, times):
    ratios = compare_times(times, "rsatoolbox")
    cells = [
        f"{ratios[name][0]:.3f} ({ratios[name][1]:.3f} to {ratios[name][2]:.3f}): "
        f"{show_factor(1 / ratios[name][0])}"
        if name in ratios
        else ""
        for name in ("activations", "grams")
    ]
    return f"| {metric} | 1 ({min(times['rsatoolbox']):.2f} s) | {cells[0]} | {cells[1]} |"


if __name__ == "__main__":
    main()
