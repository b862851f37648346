"""How a result was made: everything that its numbers follow from.

And what differs between two ways.
"""

import hashlib
import json
import warnings
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.errors import DataError
from neurolens.extract.capture.events import hash_tensors
from neurolens.extract.capture.restore import preserve_random_states
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.plan import Plan
from neurolens.labels import list_names
from neurolens.stimuli import WHOLE, StimulusSet

N_SAMPLED = 8


def describe_provenance(plan: Plan) -> dict[str, Any]:
    """Return everything a stored number follows from.

    Two runs that agree in it give the same store.
    """
    stimuli = plan.stimuli
    graph = [(op.name, op.call, op.settings, op.parents) for op in plan.layouts.graph]
    return {
        "model": type(plan.model).__name__,
        "weights_sha256": hash_weights(plan.model),
        "graph_sha256": hashlib.sha256(repr(graph).encode()).hexdigest(),
        "preprocessing": dict(stimuli.preprocessing.parts),
        "stimuli_sha256": stimuli.hash_items(),
        "ops_sha256": hashlib.sha256(
            "\n".join(slot.name for slot in plan.slots).encode()
        ).hexdigest(),
        "n_ops": len(plan.slots),
        "reducer": repr(plan.reducers),
        "batch_size": plan.batch_size,
        "device": plan.device.type,
        "constants_sha256": plan.layouts.constants,
        "sampled_stimuli_sha256": hash_sample(stimuli),
        "autocast": [
            str(torch.get_autocast_dtype(d))
            for d in ("cpu", "cuda")
            if torch.is_autocast_enabled(d)
        ],
        "versions": {
            "neurolens": metadata.version("neurolens-brain"),
            "torch": metadata.version("torch"),
        },
    }


def hash_sample(stimuli: StimulusSet) -> str:
    """Return the sha256, as hex, of up to eight stimuli as the model sees them.

    Spread evenly over the set.
    """
    rows = np.unique(np.linspace(0, len(stimuli) - 1, N_SAMPLED).round().astype(int)).tolist()
    with preserve_random_states():
        return hash_tensors([stimuli.read_rows(range(row, row + 1)) for row in rows])


def warn_of_unseen(stimuli: StimulusSet) -> None:
    """Warn where a preprocessing holds something that a resumed run could not compare."""
    unseen = stimuli.preprocessing.unseen
    if unseen:
        warnings.warn(
            f"the content of {list_names(unseen)} of the preprocessing cannot be read: a run that "
            f"goes on with this "
            "store later would not notice that it changed, but for the stimuli it looks at",
            RuntimeWarning,
            stacklevel=3,
        )


def compare_provenance(now: dict[str, Any], made: dict[str, Any]) -> None:
    """Raise DataError naming what differs between two provenances.

    Of this run and of what it belongs to.
    """
    now = json.loads(json.dumps(now))
    told: list[str] = []
    for key in dict.fromkeys([*made, *now]):
        told += list_differences(key, made.get(key), now.get(key))
    if told:
        raise DataError("; ".join(told)[:1000])


def list_differences(key: str, before: Any, after: Any) -> list[str]:
    """Return a sentence for each difference between two values of a provenance.

    Part by part where both have parts.
    """
    if before == after:
        return []
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [f"{key} was {before!r}, is now {after!r}"]
    told: list[str] = []
    for part in sorted(
        {*before, *after}, key=lambda part: (part.startswith(("code of", "version of")), part)
    ):
        if part == WHOLE and before.get(part) != after.get(part):
            told.insert(0, f"{key} was {before.get(part)!r}, is now {after.get(part)!r}")
        elif before.get(part) != after.get(part):
            told.append(
                f"{key}: {part} was {before.get(part, 'not there')}, is now "
                f"{after.get(part, 'not there')}"
            )
    return told


def hash_weights(model: nn.Module) -> str:
    """Return the sha256 of a model's parameters and buffers, and of what else its state holds.

    As hex.
    """
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    digest = hashlib.sha256(hash_tensors([held[name] for name in sorted(held)]).encode())
    for name, value in sorted(model.state_dict().items()):
        packed = [] if isinstance(value, torch.Tensor) else list(iterate_tensors(value))
        digest.update(
            f"{name}{hash_tensors(packed)}{'' if packed else type(value).__name__}".encode()
        )
    return digest.hexdigest()
