"""Running a model once, plainly or under the recorder, with everything put back afterwards."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from neurolens.errors import InputError, RecordingError
from neurolens.extract.guards import open_attention, preserve_random_states
from neurolens.extract.ledger import Ledger
from neurolens.extract.recorder import Recorder
from neurolens.extract.records import Recording, StopForward
from neurolens.extract.scopes import ScopeStack


def run_plain(model: nn.Module, inputs: Any, kwargs: dict | None = None) -> Any:
    """Return the model's output without recording: no gradients, attention opened as the recorder sees it."""
    args, kwargs = split_inputs(inputs, kwargs)
    with preserve_random_states(), open_attention(), torch.no_grad():
        return model(*args, **kwargs)


def record_forward(
    model: nn.Module,
    inputs: Any,
    kwargs: dict | None = None,
    *,
    keep: Callable[[str], bool] = lambda name: True,
    stop_after: str | None = None,
    random_states: bool = False,
) -> Recording:
    """Run the model once and return everything that ran.

    Parameters
    ----------
    model : Module
        Its mode, hooks and random state are as before when this returns or raises; the pass itself has the
        effects a plain call has (batch norm statistics in training mode, say).
    inputs : tensor, tuple or other
        A tuple is the positional arguments, anything else the single argument.
    kwargs : dict, optional
    keep : callable
        Op name -> bool: whether to keep its value.
    stop_after : str, optional
        Op after which the pass ends.
    random_states : bool
        Store generator states before each op.

    Raises
    ------
    InputError
        For something that is not an eager nn.Module.
    RecordingError
        When the model raises; says while recording which op.
    """
    check_model(model)
    args, kwargs = split_inputs(inputs, kwargs)
    sources: dict[int, tuple[str, str]] = {}
    for name, buffer in model.named_buffers():
        sources.setdefault(id(buffer), ("buffer", name))
    for name, parameter in model.named_parameters():
        sources.setdefault(id(parameter), ("parameter", name))
    scopes = ScopeStack(model)
    recorder = Recorder(
        scopes,
        Ledger(sources),
        record_forward.__code__,
        keep=keep,
        stop_after=stop_after,
        random_states=random_states,
    )
    recorder.recording.modules = dict(scopes.classes)
    recorder.add_inputs(args, kwargs)
    try:
        with preserve_random_states(), open_attention(), torch.no_grad(), scopes, recorder:
            result = model(*args, **kwargs)
        recorder.add_result(result)
    except StopForward:
        pass
    except Exception as error:
        raise RecordingError(_describe_failure(recorder, scopes, error)) from error
    return recorder.recording


def split_inputs(inputs: Any, kwargs: dict | None) -> tuple[tuple, dict]:
    """Return (args, kwargs): a tuple is the positional arguments, anything else the single argument."""
    if kwargs is not None and not isinstance(kwargs, dict):
        raise InputError(f"kwargs must be a dict of keyword arguments, got {type(kwargs).__name__}")
    if inputs is None and kwargs:
        return (), kwargs
    return (inputs if isinstance(inputs, tuple) else (inputs,)), kwargs or {}


def check_model(model: Any) -> None:
    """Raise InputError for what cannot be recorded op by op, saying what to pass instead."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"{type(model).__name__} is TorchScript, whose ops run outside Python and cannot be recorded. "
            "Pass the nn.Module it was made from."
        )
    if isinstance(model, torch.export.ExportedProgram):
        raise InputError("an exported program cannot be recorded; pass program.module() or the original nn.Module")
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap it in a Module's forward.")


def _describe_failure(recorder: Recorder, scopes: ScopeStack, error: Exception) -> str:
    events = recorder.recording.events
    last = f"after {events[-1].name!r} ({len(events)} ops recorded)" if events else "before the first op"
    if recorder.failure is not None and recorder.failure[0] is error:
        where = f"while recording op {recorder.failure[1]!r}, {last}"
    elif scopes.failure is not None and scopes.failure[0] is error:
        where = f"in the forward of module {scopes.failure[1] or 'the model itself'!r}, {last}"
    else:
        where = last
    return (
        f"the model raised {type(error).__name__} {where}: {error}. "
        "Check that model(*inputs) runs without NeuroLens on the same inputs."
    )
