"""The stimuli shown to the model and the brain, by id.

``loading`` makes a set from any source: ``sources`` tells sources apart, ``files`` opens those of
pictures, ``rows`` reads arrays and Datasets, ``ids`` writes ids as text. ``sets`` holds the set and
reads it; ``inputs`` makes batches of stimuli that are several inputs. ``pictures`` shows pictures
in RGB, ``levels`` those of more than 8 bits, and ``images`` holds the usual transform.
``preprocessing`` says what a transform computes from; ``texts`` writes objects as text.
"""

from neurolens.stimuli.images import ImageTransform
from neurolens.stimuli.loading import load_stimuli
from neurolens.stimuli.preprocessing import WHOLE, Description, describe_preprocessing
from neurolens.stimuli.sets import StimulusSet

__all__ = [
    "WHOLE",
    "Description",
    "ImageTransform",
    "StimulusSet",
    "describe_preprocessing",
    "load_stimuli",
]
