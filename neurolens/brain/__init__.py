"""Brain data in and out: responses from files of images or arrays, and maps of results as images.

``reading`` holds `read_responses`, ``estimating`` `estimate_responses`, ``writing`` `write_map` and
`read_map`, and ``steps`` averages repeats, standardizes, detrends and selects neuroids, and says
so. ``images`` opens images of brains, ``labelling`` says what each response shows, and finds files,
``glm`` models time series, ``maps`` makes files of results, ``recordings`` reads what is no image,
and ``rdms`` reads and writes published RDMs.
"""

from neurolens.brain.estimating import estimate_responses
from neurolens.brain.labelling.layouts import find_files
from neurolens.brain.rdms.reading import read_rdms
from neurolens.brain.rdms.writing import write_rdms
from neurolens.brain.reading import read_responses
from neurolens.brain.recordings.assemblies import read_assembly, write_assembly
from neurolens.brain.recordings.matlab.reading import read_matlab
from neurolens.brain.recordings.sensors.epochs import read_epochs
from neurolens.brain.recordings.spikes import count_spikes
from neurolens.brain.recordings.stimulus_sets import read_stimulus_set
from neurolens.brain.steps import (
    average_repeats,
    detrend_responses,
    select_reliable,
    standardize_responses,
)
from neurolens.brain.writing import read_map, write_map

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
    "select_reliable",
    "standardize_responses",
    "write_assembly",
    "write_map",
    "write_rdms",
]
