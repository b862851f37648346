"""Provenance of results: what their numbers depend on, and how two runs differ in it."""

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import nn

from neurolens.errors import DataError, warn_user
from neurolens.extract.capture.events import hash_tensors
from neurolens.extract.capture.restore import preserve_random_states
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.metadata import hash_columns, read_columns
from neurolens.extract.stream.plan import Plan
from neurolens.labels import list_names
from neurolens.stimuli import WHOLE, StimulusSet, describe_preprocessing

# What was hashed -> name of a part -> its hash.
Parts = dict[str, dict[str, str]]

N_SAMPLED = 8
_LONGEST = 1000
_PART = 32  # hexadecimal digits of the hash of a part
# How a refusal begins where hashes differ.
_WORDS = {
    "weights_sha256": "the weights differ",
    "graph_sha256": "the ops that the model runs differ",
    "stimuli_sha256": "the stimuli differ",
    "metadata_sha256": "the metadata of the stimuli differ",
    "ops_sha256": "the ops differ",
    "constants_sha256": "the tensors and numbers that the model holds beside its weights differ",
    "sampled_stimuli_sha256": "the stimuli differ as the model sees them",
    "kwargs_sha256": "the keyword arguments (kwargs=) differ",
}
# Entries that are passed over where one of others differs, from which they follow.
_FOLLOWS = {
    "n_ops": {"ops_sha256"},
    "sampled_stimuli_sha256": {"stimuli_sha256", "preprocessing"},
}


def list_parts(plan: Plan) -> Parts:
    """Return the parts of which a provenance holds hashes: the hash of each, by name.

    They are the model's tensors and other state, the ops of its graph, the stimuli as they are and,
    of some, as the model sees them, and the chosen results.
    """
    graph = {}
    for op in plan.layouts.graph:
        described = repr((op.name, op.call, op.settings, op.parents))
        graph[op.name] = hashlib.sha256(described.encode()).hexdigest()[:_PART]
    return {
        "weights_sha256": hash_weights(plan.model),
        "graph_sha256": graph,
        "stimuli_sha256": dict(zip(plan.stimuli.ids, plan.stimuli.hash_each(), strict=True)),
        "ops_sha256": {output.name: "" for output in plan.outputs},
        "metadata_sha256": hash_columns(read_columns(plan.stimuli.metadata)),
        "sampled_stimuli_sha256": hash_sample(plan.stimuli),
        "kwargs_sha256": hash_kwargs(plan.kwargs),
    }


