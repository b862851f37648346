"""Grams of models against Grams of brains."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.alignment.measures import ALIGNMENTS, align_grams, count_alignment
from neurolens.compare.inputs.checks import check_kind, check_numbers
from neurolens.compare.inputs.features import check_variables, read_eps, read_gram, read_residual
from neurolens.compare.inputs.recorded import iterate_groups
from neurolens.compare.inputs.responses import read_responses
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rsa.comparators.table import COMPARATORS
from neurolens.compare.stats.linalg import blank_rounding, bound_rounding, compute_gram
from neurolens.errors import InputError, warn_user
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    get_marks,
    list_names,
    suggest_name,
)
from neurolens.scores import build_scores
from neurolens.support.progress import show_progress


def compare_grams(
    grams: xr.Dataset,
    brain_grams: xr.Dataset,
    *,
    comparator: str = "cka-unbiased",
    quiet: bool = False,
) -> xr.Dataset:
    """Compare each op with each region and subject by the similarity of their Grams.

    Parameters
    ----------
    grams : Dataset
        ``gram`` (op, stimulus, stimulus_2), as ``extract_grams`` returns.
    brain_grams : Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), as ``compute_grams`` returns, of the same
        stimuli by id.
    comparator : str
        A key of ``ALIGNMENTS``; see ``compare_models`` for formulas and caveats.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        In the form of ``neurolens.scores``. ``score`` (op, region, subject): NaN where a region and
        subject do not exist, or, with a warning, a representation does not vary. ``score_mean``
        (op, region): mean over subjects. Intervals and ceilings are NaN.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_models``.
    """
    check_kind(grams, "grams", "grams")
    check_kind(brain_grams, "grams", "brain_grams")
    check_variables(brain_grams, "brain_grams", "gram")
    brain = expand_leading(brain_grams["gram"], UNNAMED)
    regions = brain[REGION].values
    subjects = brain[SUBJECT].values
    names = np.array([f"{region}, {subject}" for region in regions for subject in subjects])
    flat = brain.stack({OP: (REGION, SUBJECT)}, create_index=False).drop_vars([REGION, SUBJECT])
    flat = flat.assign_coords({OP: names})
    aligned = score_grams(grams, flat.to_dataset(name="gram"), comparator, quiet=quiet)
    present = flat.notnull().any((STIMULUS, STIMULUS_2)).values
    warn_undefined(aligned.score[:, present], aligned.ops, names[present])
    coords = {OP: aligned.ops, REGION: regions, SUBJECT: subjects}
    # (op, region and subject) to (op, region, subject)
    score = aligned.score.reshape(-1, len(regions), len(subjects))
    return build_scores(
        xr.DataArray(score, dims=tuple(coords), coords=coords),
        method="alignment",
        measure=comparator,
        n_stimuli=brain.sizes[STIMULUS],
        details=get_marks(grams),
    )


def compute_grams(responses: xr.DataArray) -> xr.Dataset:
    """Compute the Gram matrix of the brain responses of each region and subject.

    Parameters
    ----------
    responses : DataArray (presentation or stimulus, neuroid)
        As for ``compute_rdms``; presentations of the same stimulus are averaged first.

    Returns
    -------
    Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), ``row_sum`` (region, subject, stimulus),
        ``n_features`` (region, subject); dimensions that the data lack are left out. NaN and 0
        where a subject lacks a region; NaN for a stimulus that was not recorded in it.

    Raises
    ------
    InputError, LabelError
        As for ``compute_rdms``.
    """
    read = read_responses(responses)
    if read.time:
        raise InputError(
            "compute_grams takes one time bin. Select with responses.isel(time_bin=0, drop=True).",
            anchor="one-time-bin",
        )
    shape = tuple(len(labels) for labels in read.labels.values())
    n = len(read.ids)
    gram = np.full((*shape, n, n), np.nan)
    row_sum = np.full((*shape, n), np.nan)
    n_features = np.zeros(shape, dtype=int)
    for group in iterate_groups(read, single=False):
        position = group.place[:-1]
        values = np.ascontiguousarray(group.values)
        gram[position][np.ix_(group.stimuli, group.stimuli)] = compute_gram(values)[0]
        # NumPy sums contiguous rows pairwise; with a less exact sum a constant row could seem to
        # vary.
        row_sum[position][group.stimuli] = values.sum(axis=1)
        n_features[position] = values.shape[1]
    lead = tuple(read.labels)
    return xr.Dataset(
        {
            "gram": ((*lead, STIMULUS, STIMULUS_2), gram),
            "row_sum": ((*lead, STIMULUS), row_sum),
            "n_features": (lead, n_features),
        },
        coords={**read.labels, STIMULUS: read.ids, STIMULUS_2: read.ids},
    )


class Aligned(NamedTuple):
    """The alignment ``score`` (op, other) of each of ``ops`` with each of ``others``."""

    score: np.ndarray
    ops: np.ndarray
    others: np.ndarray


def score_grams(a: xr.Dataset, b: xr.Dataset, name: str, *, quiet: bool) -> Aligned:
    """Return the alignment ``name`` of each Gram of ``a`` with each of ``b``, matched by id.

    Progress is shown unless ``quiet``.
    """
    if name not in ALIGNMENTS:
        hint = f"For {', '.join(COMPARATORS)} pass RDMs: compute_rdms(grams)."
        raise suggest_name(name, ALIGNMENTS, "comparator of Grams", hint)
    gram_a = _read_gram(a, "a", None)
    gram_b = _read_gram(b, "b", gram_a[STIMULUS].values)
    rounding = (np.stack(list_rounding(a, gram_a)), np.stack(list_rounding(b, gram_b)))
    sizes = (len(gram_a), len(gram_b))
    with show_progress(count_alignment(*sizes), "comparing Grams", quiet=quiet):
        score = align_grams(gram_a.values, gram_b.values, ALIGNMENTS[name], rounding)
    return Aligned(score, gram_a[OP].values, gram_b[OP].values)


def _read_gram(grams: xr.Dataset, name: str, ids: np.ndarray | None) -> xr.DataArray:
    """Return the Gram (op, stimulus, stimulus_2), float64, in the order of ``ids``.

    A Gram that is only rounding error is set to 0.
    """
    check_variables(grams, name, "gram")
    gram = read_gram(grams, name, ids, "a", least=4)
    for one, op in zip(gram.values, gram[OP].values, strict=True):
        if not np.isnan(one).all():
            check_numbers(one, gram[STIMULUS].values, f"the Gram of op {str(op)!r} of {name}")
    rounding = list_rounding(grams, gram)
    squares = [blank_rounding(*pair) for pair in zip(gram.values, rounding, strict=True)]
    return gram.copy(data=np.stack(squares))


def list_rounding(grams: xr.Dataset, gram: xr.DataArray) -> list[np.ndarray]:
    """Return the bounds (n,) of `bound_rounding` of each op of ``gram``, read from ``grams``."""
    eps = read_eps(grams)
    residual = read_residual(grams, gram)
    return [
        bound_rounding(one.values, eps, None if residual is None else residual[i])
        for i, one in enumerate(gram)
    ]


def warn_undefined(score: np.ndarray, ops: np.ndarray, others: np.ndarray) -> None:
    """Warn once, naming what has no ``score`` (op, other) with anything on the other side."""
    undefined = np.isnan(score)
    dead_ops = undefined.all(axis=1)
    dead_others = undefined.all(axis=0)
    if not dead_ops.any() and not dead_others.any():
        return
    names = list_names(dict.fromkeys([*ops[dead_ops], *others[dead_others]]))
    if undefined.all():
        names = f"anything, because of one side or both: {list_names(ops)}; {list_names(others)}"
    warn_user(
        f"no score for {names}: the representation holds NaN or does not vary over stimuli. "
        "Leave those out."
    )
