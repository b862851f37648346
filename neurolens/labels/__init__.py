"""Names of dimensions, and matching of what has them.

``names``        the names, and names in messages
``matching``     exact matching by label, never by position or inner join
``differences``  ids that would be the same if they were written alike
``subjects``     presentations of several subjects, which are not averaged
``alignment``    any two of stimuli, responses, RDMs and results, selected to the same stimuli
"""

from neurolens.labels.matching import (
    align_labels,
    check_dims,
    check_unique,
    get_ids,
    refuse_forms,
    tell_files,
    tell_offset,
)
from neurolens.labels.names import (
    MARKS,
    NEUROID,
    NEUROID_ID,
    OP,
    PRESENTATION,
    REGION,
    SAMPLE,
    SAMPLES,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    UNNAMED,
    LabelList,
    check_name,
    describe_samples,
    get_marks,
    list_names,
    suggest_name,
)
from neurolens.labels.subjects import refuse_mixed_subjects

__all__ = [
    "MARKS",
    "NEUROID",
    "NEUROID_ID",
    "OP",
    "PRESENTATION",
    "REGION",
    "SAMPLE",
    "SAMPLES",
    "STIMULUS",
    "STIMULUS_2",
    "STIMULUS_ID",
    "SUBJECT",
    "TIME_BIN",
    "UNNAMED",
    "LabelList",
    "align_labels",
    "check_dims",
    "check_name",
    "check_unique",
    "describe_samples",
    "get_ids",
    "get_marks",
    "list_names",
    "refuse_forms",
    "refuse_mixed_subjects",
    "suggest_name",
    "tell_files",
    "tell_offset",
]
