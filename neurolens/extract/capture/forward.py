"""One run of a model, plain or recorded, after which everything is restored."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import _get_current_function_mode_stack

from neurolens.errors import InputError, RecordingError
from neurolens.extract.capture.aten import KernelRecorder
from neurolens.extract.capture.calls.call_sites import CallSites
from neurolens.extract.capture.calls.noise import StimulusNoise
from neurolens.extract.capture.events import Event, Recording, StopForward, read_storage
from neurolens.extract.capture.interceptor import Interceptor, describe_failure
from neurolens.extract.capture.modules.models import unwrap_model
from neurolens.extract.capture.modules.module_calls import ScopeStack
from neurolens.extract.capture.modules.parts import ModelParts, list_parts
from neurolens.extract.capture.recorder import Recorder
from neurolens.extract.capture.restore import (
    ModelState,
    RandomStates,
    evaluation_mode,
    hold_model,
    open_attention,
    preserve_random_states,
    preserve_state,
)
from neurolens.extract.capture.tracking.tensor_tracker import TensorTracker
from neurolens.extract.capture.trees import copy_tensors, iterate_tensors, replace_tensors
from neurolens.stimuli import StimulusSet

Made = TypeVar("Made")
# How torch refuses to differentiate what ran without gradients.
_GRADIENTS_ARE_OFF = (
    "does not require grad",
    "requires_grad=True on inference tensor",
    "Inference tensors cannot be saved for backward",
)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model that can be recorded, and the arguments that it is called with.

    ``gradients`` says that it runs with gradients, because it differentiates in its forward.
    ``rewritten`` collects the addresses of parameters that its recorded passes write into, so that
    others can copy them first.
    """

    model: nn.Module
    args: tuple
    kwargs: dict
    gradients: bool = False
    rewritten: set[str] = field(default_factory=set)

    def copy_inputs(self) -> "ModelCall":
        """Return the call with its tensors cloned, for models that write into them.

        Inside a pass that is being recorded they are left: a clone would be an op of that pass.
        """
        if any(isinstance(mode, Interceptor) for mode in _get_current_function_mode_stack()):
            return self
        with allow_gradients(self):
            args, kwargs = copy_tensors((self.args, self.kwargs))
        return ModelCall(self.model, args, kwargs, self.gradients, self.rewritten)


def prepare_call(model: nn.Module, inputs: Any, kwargs: dict | None = None) -> ModelCall:
    """Return the call of a model with a user's inputs.

    Parameters
    ----------
    model : Module
    inputs : tensor, tuple or other
        A tuple is the positional arguments, anything else the single argument; None with keyword
        arguments is no argument.
    kwargs : dict, optional

    Raises
    ------
    InputError
        For something that is not an eager nn.Module, keyword arguments that are no dict, and a
        stimulus set, of which a pass takes one batch.
    """
    model = unwrap_model(model)
    if isinstance(inputs, StimulusSet):
        raise InputError(
            "inputs must be what the model takes in one pass, got a StimulusSet. Type batch = "
            "stimuli.read_rows(range(4)), and pass batch, or kwargs=batch with inputs=None where "
            "it is a dict.",
            anchor="wrong-object",
        )
    if kwargs is not None and not isinstance(kwargs, dict):
        raise InputError(f"kwargs must be a dict of keyword arguments, got {type(kwargs).__name__}")
    if inputs is None and kwargs:
        return ModelCall(model, (), kwargs)
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return ModelCall(model, args, kwargs or {})


class OpenPass:
    """A pass that is under way, after which everything is put back.

    Parameters
    ----------
    random : RandomStates
    state : ModelState
        As they were when it began.
    parts : ModelParts
        Of the model.
    """

    def __init__(self, random: RandomStates, state: ModelState, parts: ModelParts) -> None:
        self.parts = parts
        self._random = random
        self._state = state

    def list_storages(self) -> set[int]:
        """Return the memories of the model's buffers and plain attributes."""
        return self._state.list_storages()

    def watch_writes(self, recorder: Interceptor) -> None:
        """Copy the parameters that ops of the pass are about to write into."""
        recorder.before_write = self._state.keep_parameters

    def keep_result(self, result: Any) -> Any:
        """Return what the model returned, with what shares memory that is put back cloned."""
        self._state.compare()
        overwritten = self._state.list_overwritten()
        copies = {}
        for tensor in iterate_tensors(result) if overwritten else ():
            if read_storage(tensor) in overwritten:
                with torch.set_grad_enabled(tensor.requires_grad):
                    copies[id(tensor)] = tensor.clone()
        return replace_tensors(result, copies) if copies else result

    def note_draws(self, recorder: Interceptor) -> None:
        """Leave torch's own generators to other threads where the pass drew nothing from them."""
        if recorder.drew is False:
            self._random.leave_torch()

    def finish(self, recording: Recording, recorder: Interceptor) -> None:
        """Note what the pass drew and changed, and clone values whose memory is put back."""
        self.note_draws(recorder)
        recording.drawn += self._random.list_drawn()
        recording.changed = self._state.compare()
        recording.depends_on_history = self._state.lost  # filled when the state is put back
        overwritten = self._state.list_overwritten()
        for event in recording.events if overwritten else ():
            for value in (*event.outputs, *[parent for parent, _ in event.parents]):
                if value.storage in overwritten:
                    value.detach_memory()


