"""The form of every answer to "how well does each op fit each region": built here, and read here.

A result is an xarray Dataset whose variables and attributes are those of the tables below. What
makes scores calls `build_scores`; what takes scores calls `read_scores`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, TIME_BIN, list_names

SPLIT = "split"
HALF = "half"
BRAIN = "brain"
GROUP = "group"
PER_SUBJECT = (OP, REGION, SUBJECT)
PER_REGION = (OP, REGION)

# Variables with one meaning everywhere, and their dimensions; any may have ``time_bin`` as well.
VARIABLES: dict[str, tuple[str, ...]] = {
    "score": PER_SUBJECT,
    "score_mean": PER_REGION,
    "ci_low": PER_SUBJECT,
    "ci_high": PER_SUBJECT,
    "mean_ci_low": PER_REGION,
    "mean_ci_high": PER_REGION,
    "ceiling_lower": (REGION,),
    "ceiling_upper": (REGION,),
    "split_score": (SPLIT, HALF, OP, REGION),
    "split_member": (SPLIT, STIMULUS),
    "p": PER_REGION,
    "q": PER_REGION,
    "p_max": PER_REGION,
}
ALWAYS = (
    "score",
    "score_mean",
    "ci_low",
    "ci_high",
    "mean_ci_low",
    "mean_ci_high",
    "ceiling_lower",
    "ceiling_upper",
)


@dataclass(frozen=True)
class Method:
    """One way to score: what it is called in a paper, how to ask for it, and what to cite."""

    function: str
    sentence: str
    references: tuple[str, ...]


METHODS: dict[str, Method] = {
    "rsa": Method(
        "compare_rdms",
        "Representational dissimilarity matrices ({dissimilarity}) of each operation were compared "
        "with those of each brain region by {measure}.",
        ("kriegeskorte2008",),
    ),
    "encoding": Method(
        "fit_encoding",
        "Responses of each neuroid to held-out stimuli were predicted from each operation's "
        "features ({estimator}) and scored by {measure}.",
        ("naselaris2011",),
    ),
    "alignment": Method(
        "compare_grams",
        "Grams of each operation's features were compared with those of each brain region's "
        "responses by {measure}.",
        ("kornblith2019",),
    ),
    "predicted-rsa": Method(
        "compare_predicted",
        "Dissimilarity matrices ({dissimilarity}) of responses predicted from each operation to "
        "held-out stimuli were compared with those of the measured responses by {measure}.",
        ("kriegeskorte2008", "naselaris2011"),
    ),
    "reweighted-rsa": Method(
        "fit_reweighted_rdms",
        "A weighted sum of dissimilarity matrices ({dissimilarity}), its weights fitted to other "
        "stimuli, was compared with those of each brain region by {measure}.",
        ("kriegeskorte2008", "kaniuth2022"),
    ),
}
# How to get what scores can lack.
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
        "rsa": "compare_rdms with two or more subjects per region",
        "encoding": "fit_encoding(..., ceiling=compute_ncsnr(responses))",
        "": "compare_rdms, or fit_encoding(..., ceiling=...)",
    },
    "p": {
        "rsa": "permute_rdms(model_rdms, brain_rdms)",
        "encoding": "permute_encoding(features, responses)",
        "": "permute_rdms or permute_encoding",
    },
}


@dataclass(frozen=True)
class Intervals:
    """What the intervals of scores are.

    ``kind`` names the procedure ("bootstrap percentile", "t interval of halves"), ``over`` what is
    drawn anew ("stimuli", "stimuli and subjects"), ``level`` the confidence.
    """

    kind: str = "none"
    over: str = ""
    level: float = float("nan")


@dataclass(frozen=True)
class Ceiling:
    """What the ceilings of scores are.

    ``note`` says in a sentence what they are or why there is none; ``bound`` whether no model can
    exceed the upper one ("exact", "expected", "none").
    """

    note: str = "No noise ceiling was computed."
    bound: str = "none"


def build_scores(
    score: xr.DataArray,
    *,
    method: str,
    measure: str,
    n_stimuli: int,
    variables: Mapping[str, Any] | None = None,
    dissimilarity: str = "",
    estimator: str = "",
    intervals: Intervals | None = None,
    ceiling: Ceiling | None = None,
    details: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return scores in the form that everything that takes scores reads.

    Parameters
    ----------
    score : DataArray (op, region, subject)
        In any order of dimensions, optionally with ``time_bin``; a missing ``region`` becomes
        ``"brain"`` and a missing ``subject`` ``"group"``. NaN where a subject lacks the region.
    method : str
        A key of `METHODS`.
    measure : str
        What the score is: ``"spearman"``, ``"rho-a"``, ``"r"``, ``"r2"``, ``"cka-unbiased"`` ...
    n_stimuli : int
    variables : mapping of DataArray
        Others of `VARIABLES`, with their dimensions, or of the function's own. ``score_mean`` is
        the mean over the subjects that have the region where it is left out; intervals and
        ceilings are NaN where they are left out.
    dissimilarity, estimator : str
        How RDMs were made ("correlation"), how responses were predicted ("ridge regression"); only
        where that was done.
    intervals, ceiling
        What those of ``variables`` are.
    details : mapping
        Further attributes: settings, seeds.

    Returns
    -------
    Dataset
        With the attributes ``method``, ``measure``, ``dissimilarity`` (where given),
        ``interval_kind``, ``interval_over``, ``interval_level``, ``ceiling_note``,
        ``ceiling_bound``, ``reference`` (keys of the methods' references, comma-separated),
        ``n_stimuli`` and ``methods_text``.

    Raises
    ------
    LabelError
        For a variable of `VARIABLES` that has other dimensions than those, or scores without op.
    """
    intervals = intervals or Intervals()
    ceiling = ceiling or Ceiling()
    held = {"score": _name_dims(score), **(variables or {})}
    held.setdefault("score_mean", held["score"].mean(SUBJECT))
    for name, template in _list_unknown(held):
        held[name] = xr.full_like(template, np.nan, dtype=np.float64)
    scores = xr.Dataset(held)
    for name, dims in VARIABLES.items():
        if name in scores:
            _check_dims(name, scores[name], dims)
            scores[name] = scores[name].transpose(*dims, ...)
    attrs: dict[str, Any] = {"method": method, "measure": measure}
    if dissimilarity:
        attrs["dissimilarity"] = dissimilarity
    if estimator:
        attrs["estimator"] = estimator
    attrs |= {
        "interval_kind": intervals.kind,
        "interval_over": intervals.over,
        "interval_level": intervals.level,
        "ceiling_note": ceiling.note,
        "ceiling_bound": ceiling.bound,
        "reference": ",".join(METHODS[method].references),
        "n_stimuli": n_stimuli,
    }
    attrs |= dict(details or {})
    scores.attrs = attrs | {"methods_text": write_methods(attrs)}
    return scores


