"""Bootstrapped scores as rsatoolbox's result objects, for its tests, files and plots."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind
from neurolens.compare.rdms.vectors import read_model_rdms
from neurolens.compare.rsa.comparators.table import find_comparator
from neurolens.compare.stats.bootstrap import RESAMPLED, covary_means
from neurolens.compare.stats.intervals import count_freedom
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, align_labels, suggest_name
from neurolens.scores import read_scores

if TYPE_CHECKING:
    from rsatoolbox.inference import Result


def to_rsatoolbox_result(
    scores: xr.Dataset, model_rdms: xr.DataArray, *, region: str | None = None
) -> "Result":
    """Convert the scores of one region to the ``Result`` of rsatoolbox's dual bootstrap.

    Parameters
    ----------
    scores : Dataset
        From ``bootstrap_rdms``; of ops that all have a score, in a region of two subjects or more.
    model_rdms : DataArray (op, stimulus, stimulus_2)
        Those the scores were made from: the models of the result are these ops.
    region : str, optional
        Which region; may be left out where there is only one.

    Returns
    -------
    rsatoolbox.inference.Result
        One fixed model per op, evaluations (draw, op, 1, 1, 3), variances over stimuli and
        subjects. Works with ``rsatoolbox.vis.plot_model_comparison``, ``test_all`` and ``save``.

    Raises
    ------
    InputError
        Scores are not those of ``bootstrap_rdms``; no region is named among several; the region has
        one subject, or an op without a score; there are several time bins.
    UnknownNameError
        There is no such region.
    LabelError
        ``model_rdms`` holds other ops.

    Notes
    -----
    rsatoolbox shows the mean over draws, not the score itself, and here takes the noise ceiling as
    a fixed number.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare.rsa.bootstrap import bootstrap_rdms
    >>> ids = [f"s{i}" for i in range(9)]
    >>> points = np.random.default_rng(0).normal(size=(5, 9, 3))
    >>> squares = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    >>> dims, coords = ("stimulus", "stimulus_2"), {"stimulus": ids, "stimulus_2": ids}
    >>> model = xr.DataArray(squares[:2], dims=("op", *dims),
    ...                      coords={"op": ["conv", "relu"], **coords})
    >>> brain = xr.DataArray(squares[2:], dims=("subject", *dims),
    ...                      coords={"subject": ["A", "B", "C"], **coords})
    >>> result = to_rsatoolbox_result(bootstrap_rdms(model, brain, n_bootstrap=20), model)
    >>> result.evaluations.shape, [m.name for m in result.models]
    ((20, 2, 1, 1, 3), ['conv', 'relu'])
    """
    from rsatoolbox.inference import Result
    from rsatoolbox.model import ModelFixed

    scores = read_scores(scores, "to_rsatoolbox_result")
    check_kind(model_rdms, "rdms", "model_rdms")
    if "draws" not in scores:
        raise InputError(
            "a result of rsatoolbox needs draws of stimuli and subjects, got scores with "
            f"{list(scores.data_vars)}. Make them from RDMs with bootstrap_rdms(model_rdms, "
            "brain_rdms)."
        )
    here = _select_region(scores, region)
    ops = scores[OP].values.tolist()
    model = read_model_rdms(
        align_labels(model_rdms, ops, name="model_rdms", other="scores", dims=[OP])
    )
    resampled = here["draws"].sel(resampled=list(RESAMPLED))
    draws = resampled.transpose("bootstrap", OP, "resampled").values
    n_subjects = int(here["n_subjects"])
    n_stimuli = int(scores.attrs["n_stimuli"])
    return Result(
        [ModelFixed(str(op), pairs) for op, pairs in zip(model.ops, model.pairs, strict=True)],
        draws[:, :, None, None, :],  # (draw, op, 1, 1, resampled)
        method=find_comparator(scores.attrs["measure"]).rsatoolbox,
        cv_method="dual_bootstrap",
        noise_ceiling=np.array([float(here["ceiling_lower"]), float(here["ceiling_upper"])]),
        variances=covary_means(draws.transpose(2, 0, 1)),
        dof=count_freedom(n_subjects, n_stimuli),
        n_rdm=n_subjects,
        n_pattern=n_stimuli,
    )


def _select_region(scores: xr.Dataset, region: str | None) -> xr.Dataset:
    """Return the scores of one region, checked to have two subjects and a score for every op."""
    regions = scores[REGION].values.tolist()
    if region is None and len(regions) > 1:
        raise InputError(
            f"a result holds one region, and scores hold {len(regions)}. Pass "
            f"region={regions[0]!r}."
        )
    if region is not None and region not in regions:
        raise suggest_name(str(region), map(str, regions), "region", anchor="unknown-region")
    selected = scores.isel({REGION: 0 if region is None else regions.index(region)})
    n_subjects = int(selected["n_subjects"])
    n_unscored = int(selected["score_mean"].isnull().sum())
    if n_subjects < 2 or n_unscored:
        raise InputError(
            f"a result needs two subjects or more and a score for every op; region "
            f"{selected[REGION].item()!r} has {n_subjects} subjects and {n_unscored} ops without a "
            f"score. Select others."
        )
    return selected
