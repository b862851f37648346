"""docs/scaling.md: a table for each kind of size, and what the exponents say together."""

from collections import Counter
from typing import Any

from scaling_studies.files import Results
from scaling_studies.growth import (
    ABOVE,
    BELOW,
    EXPECTED,
    N_FITTED,
    TOLERANCE,
    TOO_FEW,
    UNCLEAR,
    Growth,
    judge_growth,
)
from scaling_studies.study import LEAST_PEAK, Measured, Study

PICTURE = "images/scaling.svg"
COLUMNS = [
    "| what | sizes | s | time: exponent (range) | expected | verdict | MiB "
    "| memory: exponent (range) | expected | verdict |",
    "|---|---|---:|---|---:|---|---:|---|---:|---|",
]


def write_growth(growth: Growth | None) -> str:
    """Return an exponent with its range."""
    if growth is None:
        return ""
    return f"{growth.exponent:.2f} ({growth.low:.2f} to {growth.high:.2f})"


def write_row(study: Study, found: Measured) -> str:
    """Return the row of a study: the largest size, and both exponents."""
    if not found.sizes:
        return f"| {study.name} ({study.why}) | none |  |  |  |  |  |  |  |  |"
    _, seconds, peak = found.find_largest()
    time, memory = found.fit_time(), found.fit_memory()
    sizes = f"{found.sizes[0]:,} to {found.sizes[-1]:,}"
    # Peaks that stay small do not grow with the data.
    is_small = memory is None and peak < LEAST_PEAK
    memory_verdict = "small" if is_small else judge_growth(memory, study.memory_exponent)
    cells = [
        f"{study.name} ({study.why})",
        sizes,
        f"{seconds:.3g}",
        write_growth(time),
        f"{study.time_exponent:g}",
        judge_growth(time, study.time_exponent),
        f"{peak / 2**20:.0f}",
        write_growth(memory),
        f"{study.memory_exponent:g}",
        memory_verdict,
    ]
    return f"| {' | '.join(cells)} |"


def count_verdicts(results: Results) -> Counter:
    """Return how many exponents have each verdict, of time and of memory."""
    verdicts: Counter = Counter()
    for study, found in results:
        verdicts[judge_growth(found.fit_time(), study.time_exponent)] += 1
        verdicts[judge_growth(found.fit_memory(), study.memory_exponent)] += 1
    return verdicts


def list_left_out(results: Results) -> list[str]:
    """Return a line for each study that lacks sizes."""
    return [
        f"- {study.name}, {study.against}: {found.left_out}"
        for study, found in results
        if found.left_out
    ]


def write_page(results: Results, settings: dict[str, Any]) -> str:
    """Return the page."""
    counts = count_verdicts(results)
    lines = [
        "# Does the cost grow as it should?",
        "",
        f"Written by `{settings['command']}`: {settings['machine']}. {settings['note']}",
        "",
        "![Time and peak memory of every call against the size of its input, on logarithmic axes, "
        f"beside lines of slope 1, 2 and 3]({PICTURE})",
        "",
        "*Time and peak memory over those of the smallest size. Dashed: slopes 1, 2 and 3.*",
        "",
        "Each measurement is of one call in a process of its own, of one thread, after a first "
        "call of the smallest size. Time is processor time without Python's garbage collector, of "
        "the fastest call after a first one that is not timed, because it also takes memory from "
        "the system. Memory is the growth of the peak above the inputs. The exponent is "
        f"the slope of the logarithms over the {N_FITTED} largest sizes, because fixed costs "
        f"flatten the growth of small ones: the median of {settings['rounds']} rounds, and their "
        "range. s and MiB are those of the largest size. Expected is the exponent of the leading "
        "term, which stands in parentheses behind the name.",
        "",
        f"- **{EXPECTED}**: {counts[EXPECTED]} exponents are within {TOLERANCE:g} of the expected "
        "one.",
        f"- **{BELOW}**: {counts[BELOW]} are smaller, because fixed costs, or terms that grow "
        "less, still weigh.",
        f"- **above**: {counts[ABOVE]} are larger in every round.",
        f"- **{UNCLEAR}**: {counts[UNCLEAR]} are larger in most rounds, not in all.",
        f"- **{TOO_FEW}** or **small**: {counts[TOO_FEW]} were not fitted, because fewer than "
        f"{N_FITTED} sizes were measured, or had peaks above {LEAST_PEAK >> 20} MiB.",
        "",
    ]
    for against in dict.fromkeys(study.against for study, _ in results):
        rows = [write_row(s, found) for s, found in results if s.against == against]
        lines += [f"## Against {against}", "", *COLUMNS, *rows, ""]
    left_out = list_left_out(results)
    if left_out:
        lines += [
            "## Sizes that were left out",
            "",
            f"A measurement may take {settings['seconds']:g} s, and as much memory as is free. "
            "Larger sizes than these are left out too.",
            "",
            *left_out,
            "",
        ]
    return "\n".join(lines)
