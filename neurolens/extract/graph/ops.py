"""Plain records of ops and of what fed them, without tensors."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape, dtype and device of one tensor, as plain values."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Parent:
    """One tensor argument of an op.

    ``kind`` is ``"op"``, ``"input"``, ``"parameter"``, ``"buffer"`` or ``"constant"`` (a tensor
    that no recorded op made); ``source`` is the op's name or the tensor's address; ``output`` says
    which result of a multi-output op; ``position`` where in the call it stood: ``"0"``, ``"1.2"``,
    ``"weight"``.
    """

    kind: str
    source: str
    output: int
    position: str


@dataclass(frozen=True, slots=True)
class Op:
    """One executed torch call that produced a tensor.

    Attributes
    ----------
    index : int
        Position in the order of execution, from 0.
    name : str
        ``<module address>/<function>[_<n>][@<pass>]``, unique within the graph.
    function : str
        Plain name: in-place and operator forms are folded (``relu_`` is ``relu``, ``__iadd__`` is
        ``add``).
    call : str
        The exact call that ran.
    settings : str
        Its arguments other than tensors, as text: ``"_, _, None, (2, 2), (0, 0)"``, with ``_`` for
        a tensor.
    composite : str
        The Python functions of torch that led to it, outermost first, ``""`` when called directly.
    module, module_class, module_call
        Address of the innermost running module (``""`` is the model itself), its class, and which
        call of it.
    site : str
        The name without ``@<pass>``: the place in the module that made the call.
    pass_number : int
        Which execution of that site, from 1.
    parents : tuple of Parent
        In order of argument position.
    outputs : tuple of TensorSpec
    alias_of : str
        The op whose memory this op's result shares (views, in-place, no-ops), or ``""``.
    source : str
        ``file:line`` of the caller outside torch.
    seconds : float
        Wall time of this execution.
    time_step : int or None
        Which iteration of its loop this belongs to, from 1, in an unrolled recurrent model; None
        outside of loops. It differs from ``pass_number`` where a layer does not run in the first
        iterations; see `number_steps`.
    """

    index: int
    name: str
    function: str
    call: str
    settings: str
    composite: str
    module: str
    module_class: str
    module_call: int
    site: str
    pass_number: int
    parents: tuple[Parent, ...]
    outputs: tuple[TensorSpec, ...]
    alias_of: str
    source: str
    seconds: float
    time_step: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first output, batch axis included."""
        return self.outputs[0].shape

    @property
    def parent_ops(self) -> tuple[str, ...]:
        """Names of the ops that fed this one, without repeats, in argument order."""
        names = [p.source for p in self.parents if p.kind == "op"]
        return tuple(dict.fromkeys(names)) if len(names) > 1 else tuple(names)


def set_step(op: Op, time_step: int) -> None:
    """Give an op that is being made its ``time_step``, which follows from all other ops."""
    object.__setattr__(op, "time_step", time_step)


@dataclass(frozen=True, slots=True)
class HostRead:
    """A value that left torch: ``function`` read ``parent`` at ``source``.

    ``function`` is ``item``, ``__bool__``, ... ``after`` counts the ops that had run; ``value`` is
    what was read, shortened: for a branch, which way it went.
    """

    function: str
    parent: str
    source: str
    after: int
    value: str


# By op name: the number of parameters that it uses, and its floating-point operations where known.
Costs = dict[str, tuple[int, int | None]]
