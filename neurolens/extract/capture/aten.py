"""Recording of the aten kernels below torch's functions, through TorchDispatchMode.

Each kernel is linked to the op that ran it.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from neurolens.extract.capture.calls.call_sites import Site
from neurolens.extract.capture.calls.torch_calls import BATCH_STATISTICS, Call, list_writes
from neurolens.extract.capture.events import Event, Recording, read_random_state
from neurolens.extract.capture.modules.module_calls import ScopeStack
from neurolens.extract.capture.recorder import Recorder
from neurolens.extract.capture.tracking.tensor_tracker import TensorTracker, find_written
from neurolens.extract.capture.trees import iterate_tensors

UNSEEN = "?"


class KernelRecorder(TorchDispatchMode):
    """Records every aten kernel, below C++ composites too, while another one records functions.

    A kernel is named ``<op name>/<kernel>[_<n>]``. One that ran outside every recorded function has
    ``?`` in place of the op, because its caller is unknown. Without ``keep`` no values are kept.
    """

    def __init__(
        self,
        recorder: Recorder,
        scopes: ScopeStack,
        tracker: TensorTracker,
        keep: Callable[[str], bool] | None,
    ) -> None:
        super().__init__()
        self.recording = Recording()
        self._recorder = recorder
        recorder.watched = True
        self._scopes = scopes
        self._tracker = tracker
        self._keep = keep
        self._calls: dict[Any, Call] = {}
        self._owners: list[list[str] | None] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tracker = self._tracker
        keep = self._keep is not None
        noted = tracker.note_arguments(args, kwargs)
        call = self._calls.get(func)
        if call is None:
            call = self._calls[func] = describe_kernel(func)
        written = find_written(call, args, kwargs)
        if written:
            tracker.preserve_values(written)
        random_state = read_random_state()
        start = perf_counter()
        result = func(*args, **kwargs)
        seconds = perf_counter() - start
        made = written if result is None and written else list(iterate_tensors(result))
        if made:
            index = len(self.recording.events)
            outputs = [
                tracker.set_value(tracker.make_value("op", index, k, t, keep), t)
                for k, t in enumerate(made)
            ]
            site = Site("", None, 0)
            scope = self._scopes.current
            event = Event(
                "", call, func, *noted, outputs, scope, site, "", 1, seconds, random_state
            )
            self.recording.events.append(event)
            self._owners.append(self._recorder.running)
            if written:
                tracker.renew_aliases(written, index, keep)
        return result

    def finish(self, result: Any) -> Recording:
        """Name the kernels after the ops that ran them, and return the recording."""
        functions = self._recorder.recording
        by_name = {event.name: event for event in functions.events}
        counts: dict[str, int] = {}
        for event, cell in zip(self.recording.events, self._owners, strict=True):
            owner = by_name.get(cell[0]) if cell else None
            parent = (
                owner.name
                if owner
                else f"{event.scope.address}/{UNSEEN if cell is None else 'read'}"
            )
            base = f"{parent}/{event.call.function}"
            count = counts[base] = counts.get(base, 0) + 1
            event.name = base if count == 1 else f"{base}_{count}"
            event.composite = parent
            if owner is not None:
                site = f"{owner.site.base}/{event.call.function}" + (
                    "" if count == 1 else f"_{count}"
                )
                event.site = Site(site, owner.site.code, owner.site.offset)
                event.pass_number = owner.pass_number
                event.scope = owner.scope
            else:
                event.site = Site(event.name, None, 0)
            if self._keep is None or not self._keep(event.name):
                for value in event.outputs:
                    value.let_go()
        self._tracker.note_result(self.recording, result)
        self.recording.host_reads = []
        for read in functions.host_reads:
            tensor = read.value.ref()
            if tensor is not None:
                value = self._tracker.get_value(tensor)
                after = self._count_before(read.after)
                self.recording.host_reads.append(read._replace(value=value, after=after))
        return self.recording

    def _count_before(self, n_functions: int) -> int:
        """Return how many kernels ran before the ``n_functions``-th function-level op ended."""
        names = {event.name for event in self._recorder.recording.events[:n_functions]}
        return sum(cell[0] in names for cell in self._owners if cell)


def describe_kernel(func: Any) -> Call:
    """Return the description of a kernel; its schema says what it overwrites."""
    kernel = func._schema.name.split("::")[-1]
    flag = BATCH_STATISTICS.get(kernel, 0)
    return Call(
        kernel.strip("_"),
        str(func).removeprefix("aten."),
        False,
        list_writes(func),
        flag,
        False,
        False,
        None,
    )
