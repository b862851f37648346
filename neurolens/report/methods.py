"""The methods paragraph, written from the attributes of scores."""

from neurolens.view.annotation import Annotation

CHOICE = (
    "The best op of a region was chosen on one half of the stimuli and scored on the other, with "
    "the same subjects in both; the maximum over all ops on all stimuli is biased upwards and "
    "given for comparison only."
)


def write_paragraph(annotation: Annotation, *, has_best: bool) -> str:
    """Return how scores were made, what colors mean and how best ops were chosen."""
    sentences = [str(annotation.attrs["methods_text"])]
    sentences.append(f"Colors: {annotation.describe_colors()}.")
    sentences += [f"{gap[0].upper()}{gap[1:]}." for gap in annotation.describe_gaps()]
    if has_best:
        sentences.append(CHOICE)
    return " ".join(sentences)
