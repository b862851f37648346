"""The form of every answer to "how well does each op fit each region".

What makes scores calls `build_scores`; what takes scores calls `read_scores`.

``form``     variables and dimensions; scores are built
``methods``  what the attributes say: methods, measures, intervals, ceilings, references
``reading``  scores are read, or refused in a sentence
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
