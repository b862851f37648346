"""Passes that save what is alive at a cut, and passes that start there."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from neurolens.extract.capture.calls.torch_calls import Call
from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.tracking.tensor_tracker import find_written
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.stream.follow import FollowingRecorder
from neurolens.extract.stream.resume.cuts import Cut
from neurolens.extract.stream.resume.placeholders import Placeholder, PlaceholderRead
from neurolens.extract.stream.resume.script import (
    LAYOUT_READS,
    OutputForm,
    Place,
    Script,
    ScriptCall,
)

Tensors = Mapping[Place, torch.Tensor]


class SavingRecorder(FollowingRecorder):
    """Follows a pass as `FollowingRecorder` does, and hands out what is alive at a cut.

    Parameters
    ----------
    script : Script
    cut : Cut
    save : callable
        Called with the tensors alive there, unless an op before it returned something else than in
        the script: another dtype, or a new tensor where the script has an argument.
    """

    def __init__(
        self,
        *args: Any,
        script: Script,
        cut: Cut | None,
        save: Callable[[Tensors], None],
        own_storages: frozenset[int] = frozenset(),
        **settings: Any,
    ) -> None:
        super().__init__(*args, **settings)
        self._script = script
        self._start = 0
        self._until = 0 if cut is None else cut.position
        self._places = frozenset() if cut is None else cut.places
        self._save = save
        self._own_storages = own_storages
        self._alive: dict[Place, torch.Tensor] = {}
        self._given: list[torch.Tensor] = []
        self._is_alike = True
        # The pass goes at least as far as what it saves.
        self.last = max(self.last, self._until - 1)

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one call, whose arguments are then known in `note_op`."""
        if self.position < self._until:
            self._given = list(iterate_tensors((args, kwargs)))
        return super().run_call(call, func, args, kwargs)

    def note_op(self, position: int, tensors: list[torch.Tensor]) -> None:
        """Take what is alive at the cut, and hand it out once the cut is reached."""
        if position >= self._until:
            return
        if position >= self._start:
            self._is_alike = self._is_alike and self._compare(position, tensors)
        self._given = []
        for k, tensor in enumerate(tensors):
            if (position, k) in self._places:
                self._alive[position, k] = tensor
        if position == self._until - 1:
            alive = self._alive
            self._alive = {}
            if self._is_alike and self._has_own_memories(alive):
                self._save(alive)

    def _compare(self, position: int, tensors: list[torch.Tensor]) -> bool:
        """Return whether an op returned what it does in the script."""
        outputs = self._script.ops[position].outputs
        if not outputs:  # it only wrote
            return True
        if len(outputs) != len(tensors):
            return False
        return all(map(self._is_as_expected, outputs, tensors))

    def _is_as_expected(self, form: OutputForm, tensor: torch.Tensor) -> bool:
        given = next((j for j, one in enumerate(self._given) if one is tensor), -1)
        return form == (tensor.dtype, tensor.device, given)

    def _has_own_memories(self, alive: Tensors) -> bool:
        """Return whether no two tensors share memory, nor with inputs or the model."""
        storages = [read_storage(tensor) for tensor in alive.values()]
        return len(set(storages)) == len(storages) and self._own_storages.isdisjoint(storages)


class ResumingRecorder(SavingRecorder):
    """Follows a pass that starts at a cut: ops before it are not run.

    In place of such an op's results stand placeholders, or, where they are alive at the cut, their
    values there.

    Parameters
    ----------
    start : Cut
    alive : dict of (int, int)
        The values of its tensors; emptied by the pass.
    """

    def __init__(self, *args: Any, start: Cut, alive: dict[Place, torch.Tensor], **settings: Any):
        super().__init__(*args, **settings)
        self._start = start.position
        self._saved = alive
        self._substituted = {id(tensor) for tensor in alive.values()}
        self._n_calls = 0

    def run_call(self, call: Call, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run one call, unless it is an op before the cut."""
        if self.position >= self._start:
            return super().run_call(call, func, args, kwargs)
        calls = self._script.calls
        expected = calls[self._n_calls] if self._n_calls < len(calls) else None
        self._n_calls += 1
        if expected is None or expected.exact != call.exact:
            raise PlaceholderRead(f"{call.exact} ran where another call was expected")
        given = list(iterate_tensors((args, kwargs)))
        if not expected.is_op:
            self._refuse_read(call, given)
            return super().run_call(call, func, args, kwargs)
        return self._skip_op(call, expected, given, args, kwargs)

    def _note_unrecorded(self, call: Call, func: Any, args: tuple) -> None:
        super()._note_unrecorded(call, func, args)
        if call.function in LAYOUT_READS and args and type(args[0]) is Placeholder:
            raise PlaceholderRead(f"{call.exact} reads the layout of a result that is not computed")

    def _refuse_read(self, call: Call, given: list[torch.Tensor]) -> None:
        """Raise where Python asks for values before the cut that are not those of that moment."""
        if call.host_read and any(id(tensor) in self._substituted for tensor in given):
            raise PlaceholderRead(f"{call.exact} reads a value before the pass starts")

    def _skip_op(
        self,
        call: Call,
        expected: ScriptCall,
        given: list[torch.Tensor],
        args: tuple,
        kwargs: dict,
    ) -> Any:
        """Return what stands for the results of an op."""
        shapes = self._shapes[self.position]
        if shapes is None or len(shapes) < len(expected.outputs):
            raise PlaceholderRead(f"the shapes of {call.exact} are not known")
        tensors = []
        for k, form in enumerate(expected.outputs):
            if form.given < 0:
                tensors.append(self._substitute((self.position, k), shapes[k], form))
            elif form.given < len(given):
                tensors.append(given[form.given])
        if not expected.outputs:
            self._follow(call, find_written(call, args, kwargs))
            return None
        self._follow(call, tensors)
        return tensors[0] if expected.container is None else expected.container(tensors)

    def _substitute(self, place: Place, shape: tuple[int, ...], form: OutputForm) -> torch.Tensor:
        saved = self._saved.pop(place, None)
        if saved is not None:
            return saved
        return Placeholder(shape, form.dtype, form.device)
