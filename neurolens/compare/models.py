"""Two models, or a model and a brain, op by op."""

import numpy as np
import xarray as xr

from neurolens.compare.alignments import ALIGNMENTS, align_grams
from neurolens.compare.comparators import COMPARATORS, compare_whole
from neurolens.compare.distances import compute_gram
from neurolens.compare.features import blank_rounding, check_numbers, check_variables, read_eps, read_gram
from neurolens.compare.responses import average_repeats, read_responses
from neurolens.compare.settings import warn_user
from neurolens.compare.triangles import expand_leading, take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, UNNAMED, align_stimuli, list_names, suggest_name


def compare_models(
    a: xr.Dataset | xr.DataArray, b: xr.Dataset | xr.DataArray, *, comparator: str = "cka-unbiased"
) -> xr.DataArray:
    """Similarity of every op of one model to every op of another, or of the same.

    From Grams K, L, centred: ``cka`` = <K, L> / (|K| |L|), which drifts to 1 as features outnumber stimuli;
    ``cka-unbiased`` from unbiased HSIC, which does not and may be negative; ``procrustes`` = nuclear norm of X'Y over
    |X| |Y| = 1 - d^2 / 2 for the distance d after the best rotation; ``linear-predictivity`` = R^2 of b from a by ridge
    over left-out stimuli, not symmetric, may be negative; ``cca``, ``svcca``, ``pwcca`` = mean canonical correlation.

    Parameters
    ----------
    a, b : Dataset or DataArray
        Both Grams, as ``extract_grams`` or ``compute_grams`` returns, or both RDMs (op, stimulus, stimulus_2), of the
        same stimuli by id, in any order.
    comparator : str
        For Grams a key of ``ALIGNMENTS``, for RDMs of ``COMPARATORS``.

    Returns
    -------
    DataArray (op, op_2)
        Named "score": op of ``a`` against op_2 of ``b``. NaN, with a warning, where a representation does not vary.

    Raises
    ------
    InputError
        One side holds Grams and the other RDMs; there are fewer than 4 stimuli (3 for RDMs); numbers are not finite.
    LabelError
        Stimuli differ or repeat.
    UnknownNameError
        The comparator is not of the table that fits the input; the message says which table that is.

    Notes
    -----
    CCA is 1 whenever features are as many as stimuli less 1, whatever they hold: read it only with many more stimuli
    than features. SVCCA keeps the components with 99 % of the variance and shares the trouble if those are many. PWCCA
    as published weighs by sums of absolute loadings, which a Gram does not know; here the weights are variances, which
    makes it asymmetric too. The penalty of linear-predictivity is the best of 25, one for all features: a slightly
    hopeful number. Time O(ops n^3 + pairs n^2) for the CKAs, O(pairs n^3) for the others.

    References
    ----------
    Kornblith et al. (2019) ICML, eqs. 3-6, and Song et al. (2012) JMLR 13:1393, eq. 5, on CKA; Williams et al. (2021)
    NeurIPS on Procrustes; Raghu et al. (2017) and Morcos et al. (2018) NeurIPS on SVCCA and PWCCA. Checked against
    scipy's ``orthogonal_procrustes``, scikit-learn's ``Ridge`` and loops.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> x = xr.DataArray(np.random.default_rng(0).normal(size=(5, 3)), dims=("stimulus", "neuroid"),
    ...                  coords={"stimulus": list("abcde")})
    >>> grams = compute_grams(x)
    >>> compare_models(grams, grams, comparator="procrustes").round(3).values.tolist()
    [[1.0]]
    """
    if isinstance(a, xr.Dataset) and isinstance(b, xr.Dataset):
        score, ops, others = _score_grams(a, b, comparator)
    elif isinstance(a, xr.DataArray) and isinstance(b, xr.DataArray):
        score, ops, others = _score_rdms(a, b, comparator)
    else:
        raise InputError(
            f"a and b must both be Grams (Dataset) or both RDMs (DataArray), got {type(a).__name__} and "
            f"{type(b).__name__}. Make RDMs of Grams with compute_rdms(grams)."
        )
    _warn_undefined(score, ops, others)
    coords = {OP: ops, "op_2": others}
    return xr.DataArray(score, dims=tuple(coords), coords=coords, name="score", attrs={"comparator": comparator})


