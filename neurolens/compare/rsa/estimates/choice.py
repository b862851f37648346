"""Where intervals come from: draws that are scored, or the influence of each stimulus."""

import xarray as xr

from neurolens.compare.rsa.comparators.table import Comparator
from neurolens.errors import warn_user
from neurolens.labels import check_name
from neurolens.scores import JACKKNIFE

AUTO = "auto"
INFLUENCE = "influence"
BOOTSTRAP = "bootstrap"
INTERVALS = (AUTO, BOOTSTRAP, INFLUENCE)
# Stimuli, or groups of them, from which on intervals from influences cover as well as those from
# draws, by benchmarks/simulations/intervals.py.
MIN_AUTO_UNITS = 16


def choose_influences(interval: str, comparator: Comparator, n_units: int, n_draws: int) -> bool:
    """Return whether intervals over stimuli or groups come from influences.

    They do where that is asked for, and by "auto" where they cover as well as those of draws, if
    there are to be any ``n_draws``. ``n_units`` are the stimuli or groups of the RDM with the
    fewest. Raises UnknownNameError for an ``interval`` that is not in INTERVALS.
    """
    check_name(interval, INTERVALS, "interval")
    if interval != AUTO:
        return interval == INFLUENCE
    return n_draws > 0 and (n_units >= MIN_AUTO_UNITS or comparator.draws_are_biased)


def warn_bias(interval: str, comparator: Comparator, n_draws: int) -> None:
    """Warn where intervals are to come from draws that are biased."""
    if comparator.draws_are_biased and interval == BOOTSTRAP and n_draws > 0:
        warn_user(f'{_describe_bias(comparator)} Pass interval="influence".')


def name_procedure(comparator: Comparator) -> str:
    """Return how variances are made from the influences on a comparator."""
    return JACKKNIFE if comparator.leaves_out else f"infinitesimal {JACKKNIFE}"


def read_interval(scores: xr.Dataset) -> str:
    """Return where the intervals of ``scores`` come from, "influence" or "bootstrap"."""
    return INFLUENCE if JACKKNIFE in scores.attrs["interval_kind"] else BOOTSTRAP


def describe_choice(
    interval: str, comparator: Comparator, n_units: int, n_draws: int
) -> dict[str, str]:
    """Return the attribute that says why draws were scored, or what intervals lack."""
    if n_draws == 0 and interval != INFLUENCE:
        return {}
    name = comparator.name
    few = f"An RDM has pairs of fewer than {MIN_AUTO_UNITS} stimuli or groups of them"
    note = ""
    if comparator.draws_are_biased and interval == BOOTSTRAP:
        note = _describe_bias(comparator)
    elif comparator.draws_are_biased and n_units < MIN_AUTO_UNITS:
        note = f"{few}: intervals of {name} are then somewhat too narrow."
    elif interval == AUTO and not choose_influences(interval, comparator, n_units, n_draws):
        note = f"{few}: draws were scored."
    return {"interval_note": note} if note else {}


def _describe_bias(comparator: Comparator) -> str:
    return (
        f"Draws, in which stimuli are repeated, score higher in {comparator.name} than the stimuli "
        "themselves, so intervals from them can be wrong. Those from the influence of each "
        "stimulus have no such bias."
    )
