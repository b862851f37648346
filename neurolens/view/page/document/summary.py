"""The summary: sentences computed from the numbers of the document.

A sentence is a list of texts and of ``{"op": position}``, which the page shows as links.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.view.page.document.numbers import round_number
from neurolens.view.page.document.regions import ALPHA, format_p, is_above
from neurolens.view.style import format_interval, format_score, format_share

Sentence = list[Any]

# Each of more regions than this would make the summary too long to read.
MOST_REGIONS = 3
MOST_TIES = 3
# Measures that are 0 where there is no relation; those of others are above 0 by chance.
ZERO_BY_CHANCE = (
    "spearman", "pearson", "rho-a", "tau-a", "whitened-pearson", "partial-spearman",
    "partial-pearson", "beta", "r", "r2", "cka-unbiased",
)  # fmt: skip


def write_summary(
    document: Mapping[str, Any], attrs: Mapping[str, Any], best: xr.Dataset | None
) -> list[Sentence]:
    """Return what the numbers say: how well the best ops fit, which tie, whether depth follows.

    Parameters
    ----------
    document : dict
        With measure, regions and models.
    attrs : mapping
        Of the scores.
    best : Dataset or None
        What ``assign_regions`` returned.
    """
    if not document["regions"]:
        return []
    if best is None:
        return [_tell_largest(document)]
    chosen = [
        region
        for region in document["regions"]
        if region["best"] and region["best"]["heldout"] is not None
    ]
    if not chosen:
        return [["No operation could be chosen in any region: see the warnings of assign_regions."]]
    ties = {}
    for name, scores in document["models"][0]["scores"].items():
        ties[name] = sorted(scores["ties"], key=lambda op: -_fill(scores["mean"][op]))
    return [
        _tell_fit(chosen, document["measure"], attrs),
        _tell_ties(chosen, ties),
        _tell_depth(chosen, best),
    ]


def _tell_largest(document: Mapping[str, Any]) -> Sentence:
    """Return the largest scores on all stimuli, which are biased."""
    symbol = document["measure"]["symbol"]
    clauses: list[Sentence] = []
    for region in document["regions"][:MOST_REGIONS]:
        means = document["models"][0]["scores"][region["id"]]["mean"]
        known = [(mean, op) for op, mean in enumerate(means) if mean is not None]
        if known:
            mean, op = max(known, key=lambda pair: pair[0])
            clauses.append([f"{region['id']} {symbol} = {format_score(mean)} at ", {"op": op}])
    rest = len(document["regions"]) - MOST_REGIONS
    if rest > 0:
        clauses.append([f"{rest} more regions below"])
    if not clauses:
        return ["No operation has a score."]
    return [
        f"Largest scores on all stimuli{_name_time(document)}, biased upwards by the choice: ",
        *_join(clauses, "; "),
        ". No held-out scores were given: pass best=assign_regions(scores).",
    ]


def _name_time(document: Mapping[str, Any]) -> str:
    """Return which time bin is told, "" for scores without."""
    for scores in document["models"][0]["scores"].values():
        if scores["times"]:
            return f" in time bin {scores['times']['labels'][scores['times']['shown']]}"
    return ""


def _tell_fit(
    chosen: Sequence[Mapping[str, Any]], measure: Mapping[str, Any], attrs: Mapping[str, Any]
) -> Sentence:
    if len(chosen) > MOST_REGIONS:
        return _tell_many_fits(chosen, measure, attrs)
    clauses: list[Sentence] = []
    for i, region in enumerate(chosen):
        best = region["best"]
        verb = " is fit best by " if i == 0 else " by "
        facts = [
            f"held-out {measure['symbol']} = {format_score(best['heldout'])}"
            + _write_interval(best["low"], best["high"]),
            _write_chance(best, attrs),
            _write_share(region),
            _write_control(best, measure),
        ]
        text = ", ".join(fact for fact in facts if fact)
        clauses.append([f"{region['id']}{verb}", {"op": best["op"]}, f" ({text})"])
    return [*_join(clauses, "; "), _end_with_interval(measure)]


def _end_with_interval(measure: Mapping[str, Any]) -> str:
    """Return the end of a sentence, which says what its intervals are."""
    return f"; {measure['heldoutInterval']}." if measure["heldoutInterval"] else "."


def _tell_many_fits(
    chosen: Sequence[Mapping[str, Any]], measure: Mapping[str, Any], attrs: Mapping[str, Any]
) -> Sentence:
    ordered = sorted(chosen, key=lambda region: region["best"]["heldout"])
    sentence: Sentence = []
    known = [region for region in chosen if region["best"]["p"] is not None]
    if known and attrs["measure"] in ZERO_BY_CHANCE:
        n_above = sum(region["best"]["p"] <= ALPHA for region in known)
        sentence.append(
            f"In {n_above} of {len(known)} regions the best operation is above chance on held-out "
            f"stimuli (p ≤ {format_score(ALPHA)} each, not corrected for the number of regions); "
        )
    tested = [region for region in chosen if region["best"]["contrast"]]
    if tested:
        n_better = sum(is_above(region["best"]["contrast"]) for region in tested)
        start = (
            f"in {n_better} of {len(tested)} it"
            if sentence
            else (f"In {n_better} of {len(tested)} regions the best operation")
        )
        sentence.append(f"{start} is reliably above {measure['control']}; ")
    clauses: list[Sentence] = []
    for word, region in (("largest", ordered[-1]), ("smallest", ordered[0])):
        best = region["best"]
        value = format_score(best["heldout"]) + _write_interval(best["low"], best["high"])
        text = f"{word} for {region['id']}, {measure['symbol']} = {value} by "
        clauses.append([text, {"op": best["op"]}])
    end = _end_with_interval(measure)
    start = "held-out scores are " if sentence else "Held-out scores are "
    return [*sentence, start, *_join(clauses, ", and "), end]


def _tell_ties(chosen: Sequence[Mapping[str, Any]], ties: Mapping[str, list[int]]) -> Sentence:
    if len(chosen) > MOST_REGIONS:
        n_alone = sum(not ties[region["id"]] for region in chosen)
        doubtful = sum(region["best"]["doubtful"] for region in chosen)
        return [
            f"In {n_alone} of {len(chosen)} regions every other operation can be told apart from "
            f"the best one; in {doubtful} the choice is in doubt, because fewer than half of the "
            "halves of the stimuli make it."
        ]
    clauses: list[Sentence] = []
    for region in chosen:
        tied = ties[region["id"]]
        best = region["best"]
        clause: Sentence = [f"for {region['id']}, "]
        if best["margin"] is None and tied:
            clause.append("no operations can be told apart, for lack of draws")
        elif tied:
            clause.append(f"{len(tied)} cannot be told apart from the best one: ")
            clause += _join([[{"op": op}] for op in tied[:MOST_TIES]], ", ")
            if len(tied) > MOST_TIES:
                clause.append(f" and {len(tied) - MOST_TIES} more")
        else:
            clause.append("every other one can be told apart from the best one")
        if best["doubtful"]:
            clause.append(f" (in doubt: {format_share(best['agreement'])} of the halves choose it)")
        clauses.append(clause)
    return ["Of the other operations, ", *_join(clauses, "; "), "."]


def _tell_depth(chosen: Sequence[Mapping[str, Any]], best: xr.Dataset) -> Sentence:
    hierarchy = _read(best, "hierarchy")
    p = _read(best, "hierarchy_p")
    if hierarchy is None:
        return _list_depths(chosen)
    low = _read(best, "hierarchy_low")
    high = _read(best, "hierarchy_high")
    names = [region["id"] for region in chosen]
    shown = " → ".join(names) if len(names) <= 2 * MOST_REGIONS else f"of the {len(names)} regions"
    numbers = f"Spearman's ρ = {format_score(hierarchy)}{_write_interval(low, high)}"
    if p is None:
        return [f"The depth of best operations, in the order {shown}: {numbers}, without a test."]
    follows = "follows" if p <= ALPHA and hierarchy > 0 else "does not reliably follow"
    return [f"The depth of best operations {follows} the order {shown}: {numbers}, {format_p(p)}."]


def _list_depths(chosen: Sequence[Mapping[str, Any]]) -> Sentence:
    """Return where best ops lie, where the order of regions is not tested."""
    clauses: list[Sentence] = []
    for region in chosen[:MOST_REGIONS]:
        best = region["best"]
        if best["depth"] is not None:
            interval = _write_interval(best["depthLow"], best["depthHigh"])
            clauses.append([f"{format_score(best['depth'])}{interval} for {region['id']}"])
    rest = len(chosen) - MOST_REGIONS
    if rest > 0:
        clauses.append([f"those of {rest} more regions below"])
    few = "its order is tested for three regions or more"
    why = few if len(chosen) < MOST_REGIONS else "its order could not be tested"
    if all(region["best"]["depth"] is None for region in chosen[:MOST_REGIONS]):
        return [f"Whether depth follows the regions is unknown: {why}."]
    where = _join(clauses, ", ")
    return ["Depth of the best operation, from 0 (first) to 1 (last): ", *where, f"; {why}."]


def _write_interval(low: float | None, high: float | None) -> str:
    return format_interval(_fill(low), _fill(high))


def _fill(value: float | None) -> float:
    return float("nan") if value is None else value


def _write_chance(best: Mapping[str, Any], attrs: Mapping[str, Any]) -> str:
    """Return whether a held-out score is above chance, as far as that is known."""
    if attrs["measure"] not in ZERO_BY_CHANCE:
        return "chance is not 0 for this measure and was not estimated"
    if best["p"] is not None:
        side = "above chance" if best["p"] <= ALPHA else "not above chance"
        return f"{side}, {format_p(best['p'])}"
    if best["low"] is not None:
        return "above chance" if best["low"] > 0 else "not above chance"
    return "without an interval"


def _write_share(region: Mapping[str, Any]) -> str:
    """Return which share of the lower noise ceiling a held-out score is."""
    lower = region["ceiling"][0] if region["ceiling"] else None
    if lower is None:
        return "no noise ceiling"
    if lower <= 0:
        return "a noise ceiling of 0 or less: the subjects do not agree"
    heldout = region["best"]["heldout"]
    if heldout <= 0:
        return f"lower noise ceiling {format_score(lower)}"
    share = heldout / lower
    return f"{100 * share:.0f} % of the lower noise ceiling of {format_score(lower)}"


def _write_control(best: Mapping[str, Any], measure: Mapping[str, Any]) -> str:
    if best["contrast"]:
        return str(best["contrast"]["text"])
    if best["control"] is not None:
        return f"{best['controlName']}: {format_score(best['control'])}, difference not tested"
    if measure["control"]:
        return f"not tested against {measure['control']}"
    return ""


def _join(clauses: Sequence[Sentence], separator: str) -> Sentence:
    """Return the parts of all clauses, with ``separator`` between them."""
    joined: Sentence = []
    for i, clause in enumerate(clauses):
        joined += [separator, *clause] if i else clause
    return joined


def _read(best: xr.Dataset, name: str) -> float | None:
    values = best[name].values if name in best else np.nan
    return round_number(values)
