"""Descriptions of scores: methods, measures, intervals, ceilings, and what to cite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Method:
    """One way to score: what it is called in a paper, how to ask for it, and what to cite."""

    function: str
    sentence: str
    references: tuple[str, ...]


METHODS: dict[str, Method] = {
    "rsa": Method(
        "compare_rdms",
        "Representational dissimilarity matrices{dissimilarity} of each operation were compared "
        "with those of each brain region by {measure}.",
        ("kriegeskorte2008",),
    ),
    "encoding": Method(
        "fit_encoding",
        "Responses of each neuroid to held-out stimuli were predicted from each operation's "
        "features ({estimator}) and scored by {measure}.",
        ("naselaris2011",),
    ),
    "alignment": Method(
        "compare_grams",
        "Grams of each operation's features were compared with those of each brain region's "
        "responses by {measure}.",
        ("kornblith2019",),
    ),
    "predicted-rsa": Method(
        "compare_predicted",
        "Dissimilarity matrices{dissimilarity} of responses predicted from each operation to "
        "held-out stimuli were compared with those of the measured responses by {measure}.",
        ("kriegeskorte2008", "naselaris2011", "conwell2024"),
    ),
    "reweighted-rsa": Method(
        "fit_reweighted_rdms",
        "A weighted sum of dissimilarity matrices{dissimilarity}, its weights fitted to other "
        "stimuli, was compared with those of each brain region by {measure}.",
        ("kriegeskorte2008", "kaniuth2022"),
    ),
    "partial-rsa": Method(
        "compare_partial_rdms",
        "Representational dissimilarity matrices{dissimilarity} of each operation were compared "
        "with those of each brain region by {measure}, given the matrices of {controls}, of each "
        "of which a polynomial of degree {degree} was regressed out of both.",
        ("kriegeskorte2008", "freedman1983"),
    ),
    "regression-rsa": Method(
        "fit_rdm_regression",
        "Dissimilarity matrices of each brain region were regressed on those of all operations"
        "{dissimilarity} together; scores are each operation's {measure}.",
        ("kriegeskorte2008", "freedman1983"),
    ),
}
# What measures of scores are called in a paper.
MEASURES: dict[str, str] = {
    "spearman": "Spearman's rank correlation",
    "pearson": "Pearson's correlation",
    "cosine": "cosine similarity",
    "rho-a": "expected rank correlation under random breaking of ties",
    "tau-a": "Kendall's rank correlation",
    "whitened-pearson": "Pearson's correlation of whitened dissimilarities",
    "whitened-cosine": "cosine similarity of whitened dissimilarities",
    "bures": "normalized Bures similarity",
    "partial-spearman": "partial rank correlation",
    "partial-pearson": "partial correlation",
    "beta": "standardized regression coefficient",
    "r": "Pearson's correlation",
    "r2": "coefficient of determination",
    "cka": "centered kernel alignment",
    "cka-unbiased": "centered kernel alignment from an unbiased HSIC",
    "procrustes": "Procrustes similarity",
    "linear-predictivity": "variance explained by linear regression",
    "cca": "canonical correlation",
    "svcca": "canonical correlation of leading components",
    "pwcca": "projection-weighted canonical correlation",
}
REFERENCES: dict[str, str] = {
    "allen2022": (
        "Allen EJ, St-Yves G, Wu Y, et al. (2022). A massive 7T fMRI dataset to bridge cognitive "
        "neuroscience and artificial intelligence. Nature Neuroscience 25:116–126. "
        "https://doi.org/10.1038/s41593-021-00962-x"
    ),
    "conwell2024": (
        "Conwell C, Prince JS, Kay KN, Alvarez GA, Konkle T (2024). A large-scale examination of "
        "inductive biases shaping high-level visual representation in brains and machines. Nature "
        "Communications 15:9383. https://doi.org/10.1038/s41467-024-53147-y"
    ),
    "efron1981": (
        "Efron B (1981). Nonparametric estimates of standard error: The jackknife, the bootstrap "
        "and other methods. Biometrika 68(3):589–599. https://doi.org/10.1093/biomet/68.3.589"
    ),
    "freedman1983": (
        "Freedman D, Lane D (1983). A nonstochastic interpretation of reported significance "
        "levels. Journal of Business & Economic Statistics 1(4):292–298. "
        "https://doi.org/10.1080/07350015.1983.10509354"
    ),
    "kaniuth2022": (
        "Kaniuth P, Hebart MN (2022). Feature-reweighted representational similarity analysis: A "
        "method for improving the fit between computational models, brains, and behavior. "
        "NeuroImage 257:119294. https://doi.org/10.1016/j.neuroimage.2022.119294"
    ),
    "kornblith2019": (
        "Kornblith S, Norouzi M, Lee H, Hinton G (2019). Similarity of neural network "
        "representations revisited. Proceedings of the 36th International Conference on Machine "
        "Learning, PMLR 97:3519–3529. https://doi.org/10.48550/arXiv.1905.00414"
    ),
    "kriegeskorte2008": (
        "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis – "
        "connecting the branches of systems neuroscience. Frontiers in Systems Neuroscience 2:4. "
        "https://doi.org/10.3389/neuro.06.004.2008"
    ),
    "naselaris2011": (
        "Naselaris T, Kay KN, Nishimoto S, Gallant JL (2011). Encoding and decoding in fMRI. "
        "NeuroImage 56(2):400–410. https://doi.org/10.1016/j.neuroimage.2010.07.073"
    ),
    "nili2014": (
        "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N (2014). A toolbox "
        "for representational similarity analysis. PLoS Computational Biology 10(4):e1003553. "
        "https://doi.org/10.1371/journal.pcbi.1003553"
    ),
    "schuett2023": (
        "Schütt HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on "
        "representational geometries. eLife 12:e82566. https://doi.org/10.7554/eLife.82566"
    ),
}
# What the kind of intervals from the influence of each stimulus holds.
JACKKNIFE = "jackknife"
# How the attribute "pairs" of scores begins where some RDMs lack some pairs of stimuli.
PARTIAL_PAIRS = "those that both RDMs have"
# Which notes on ceilings stand for a procedure that is to be cited.
CITED_IN_NOTES = {"nili2014": "Nili et al. 2014", "allen2022": "ncsnr"}
BOUNDS = {
    "exact": " No model can exceed the upper ceiling.",
    "expected": " The upper ceiling is an estimate, which scores can exceed.",
}


@dataclass(frozen=True)
class Intervals:
    """A description of the intervals of scores.

    ``kind`` names the procedure ("bootstrap percentile", "t interval of halves"), ``over`` what is
    resampled ("stimuli", "stimuli and subjects"), ``level`` the confidence.
    """

    kind: str = "none"
    over: str = ""
    level: float = float("nan")


@dataclass(frozen=True)
class Ceiling:
    """A description of the ceilings of scores.

    ``note`` says in a sentence what they are or why there is none; ``bound`` whether no model can
    exceed the upper one ("exact", "expected", "none").
    """

    note: str = "No noise ceiling was computed."
    bound: str = "none"


def write_methods(attrs: Mapping[str, Any]) -> str:
    """Return the contents of the attributes of scores as sentences for a methods section."""
    method = METHODS[attrs["method"]]
    measure = attrs["measure"]
    dissimilarity = attrs.get("dissimilarity")
    sentences = method.sentence.format(
        measure=f"{measure} ({MEASURES[measure]})" if measure in MEASURES else measure,
        dissimilarity=f" ({dissimilarity})" if dissimilarity else "",
        estimator=attrs.get("estimator") or "a linear model",
        controls=", ".join(map(str, attrs.get("controls", ()))) or "control variables",
        degree=attrs.get("degree", 1),
    )
    if attrs.get("score_note"):
        sentences += f" {attrs['score_note']}"
    sentences += f" There were {attrs['n_stimuli']} stimuli."
    if attrs["interval_kind"] != "none":
        sentences += _describe_intervals(attrs)
    if attrs.get("inference_over"):
        tested = f" of {attrs['tested']}" if attrs.get("tested") else ""
        sentences += (
            f" P values are of {attrs['n_permutations']} permutations "
            f"({attrs['permuted']}{tested}), over {attrs['inference_over']}."
        )
    sentences += f" {attrs['ceiling_note']}{BOUNDS.get(attrs['ceiling_bound'], '')}"
    if str(attrs.get("pairs", "")).startswith(PARTIAL_PAIRS):
        sentences += " Each score is of the pairs of stimuli that both matrices have."
    mixing = attrs.get("batch_dependent_ops", ())
    if len(mixing):
        sentences += f" Values of {len(mixing)} operations depend on the other stimuli of a batch."
    if len(attrs.get("depends_on_history", ())):
        sentences += " Values depend on the batches before, because the model changes with each."
    if attrs.get("precision"):
        sentences += f" Products of features are {attrs['precision']}, their sums float64."
    return sentences


def _describe_intervals(attrs: Mapping[str, Any]) -> str:
    level = attrs["interval_level"]
    facts = [attrs["interval_kind"]]
    if np.isfinite(level):
        facts.append(f"{100 * level:g} %")
    if attrs["interval_over"]:
        facts.append(f"over {attrs['interval_over']}")
    note = attrs.get("interval_note")
    return f" Intervals: {', '.join(facts)}." + (f" {note}" if note else "")


def list_references(attrs: Mapping[str, Any]) -> list[str]:
    """Return the full citations of the keys in the attribute ``reference`` of scores."""
    keys = [key for key in str(attrs.get("reference", "")).split(",") if key]
    return [REFERENCES[key] for key in keys]


def cite_sources(
    method: Method, intervals: Intervals, ceiling: Ceiling, has_ceiling: bool
) -> list[str]:
    """Return the keys of `REFERENCES` for the procedures that were used."""
    keys = list(method.references)
    by_influences = JACKKNIFE in intervals.kind
    if by_influences:
        keys.append("efron1981")
    if (by_influences or "bootstrap" in intervals.kind) and "subjects" in intervals.over:
        keys.append("schuett2023")
    if has_ceiling:
        keys += [key for key in CITED_IN_NOTES if CITED_IN_NOTES[key] in ceiling.note]
    return keys