def describe_provenance(plan: Plan, parts: Parts | None = None) -> dict[str, Any]:
    """Return everything that a stored number depends on; ``parts`` are those of `list_parts`.

    Two runs that agree in it give the same store.
    """
    stimuli = plan.stimuli
    hashes = {}
    for key, part in (list_parts(plan) if parts is None else parts).items():
        hashes[key] = hashlib.sha256(json.dumps(list(part.items())).encode()).hexdigest()
    return {
        "model": type(plan.model).__name__,
        **hashes,
        "preprocessing": dict(stimuli.preprocessing.parts),
        "padding": stimuli.padding.describe(),
        "n_ops": len(plan.outputs),
        "reducer": repr(plan.reducers),
        "batch_size": plan.batch_size,
        "rng": plan.noise.seed,
        "n_samples": plan.n_samples,
        "batch_dependent": plan.batch_dependent,
        "device": plan.device.type,
        "constants_sha256": plan.layouts.constants,
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


def hash_sample(stimuli: StimulusSet) -> dict[str, str]:
    """Return the hash of up to eight stimuli as the model sees them, by id.

    They are spread evenly over the set.
    """
    rows = np.unique(np.linspace(0, len(stimuli) - 1, N_SAMPLED).round().astype(int)).tolist()
    hashes = {}
    with preserve_random_states():
        for row in rows:
            seen = stimuli.read_rows(range(row, row + 1))
            hashes[stimuli.ids[row]] = hash_tensors(iterate_tensors(seen))[:_PART]
    return hashes


def hash_kwargs(kwargs: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each keyword argument of the model, by name."""
    hashes = {}
    for name, value in sorted(kwargs.items()):
        text = describe_preprocessing(value).text
        hashes[name] = hashlib.sha256(text.encode()).hexdigest()[:_PART]
    return hashes


def warn_of_unseen(plan: Plan) -> None:
    """Warn where a preprocessing or kwargs= hold what a resumed run could not compare."""
    held = {"the preprocessing": plan.stimuli.preprocessing.unseen}
    for name, value in plan.kwargs.items():
        held[f"kwargs[{name!r}]"] = describe_preprocessing(value).unseen
    for place, unseen in held.items():
        if unseen:
            warn_user(
                f"the content of {list_names(unseen)} of {place} cannot be read: a run that goes "
                "on with this store later would not notice that it changed, but for the stimuli "
                "it looks at"
            )


def compare_provenance(
    now: dict[str, Any],
    before: dict[str, Any],
    parts_now: Parts | None = None,
    parts_before: Parts | None = None,
) -> None:
    """Raise DataError naming what differs between the provenances of two runs.

    Versions come first. Records of another form, which another version of NeuroLens wrote, are not
    compared further. ``parts_now`` and ``parts_before`` are those of `list_parts`, where known:
    they name the stimuli, ops and weights that differ.
    """
    now = json.loads(json.dumps(now))
    lacking = sorted(now.keys() - before.keys())
    added = sorted(before.keys() - now.keys())
    if lacking or added:
        writer = before.get("versions", {}).get("neurolens", "of an unknown version")
        reader = now.get("versions", {}).get("neurolens", "of an unknown version")
        raise DataError(
            f"NeuroLens {writer} wrote its record, which cannot be compared with one of NeuroLens "
            f"{reader}: it lacks {list_names(lacking)} and has {list_names(added)} beside the rest",
            anchor="store-differs",
        )
    sentences: list[str] = []
    keys = list(dict.fromkeys(["versions", *before, *now]))
    differing = {key for key in keys if before.get(key) != now.get(key)}
    for key in keys:
        if _FOLLOWS.get(key, set()) & differing:
            continue
        if key not in _WORDS:
            sentences += list_differences(key, before.get(key), now.get(key))
        elif key in differing:
            details = describe_parts((parts_before or {}).get(key), (parts_now or {}).get(key))
            sentences.append(_WORDS[key] + details)
    if sentences:
        raise DataError("; ".join(sentences)[:_LONGEST], anchor="store-differs")


def describe_parts(before: dict[str, str] | None, now: dict[str, str] | None) -> str:
    """Return which parts differ, to follow a sentence; "" where parts are not known."""
    if not before or not now:
        return ""
    added = [name for name in now if name not in before]
    removed = [name for name in before if name not in now]
    changed = [name for name in now if name in before and now[name] != before[name]]
    counts = []
    for names, what in ((added, "added"), (removed, "no longer there"), (changed, "changed")):
        if names:
            counts.append(f"{len(names)} {what}, first {names[0]!r}")
    if counts:
        return f": {', '.join(counts)}"
    for old, new in zip(before, now, strict=True):
        if old != new:
            return f": their order, first {new!r} where {old!r} was"
    return ""


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


def hash_weights(model: nn.Module) -> dict[str, str]:
    """Return a hash of each of a model's parameters, buffers and the rest of its state, by name.

    The order in which modules were added does not matter.
    """
    state: dict[str, Any] = dict(model.state_dict())
    state.update(model.named_buffers())
    state.update(model.named_parameters())
    hashes = {}
    for name, value in sorted(state.items()):
        packed = [value] if isinstance(value, torch.Tensor) else list(iterate_tensors(value))
        kind = "" if isinstance(value, torch.Tensor) or packed else type(value).__name__
        hashes[name] = f"{hash_tensors(packed)[:_PART]}{kind}"
    return hashes