def compare_grams(grams: xr.Dataset, brain_grams: xr.Dataset, *, comparator: str = "cka-unbiased") -> xr.DataArray:
    """Similarity of each op to each region and subject, from Grams.

    Parameters
    ----------
    grams : Dataset
        ``gram`` (op, stimulus, stimulus_2), as ``extract_grams`` returns.
    brain_grams : Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), as ``compute_grams`` returns, of the same stimuli by id.
    comparator : str
        A key of ``ALIGNMENTS``; see ``compare_models`` for formulas and caveats.

    Returns
    -------
    DataArray (op, region, subject)
        Named "score"; NaN where a region and subject do not exist, or, with a warning, a representation does not vary.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_models``.
    """
    flat = expand_leading(brain_grams["gram"], UNNAMED)
    places = flat.stack({OP: (REGION, SUBJECT)}, create_index=False).drop_vars([REGION, SUBJECT])
    names = np.array([f"{region}, {subject}" for region in flat[REGION].values for subject in flat[SUBJECT].values])
    places = places.assign_coords({OP: names})
    score, ops, _ = _score_grams(grams, places.to_dataset(name="gram"), comparator)
    here = places.notnull().any((STIMULUS, STIMULUS_2)).values
    _warn_undefined(score[:, here], ops, names[here])
    coords = {OP: ops, REGION: flat[REGION].values, SUBJECT: flat[SUBJECT].values}
    score = score.reshape([len(names) for names in coords.values()])
    return xr.DataArray(score, dims=tuple(coords), coords=coords, name="score", attrs={"comparator": comparator})


def compute_grams(responses: xr.DataArray) -> xr.Dataset:
    """Gram matrix of brain responses, for each region and subject.

    Parameters
    ----------
    responses : DataArray (presentation or stimulus, neuroid)
        As for ``compute_rdms``; presentations of the same stimulus are averaged first.

    Returns
    -------
    Dataset
        ``gram`` (region, subject, stimulus, stimulus_2), ``row_sum`` (region, subject, stimulus), ``n_features``
        (region, subject); dimensions that the data lack are left out. NaN and 0 where a subject lacks a region.

    Raises
    ------
    InputError, LabelError
        As for ``compute_rdms``.
    """
    read = read_responses(responses)
    if read.time:
        raise InputError("compute_grams takes one time bin. Select with responses.isel(time_bin=0, drop=True).")
    means = average_repeats(read.values[:, :, 0], read.codes)
    shape, n = tuple(map(len, read.labels.values())), len(read.ids)
    gram, row_sum, count = np.full((*shape, n, n), np.nan), np.full((*shape, n), np.nan), np.zeros(shape, dtype=int)
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


def _score_rdms(a: xr.DataArray, b: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in COMPARATORS:
        raise suggest_name(name, COMPARATORS, "comparator of RDMs", f"For {', '.join(ALIGNMENTS)} pass Grams.")
    ours = take_model_pairs(a)
    theirs = take_model_pairs(align_stimuli(b, ours.ids.tolist(), name="b", other="a"))
    return compare_whole(ours.pairs, theirs.pairs, COMPARATORS[name]), ours.ops, theirs.ops


def _score_grams(a: xr.Dataset, b: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in ALIGNMENTS:
        hint = f"For {', '.join(COMPARATORS)} pass RDMs: compute_rdms(grams)."
        raise suggest_name(name, ALIGNMENTS, "comparator of Grams", hint)
    ours = _read_gram(a, "a", None)
    theirs = _read_gram(b, "b", ours[STIMULUS].values)
    return align_grams(ours.values, theirs.values, ALIGNMENTS[name]), ours[OP].values, theirs[OP].values


def _read_gram(grams: xr.Dataset, name: str, ids: np.ndarray | None) -> xr.DataArray:
    """Return the Gram (op, stimulus, stimulus_2), float64, in the order of ``ids``; 0 where it is only rounding."""
    check_variables(grams, name, "gram")
    gram = read_gram(grams, name, ids, "a", least=4)
    for one, op in zip(gram.values, gram[OP].values, strict=True):
        if not np.isnan(one).all():
            check_numbers(one, gram[STIMULUS].values, f"the Gram of op {str(op)!r} of {name}")
    return gram.copy(data=np.stack([blank_rounding(one, read_eps(grams)) for one in gram.values]))


def _warn_undefined(score: np.ndarray, ops: np.ndarray, others: np.ndarray) -> None:
    """Warn once, naming what has no score with anything on the other side."""
    lost = np.isnan(score)
    dead = list_names(dict.fromkeys([*ops[lost.all(axis=1)], *others[lost.all(axis=0)]]))
    if lost.all():
        dead = f"anything, because of one side or both: {list_names(ops)}; {list_names(others)}"
    if lost.all(axis=0).any() or lost.all(axis=1).any():
        warn_user(f"no score for {dead}: the representation holds NaN or does not vary over stimuli. Leave those out.")
