"""Ids of stimuli as text: from numbers, bytes and file names; rows of metadata matched by them."""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.labels import check_unique, list_names, suggest_name

# Bytes that are no UTF-8 stand in file names as these code points (PEP 383).
_FIRST_BYTE = 0xDC80
_LAST_BYTE = 0xDCFF
UNICODE_FORM = "another form of Unicode (NFC or NFD; file names of a Mac may be NFD)"


def write_id(value: Any) -> str:
    """Return an id as text that can be stored.

    Numbers are written as Python writes them. Bytes are read as UTF-8; those that are none, in
    bytes or in the name of a file, as Latin-1.

    Raises
    ------
    InputError
        When the id is missing (None or NaN), or holds code points that no file can store.
    """
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if _is_missing(value):
        raise InputError(
            f"an id is missing: got {value!r}. Give every stimulus one, e.g. with ids=[...], or "
            "leave it out.",
            anchor="ids-missing",
        )
    text = str(value)
    if text.isascii():
        return text
    text = "".join(_read_escape(letter) for letter in text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"the id {text!r} holds half of a pair of code points, which cannot be stored. Rename "
            "it, e.g. with ids=[...]."
        ) from None
    return text


def _is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, NaT or pandas' NA."""
    is_unequal = isinstance(value, (float, np.floating)) and bool(value != value)
    return value is None or value is pd.NA or value is pd.NaT or is_unequal


def _read_escape(letter: str) -> str:
    is_escape = _FIRST_BYTE <= ord(letter) <= _LAST_BYTE
    return chr(ord(letter) - 0xDC00) if is_escape else letter


def write_ids(ids: Iterable[Any], what: str = "stimulus ids") -> tuple[str, ...]:
    """Return ids as text; raise LabelError naming those that repeat or differ by type only."""
    first: dict[str, Any] = {}
    texts = []
    for value in ids:
        text = write_id(value)
        other = first.setdefault(text, value)
        if type(other) is not type(value):
            raise LabelError(
                f"{what} must be unique as text, but {other!r} ({type(other).__name__}) and "
                f"{value!r} ({type(value).__name__}) differ by type only. Rename one of them.",
                anchor="ids-repeat",
            )
        texts.append(text)
    check_unique(texts, what)
    return tuple(texts)


def refuse_id(wanted: Any, ids: Collection[str]) -> UnknownNameError:
    """Return the error for an id that is not among ``ids``."""
    text = write_id(wanted)
    twin = _find_twin(text, ids)
    if twin is None:
        return suggest_name(text, ids, "stimulus")
    if is_same_text(text, twin):
        return UnknownNameError(
            f"no stimulus named {text!r}; {twin!r} is the same text in {UNICODE_FORM}. Type "
            f"{twin!a}, or rename the stimuli with ids=[...]."
        )
    return UnknownNameError(
        f"no stimulus named {text!r} ({type(wanted).__name__}); {twin!r} is the same number in "
        f"another type or spelling. Type {twin!r}."
    )


def _find_twin(text: str, ids: Collection[str]) -> str | None:
    """Return the id that is the same number or letters as a text, None where there is none."""
    if not text.isascii():
        return next((other for other in ids if is_same_text(text, other)), None)
    try:
        number = float(text)
    except ValueError:
        return None
    spellings = [str(number), f"{number:.0f}"]
    return next((other for other in spellings if other != text and other in ids), None)


def is_same_text(text: str, other: str) -> bool:
    """Return whether two texts look the same, their letters composed or with marks of their own."""
    return unicodedata.normalize("NFC", text) == unicodedata.normalize("NFC", other)


def order_metadata(metadata: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Return metadata with its rows in the order of the stimuli, indexed by their ids as text.

    Raises
    ------
    InputError
        When a stimulus has no row, or a row no stimulus.
    LabelError
        When rows repeat.
    """
    rows = {text: i for i, text in enumerate(write_ids(metadata.index, "the rows of metadata"))}
    lacking = [name for name in ids if name not in rows]
    if lacking or len(rows) != len(ids):
        wanted = set(ids)
        extra = [name for name in rows if name not in wanted]
        raise InputError(
            "metadata needs exactly one row per stimulus id; without a row: "
            f"{list_names(lacking)}; rows of no stimulus: {list_names(extra)}."
            f"{_explain_types(metadata.index, lacking, rows)}",
            anchor="ids-differ",
        )
    ordered = metadata.iloc[[rows[name] for name in ids]]
    return ordered.set_axis(pd.Index(list(ids), name=metadata.index.name), axis=0)


def _explain_types(index: pd.Index, lacking: list[str], rows: Collection[str]) -> str:
    twin = _find_twin(lacking[0], rows) if lacking else None
    if twin is None:
        return ""
    if is_same_text(lacking[0], twin):
        return (
            f" {lacking[0]!a} and {twin!a} are the same text in {UNICODE_FORM}. Write "
            "both alike, e.g. metadata.index = metadata.index.str.normalize('NFC'), or 'NFD'."
        )
    return (
        f" {lacking[0]!r} and {twin!r} differ by type or spelling only: the index of metadata "
        f"holds {index.dtype}. Write both alike, e.g. metadata.index = metadata.index.astype(int)."
    )
