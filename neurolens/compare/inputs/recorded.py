"""The responses of each region, subject and time bin, without what was not recorded."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from neurolens.compare.inputs.regions import describe_group
from neurolens.compare.inputs.repeats import average_repeats, find_complete
from neurolens.compare.inputs.responses import Responses
from neurolens.errors import warn_user
from neurolens.labels import TIME_BIN, list_names


class Group(NamedTuple):
    """Responses of one region, subject and time bin that can be used together.

    ``place`` are the positions of their labels and of the time bin. ``values`` (row, neuroid)
    without NaN: of each of ``stimuli`` the mean, or of each of ``rows`` the presentation.
    ``stimuli``, ``rows`` and ``members``, the neuroids, are positions among all; ``lost`` are the
    ids of the neuroids left out.
    """

    place: tuple[int, ...]
    values: np.ndarray
    stimuli: np.ndarray
    rows: np.ndarray
    members: np.ndarray
    lost: np.ndarray


def iterate_groups(responses: Responses, *, single: bool) -> Iterator[Group]:
    """Yield the responses of each region, subject and time bin: means of stimuli, or ``single``.

    Means are over the presentations that were recorded. A stimulus that no neuroid of a group has,
    or a presentation, is left out of it; and then each neuroid that lacks another one. Warnings
    name both, after the last group.
    """
    values = responses.values  # (presentation, neuroid, time_bin)
    codes = responses.codes
    if not single:
        values = average_repeats(values, codes)  # (stimulus, neuroid, time_bin)
        codes = np.arange(len(values))
    groups = []
    for place, members in responses.members.items():
        for t in range(values.shape[2]):
            here = values[:, members, t]
            rows = np.arange(len(here))
            kept = np.asarray(members)
            lost = kept[:0]
            if not responses.is_whole:
                known, complete = find_complete(here)
                rows = np.flatnonzero(known)
                here = here[known][:, complete]
                lost = kept[~complete]
                kept = kept[complete]
            stimuli = np.unique(codes[rows])
            group = Group((*place, t), here, stimuli, rows, kept, responses.neuroids[lost])
            yield group
            groups.append(group._replace(values=here[:0]))
    if not responses.is_whole:
        _warn_lost(responses, groups, single)


def _warn_lost(responses: Responses, groups: list[Group], single: bool) -> None:
    """Warn of the neuroids and of the stimuli that were left out of some group."""
    what = "presentation" if single else "stimulus"
    lost = dict.fromkeys(neuroid for group in groups for neuroid in group.lost.tolist())
    if lost:
        warn_user(
            f"{len(lost)} of {len(responses.neuroids)} neuroids are NaN for some {what} that "
            f"others of their region have, and are left out there: {list_names(lost)}. Drop the "
            f"neuroids, or those presentations of all, to choose yourself."
        )
    sentences: list[str] = []
    for group in groups:
        without = np.ones(len(responses.ids), dtype=bool)
        without[group.stimuli] = False
        if without.any():
            name = _name_group(responses, group.place)
            sentences.append(f"{name}: {list_names(responses.ids[without])}")
    if sentences:
        rest = f"; and {len(sentences) - 5} more" if len(sentences) > 5 else ""
        warn_user(
            f"no neuroid was recorded, and all is NaN, for stimuli in {'; '.join(sentences[:5])}"
            f"{rest}. Drop those stimuli, or analyze what differs in them on its own."
        )


def _name_group(responses: Responses, place: tuple[int, ...]) -> str:
    """Return the region, subject and time bin at ``place`` in words."""
    name = describe_group(responses.labels, place[:-1])
    if not responses.time:
        return name
    return f"{name}, time bin {responses.time[TIME_BIN].values.tolist()[place[-1]]!r}"
