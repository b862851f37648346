"""Values as text that is equal in every process: without memory addresses; long ones are hashed."""

import datetime
import enum
import hashlib
import logging
import re
import threading
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

_LONG = 200
_MANY_KEYS = 100
_SMALL_ARRAY = 8
_DEEPEST = 20
_ATOMS = (type(None), bool, int, float, complex, str, bytes, range, type(...), type(NotImplemented))
_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size)
_TIMES = (datetime.date, datetime.time, datetime.timedelta, datetime.timezone)
_ARRAYS = (np.ndarray, np.memmap, torch.Tensor, torch.nn.Parameter)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


def shorten_text(kind: str, text: str | bytes) -> str:
    """Return the kind of a long text and its hash."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return f"{kind} of length {len(text)}, sha256 {hashlib.sha256(data).hexdigest()[:16]}"


def describe_plain(item: Any, depth: int = 0) -> str | None:
    """Return a value as text, None if it is not a number, text, array or container of these."""
    if type(item) in (tuple, list, set, frozenset, dict):
        return _describe_container(item, depth) if depth < _DEEPEST else None
    if isinstance(item, enum.Enum):
        value = describe_plain(item.value, depth + 1)
        return f"{type(item).__module__}.{type(item).__qualname__}.{item.name} ({value})"
    if type(item) in _ARRAYS:
        return describe_array(item)
    text = _describe_atom(item)
    if text is not None and len(text) > _LONG and isinstance(item, (str, bytes)):
        return shorten_text(type(item).__name__, item)
    return text


def _describe_atom(item: Any) -> str | None:
    if type(item) in _ATOMS:
        return repr(item)
    if isinstance(item, np.generic):
        return None if item.dtype.hasobject else f"{item.dtype} {item.item()!r}"
    if isinstance(item, slice):
        bounds = [describe_plain(end) for end in (item.start, item.stop, item.step)]
        return None if None in bounds else f"slice({', '.join(map(str, bounds))})"
    if isinstance(item, logging.Logger):
        return f"logger {item.name}"
    if isinstance(item, _LOCKS):
        return "lock"
    if isinstance(item, re.Pattern):
        return f"{item.pattern!r} with flags {item.flags}"
    if isinstance(item, (*_TORCH, PurePath, np.dtype)):
        return str(item)
    return repr(item) if isinstance(item, _TIMES) else None


def _describe_container(item: Any, depth: int) -> str | None:
    if isinstance(item, dict):
        parts = [describe_plain(value, depth + 1) for value in item.values()]
        keys = [describe_plain(key, depth + 1) for key in item]
        if None in keys:
            return None
        if None not in parts:
            parts = [f"{key}: {part}" for key, part in zip(keys, parts, strict=True)]
    else:
        parts = [describe_plain(value, depth + 1) for value in item]
    if None in parts:
        return None
    texts = [str(part) for part in parts]
    if isinstance(item, (set, frozenset)):
        texts.sort()
    text = f"{type(item).__name__} ({', '.join(texts)})"
    if len(text) <= _LONG:
        return text
    if isinstance(item, dict) and len(item) <= _MANY_KEYS and depth == 0:
        return None  # described entry by entry, so that differences can be named
    return shorten_text(type(item).__name__, text)


def describe_array(item: np.ndarray | torch.Tensor) -> str | None:
    """Return an array's dtype, shape and values or their hash; None if it holds Python objects."""
    if isinstance(item, torch.Tensor):
        if item.is_meta:
            return f"tensor without values, {item.dtype}, shape {tuple(item.shape)}"
        dense = item.detach().dequantize() if item.is_quantized else item.detach()
        dense = dense if dense.layout == torch.strided else dense.to_dense()
        dense = dense.resolve_conj().resolve_neg().cpu().contiguous()
        data = dense.reshape(-1).view(torch.uint8).numpy().tobytes() if dense.numel() else b""
        small: Callable[[], Any] = dense.tolist
        dtype = f"tensor {item.dtype}".replace("torch.", "")
    else:
        if item.dtype.hasobject:
            return None
        data = np.ascontiguousarray(item).tobytes()
        small = item.tolist
        dtype = f"array {item.dtype}"
    if item.ndim < 2 and len(data) // max(1, item.dtype.itemsize) <= _SMALL_ARRAY:
        return f"{dtype} {small()!r}"
    return f"{dtype}, shape {tuple(item.shape)}, sha256 {hashlib.sha256(data).hexdigest()[:16]}"
