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
    GROUP,
    HALF,
    PER_REGION,
    PER_SUBJECT,
    RESAMPLED,
    SPLIT,
    VARIABLES,
    build_scores,
)
from neurolens.scores.methods import (
    MEASURES,
    METHODS,
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
    "GROUP",
    "HALF",
    "MEASURES",
    "METHODS",
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
    "write_methods",
]