@contextmanager
def open_pass(call: ModelCall, noise: StimulusNoise | None = None) -> Iterator[OpenPass]:
    """Hold the model for a pass, and put back everything that the pass changes when it ends.

    These are random states, buffers, and plain attributes of its modules. Modules that are made in
    their first call are made before. Random generators begin from a seed of the batch where the
    noise says so.
    """
    with ExitStack() as stack:
        stack.enter_context(hold_model(call.model))
        parts = list_parts(call.model)
        random = stack.enter_context(preserve_random_states(call.model, parts))
        stack.enter_context(open_attention())
        if parts.has_lazy():
            make_lazy_modules(call)
            parts = list_parts(call.model)
        if noise is not None and noise.seeds_generators:
            random.seed(noise.hash_batch())
            random = RandomStates(call.model, parts)
        if noise is not None:
            held = random.held.values()
            noise.note_generators([one for one in held if isinstance(one, torch.Generator)])
        stack.enter_context(preserve_gradients(call))
        state = stack.enter_context(preserve_state(call.model, call.rewritten, parts))
        try:
            yield OpenPass(random, state, parts)
        finally:
            state.compare()
            call.rewritten.update(state.list_rewritten())


def make_lazy_modules(call: ModelCall) -> None:
    """Run a model once, so that its lazy modules get their sizes and weights.

    That pass is in evaluation mode, in which statistics are not updated.

    Raises
    ------
    RecordingError
        When the model raises.
    """
    copied = call.copy_inputs()
    try:
        with evaluation_mode(call.model), preserve_state(call.model), torch.no_grad():
            call.model(*copied.args, **copied.kwargs)
    except Exception as error:
        raise RecordingError(
            f"the model has lazy modules, and the call that gives them their sizes raised "
            f"{type(error).__name__}: {error}. Check that model(*inputs) runs without NeuroLens on "
            "the same inputs.",
            anchor="model-raised",
        ) from error


def run_plain(call: ModelCall) -> Any:
    """Return the model's output without recording and without gradients.

    Attention runs op by op, as it does under the recorder.
    """
    with open_pass(call) as opened:
        return opened.keep_result(run_model(call, gradients=False))


def record_forward(
    call: ModelCall,
    *,
    keep: Callable[[str], bool] | None = None,
    stop_after: str | None = None,
    random_states: bool = False,
    gradients: bool = False,
    sites: CallSites | None = None,
    noise: StimulusNoise | None = None,
    room: int | None = None,
    watch: Callable[[Event, list[torch.Tensor]], None] | None = None,
) -> Recording:
    """Run the model once and return every torch function that ran.

    Parameters
    ----------
    call : ModelCall
        The model's mode, hooks, buffers and plain attributes, and random states, those of
        generators that its modules hold included, are as before when this returns or raises.
    keep : callable, optional
        Op name -> bool: whether to keep its value; by default all are kept.
    stop_after : str, optional
        Op after which the pass ends.
    random_states : bool
        Store what validation needs: generator states before each op, and whose sizes Python read.
    gradients : bool
        Run with gradients, and keep the values in the autograd graph.
    sites : CallSites, optional
        Of an earlier pass, so that the same places get the same names.
    noise : StimulusNoise, optional
        Draws the random numbers.
    room : int, optional
        The most bytes of results that are kept: from the first op that takes more on, none are.
    watch : callable, optional
        Called with the event of each op and its live results, which the model may overwrite later.

    Raises
    ------
    RecordingError
        When the model raises; the message says while recording which op.
    """
    with open_pass(call, noise) as opened:
        scopes = ScopeStack(call.model, opened.parts)
        tracker = TensorTracker(opened.parts.list_sources(), gradients)
        book = make_sites() if sites is None else sites.restart()
        recorder = Recorder(
            scopes,
            book,
            tracker,
            keep=keep,
            stop_after=stop_after,
            random_states=random_states,
            noise=noise,
            room=room,
            watch=watch,
        )
        recorder.size_reads = [] if random_states else None
        opened.watch_writes(recorder)
        recording = recorder.recording
        tracker.begin(recording, scopes, call.args, call.kwargs)
        try:
            with keep_saved(opened, gradients), scopes, recorder:
                result = run_model(call, gradients)
            recorder.raise_end()
            tracker.note_result(recording, result)
            reads = [tracker.get_value(tensor) for tensor in recorder.size_reads or ()]
            recording.size_reads = reads
            recording.result = opened.keep_result(result)
        except StopForward:
            pass
        except Exception as error:
            raise RecordingError(
                describe_failure(recorder, scopes, recording.list_names(), error),
                anchor="model-raised",
            ) from error
        finally:
            opened.finish(recording, recorder)
    return recording


