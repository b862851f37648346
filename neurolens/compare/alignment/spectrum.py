"""Principal components of representations: shares of variance, and effective dimensionality."""

from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.alignment.grams import list_rounding
from neurolens.compare.inputs.checks import check_kind, check_numbers
from neurolens.compare.inputs.features import check_variables, read_gram
from neurolens.compare.stats.linalg import blank_rounding, center_twice
from neurolens.errors import warn_user
from neurolens.labels import OP, STIMULUS, get_marks, list_names
from neurolens.support.progress import count_steps, show_progress

COMPONENT = "component"


def compute_spectrum(grams: xr.Dataset, *, quiet: bool = False) -> xr.Dataset:
    """Compute the variance of each principal component of each op, and how many count.

    Components are those of the features of an op over stimuli, about their mean: the eigenvalues l
    of the centered Gram.

    Parameters
    ----------
    grams : Dataset
        ``gram`` (op, stimulus, stimulus_2), as ``extract_grams`` returns; or of regions, as
        ``compute_grams`` returns, with ``region`` renamed to ``op``.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        ``share`` (op, component): l / sum of l, in decreasing order, from 0 to 1, of n - 1
        components for n stimuli; ``effective_dimensionality`` (op): the participation ratio (sum of
        l)^2 / sum of l^2, from 1 to n - 1. NaN, with a warning, where features do not vary over
        stimuli. Attribute ``n_stimuli``.

    Raises
    ------
    InputError, LabelError
        As for ``compare_models``.

    Notes
    -----
    Both depend on the number of stimuli: few stimuli span few dimensions, so compare ops and models
    on the same stimuli only. Variances of noise count like others. Time O(ops n^3).

    References
    ----------
    Gao et al. (2017) bioRxiv 214262, on the participation ratio. Checked against the singular
    values of centered features.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import compute_grams
    >>> x = xr.DataArray([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]],
    ...                  dims=("stimulus", "neuroid"), coords={"stimulus": list("abcd")})
    >>> spectrum = compute_spectrum(compute_grams(x))
    >>> spectrum.share.values.round(3).tolist(), spectrum.effective_dimensionality.values.tolist()
    ([[0.5, 0.5, 0.0]], [2.0])
    """
    check_kind(grams, "grams", "grams")
    check_variables(grams, "grams", "gram")
    gram = read_gram(grams, "grams", least=3)
    rounding = list_rounding(grams, gram)
    n = gram.sizes[STIMULUS]
    share = np.full((gram.sizes[OP], n - 1), np.nan)
    dimensionality = np.full(gram.sizes[OP], np.nan)
    with show_progress(len(gram), "computing spectra", quiet=quiet):
        for i, name in enumerate(gram[OP].values):
            one = check_numbers(
                gram[i].values, gram[STIMULUS].values, f"the Gram of op {str(name)!r}"
            )
            variances = _list_variances(blank_rounding(one, rounding[i]))
            total = variances.sum()
            if total > 0:
                share[i] = variances / total
                dimensionality[i] = total**2 / (variances**2).sum()
            count_steps()
    constant = gram[OP].values[np.isnan(dimensionality)]
    if len(constant):
        warn_user(
            f"no spectrum of {list_names(constant)}: the representation does not vary over "
            "stimuli. Leave those out."
        )
    attrs: dict[str, Any] = {"n_stimuli": n, **get_marks(grams)}
    return xr.Dataset(
        {"share": ((OP, COMPONENT), share), "effective_dimensionality": (OP, dimensionality)},
        coords={OP: gram[OP].values, COMPONENT: np.arange(1, n)},
        attrs=attrs,
    )


def _list_variances(gram: np.ndarray) -> np.ndarray:
    """Return the n - 1 largest eigenvalues of the centered Gram, in decreasing order, 0 or more."""
    centered = center_twice(gram[None])[0]
    values = np.linalg.eigvalsh((centered + centered.T) / 2)[::-1][: len(gram) - 1]
    if not np.trace(centered) > 1e-12 * np.trace(gram):
        return np.zeros(len(gram) - 1)
    return np.maximum(values, 0.0)