def read_scores(
    scores: Any, consumer: str, *, needs: Sequence[str] = (), over_time: bool = False
) -> xr.Dataset:
    """Return scores that a function can use, or raise saying in one sentence why it cannot.

    Parameters
    ----------
    scores
        What the user passed.
    consumer : str
        Name of the function that takes them, for messages.
    needs : sequence of str
        Variables of `VARIABLES` that must be there and hold a number.
    over_time : bool
        Whether scores over ``time_bin`` can be used.

    Raises
    ------
    InputError
        When they are not scores of `build_scores`, lack what is needed, or have time bins.
    """
    makers = list_names([f"{one.function}" for one in METHODS.values()])
    if not isinstance(scores, xr.Dataset) or "score" not in scores or "method" not in scores.attrs:
        raise InputError(
            f"{consumer} takes scores, the Dataset that {makers} return, got "
            f"{_describe(scores)}. Pass that Dataset as it is."
        )
    method = scores.attrs["method"]
    if not over_time and TIME_BIN in scores.dims:
        bins = scores[TIME_BIN].values.tolist()
        raise InputError(
            f"{consumer} takes scores of one time, got {len(bins)} bins. Select one with "
            f"scores.sel(time_bin={bins[0]!r}), or average them with scores.mean('time_bin')."
        )
    for name in needs:
        if name not in scores or not bool(scores[name].notnull().any()):
            remedy = REMEDIES.get(name, {}).get(method) or REMEDIES.get(name, {}).get("", "")
            raise InputError(
                f"{consumer} needs {name!r}, which these scores ({method}) do not hold. "
                f"Make scores with {remedy}."
            )
    return scores


def write_methods(attrs: Mapping[str, Any]) -> str:
    """Return what the attributes of scores say in sentences fit for a methods section."""
    method = METHODS[attrs["method"]]
    told = method.sentence.format(
        measure=attrs["measure"],
        dissimilarity=attrs.get("dissimilarity") or "dissimilarity not named",
        estimator=attrs.get("estimator") or "a linear model",
    )
    told += f" There were {attrs['n_stimuli']} stimuli."
    if attrs["interval_kind"] != "none":
        told += (
            f" Intervals: {attrs['interval_kind']}, {100 * attrs['interval_level']:g} %, over "
            f"{attrs['interval_over']}."
        )
    return f"{told} {attrs['ceiling_note']}"


def _name_dims(score: xr.DataArray) -> xr.DataArray:
    """Return scores with an op, a region and a subject."""
    if OP not in score.dims:
        raise LabelError(f"scores need the dimension 'op', got {score.dims}")
    for dim, default in ((REGION, BRAIN), (SUBJECT, GROUP)):
        if dim not in score.dims:
            score = score.drop_vars(dim, errors="ignore").expand_dims({dim: [default]})
    return score


def _list_unknown(held: Mapping[str, Any]) -> list[tuple[str, xr.DataArray]]:
    """Return the variables that are always there and were not given, with one of their form."""
    templates = {
        PER_SUBJECT: held["score"],
        PER_REGION: held["score_mean"],
        (REGION,): held["score_mean"].isel({OP: 0}, drop=True),
    }
    return [(name, templates[VARIABLES[name]]) for name in ALWAYS if name not in held]


def _check_dims(name: str, array: xr.DataArray, dims: tuple[str, ...]) -> None:
    found = set(array.dims) - {TIME_BIN}
    if found != set(dims):
        raise LabelError(f"{name!r} of scores has dimensions {list(dims)}, got {list(array.dims)}")


def _describe(scores: Any) -> str:
    """Return what was passed in place of scores, in a few words."""
    if isinstance(scores, xr.Dataset):
        return f"a Dataset with {list(scores.data_vars)[:5]}"
    if isinstance(scores, xr.DataArray):
        return f"a DataArray with dimensions {list(scores.dims)}"
    return f"{type(scores).__name__}"
