"""Where intervals come from: draws that are scored, or the influence of each stimulus."""

import xarray as xr

from neurolens.compare.rsa.comparators.table import Comparator
from neurolens.labels import check_name
from neurolens.scores import JACKKNIFE

INFLUENCE = "influence"
BOOTSTRAP = "bootstrap"
INTERVALS = (BOOTSTRAP, INFLUENCE)


def choose_influences(interval: str, comparator: Comparator) -> bool:
    """Return whether intervals come from influences: where asked for, and the comparator has one.

    Raises UnknownNameError for an ``interval`` that is not in INTERVALS.
    """
    check_name(interval, INTERVALS, "interval")
    return interval == INFLUENCE and comparator.influence is not None


def name_procedure(comparator: Comparator) -> str:
    """Return how variances are made from the influences on a comparator."""
    return JACKKNIFE if comparator.leaves_out else f"infinitesimal {JACKKNIFE}"


def read_interval(scores: xr.Dataset) -> str:
    """Return where the intervals of ``scores`` come from, one of INTERVALS."""
    return INFLUENCE if JACKKNIFE in scores.attrs["interval_kind"] else BOOTSTRAP


def describe_choice(interval: str, comparator: Comparator) -> dict[str, str]:
    """Return the attribute that says why intervals are of another kind than was asked for."""
    if interval == INFLUENCE and comparator.influence is None:
        note = f"The influence of stimuli on {comparator.name} is not known: draws were scored."
        return {"interval_note": note}
    return {}
