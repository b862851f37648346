"""Names of dimensions, and names in messages."""

import difflib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import UnknownNameError

STIMULUS = "stimulus"
STIMULUS_2 = "stimulus_2"
SAMPLE = "sample"
OP = "op"
REGION = "region"
SUBJECT = "subject"
PRESENTATION = "presentation"
NEUROID = "neuroid"
STIMULUS_ID = "stimulus_id"
NEUROID_ID = "neuroid_id"
TIME_BIN = "time_bin"
# Labels of a region and of a subject where the data name none.
UNNAMED = {REGION: "brain", SUBJECT: "group"}
# Attributes of results that say which ops to read with care; they go on into RDMs and scores.
# The last says what was made of the samples of a stochastic model.
SAMPLES = "samples"
MARKS = (
    "batch_dependent_ops",
    "random_ops",
    "random_numbers_from",
    "depends_on_history",
    "precision",
    SAMPLES,
)


def check_name(
    name: str, choices: Collection[str], what: str, *, anchor: str | None = None
) -> None:
    """Raise UnknownNameError unless ``name`` is one of ``choices``."""
    if name not in choices:
        hint = f"Choose one of {', '.join(choices)}."
        raise suggest_name(str(name), choices, what, hint, anchor=anchor)


def suggest_name(
    wanted: str, names: Iterable[str], what: str, hint: str = "", *, anchor: str | None = None
) -> UnknownNameError:
    """Return the error for an unknown name, which lists the closest of ``names``.

    ``anchor`` is the section on it, of docs/errors.md.
    """
    choices = list(names)
    close = difflib.get_close_matches(wanted, choices, n=5, cutoff=0.4)
    if not close:
        close = [n for n in choices if wanted.lower() in n.lower()][:5] or choices[:5]
    tail = f" {hint}" if hint else ""
    message = f"no {what} named {wanted!r}. Closest: {list_names(close)}.{tail}"
    return UnknownNameError(message, anchor=anchor)


def get_marks(data: Any) -> dict[str, Any]:
    """Return the attributes of extracted data that say which ops to read with care.

    Activations with samples are compared by their mean, which the attribute ``samples`` says.
    """
    attributes = getattr(data, "attrs", {})
    marks = {key: attributes[key] for key in MARKS if key in attributes}
    nodes = data.subtree if isinstance(data, xr.DataTree) else [data]
    n_samples = max((getattr(node, "sizes", {}).get(SAMPLE, 0) for node in nodes), default=0)
    return marks | ({SAMPLES: describe_samples(n_samples)} if n_samples else {})


def describe_samples(n_samples: int) -> str:
    """Return what is compared of so many samples."""
    return f"mean of {n_samples}"


class LabelList(list):
    """Many labels in an attribute, of which a representation tells only the number."""

    def __repr__(self) -> str:
        return f"<{len(self)} labels>"


def list_names(names: Iterable, limit: int = 5) -> str:
    """Return up to ``limit`` names for a message, with a count of the rest."""
    quoted = [repr(n.item() if isinstance(n, np.generic) else n) for n in names]
    if not quoted:
        return "none"
    rest = len(quoted) - limit
    return ", ".join(quoted[:limit]) + (f" and {rest} more" if rest > 0 else "")
