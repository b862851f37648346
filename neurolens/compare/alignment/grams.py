"""Grams of models against Grams of brains."""

import numpy as np
import xarray as xr

from neurolens.compare.alignment.measures import ALIGNMENTS, align_grams
from neurolens.compare.inputs.checks import check_kind, warn_user
from neurolens.compare.inputs.features import (
    blank_rounding,
    check_numbers,
    check_variables,
    read_eps,
    read_gram,
)
from neurolens.compare.inputs.responses import average_repeats, read_responses
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rsa.comparators.table import COMPARATORS
from neurolens.compare.stats.linalg import compute_gram
from neurolens.errors import InputError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    list_names,
    suggest_name,
)


def compare_grams(
    grams: xr.Dataset, brain_grams: xr.Dataset, *, comparator: str = "cka-unbiased"
) -> xr.DataArray:
    """Similarity of each op to each region and subject, from Grams.

    Parameters
    ----------
    grams : Dataset
        ``gram`` (op, stimulus, stimulus_2), as ``extract_grams`` returns.
    brain_grams : Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), as ``compute_grams`` returns, of the same
        stimuli by id.
    comparator : str
        A key of ``ALIGNMENTS``; see ``compare_models`` for formulas and caveats.

    Returns
    -------
    DataArray (op, region, subject)
        Named "score"; NaN where a region and subject do not exist, or, with a warning, a
        representation does not vary.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_models``.
    """
    check_kind(grams, "grams", "grams")
    check_kind(brain_grams, "grams", "brain_grams")
    check_variables(brain_grams, "brain_grams", "gram")
    flat = expand_leading(brain_grams["gram"], UNNAMED)
    places = flat.stack({OP: (REGION, SUBJECT)}, create_index=False).drop_vars([REGION, SUBJECT])
    names = np.array(
        [
            f"{region}, {subject}"
            for region in flat[REGION].values
            for subject in flat[SUBJECT].values
        ]
    )
    places = places.assign_coords({OP: names})
    score, ops, _ = _score_grams(grams, places.to_dataset(name="gram"), comparator)
    here = places.notnull().any((STIMULUS, STIMULUS_2)).values
    warn_undefined(score[:, here], ops, names[here])
    coords = {OP: ops, REGION: flat[REGION].values, SUBJECT: flat[SUBJECT].values}
    score = score.reshape([len(names) for names in coords.values()])
    return xr.DataArray(
        score, dims=tuple(coords), coords=coords, name="score", attrs={"comparator": comparator}
    )


def compute_grams(responses: xr.DataArray) -> xr.Dataset:
    """Gram matrix of brain responses, for each region and subject.

    Parameters
    ----------
    responses : DataArray (presentation or stimulus, neuroid)
        As for ``compute_rdms``; presentations of the same stimulus are averaged first.

    Returns
    -------
    Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), ``row_sum`` (region, subject, stimulus),
        ``n_features`` (region, subject); dimensions that the data lack are left out. NaN and 0
        where a subject lacks a region.

    Raises
    ------
    InputError, LabelError
        As for ``compute_rdms``.
    """
    read = read_responses(responses)
    if read.time:
        raise InputError(
            "compute_grams takes one time bin. Select with responses.isel(time_bin=0, drop=True)."
        )
    means = average_repeats(read.values[:, :, 0], read.codes)
    shape = tuple(map(len, read.labels.values()))
    n = len(read.ids)
    gram = np.full((*shape, n, n), np.nan)
    row_sum = np.full((*shape, n), np.nan)
    count = np.zeros(shape, dtype=int)
    for place, member in read.members.items():
        values = np.ascontiguousarray(means[:, member])
        gram[place], _ = compute_gram(values)
        # NumPy sums contiguous rows pairwise; by a rougher sum a constant row could seem to vary.
        row_sum[place] = values.sum(axis=1)
        count[place] = len(member)
    lead = tuple(read.labels)
    return xr.Dataset(
        {
            "gram": ((*lead, STIMULUS, STIMULUS_2), gram),
            "row_sum": ((*lead, STIMULUS), row_sum),
            "n_features": (lead, count),
        },
        coords={**read.labels, STIMULUS: read.ids, STIMULUS_2: read.ids},
    )


def _score_grams(
    a: xr.Dataset, b: xr.Dataset, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in ALIGNMENTS:
        hint = f"For {', '.join(COMPARATORS)} pass RDMs: compute_rdms(grams)."
        raise suggest_name(name, ALIGNMENTS, "comparator of Grams", hint)
    ours = _read_gram(a, "a", None)
    theirs = _read_gram(b, "b", ours[STIMULUS].values)
    return (
        align_grams(ours.values, theirs.values, ALIGNMENTS[name]),
        ours[OP].values,
        theirs[OP].values,
    )


def _read_gram(grams: xr.Dataset, name: str, ids: np.ndarray | None) -> xr.DataArray:
    """Return the Gram (op, stimulus, stimulus_2), float64, in the order of ``ids``.

    0 where it is only rounding.
    """
    check_variables(grams, name, "gram")
    gram = read_gram(grams, name, ids, "a", least=4)
    for one, op in zip(gram.values, gram[OP].values, strict=True):
        if not np.isnan(one).all():
            check_numbers(one, gram[STIMULUS].values, f"the Gram of op {str(op)!r} of {name}")
    return gram.copy(data=np.stack([blank_rounding(one, read_eps(grams)) for one in gram.values]))


def warn_undefined(score: np.ndarray, ops: np.ndarray, others: np.ndarray) -> None:
    """Warn once, naming what has no score with anything on the other side."""
    lost = np.isnan(score)
    dead = list_names(dict.fromkeys([*ops[lost.all(axis=1)], *others[lost.all(axis=0)]]))
    if lost.all():
        dead = f"anything, because of one side or both: {list_names(ops)}; {list_names(others)}"
    if lost.all(axis=0).any() or lost.all(axis=1).any():
        warn_user(
            f"no score for {dead}: the representation holds NaN or does not vary over stimuli. "
            f"Leave those out."
        )
