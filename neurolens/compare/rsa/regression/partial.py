"""Partial RSA: model RDMs against brain RDMs, given control RDMs."""

import math
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_draws,
    check_kind,
    check_share,
    check_whole,
    describe_rng,
    make_generator,
    warn_no_score,
)
from neurolens.compare.inputs.exchange import describe_exchange, warn_few_draws
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import (
    BrainRDMs,
    ModelRDMs,
    read_brain_rdms,
    read_model_rdms,
)
from neurolens.compare.rsa.comparators.table import COMPARATORS
from neurolens.compare.rsa.dependence import (
    TESTED_SERIES,
    read_sides_exchange,
    read_sides_groups,
    remove_lags,
)
from neurolens.compare.rsa.estimates.single import (
    Estimates,
    Resampling,
    describe_draws,
    label_estimates,
    resample_stimuli,
)
from neurolens.compare.rsa.regression.ceilings import bound_partial, describe_ceiling
from neurolens.compare.rsa.regression.estimates import (
    PartialSides,
    estimate_partial,
    infer_partial,
)
from neurolens.compare.rsa.regression.residuals import MIN_FREEDOM, Controls, find_flat
from neurolens.compare.rsa.regression.weighted_ranks import sort_rows
from neurolens.compare.rsa.sides import count_ops, name_dissimilarity, name_variables
from neurolens.errors import InputError
from neurolens.labels import (
    REGION,
    SUBJECT,
    align_labels,
    check_name,
    get_marks,
    list_names,
)
from neurolens.scores import (
    PER_REGION,
    Intervals,
    build_scores,
)
from neurolens.support.progress import show_progress

MAX_DEGREE = 3
# What is correlated: dissimilarities or their mid-ranks.
PARTIAL_COMPARATORS = {"spearman": True, "pearson": False}


