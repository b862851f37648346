"""Light passes: each op is checked against a recorded pass.

And wanted results are handed out as they appear.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from neurolens.errors import RecordingError
from neurolens.extract.capture.call_sites import CallSites
from neurolens.extract.capture.events import Recording, StopForward
from neurolens.extract.capture.forward import (
    _describe_failure,
    _run_model,
    split_inputs,
    unwrap_model,
)
from neurolens.extract.capture.interceptor import Interceptor
from neurolens.extract.capture.module_calls import ScopeStack
from neurolens.extract.capture.tensor_tracker import find_written
from neurolens.extract.capture.torch_calls import Call
from neurolens.extract.capture.trees import iterate_tensors

Shapes = tuple[tuple[int, ...], ...]
# Position in the script -> what is called with that op's live results as soon as it has run.
Handlers = Mapping[int, Callable[[list[torch.Tensor]], None]]


class PassDeviated(BaseException):
    """Ends a light pass that did something else than the recorded one.

    Never leaves this package.
    """


@dataclass(frozen=True)
class ExpectedPass:
    """What a pass is expected to do, from the recordings of two batches.

    ``names`` are the ops in order; ``composites`` those that are a function of torch's own as a
    whole, with its name; ``sizes`` holds, per op, the shapes of its results at both ``counts`` of
    stimuli, or None where only one ran it; ``sites`` the places that call torch, so that every
    later pass gives the same names.
    """

    names: tuple[str, ...]
    composites: dict[int, str]
    sizes: tuple[tuple[Shapes, Shapes] | None, ...]
    counts: tuple[int, int]
    sites: CallSites

    def predict_shapes(self, n_stimuli: int) -> list[Shapes | None]:
        """Return the shapes of each op's results for a batch, growing along straight lines.

        None where unknown.
        """
        few, more = self.counts

        def predict(pair: tuple[Shapes, Shapes] | None) -> Shapes | None:
            if pair is None or [len(s) for s in pair[0]] != [len(s) for s in pair[1]]:
                return None
            return tuple(
                tuple(
                    a + (b - a) * (n_stimuli - few) // (more - few)
                    for a, b in zip(s, t, strict=True)
                )
                for s, t in zip(*pair, strict=True)
            )

        return [predict(pair) for pair in self.sizes]


def expect_pass(
    few: Recording, more: Recording, counts: tuple[int, int], sites: CallSites
) -> ExpectedPass:
    """Return the script of the pass ``more``; ``few`` is the same model on a smaller batch."""
    small, large = (
        {e.name: tuple(tuple(spec[0]) for spec in e.specs) for e in made.events}
        for made in (few, more)
    )
    return ExpectedPass(
        names=tuple(large),
        composites={
            i: event.call.exact
            for i, event in enumerate(more.events)
            if event.func is event.call.body
        },
        sizes=tuple(
            (small[name], shapes) if name in small else None for name, shapes in large.items()
        ),
        counts=counts,
        sites=sites,
    )


class FollowingRecorder(Interceptor):
    """Follows a script while it is the active function mode, and hands the wanted results out.

    Parameters
    ----------
    scopes, script
    n_stimuli : int
        In this batch.
    take : Handlers
        The results are live tensors, which the model may overwrite later.

    Attributes
    ----------
    position : int
        How many ops have run.
    last : int
        Position of the last op of ``take``, which ends the pass.
    error : Exception or None
        What ``take`` raised.
    """

    def __init__(
        self, scopes: ScopeStack, script: ExpectedPass, n_stimuli: int, take: Handlers
    ) -> None:
        super().__init__(scopes, script.sites.restart())
        self.position = 0
        self.last = max(take)
        self.error: Exception | None = None
        self._script = script
        self._shapes = script.predict_shapes(n_stimuli)
        self._take = take

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one op, and check it against the script."""
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self.note_failure(call, error)
            raise
        if isinstance(result, torch.Tensor):
            self._follow(call, [result])
        else:
            made = (
                find_written(call, args, kwargs)
                if result is None
                else list(iterate_tensors(result))
            )
            if made:
                self._follow(call, made)
        return result

    def close_composite(self, call: Call, args: tuple, kwargs: dict, result: Any) -> None:
        """Check the composite itself where the script has it as an op."""
        if self._script.composites.get(self.position) == call.exact:
            self._follow(call, list(iterate_tensors(result)))

    def _follow(self, call: Call, made: list[torch.Tensor]) -> None:
        i = self.position
        name = self.find_site(call.function).next_name()
        expected = self._script.names[i] if i < len(self._script.names) else "nothing"
        if name != expected:
            raise PassDeviated(f"ran {name!r} where {expected!r} was expected")
        shapes = self._shapes[i]
        if shapes is not None and (
            len(shapes) != len(made) or any(t.shape != s for t, s in zip(made, shapes, strict=True))
        ):
            raise PassDeviated(
                f"{name!r} has shapes {[tuple(t.shape) for t in made]}, expected {list(shapes)}"
            )
        self.position = i + 1
        if i in self._take:
            try:
                self._take[i](made)
            except Exception as error:
                self.error = error
                raise StopForward from error
        if i == self.last:
            raise StopForward


def follow_forward(
    model: nn.Module, inputs: Any, script: ExpectedPass, n_stimuli: int, take: Handlers
) -> None:
    """Run the model along a script, up to the last op whose results are taken.

    Parameters
    ----------
    model, inputs
        As for `record_forward`.
    script : ExpectedPass
    n_stimuli : int
        In this batch.
    take : Handlers

    Raises
    ------
    PassDeviated
        When the model does not do what the script says.
    RecordingError
        When the model raises. What ``take`` raises comes through as it is.
    """
    model = unwrap_model(model)
    args, kwargs = split_inputs(inputs, None)
    scopes = ScopeStack(model)
    recorder = FollowingRecorder(scopes, script, n_stimuli, take)
    try:
        with scopes, recorder:
            _run_model(model, args, kwargs, False)
    except StopForward:
        if recorder.error is not None:
            raise recorder.error from None
    except Exception as error:
        raise RecordingError(
            _describe_failure(recorder, scopes, script.names[: recorder.position], error)
        ) from error
    if recorder.position <= recorder.last:
        raise PassDeviated(
            f"ended after {recorder.position} ops, before {script.names[recorder.last]!r}"
        )
