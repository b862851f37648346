"""Descriptions of torch functions: plain name, whether they write in place or can be opened."""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

# Operator methods whose plain name is another function's: x + y, x += y and y + x are all "add".
_OPERATORS = {name: name for name in "add sub mul div pow matmul".split()} | {
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
_SPECIAL = {"__invert__": "bitwise_not", "__get__": "get", "__set__": "set"}
BATCH_STATISTICS = {
    "batch_norm": 5,
    "instance_norm": 5,
    "native_batch_norm": 5,
    "cudnn_batch_norm": 5,
}

HOST_READS = frozenset(
    (
        "item tolist numpy __bool__ __int__ __float__ __complex__ __index__ __array__ __contains__ "
        "equal allclose is_nonzero __dlpack__ __repr__ __str__ __format__ data_ptr _nnz"
    ).split()
)
SIZE_READS = frozenset("shape size numel nelement __len__ len stride nbytes".split())
# Opening these would record operations of printing or copying, not of the model.
_LEAVES = frozenset(("__deepcopy__ __reduce_ex__ backward register_hook _assert").split())
# These never make a tensor and never show a value, so their arguments are not examined.
_QUIET = frozenset(
    (
        "shape dtype device layout ndim is_cuda is_meta is_sparse is_quantized requires_grad "
        "is_leaf grad_fn size dim stride numel nelement element_size storage_offset is_contiguous "
        "is_floating_point is_complex is_inference _version untyped_storage get_device ndimension "
        "__len__ __hash__ names itemsize nbytes _set_grad_enabled"
    ).split()
)
_ANSWERS_NO = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


@dataclass(frozen=True, slots=True)
class Call:
    """The description of one torch function that the recorder needs, made once per recording.

    ``function`` is the plain name, ``exact`` the name that ran; ``body`` is a clone of a Python
    function that runs straight through instead of calling the mode again, or None for a leaf.
    ``writes`` are positions and names of arguments that a registered operator says it writes to;
    ``harmless`` calls write to nothing, ``out=`` aside. ``quiet`` calls are not examined.
    """

    function: str
    exact: str
    mutates: bool
    writes: tuple[int | str, ...]
    updates_statistics: int
    host_read: bool
    quiet: bool
    body: Callable | None
    harmless: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "harmless", not (self.mutates or self.writes or self.updates_statistics)
        )


def describe_call(
    func: Any, clones: "FunctionCloner", opened: Mapping[Callable, Callable] | None = None
) -> Call:
    """Return the description of a torch function as it arrives at a function mode.

    ``func`` is a function, method, operator or property. ``opened`` are functions written in other
    languages, each with one in Python that is run in its place.
    """
    exact = getattr(func, "__name__", None) or type(func).__name__
    if exact in ("__get__", "__set__") and hasattr(func, "__self__"):
        return _describe_property(getattr(func.__self__, "__name__", exact), exact)
    if isinstance(func, torch._ops.OpOverload):
        exact = func._schema.name.split("::")[-1]
    is_read = exact in HOST_READS
    is_leaf = is_read or exact in _LEAVES or getattr(func, "__module__", "") == "torch.autograd"
    writes = list_writes(func)
    body = (opened or {}).get(func) or clones.clone_function(func)
    return Call(
        function=_find_plain_name(exact),
        exact=exact,
        mutates=not writes and _is_in_place(exact),
        writes=writes,
        updates_statistics=BATCH_STATISTICS.get(exact, 0),
        host_read=is_read,
        quiet=exact in _QUIET,
        body=None if is_leaf else body,
    )


def _describe_property(name: str, access: str) -> Call:
    """Return the description of a read of, or a write to, an attribute of tensors."""
    return Call(
        function=name,
        exact=f"{name}.{access}",
        mutates=access == "__set__",
        writes=(),
        updates_statistics=0,
        host_read=False,
        quiet=name in _QUIET,
        body=None,
    )


def _find_operator(exact: str) -> str | None:
    """Return the function that an operator method stands for: ``__iadd__`` and ``__radd__`` add."""
    stem = exact.strip("_") if exact.startswith("__") else exact
    return _OPERATORS.get(stem) or _OPERATORS.get(stem[1:] if stem[:1] in "ir" else "")


