"""Brain data in and out: responses from files of images or arrays, and maps of results as images.

``reading`` holds `read_responses`, ``writing`` `write_map` and `read_map`; ``volumes`` opens NIfTI
files, ``grids`` says which voxels of an image are neuroids, ``regions`` which are of a region,
``events`` what each volume shows, ``arrays`` reads tables and arrays, ``steps`` averages repeats,
standardizes and selects neuroids, and says so.
"""

from neurolens.brain.reading import read_responses
from neurolens.brain.steps import average_repeats, select_reliable, standardize_responses
from neurolens.brain.writing import read_map, write_map

__all__ = [
    "average_repeats",
    "read_map",
    "read_responses",
    "select_reliable",
    "standardize_responses",
    "write_map",
]
