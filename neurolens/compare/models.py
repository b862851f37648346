"""Two models, or a model and a brain, op by op."""

import warnings

import numpy as np
import xarray as xr

from neurolens.compare.alignments import ALIGNMENTS, align_grams
from neurolens.compare.comparators import COMPARATORS, compare_pairs
from neurolens.compare.distances import compute_gram
from neurolens.compare.features import average_repeats, check_numbers
from neurolens.compare.responses import read_responses
from neurolens.compare.triangles import take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, align_stimuli, get_ids, list_names, suggest_name


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
    return xr.DataArray(score, dims=(OP, "op_2"), coords={OP: ops, "op_2": others}, name="score").assign_attrs(
        comparator=comparator
    )


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
        Named "score"; NaN where a region and subject do not exist.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_models``.
    """
    flat = brain_grams["gram"]
    for dim, label in ((REGION, "brain"), (SUBJECT, "group")):
        if dim not in flat.dims:
            flat = flat.expand_dims(dim if dim in flat.coords else {dim: [label]})
    places = flat.stack({OP: (REGION, SUBJECT)}, create_index=False).drop_vars([REGION, SUBJECT])
    places = places.assign_coords({OP: np.arange(places.sizes[OP])})
    score, ops, _ = _score_grams(grams, places.to_dataset(name="gram"), comparator)
    _warn_undefined(score[:, ~np.isnan(score).all(axis=0)], ops, places[OP].values[:0])
    return xr.DataArray(
        score.reshape(len(ops), flat.sizes[REGION], flat.sizes[SUBJECT]),
        dims=(OP, REGION, SUBJECT),
        coords={OP: ops, REGION: flat[REGION].values, SUBJECT: flat[SUBJECT].values},
        name="score",
        attrs={"comparator": comparator},
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
    means = average_repeats(read.values[:, :, 0], read.codes, range(len(read.ids)))
    labels, members = read.list_groups()
    shape, n = tuple(map(len, labels.values())), len(read.ids)
    gram, row_sum, count = np.full((*shape, n, n), np.nan), np.full((*shape, n), np.nan), np.zeros(shape, dtype=int)
    for place, member in members.items():
        gram[place], row_sum[place] = compute_gram(means[:, member], np.zeros((1, 1)))
        count[place] = member.sum()
    return xr.Dataset(
        {
            "gram": ((*labels, STIMULUS, STIMULUS_2), gram),
            "row_sum": ((*labels, STIMULUS), row_sum),
            "n_features": (tuple(labels), count),
        },
        coords={**labels, STIMULUS: read.ids, STIMULUS_2: read.ids},
    )


def _score_rdms(a: xr.DataArray, b: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in COMPARATORS:
        raise suggest_name(name, COMPARATORS, "comparator of RDMs", f"For {', '.join(ALIGNMENTS)} pass Grams.")
    ours = take_model_pairs(a)
    b = align_stimuli(b, ours.ids.tolist(), name="b", other="a")
    theirs = take_model_pairs(b)
    score = np.full((len(ours.ops), len(theirs.ops)), np.nan)
    known = [np.flatnonzero(~np.isnan(side.pairs).any(axis=1)) for side in (ours, theirs)]
    everything = np.ones((1, len(ours.ids)), dtype=int)
    score[np.ix_(*known)] = compare_pairs(ours.pairs[known[0]], theirs.pairs[known[1]], everything, COMPARATORS[name])[
        0
    ]
    return score, ours.ops, theirs.ops


def _score_grams(a: xr.Dataset, b: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name not in ALIGNMENTS:
        hint = f"For {', '.join(COMPARATORS)} pass RDMs: compute_rdms(grams)."
        raise suggest_name(name, ALIGNMENTS, "comparator of Grams", hint)
    ours, ids = _read_gram(a, "a", None)
    theirs, _ = _read_gram(b, "b", ids)
    return align_grams(ours.values, theirs.values, ALIGNMENTS[name]), ours[OP].values, theirs[OP].values


def _read_gram(grams: xr.Dataset, name: str, ids: np.ndarray | None) -> tuple[xr.DataArray, np.ndarray]:
    """Return the Gram (op, stimulus, stimulus_2), float64, in the order of ``ids``, and its ids."""
    if "gram" not in grams:
        raise InputError(
            f"{name} holds no 'gram', only {list_names(map(str, grams))}. Pass what extract_grams returns."
        )
    gram = grams["gram"]
    if OP not in gram.dims:
        gram = gram.expand_dims(OP if OP in gram.coords else {OP: [name]})
    if ids is None:
        ids = get_ids(gram, STIMULUS, name)
    if len(ids) < 4:
        raise InputError(f"{name} must hold at least 4 stimuli, got {len(ids)}. Pass more stimuli.")
    gram = align_stimuli(gram, ids.tolist(), name=name, other="a").transpose(OP, STIMULUS, STIMULUS_2)
    for one, op in zip(gram.values, gram[OP].values, strict=True):
        if not np.isnan(one).all():
            check_numbers(one, ids, f"the Gram of op {str(op)!r} of {name}")
    return gram.astype(np.float64), ids


def _warn_undefined(score: np.ndarray, ops: np.ndarray, others: np.ndarray) -> None:
    """Warn once, naming the ops that have no score with anything."""
    dead = [*ops[np.isnan(score).all(axis=1)], *others[np.isnan(score).all(axis=0)[: len(others)]]]
    if dead:
        warnings.warn(
            f"no score for {list_names(dict.fromkeys(dead))}: the representation holds NaN or does not vary over "
            "stimuli. Leave those out.",
            RuntimeWarning,
            stacklevel=3,
        )
