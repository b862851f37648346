"""Scores, which say how well each op fits each region, in one form for every method.

Functions that make scores call `build_scores`; functions that take scores call `read_scores`.

``form``     variables and dimensions of scores, and how they are built
``methods``  contents of the attributes: methods, measures, intervals, ceilings, references
``reading``  how scores are read, or refused with an error that says what to do
"""

from neurolens.scores.form import (
    ALWAYS,
    BOOTSTRAP,
    BRAIN,
    CEILINGS,
    DRAWS_HASH,
    GROUP,
    HALF,
    PER_REGION,
    PER_SUBJECT,
    RESAMPLED,
    SPLIT,
    VARIABLES,
    build_scores,
    replace_ceilings,
)
from neurolens.scores.methods import (
    MEASURES,
    METHODS,
    PARTIAL_PAIRS,
    REFERENCES,
    Ceiling,
    Intervals,
    Method,
    list_references,
    write_methods,
)
from neurolens.scores.reading import REMEDIES, find_remedy, read_scores

__all__ = [
    "ALWAYS",
    "BOOTSTRAP",
    "BRAIN",
    "CEILINGS",
    "DRAWS_HASH",
    "GROUP",
    "HALF",
    "MEASURES",
    "METHODS",
    "PARTIAL_PAIRS",
    "PER_REGION",
    "PER_SUBJECT",
    "REFERENCES",
    "REMEDIES",
    "RESAMPLED",
    "SPLIT",
    "VARIABLES",
    "Ceiling",
    "Intervals",
    "Method",
    "build_scores",
    "find_remedy",
    "list_references",
    "read_scores",
    "replace_ceilings",
    "write_methods",
]
