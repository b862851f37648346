from .estimating import estimate_responses
from .labelling.layouts import find_files
from .rdms.reading import read_rdms
from .rdms.writing import write_rdms
from .reading import read_responses
from .recordings.assemblies import read_assembly, write_assembly
from .recordings.matlab.reading import read_matlab
from .recordings.sensors.epochs import read_epochs
from .recordings.spikes import count_spikes
from .recordings.stimulus_sets import read_stimulus_set
from .selecting import select_regions
from .steps import (
    average_repeats,
    detrend_responses,
    select_reliable,
    standardize_responses,
)
from .writing import read_map, write_map

__all__ = [
    "average_repeats",
    "count_spikes",
    "detrend_responses",
    "estimate_responses",
    "find_files",
    "read_assembly",
    "read_epochs",
    "read_map",
    "read_matlab",
    "read_rdms",
    "read_responses",
    "read_stimulus_set",
    "select_regions",
    "select_reliable",
    "standardize_responses",
    "write_assembly",
    "write_map",
    "write_rdms",
]
