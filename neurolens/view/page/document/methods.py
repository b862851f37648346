"""How scores were made and best ops chosen, in paragraphs fit for a methods section."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from neurolens.view.annotation import Annotation

CHOICE = (
    "The score of a best op on all stimuli is biased upwards by the choice and is not used; "
    "the held-out score is for other stimuli and the same subjects."
)
# Of the attributes of best ops, in the order of reading.
NOTES = ("set_note", "doubt_note", "control_note", "hierarchy_note")
# A sentence ends with a period, a space and a capital letter; "et al. 2014" does not.
END = re.compile(r"(?<=[.!?]) (?=[A-ZÀ-Þ])")


def write_paragraphs(
    annotation: Annotation, best: xr.Dataset | None, n_ops: int, model: str
) -> list[str]:
    """Return how scores were made, how best ops were chosen, and what colors mean.

    No sentence stands twice.
    """
    attrs = annotation.attrs
    n_scored = len(annotation.means)
    scored = "all were" if n_scored == n_ops else f"{n_scored} of them were"
    made = [
        f"One forward pass of {model} executed {n_ops} operations; {scored} scored.",
        str(attrs["methods_text"]),
    ]
    colors = [f"Colors in the graph: {annotation.describe_colors()}."]
    paragraphs = [made, colors]
    if best is not None:
        paragraphs.insert(1, _describe_choice(best.attrs))
    return drop_repeats(" ".join(sentences) for sentences in paragraphs)


def drop_repeats(paragraphs: Iterable[str]) -> list[str]:
    """Return paragraphs without sentences that stood before."""
    seen: set[str] = set()
    kept = []
    for paragraph in paragraphs:
        sentences = []
        for sentence in END.split(paragraph.strip()):
            if sentence and sentence not in seen:
                seen.add(sentence)
                sentences.append(sentence)
        if sentences:
            kept.append(" ".join(sentences))
    return kept


def _describe_choice(attrs: Mapping[str, Any]) -> list[str]:
    sentences = [str(attrs.get("best_note", "")), CHOICE]
    if attrs.get("interval_over"):
        sentences.append(f"Intervals of held-out scores are over {attrs['interval_over']}.")
    return [*sentences, *(str(attrs[name]) for name in NOTES if attrs.get(name))]