@over_time_bins("brain_rdms")
def compare_partial_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    control_rdms: xr.DataArray,
    *,
    comparator: str = "spearman",
    degree: int = 3,
    scheme: str | None = None,
    by: GroupsBy | None = None,
    n_bootstrap: int = 1000,
    n_splits: int = 20,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Compare each op's RDM with each region's, given what control RDMs explain of both.

    Over the pairs of stimuli, x = model and y = brain dissimilarities (``pearson``) or their
    mid-ranks (``spearman``): the score is r(x - B a, y - B b), where the columns of B are a
    constant and, of each control, the powers 1 to ``degree`` of its mid-ranks (``pearson``: and its
    dissimilarities), and a and b minimize the squared residuals.

    Parameters
    ----------
    model_rdms, brain_rdms : DataArray
        As for ``compare_rdms``, with ``time_bin`` too.
    control_rdms : DataArray (op, stimulus, stimulus_2) or (stimulus, stimulus_2)
        One or more RDMs of the same stimuli, by id, in any unit: of pixels, from
        ``compute_metadata_rdms``, of another op. Join several with ``xr.concat([a, b], "op")``.
    comparator : str
        ``"spearman"`` or ``"pearson"``.
    degree : int
        1 is the partial correlation of textbooks, which leaves in whatever of a control is not
        linear (in ranks): two RDMs that each add something of their own to a control then
        correlate by Spearman, given the control, at .03 to .11 where nothing else is shared. 3
        takes curves out too.
    scheme : str, optional
        What is permuted, as for ``permute_rdms``.
    by : str or DataArray, optional
        Groups of stimuli, such as runs or views of a picture, as for ``permute_rdms``; whole groups
        are resampled and split, too.
    n_bootstrap, n_splits, confidence, rng, quiet
        As for ``compare_rdms``. Ranks, residuals and halves are made anew in each draw.
    n_permutations : int
        Permutations for p; 0 leaves the tests out.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, as ``compare_rdms`` returns, in [-1, 1]:
        ``score``, ``score_mean``, percentile intervals over stimuli, ``ceiling_lower``,
        ``ceiling_upper`` (region), ``bootstrap_mean``, ``split_score``, ``split_subject_score``,
        ``split_member``; over (op, region) ``p``, ``q``, ``p_max``, ``null_mean``, ``null_sd`` as
        ``permute_rdms`` returns, of ``score_mean``, one-sided. ``control_explained`` (region,
        subject): the share of the variance of the brain's RDM that the controls explain, in the
        data they were fitted to. ``attrs["controls"]`` names the controls.

    Raises
    ------
    LabelError
        Dimensions differ from these, or the three do not hold exactly the same stimuli.
    InputError
        As for ``compare_rdms``; another comparator; a control holds NaN or does not vary; there are
        too few stimuli for so many controls; controls explain all of a region's RDM.
    UnknownNameError
        ``comparator`` is unknown.

    Warns
    -----
    RuntimeWarning
        The score of an op is undefined: its RDM holds NaN, does not vary, or is explained by the
        controls. The message names it. Stimuli that are permuted or resampled singly depend on each
        other, as for ``permute_rdms``; there are few permutations.

    Notes
    -----
    p: the stimuli of the brain's residuals are permuted, rows and columns together, the same in all
    regions and subjects, and the controls regressed out again (Freedman & Lane). The null is that
    what the controls leave of the brain's RDM is unrelated to the model's. In simulations of 20 and
    40 stimuli with ``degree`` 3, p was below .05 in 3 to 10 % of null data; with 1, in up to 45 %.
    A control can only remove what its RDM tells: of features that two sides share, their distance
    is a summary. Where all are correlation distances of joined features, .02 to .03 remained, and p
    was below .05 in 17 %.

    Ceilings are those of Nili et al. on residuals: no RDM can exceed the upper one. Time O((draws +
    permutations) (ops + brains) n^2).

    References
    ----------
    Kriegeskorte et al. (2008) Front. Syst. Neurosci. 2:4; Freedman & Lane (1983) J. Bus. Econ.
    Stat. 1:292, on permuting residuals; Dekker et al. (2007) Psychometrika 72:563, on doing so with
    matrices; Shah & Peters (2020) Ann. Stat. 48:1514, on regressing flexibly before correlating.
    Checked against numpy ``lstsq`` on resampled RDMs (``test_partial.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(1)
    >>> ids = [f"s{i}" for i in range(16)]
    >>> def make_rdm(points):
    ...     square = ((points[:, None] - points) ** 2).sum(-1)
    ...     return xr.DataArray(square, dims=("stimulus", "stimulus_2"),
    ...                         coords={"stimulus": ids, "stimulus_2": ids})
    >>> pixels, shape = rng.normal(size=(2, 16, 3))
    >>> model, brain = make_rdm(pixels), make_rdm(pixels) + make_rdm(shape)
    >>> noisy = model + make_rdm(rng.normal(size=(16, 3)))
    >>> scores = compare_partial_rdms(noisy, brain, make_rdm(pixels), n_bootstrap=0, n_splits=0,
    ...                               n_permutations=99)
    >>> bool(scores.p[0, 0] > 0.05), scores.attrs["controls"]
    (True, ['model'])
    """
    generator = make_generator(rng)
    ranked = _find_comparator(comparator)
    sides = read_partial_sides(model_rdms, brain_rdms, control_rdms, degree, ranked)
    check_draws(n_bootstrap)
    check_whole(n_splits, "n_splits", 0, 20)
    check_whole(n_permutations, "n_permutations", 0, 1000)
    check_share(confidence, "confidence", 0.95)
    _check_halves(sides, n_splits)

    draw_rng, order_rng = generator.spawn(2)
    exchange = read_sides_exchange(scheme, by, sides.model, sides.brain, brain_rdms, model_rdms)
    group = read_sides_groups(by, sides.model, brain_rdms, model_rdms)
    resampling = resample_stimuli(sides.model.ids, group, n_bootstrap, n_splits, draw_rng)
    passes = math.ceil(len(sides.model.ops) / count_ops(sides.model, sides.brain, n_bootstrap))
    with show_progress(passes * (1 + 2 * n_splits + n_bootstrap), "comparing RDMs", quiet=quiet):
        estimates = estimate_partial(sides, resampling, confidence)
    _warn_unscored(sides, estimates.score)
    values = _label_estimates(sides, resampling, estimates)
    details: dict[str, Any] = {}
    if n_permutations:
        is_series = exchange.scheme == "shift"
        tested = sides
        if is_series:
            tested = sides._replace(brain=remove_lags(sides.brain, exchange))
            details["tested"] = TESTED_SERIES
        orders = exchange.draw_orders(n_permutations, order_rng)
        with show_progress(len(orders), "permuting RDMs", quiet=quiet):
            tests = infer_partial(tested, orders)
        score_mean = tests.pop("score_mean")
        if is_series:
            tests["tested_score"] = score_mean
        warn_few_draws(tests["p"], tests["q"], len(orders), exchange)
        for name, found in tests.items():
            values[name] = (PER_REGION, found)
        details |= describe_exchange(exchange, len(orders), tests["p"])
    return build_scores(
        values["score"],
        method="partial-rsa",
        measure=f"partial-{comparator}",
        n_stimuli=len(sides.model.ids),
        variables=name_variables(values),
        dissimilarity=name_dissimilarity(model_rdms),
        intervals=name_intervals(n_bootstrap, confidence, in_groups=group is not None),
        ceiling=describe_ceiling(sides.brain),
        details={
            "controls": sides.control_names,
            "degree": int(degree),
            "n_bootstrap": int(n_bootstrap),
            "n_splits": int(n_splits),
            "n_units": len(sides.model.ids) if group is None else int(group.max()) + 1,
            "n_permutations": int(n_permutations),
            **details,
            "rng": describe_rng(rng),
            **describe_draws(resampling, sides.model.ids),
            **get_marks(model_rdms),
        },
    )


def _find_comparator(comparator: str) -> bool:
    """Return whether a comparator ranks, or raise for one that has no partial form."""
    if comparator in COMPARATORS and comparator not in PARTIAL_COMPARATORS:
        raise InputError(
            f"there is no partial form of {comparator!r}: controls are regressed out by least "
            "squares. Pass comparator='spearman', or 'pearson'."
        )
    check_name(comparator, PARTIAL_COMPARATORS, "partial comparator")
    return PARTIAL_COMPARATORS[comparator]


def read_partial_sides(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    control_rdms: xr.DataArray,
    degree: int,
    ranked: bool,
) -> PartialSides:
    """Return both sides and the controls, checked, stimuli in the order of the model's."""
    model = read_model_rdms(model_rdms)
    brain = read_brain_rdms(brain_rdms, model.ids)
    check_whole(degree, "degree", 1, 3)
    if degree > MAX_DEGREE:
        raise InputError(f"degree must be 1, 2 or 3, got {degree}. Pass e.g. degree=3.")
    known = read_controls(control_rdms, model)
    controls = Controls(sort_rows(known.pairs), int(degree), ranked)
    _check_pairs(controls, len(model.ids))
    refuse_gaps(brain)
    return PartialSides(model, brain, controls, known.ops.astype(str).tolist())


def read_controls(control_rdms: xr.DataArray, model: ModelRDMs) -> ModelRDMs:
    """Return the checked control RDMs, their stimuli in the order of the model's."""
    check_kind(control_rdms, "rdms", "control_rdms")
    ids = model.ids.tolist()
    aligned = align_labels(control_rdms, ids, name="control_rdms", other="model_rdms")
    known = read_model_rdms(aligned, "control_rdms")
    unusable = np.isnan(known.pairs).any(axis=1) | find_flat(known.pairs)
    if unusable.any():
        raise InputError(
            "control_rdms must be numbers that vary over pairs, but these hold NaN or do not vary: "
            f"{list_names(known.ops[unusable])}. Drop the stimuli without values from all RDMs, or "
            "leave out those controls.",
            anchor="rdms-not-separable",
        )
    return known


def refuse_gaps(brain: BrainRDMs) -> None:
    """Raise InputError for brain RDMs that lack some pairs."""
    partial = brain.present & np.isnan(brain.pairs).any(axis=-1)
    if partial.any():
        names = [f"{brain.regions[r]}, {brain.subjects[s]}" for r, s in np.argwhere(partial)]
        raise InputError(
            f"regression on RDMs needs all pairs of a brain RDM, and these lack some: "
            f"{list_names(names)}. Drop those stimuli from all RDMs.",
            anchor="missing-values",
        )


def name_intervals(n_bootstrap: int, confidence: float, *, in_groups: bool) -> Intervals:
    """Return a description of percentile intervals; without draws it holds only their level."""
    if n_bootstrap:
        over = "groups of stimuli" if in_groups else "stimuli"
        return Intervals("bootstrap percentile", over, float(confidence))
    return Intervals(level=float(confidence))


def _check_pairs(controls: Controls, n_stimuli: int) -> None:
    """Raise InputError where there are too few stimuli for so many controls."""
    n_pairs = n_stimuli * (n_stimuli - 1) // 2
    needed = controls.n_columns + MIN_FREEDOM
    if n_pairs < needed:
        raise InputError(
            f"{len(controls.rows.values)} controls of degree {controls.degree} need {needed} pairs "
            f"or more, got {n_pairs} of {n_stimuli} stimuli. Pass degree=1, fewer controls or more "
            "stimuli.",
            anchor="too-few-stimuli",
        )


def _check_halves(sides: PartialSides, n_splits: int) -> None:
    """Raise InputError where half of the stimuli are too few for so many controls."""
    half = len(sides.model.ids) // 2
    needed = sides.controls.n_columns + MIN_FREEDOM
    if n_splits and half * (half - 1) // 2 < needed:
        raise InputError(
            f"half splits need {needed} pairs or more in each half, got {half * (half - 1) // 2} "
            f"of {half} stimuli. Pass n_splits=0, degree=1 or more stimuli.",
            anchor="too-few-stimuli",
        )


def _warn_unscored(sides: PartialSides, score: np.ndarray) -> None:
    """Raise for regions, or warn of ops, without a ``score`` (op, region, subject)."""
    brain = sides.brain
    unscored = np.isnan(score[:, brain.present])  # (op, brain)
    has_numbers = ~np.isnan(sides.model.pairs).any(axis=1) & ~find_flat(sides.model.pairs)
    lost = unscored.all(axis=0)
    if has_numbers.any() and lost.any() and not lost.all():
        places = np.argwhere(brain.present)[lost]
        names = [f"{brain.regions[r]}, {brain.subjects[s]}" for r, s in places]
        raise InputError(
            f"controls explain all of the brain RDMs of {list_names(names)}, so nothing is left to "
            "compare. Leave out those, or that control.",
            anchor="rdms-not-separable",
        )
    warn_no_score(
        sides.model.ops[unscored.any(axis=1)],
        "the RDM holds NaN, does not vary over pairs, or is explained by the controls",
        "Leave those ops out, or that control",
    )


def _label_estimates(
    sides: PartialSides, resampling: Resampling, estimates: Estimates
) -> xr.Dataset:
    """Return the estimates and ceilings on labelled dimensions."""
    bounds = bound_partial(sides)
    others = {
        "ceiling_lower": (REGION, bounds.lower),
        "ceiling_upper": (REGION, bounds.upper),
        "control_explained": ((REGION, SUBJECT), bounds.explained),
    }
    return label_estimates(sides.model, sides.brain, resampling, estimates, others)
