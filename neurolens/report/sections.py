"""What stands below the graph: RDMs and stimuli, and the table of all scores.

The page draws them from its data; here is what to draw, and what is said beside it.
"""

from collections.abc import Mapping
from typing import Any

# Of more scores a table would be too long to read, and the file too large.
MOST_CELLS = 4_000


def make_text(text: str) -> dict[str, Any]:
    """Return a paragraph."""
    return {"kind": "text", "text": text}


def make_rdms(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the pairs of a region and its best op whose RDMs the page draws from its data."""
    held = document["rdms"]
    if held is None:
        return None
    pairs = []
    for region in document["regions"]:
        if region["best"] and region["best"]["op"] in held["ops"] and region["id"] in held["brain"]:
            pairs.append({"region": region["id"], "op": region["best"]["op"]})
    caption = "Ranks of dissimilarity: the best operation below the diagonal, the region above it."
    return {"kind": "rdms", "pairs": pairs, "caption": caption} if pairs else None


def make_stimuli(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the stimuli, which the page shows from its sheet of small pictures."""
    sheet = document["stimuli"]
    if sheet is None:
        return None
    what = "numbered, in the color of their category" if sheet["numbered"] else "as shown"
    return {"kind": "stimuli", "caption": f"{len(sheet['ids'])} stimuli, {what}."}


def make_brain(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the surface that can be turned, which the page draws from its data."""
    return {"kind": "brain"} if document["brain"] is not None else None


def make_scores(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table that the page makes of its scores, or a sentence where they are too many."""
    n_ops = len(document["graph"]["ops"])
    n_regions = len(document["regions"])
    if n_ops * n_regions > MOST_CELLS:
        return make_text(
            f"There are scores of {n_ops:,} operations for {n_regions:,} regions, too many for a "
            "table: select an operation in the graph, or save them as CSV above it."
        )
    measure = document["measure"]
    words = [f"{measure['name']} ({measure['symbol']}), mean over subjects, on all stimuli"]
    if measure["interval"]:
        words.append(measure["interval"])
    caption = f"{'; '.join(words)}. ★ best operation, ≈ cannot be told apart from it."
    return {"kind": "scores", "caption": caption}
