"""The methods paragraph, written from the attributes of scores."""

from neurolens.view.annotation import Annotation

CHOICE = (
    "The score of a best op on all stimuli is biased upwards by the choice and given for "
    "comparison only; the held-out score is for other stimuli and the same subjects."
)


def write_paragraph(annotation: Annotation, *, has_best: bool) -> str:
    """Return how scores were made, what colors mean and how best ops were chosen."""
    sentences = [str(annotation.attrs["methods_text"])]
    sentences.append(f"Colors: {annotation.describe_colors()}.")
    sentences += [f"{gap[0].upper()}{gap[1:]}." for gap in annotation.describe_gaps()]
    if has_best:
        sentences += [*annotation.notes.values(), CHOICE]
    return " ".join(sentences)
