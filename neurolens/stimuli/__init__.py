"""The stimuli shown to the model and the brain, by id.

``sets`` holds the set and reads it, ``images`` finds and opens files; ``preprocessing`` says what a
transform computes from, reading code (``origins``), objects (``contents``) and plain values
(``plain``).
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
