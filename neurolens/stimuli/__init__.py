"""What the model and the brain were shown, by id: the set, its files.

And what its preprocessing computes from.
"""

from neurolens.stimuli.images import ImageTransform, open_image
from neurolens.stimuli.preprocessing import WHOLE, Description, describe_preprocessing
from neurolens.stimuli.sets import StimulusSet, load_stimuli

__all__ = [
    "WHOLE",
    "Description",
    "ImageTransform",
    "StimulusSet",
    "describe_preprocessing",
    "load_stimuli",
    "open_image",
]
