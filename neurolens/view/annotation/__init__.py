"""What scores say about each op, ready to draw.

``records`` means, intervals, best ops and colors; ``reading`` of scores into them; ``outputs`` of
one op that are one node of a graph; ``brain_rdms`` averages RDMs of regions over subjects;
``words`` on how scores were made.
"""

from neurolens.view.annotation.outputs import OUTPUTS_NOTE, fold_best, fold_outputs
from neurolens.view.annotation.reading import BEST_NOTES, annotate_ops
from neurolens.view.annotation.records import LEVEL, Annotation, BestOps
from neurolens.view.annotation.words import describe_interval, describe_method

__all__ = [
    "BEST_NOTES",
    "LEVEL",
    "OUTPUTS_NOTE",
    "Annotation",
    "BestOps",
    "annotate_ops",
    "describe_interval",
    "describe_method",
    "fold_best",
    "fold_outputs",
]
