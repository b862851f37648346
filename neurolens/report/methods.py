"""The methods paragraph and the references, from what the attributes of scores say."""

import numpy as np

from neurolens.view.annotation import Annotation

REFERENCES = {
    "kriegeskorte2008": (
        "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis – "
        "connecting the branches of systems neuroscience. Frontiers in Systems Neuroscience 2:4. "
        "https://doi.org/10.3389/neuro.06.004.2008"
    ),
    "naselaris2011": (
        "Naselaris T, Kay KN, Nishimoto S, Gallant JL (2011). Encoding and decoding in fMRI. "
        "NeuroImage 56(2):400–410. https://doi.org/10.1016/j.neuroimage.2010.07.073"
    ),
    "kornblith2019": (
        "Kornblith S, Norouzi M, Lee H, Hinton G (2019). Similarity of neural network "
        "representations revisited. Proceedings of Machine Learning Research 97:3519–3529. "
        "https://doi.org/10.48550/arXiv.1905.00414"
    ),
    "kaniuth2022": (
        "Kaniuth P, Hebart MN (2022). Feature-reweighted representational similarity analysis: A "
        "method for improving the fit between computational models, brains, and behavior. "
        "NeuroImage 257:119294. https://doi.org/10.1016/j.neuroimage.2022.119294"
    ),
    "nili2014": (
        "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N (2014). A toolbox "
        "for representational similarity analysis. PLoS Computational Biology 10(4):e1003553. "
        "https://doi.org/10.1371/journal.pcbi.1003553"
    ),
    "schutt2023": (
        "Schütt HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on "
        "representational geometries. eLife 12:e82566. https://doi.org/10.7554/eLife.82566"
    ),
}
CHOICE = (
    "The best op of a region was chosen on one half of the stimuli and scored on the other, with "
    "the same subjects in both; the maximum over all ops on all stimuli is biased upwards and "
    "given for comparison only."
)


def write_paragraph(annotation: Annotation, *, has_best: bool) -> str:
    """Return the methods paragraph: how scores were made, what colors mean, how ops were chosen."""
    sentences = [str(annotation.attrs["methods_text"])]
    sentences.append(f"Colors: {annotation.describe_colors()}.")
    sentences += [f"{gap[0].upper()}{gap[1:]}." for gap in annotation.describe_gaps()]
    if has_best:
        sentences.append(CHOICE)
    return " ".join(sentences)


def list_references(annotation: Annotation) -> list[str]:
    """Return the papers whose methods made these scores, in full."""
    keys = [key for key in str(annotation.attrs.get("reference", "")).split(",") if key]
    if "kriegeskorte2008" in keys:
        # Ceilings over subjects and bootstraps of RDMs are these papers' methods.
        if np.isfinite(annotation.ceiling_lower).any():
            keys.append("nili2014")
        if "bootstrap" in str(annotation.attrs["interval_kind"]):
            keys.append("schutt2023")
    return [REFERENCES.get(key, key) for key in keys]
