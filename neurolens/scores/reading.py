"""Reading of scores: they are checked, or refused with an error that says what to do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT, TIME_BIN, list_names
from neurolens.scores.form import VARIABLES, has_numbers
from neurolens.scores.methods import METHODS

# Dimensions along which a user can select a single label, and scores can still be read.
SELECTABLE = (OP, REGION, SUBJECT)
# Calls that make the variables that scores can lack, by method; "" for the other methods.
REMEDIES: dict[str, dict[str, str]] = {
    "split_score": {
        "rsa": "compare_rdms(..., n_splits=40)",
        "encoding": "fit_encoding(..., n_splits=20)",
        "": "compare_rdms(..., n_splits=40) or fit_encoding(..., n_splits=20)",
    },
    "ci_low": {
        "rsa": "compare_rdms(..., n_bootstrap=1000)",
        "encoding": "fit_encoding(..., n_splits=20)",
        "": "compare_rdms(..., n_bootstrap=1000) or fit_encoding(..., n_splits=20)",
    },
    "ceiling_upper": {
        "rsa": "compare_rdms and two or more subjects per region, or with add_ceilings(scores, "
        "compute_split_ceilings(responses))",
        "encoding": "fit_encoding(..., ceiling=compute_ncsnr(responses))",
        "": "compare_rdms, or fit_encoding(..., ceiling=compute_ncsnr(responses))",
    },
    "bootstrap_ceiling": {
        "rsa": "compare_rdms or bootstrap_rdms of two or more subjects per region",
        "": "compare_rdms or bootstrap_rdms of two or more subjects per region",
    },
    "p": {
        "rsa": "permute_rdms(model_rdms, brain_rdms)",
        "encoding": "permute_encoding(features, responses)",
        "": "permute_rdms or permute_encoding",
    },
}
# Variables that are made together with another one, by the same call.
MADE_WITH: dict[str, str] = {
    "split_subject_score": "split_score",
    "split_member": "split_score",
    "bootstrap_mean": "ci_low",
    "draws": "ci_low",
    "ci_high": "ci_low",
    "mean_ci_low": "ci_low",
    "mean_ci_high": "ci_low",
    "ceiling_lower": "ceiling_upper",
    "ceiling_lower_ci_low": "bootstrap_ceiling",
    "ceiling_lower_ci_high": "bootstrap_ceiling",
    "ceiling_upper_ci_low": "bootstrap_ceiling",
    "ceiling_upper_ci_high": "bootstrap_ceiling",
    "ceiling_draws": "bootstrap_ceiling",
    "q": "p",
    "p_max": "p",
}


def read_scores(
    scores: Any, consumer: str, *, needs: Sequence[str] = (), over_time: bool = False
) -> xr.Dataset:
    """Return scores that a function can use, or raise an error that says why it cannot.

    Parameters
    ----------
    scores
        What the user passed. A single op, region or subject that was selected from scores is a
        dimension of length 1 again in what is returned.
    consumer : str
        Name of the function that takes them, for messages.
    needs : sequence of str
        Variables of `VARIABLES` that must be there and hold a number, unless no score does.
    over_time : bool
        Whether scores over ``time_bin`` can be used.

    Raises
    ------
    InputError
        When they are not scores of `build_scores`, lack what is needed, or have time bins.
    """
    is_dataset = isinstance(scores, xr.Dataset) and "score" in scores
    if not is_dataset or scores.attrs.get("method") not in METHODS:
        makers = list_names([one.function for one in METHODS.values()])
        raise InputError(
            f"{consumer} takes scores, the Dataset that {makers} return, got "
            f"{_describe(scores)}. Pass that Dataset as it is.",
            anchor="wrong-object",
        )
    if not over_time and TIME_BIN in scores.dims:
        raise InputError(
            f"{consumer} takes one time bin. Select with scores.isel(time_bin=0, drop=True). "
            f"There are {scores.sizes[TIME_BIN]}.",
            anchor="one-time-bin",
        )
    scores = _restore_dims(_unbox_attrs(scores), consumer)
    _check_subjects(scores, consumer)
    has_score = has_numbers(scores, ("score", "score_mean"))
    for name in needs:
        absent = name not in scores or scores[name].size == 0
        if absent or (has_score and not has_numbers(scores, [name])):
            method = scores.attrs["method"]
            raise InputError(
                f"{consumer} needs {name!r}, which these scores ({method}) do not hold. "
                f"Make scores with {find_remedy(name, method)}.",
                anchor="scores-incomplete",
            )
    return scores


def _unbox_attrs(scores: xr.Dataset) -> xr.Dataset:
    """Return scores whose attributes are plain numbers again, as before they were in a file."""
    boxed = {name: one for name, one in scores.attrs.items() if isinstance(one, np.generic)}
    if not boxed:
        return scores
    return scores.assign_attrs({name: one.item() for name, one in boxed.items()})


def _check_subjects(scores: xr.Dataset, consumer: str) -> None:
    """Raise InputError where subjects were selected, because means are of all of them."""
    made_with = np.atleast_1d(scores.attrs.get("subjects", [])).tolist()
    if not made_with or SUBJECT not in scores.coords:
        return
    there = [str(name) for name in np.atleast_1d(scores[SUBJECT].values)]
    if sorted(there) != sorted(made_with):
        raise InputError(
            f"{consumer} takes scores of the subjects that they were made with, "
            f"{list_names(made_with)}, got {list_names(there)}: score_mean and ceilings are of all "
            "of them. Select subjects in the RDMs or responses, and make scores anew.",
            anchor="scores-incomplete",
        )


def find_remedy(name: str, method: str) -> str:
    """Return the call that makes scores with the variable ``name``, for a message."""
    remedies = REMEDIES.get(MADE_WITH.get(name, name), {})
    function = METHODS[method].function if method in METHODS else "compare_rdms"
    return remedies.get(method) or remedies.get("") or f"{function}(...)"


def _restore_dims(scores: xr.Dataset, consumer: str) -> xr.Dataset:
    """Return ``scores`` with a dimension for the one op, region or subject that was selected."""
    lacking: dict[str, list[str]] = {}
    for name in [name for name in VARIABLES if name in scores]:
        for dim in set(VARIABLES[name]) - set(scores[name].dims):
            lacking.setdefault(dim, []).append(name)
    for dim, names in lacking.items():
        if dim not in SELECTABLE or dim not in scores.coords or dim in scores.dims:
            raise InputError(
                f"{consumer} needs the dimension {dim!r}, which {list_names(names)} of these "
                f"scores lack. Select with a list, which keeps it: scores.sel({dim}=[...]).",
                anchor="scores-incomplete",
            )
        label = {dim: [scores[dim].item()]}
        arrays = {name: scores[name].drop_vars(dim).expand_dims(label) for name in names}
        scores = scores.drop_vars([dim, *names]).assign(arrays)
    return scores


def _describe(scores: Any) -> str:
    """Return what was passed in place of scores, in a few words."""
    if isinstance(scores, xr.Dataset):
        method = scores.attrs.get("method")
        return f"a Dataset with {list(scores.data_vars)[:5]} and the method {method!r}"
    if isinstance(scores, xr.DataArray):
        return f"a DataArray with dimensions {list(scores.dims)}"
    return f"{type(scores).__name__}"
