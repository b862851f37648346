"""The stimuli shown to the model and the brain, by id.

``loading`` makes a set from any source; ``sources`` tells sources apart and finds the files, ids
and metadata of folders and tables; ``rows`` reads arrays and Datasets, ``ids`` writes ids as text.
``sets`` holds the set and reads it; ``batches`` makes batches of stimuli that are several inputs,
and pads them. ``media`` says what all pictures, sounds and videos can do, ``pictures``, ``sounds``,
``videos`` and ``texts`` how each kind is read, ``views`` shows them to people. ``descriptions``
says what a transform computes from.
"""

from neurolens.stimuli.descriptions.preprocessing import WHOLE, Description, describe_preprocessing
from neurolens.stimuli.loading import load_stimuli
from neurolens.stimuli.pictures.images import ImageTransform
from neurolens.stimuli.sets import StimulusSet
from neurolens.stimuli.sounds.settings import Sound
from neurolens.stimuli.texts.settings import Text
from neurolens.stimuli.videos.settings import Video

__all__ = [
    "WHOLE",
    "Description",
    "ImageTransform",
    "Sound",
    "StimulusSet",
    "Text",
    "Video",
    "describe_preprocessing",
    "load_stimuli",
]
