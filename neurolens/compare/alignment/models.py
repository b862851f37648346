"""Comparison of two models, or of a model and a brain, op by op."""

import xarray as xr

from neurolens.compare.alignment.grams import Aligned, score_grams, warn_undefined
from neurolens.compare.alignment.measures import ALIGNMENTS
from neurolens.compare.rdms.vectors import read_model_rdms
from neurolens.compare.rsa.comparators.table import COMPARATORS, compare_whole
from neurolens.compare.rsa.sides import list_op_gaps, warn_gaps
from neurolens.errors import InputError
from neurolens.labels import OP, align_labels, suggest_name
from neurolens.support.progress import show_progress

OP_2 = "op_2"


def compare_models(
    a: xr.Dataset | xr.DataArray,
    b: xr.Dataset | xr.DataArray,
    *,
    comparator: str | None = None,
    quiet: bool = False,
) -> xr.DataArray:
    """Compare every op of one model with every op of another model, or of the same.

    From Grams K, L, centered: ``cka`` = <K, L> / (|K| |L|), which drifts to 1 as features outnumber
    stimuli; ``cka-unbiased`` from unbiased HSIC, which does not and may be negative; ``procrustes``
    = nuclear norm of X'Y over |X| |Y| = 1 - d^2 / 2 for the distance d after the best rotation;
    ``linear-predictivity`` = R^2 of b from a by ridge over left-out stimuli, not symmetric, may be
    negative; ``cca``, ``svcca``, ``pwcca`` = mean canonical correlation.

    The result is a table of op against op. It does not hold scores of regions, and functions that
    take scores do not accept it. For scores see ``compare_grams`` and ``compare_rdms``.

    Parameters
    ----------
    a, b : Dataset or DataArray
        Both Grams, as ``extract_grams`` or ``compute_grams`` returns, or both RDMs (op, stimulus,
        stimulus_2), of the same stimuli by id, in any order. Two RDMs are compared over the pairs
        that both have; a warning names those that hold NaN.
    comparator : str, optional
        For Grams a key of ``ALIGNMENTS``, by default ``cka-unbiased``; for RDMs of ``COMPARATORS``,
        by default ``rho-a``.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataArray (op, op_2)
        Named "score": op of ``a`` against op_2 of ``b``. NaN, with a warning, where a
        representation does not vary, or an RDM does not vary over pairs, but for rounding.

    Raises
    ------
    InputError
        One side holds Grams and the other RDMs; there are fewer than 4 stimuli (3 for RDMs);
        numbers are not finite.
    LabelError
        Stimuli differ or repeat.
    UnknownNameError
        The comparator is not of the table that fits the input; the message says which table that
        is.

    Notes
    -----
    CCA is 1 whenever features are as many as stimuli less 1, whatever they hold: read it only with
    many more stimuli than features. SVCCA keeps the components with 99 % of the variance and has
    the same problem if those are many. PWCCA as published weighs by sums of absolute loadings,
    which a Gram does not know; here the weights are variances, which makes it asymmetric too. The
    penalty of linear-predictivity is the best of 25, one for all features, which makes R^2 slightly
    optimistic. Time O(ops n^3 + pairs n^2) for the CKAs, O(pairs n^3) for the others.

    References
    ----------
    Kornblith et al. (2019) ICML, eqs. 3-6, and Song et al. (2012) JMLR 13:1393, eq. 5, on CKA;
    Williams et al. (2021) NeurIPS on Procrustes; Raghu et al. (2017) and Morcos et al. (2018)
    NeurIPS on SVCCA and PWCCA. Checked against scipy's ``orthogonal_procrustes``, scikit-learn's
    ``Ridge`` and loops.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import compute_grams
    >>> x = xr.DataArray(np.random.default_rng(0).normal(size=(5, 3)), dims=("stimulus", "neuroid"),
    ...                  coords={"stimulus": list("abcde")})
    >>> grams = compute_grams(x)
    >>> compare_models(grams, grams, comparator="procrustes").round(3).values.tolist()
    [[1.0]]
    """
    if isinstance(a, xr.Dataset) and isinstance(b, xr.Dataset):
        comparator = "cka-unbiased" if comparator is None else comparator
        aligned = score_grams(a, b, comparator, quiet=quiet)
    elif isinstance(a, xr.DataArray) and isinstance(b, xr.DataArray):
        comparator = "rho-a" if comparator is None else comparator
        aligned = _score_rdms(a, b, comparator, quiet=quiet)
    else:
        raise InputError(
            "a and b must both be Grams (Dataset) or both RDMs (DataArray), got "
            f"{type(a).__name__} and {type(b).__name__}. Make RDMs of Grams with "
            "compute_rdms(grams)."
        )
    warn_undefined(aligned.score, aligned.ops, aligned.others)
    coords = {OP: aligned.ops, OP_2: aligned.others}
    attrs = {"measure": comparator}
    return xr.DataArray(aligned.score, dims=tuple(coords), coords=coords, name="score", attrs=attrs)


def _score_rdms(a: xr.DataArray, b: xr.DataArray, name: str, *, quiet: bool) -> Aligned:
    """Return the comparator ``name`` of each RDM of ``a`` with each of ``b``, matched by id.

    Progress is shown unless ``quiet``.
    """
    if name not in COMPARATORS:
        raise suggest_name(
            name, COMPARATORS, "comparator of RDMs", f"For {', '.join(ALIGNMENTS)} pass Grams."
        )
    pairs_a = read_model_rdms(a)
    pairs_b = read_model_rdms(align_labels(b, pairs_a.ids.tolist(), name="b", other="a"))
    gaps = list_op_gaps(pairs_a) + list_op_gaps(pairs_b)
    warn_gaps(list(dict.fromkeys(gaps)))
    with show_progress(1, "comparing RDMs", quiet=quiet):
        score = compare_whole(pairs_a.pairs, pairs_b.pairs, COMPARATORS[name])
    return Aligned(score, pairs_a.ops, pairs_b.ops)