@contextmanager
def keep_saved(opened: OpenPass, gradients: bool) -> Iterator[None]:
    """Clone what autograd saves of the model's buffers and plain attributes, which are put back."""
    storages = opened.list_storages() if gradients else set()
    if not storages:
        yield
        return

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone() if read_storage(tensor) in storages else tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield


def make_sites() -> CallSites:
    """Return an empty `CallSites`, to be shared between passes of one model.

    Its search through the frames ends at `run_model`.
    """
    return CallSites(Interceptor.__torch_function__.__code__, run_model.__code__)


def record_kernels(
    call: ModelCall, *, keep: Callable[[str], bool] | None = lambda name: True
) -> Recording:
    """Run the model once; return every aten kernel, named after the function that ran it.

    Parameters and errors are those of `record_forward`; without ``keep`` no value stays in memory.
    """
    with open_pass(call) as opened:
        sources = opened.parts.list_sources()
        scopes = ScopeStack(call.model, opened.parts)
        tracker = TensorTracker(sources)
        functions = TensorTracker(sources, copies=False)
        recorder = Recorder(scopes, make_sites(), functions, keep=lambda name: False)
        kernels = KernelRecorder(recorder, scopes, tracker, keep)
        tracker.begin(kernels.recording, scopes, call.args, call.kwargs)
        try:
            with scopes, recorder, kernels:
                result = run_model(call, gradients=False)
        except Exception as error:
            raise RecordingError(
                describe_failure(recorder, scopes, recorder.recording.list_names(), error),
                anchor="model-raised",
            ) from error
        recording = kernels.finish(result)
        recording.result = opened.keep_result(result)
        opened.finish(recording, recorder)
    return recording


def run_model(call: ModelCall, gradients: bool) -> Any:
    """Run the model; a pass begins and ends with `open_pass`."""
    with allow_gradients(call), torch.set_grad_enabled(gradients or call.gradients):
        return call.model(*call.args, **call.kwargs)


def allow_gradients(call: ModelCall) -> AbstractContextManager:
    """Leave a user's inference mode for a call that runs with gradients."""
    return torch.inference_mode(False) if call.gradients else nullcontext()


@contextmanager
def preserve_gradients(call: ModelCall) -> Iterator[None]:
    """Put the gradients of parameters back afterwards, for a model that runs backward itself."""
    if not call.gradients:
        yield
        return
    before = [(one, one.grad) for one in call.model.parameters()]
    with allow_gradients(call):
        for one, gradient in before:
            one.grad = None if gradient is None else gradient.clone()
    try:
        yield
    finally:
        for one, gradient in before:
            one.grad = gradient


def run_with_needed(function: Callable[[ModelCall], Made], call: ModelCall) -> Made:
    """Return ``function(call)``, with gradients where the model differentiates in its forward."""
    try:
        return function(call)
    except RecordingError as error:
        if call.gradients or not wants_gradients(error):
            raise
    return function(replace(call, gradients=True))


def wants_gradients(error: RecordingError) -> bool:
    """Return whether a model raised because it differentiates while gradients are off."""
    return isinstance(error.__cause__, RuntimeError) and any(
        words in str(error.__cause__) for words in _GRADIENTS_ARE_OFF
    )
