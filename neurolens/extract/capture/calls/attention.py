"""Fused attention as the ops that it stands for: scores, scale, mask, softmax, weighted sum."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn import functional

from neurolens.errors import InputError

FUSED = "fused"
OPEN = "open"
_IS_OPEN: ContextVar[bool] = ContextVar("is_open", default=False)


@contextmanager
def use_attention(attention: str) -> Iterator[None]:
    """Record ``scaled_dot_product_attention`` as one op or as those that it stands for, inside.

    Raises InputError for anything but "fused" and "open".
    """
    if attention not in (FUSED, OPEN):
        raise InputError(f"attention must be 'fused' or 'open', got {attention!r}")
    token = _IS_OPEN.set(attention == OPEN)
    try:
        yield
    finally:
        _IS_OPEN.reset(token)


def list_opened() -> dict[Callable, Callable]:
    """Return the functions that are opened now beside torch's Python functions, each as Python."""
    return {functional.scaled_dot_product_attention: attend} if _IS_OPEN.get() else {}


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return what ``torch.nn.functional.scaled_dot_product_attention`` does, op by op.

    Query (..., token, feature), key and value (..., token_2, feature). The result equals the fused
    one up to rounding in the dtype of the query. A token that may attend to none is zero.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("attn_mask must be None where is_causal is True")
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
    scores = torch.matmul(query, key.transpose(-2, -1))
    scores = torch.mul(scores, 1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(
            query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device
        ).tril()
    if attn_mask is None:
        weights = functional.softmax(scores, -1)
    else:
        scores = _mask_scores(scores, attn_mask)
        weights = functional.softmax(scores, -1)
        weights = weights.masked_fill((scores == -math.inf).all(-1, keepdim=True), 0)
    if dropout_p > 0:
        weights = functional.dropout(weights, dropout_p, training=True)
    return torch.matmul(weights, value)


def _mask_scores(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return scores with a mask applied: of booleans that say what counts, or of numbers added."""
    if mask.dtype == torch.bool:
        return scores.masked_fill(mask.logical_not(), -math.inf)
    return torch.add(scores, mask)
