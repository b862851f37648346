"""Provenance of results: what their numbers depend on, and how two runs differ in it."""

import hashlib
import json
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.errors import DataError, warn_user
from neurolens.extract.capture.events import hash_tensors
from neurolens.extract.capture.restore import preserve_random_states
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.plan import Plan
from neurolens.labels import list_names
from neurolens.stimuli import WHOLE, StimulusSet

N_SAMPLED = 8
_LONGEST = 1000


def describe_provenance(plan: Plan) -> dict[str, Any]:
    """Return everything that a stored number depends on.

    Two runs that agree in it give the same store.
    """
    stimuli = plan.stimuli
    graph = [(op.name, op.call, op.settings, op.parents) for op in plan.layouts.graph]
    names = "\n".join(output.name for output in plan.outputs)
    return {
        "model": type(plan.model).__name__,
        "weights_sha256": hash_weights(plan.model),
        "graph_sha256": hashlib.sha256(repr(graph).encode()).hexdigest(),
        "preprocessing": dict(stimuli.preprocessing.parts),
        "stimuli_sha256": stimuli.hash_items(),
        "ops_sha256": hashlib.sha256(names.encode()).hexdigest(),
        "n_ops": len(plan.outputs),
        "reducer": repr(plan.reducers),
        "batch_size": plan.batch_size,
        "rng": plan.noise.seed,
        "batch_dependent": plan.batch_dependent,
        "device": plan.device.type,
        "constants_sha256": plan.layouts.constants,
        "sampled_stimuli_sha256": hash_sample(stimuli),
        "autocast": [
            str(torch.get_autocast_dtype(device))
            for device in ("cpu", "cuda")
            if torch.is_autocast_enabled(device)
        ],
        "versions": {
            "neurolens": metadata.version("neurolens-brain"),
            "torch": metadata.version("torch"),
        },
    }


def hash_sample(stimuli: StimulusSet) -> str:
    """Return the sha256, as hex, of up to eight stimuli as the model sees them.

    They are spread evenly over the set.
    """
    rows = np.unique(np.linspace(0, len(stimuli) - 1, N_SAMPLED).round().astype(int)).tolist()
    with preserve_random_states():
        return hash_tensors([stimuli.read_rows(range(row, row + 1)) for row in rows])


def warn_of_unseen(stimuli: StimulusSet) -> None:
    """Warn where a preprocessing holds something that a resumed run could not compare."""
    unseen = stimuli.preprocessing.unseen
    if unseen:
        warn_user(
            f"the content of {list_names(unseen)} of the preprocessing cannot be read: a run that "
            "goes on with this store later would not notice that it changed, but for the stimuli "
            "it looks at"
        )


def compare_provenance(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Raise DataError naming what differs between the provenances of two runs.

    Versions come first. Records of another form, which another version of NeuroLens wrote, are not
    compared further.
    """
    now = json.loads(json.dumps(now))
    lacking = sorted(now.keys() - before.keys())
    added = sorted(before.keys() - now.keys())
    if lacking or added:
        writer = before.get("versions", {}).get("neurolens", "of an unknown version")
        reader = now.get("versions", {}).get("neurolens", "of an unknown version")
        raise DataError(
            f"NeuroLens {writer} wrote its record, which cannot be compared with one of NeuroLens "
            f"{reader}: it lacks {list_names(lacking)} and has {list_names(added)} beside the rest"
        )
    sentences: list[str] = []
    for key in dict.fromkeys(["versions", *before, *now]):
        sentences += list_differences(key, before.get(key), now.get(key))
    if sentences:
        raise DataError("; ".join(sentences)[:_LONGEST])


def list_differences(key: str, before: Any, after: Any) -> list[str]:
    """Return a sentence for each difference between two values of a provenance.

    Values that both have parts are compared part by part: the whole first, code and versions last.
    """
    if before == after:
        return []
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [f"{key} was {before!r}, is now {after!r}"]
    sentences = []
    for part in sorted({*before, *after}, key=_rank_part):
        if before.get(part) == after.get(part):
            continue
        if part == WHOLE:
            sentences.append(f"{key} was {before.get(part)!r}, is now {after.get(part)!r}")
        else:
            old = before.get(part, "not there")
            new = after.get(part, "not there")
            sentences.append(f"{key}: {part} was {old}, is now {new}")
    return sentences


def _rank_part(part: str) -> tuple[bool, bool, str]:
    """Return the sort key of a part of a preprocessing."""
    return part != WHOLE, part.startswith(("code of", "version of")), part


def hash_weights(model: nn.Module) -> str:
    """Return the sha256, as hex, of a model's parameters, buffers and the rest of its state.

    The order in which modules were added does not matter.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    digest = hashlib.sha256(hash_tensors([tensors[name] for name in sorted(tensors)]).encode())
    for name, value in sorted(model.state_dict().items()):
        packed = [] if isinstance(value, torch.Tensor) else list(iterate_tensors(value))
        kind = "" if packed else type(value).__name__
        digest.update(f"{name}{hash_tensors(packed)}{kind}".encode())
    return digest.hexdigest()
