from .descriptions.preprocessing import WHOLE, Description, describe_preprocessing
from .loading import load_stimuli
from .pictures.images import ImageTransform
from .sets import StimulusSet
from .sounds.settings import Sound
from .texts.settings import Text
from .videos.settings import Video

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
