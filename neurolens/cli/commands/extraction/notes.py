"""What a reader of results must know: operations that were left out, and random ones."""

from collections.abc import Mapping
from typing import Any

# Names of operations in a line.
N_NAMED = 5


def write_notes(attributes: Mapping[Any, Any]) -> list[str]:
    """Return sentences on operations that were left out, by reason, and that draw random numbers.

    Parameters
    ----------
    attributes : mapping
        Of Grams or of a store: ``skipped_ops``, each "name: reason", and ``random_ops``.
    """
    from neurolens.labels import list_names

    reasons: dict[str, list[str]] = {}
    for entry in list_entries(attributes, "skipped_ops"):
        name, _, reason = entry.partition(": ")
        reasons.setdefault(reason, []).append(name)
    lines = [
        f"Left out: {list_names(names, N_NAMED)}: {reason}" for reason, names in reasons.items()
    ]
    random = list_entries(attributes, "random_ops")
    if random:
        lines.append(
            f"Random: results of {list_names(random, N_NAMED)} depend on random numbers, which "
            "the seed decides"
        )
    return lines


def list_entries(attributes: Mapping[Any, Any], name: str) -> list[str]:
    """Return an attribute that is a list of texts, empty where there is none."""
    return [str(one) for one in attributes.get(name, [])]
