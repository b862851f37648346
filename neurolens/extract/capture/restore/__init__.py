"""What a pass changes and what is put back when it ends, however it ends.

``state`` holds buffers and plain attributes of a model, as ``copies``; ``generators`` holds random
generators, ``modes`` the evaluation mode and settings of the process; ``owners`` lets threads that
run one model take turns.
"""

from neurolens.extract.capture.restore.generators import (
    PROCESS_GENERATORS,
    RandomStates,
    find_generators,
    preserve_random_states,
)
from neurolens.extract.capture.restore.modes import (
    evaluation_mode,
    full_precision,
    open_attention,
    release_memory,
)
from neurolens.extract.capture.restore.owners import hold_model
from neurolens.extract.capture.restore.state import ModelState, preserve_state

__all__ = [
    "PROCESS_GENERATORS",
    "ModelState",
    "RandomStates",
    "evaluation_mode",
    "find_generators",
    "full_precision",
    "hold_model",
    "open_attention",
    "preserve_random_states",
    "preserve_state",
    "release_memory",
]