def _is_in_place(exact: str) -> bool:
    """Return whether a function overwrites its first argument, by its name."""
    if exact.startswith("__"):
        is_plain = exact.strip("_") in _OPERATORS
        is_operator = exact.startswith("__i") and _find_operator(exact) is not None
        return exact == "__setitem__" or (is_operator and not is_plain)
    return exact.endswith("_") and not exact.endswith("__")


def _find_plain_name(exact: str) -> str:
    """Return the plain name that all forms of a function share."""
    if exact in _SPECIAL:
        return _SPECIAL[exact]
    if exact.startswith("__"):
        return _find_operator(exact) or exact.strip("_")
    return "sub" if exact == "rsub" else exact.strip("_") or exact


def list_writes(func: Any) -> tuple[int | str, ...]:
    """Return positions and names of the arguments that an operator's schema says it writes to."""
    if isinstance(func, torch._ops.OpOverloadPacket):
        func = getattr(func, func.overloads()[0])
    if not isinstance(func, torch._ops.OpOverload):
        return ()
    found: list[int | str] = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += [argument.name] if argument.kwarg_only else [i, argument.name]
    return tuple(found)


def may_draw(func: Any, exact: str) -> bool:
    """Return whether a torch function may draw random numbers, as its operators' tags say.

    A function that is no operator may, methods and attributes of tensors aside.
    """
    tag = torch.Tag.nondeterministic_seeded
    if isinstance(func, torch._ops.OpOverload):
        return tag in func.tags
    operator = func
    if not isinstance(func, torch._ops.OpOverloadPacket):
        operator = getattr(torch.ops.aten, exact, None)
    if not isinstance(operator, torch._ops.OpOverloadPacket):
        return not hasattr(torch.Tensor, exact.removesuffix(".__get__").removesuffix(".__set__"))
    return any(tag in getattr(operator, name).tags for name in operator.overloads())


def is_idle(call: Call, args: tuple, kwargs: dict) -> bool:
    """Return whether a function that may draw random numbers surely draws none: dropout at rest."""
    if call.function.endswith("dropout"):
        return not kwargs.get("train", args[2] if len(args) > 2 else True)
    if call.function == "scaled_dot_product_attention":
        return not kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
    return False


class FunctionCloner:
    """Makes clones of torch's Python functions in which ``has_torch_function`` answers False.

    Re-entering a function mode around such a function would recurse for ever, because the function
    asks whether a mode is active and passes itself back to it. The clone does the work instead, and
    the calls *it* makes are intercepted. Nothing in torch is changed: a clone has its own copy of
    the module's globals.
    """

    def __init__(self) -> None:
        self._globals: dict[int, dict] = {}
        self._clones: dict[types.FunctionType, types.FunctionType] = {}

    def clone_function(self, func: Any) -> types.FunctionType | None:
        """Return the clone, or None when ``func`` is not a Python function of torch's own."""
        if not isinstance(func, types.FunctionType):
            return None
        if func.__globals__.get("__name__", "").partition(".")[0] != "torch":
            return None
        if func in self._clones:
            return self._clones[func]
        cells = tuple(types.CellType() for _ in func.__closure__ or ())
        clone = types.FunctionType(
            func.__code__, self._quiet_globals(func), func.__name__, func.__defaults__, cells
        )
        clone.__kwdefaults__ = func.__kwdefaults__
        # Registered before its cells are filled: a decorated method's closure holds the method
        # itself.
        self._clones[func] = clone
        for cell, original in zip(cells, func.__closure__ or (), strict=True):
            try:
                content = original.cell_contents
            except ValueError:
                continue
            cell.cell_contents = self.clone_function(content) or content
        return clone

    def _quiet_globals(self, func: types.FunctionType) -> dict:
        key = id(func.__globals__)
        if key not in self._globals:
            answers = {name: _answer_no for name in _ANSWERS_NO if name in func.__globals__}
            self._globals[key] = func.__globals__ | answers
        return self._globals[key]


def _answer_no(*_: Any) -> bool:
    return False
