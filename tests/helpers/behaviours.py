"""One small model per behaviour, with what its trace must be.

This table drives the conformance tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Behaviour:
    """A model so small that its ops, what feeds them and their results are known by hand.

    Attributes
    ----------
    build : callable
        Makes the model; called afresh for every check.
    inputs : tuple or callable
        Positional arguments of the model, or a function that makes them; never shared between two
        passes.
    kwargs : dict
        Keyword arguments of the model.
    ops : sequence of str or None
        Names of all ops in order; None where the version of torch decides.
    parents : dict
        Op -> names of the ops that feed it, in argument order.
    sources : dict
        Op -> names of everything that feeds it, parameters, buffers, inputs and constants included.
    values : dict
        Op -> its first result as a nested list, or a function of the inputs that computes it.
    modules : dict
        Op -> (module address, call).
    found : dict
        Module address, or another key -> name of the op that ``trace[key]`` must be.
    outputs : dict or None
        Position in the model's output -> name of what made it.
    reads : sequence of (str, str) or None
        Functions that took a value out of torch, and what they read.
    layers : sequence of tuples of str or None
        The layers with more than one pass, in order of first execution; None for not checked.
    verdict : str
        What validation must say.
    train : bool
        Whether the model runs in training mode.
    """

    build: Callable[[], nn.Module]
    inputs: tuple | Callable[[], tuple]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    ops: tuple[str, ...] | None = None
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] | None = None
    reads: tuple[tuple[str, str], ...] | None = None
    layers: tuple[tuple[str, ...], ...] | None = None
    verdict: str = "verified"
    train: bool = False


class Applied(nn.Module):
    """A model whose forward is one function."""

    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


def make_linear(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    """Return a linear layer whose weights can be worked out by hand."""
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


def make_register(table: dict[str, Behaviour]) -> Callable:
    """Return a decorator that enters a module class, or a function as a model's forward.

    They are entered into ``table``.
    """

    def behaves(name: str, inputs: tuple | Callable[[], tuple], **expected: Any) -> Callable:
        def enter(model: Any) -> Any:
            assert name not in table, name
            build = model if isinstance(model, type) else lambda: Applied(model)
            if isinstance(expected.get("ops"), str):
                expected["ops"] = tuple(expected["ops"].split())
            table[name] = Behaviour(build, inputs, **expected)
            return model

        return enter

    return behaves


def name_passes(*stems: str, n: int) -> tuple[tuple[str, ...], ...]:
    """Return the layers whose ops are ``stem``, ``stem@2`` ... ``stem@n``."""
    return tuple((stem, *(f"{stem}@{k}" for k in range(2, n + 1))) for stem in stems)


def merge_tables() -> dict[str, Behaviour]:
    """Return all behaviours by name."""
    merged: dict[str, Behaviour] = {}
    for part in ("values", "modules", "control"):
        table = import_module(f"behaviours_{part}").BEHAVIOURS
        assert not merged.keys() & table.keys()
        merged |= table
    return merged
