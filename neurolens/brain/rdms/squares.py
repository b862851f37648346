"""Arrays of RDMs, as squares or vectors of pairs, as checked squares (rdm, n, n)."""

from typing import Any, NamedTuple

import numpy as np

from neurolens.errors import InputError

# RDMs are published in single precision: triangles and diagonals may differ by its rounding.
TOLERANCE = 1e-5
PAIRS = ("rows", "columns")


class Stack(NamedTuple):
    """Squares (rdm, n, n) with the leading shape that their array had, and what else is known.

    ``names`` are labels of the RDMs, ``ids`` those of the stimuli, where a file has them.
    """

    squares: np.ndarray
    shape: tuple[int, ...] = ()
    names: list[str] | None = None
    ids: list[Any] | None = None


def count_stimuli(n_pairs: int) -> int | None:
    """Return how many stimuli have so many pairs, None where no number has."""
    n = round((1 + np.sqrt(1 + 8 * n_pairs)) / 2)
    return n if n >= 2 and n * (n - 1) // 2 == n_pairs else None


def read_squares(array: Any, n_stimuli: int | None, pairs: str, name: str) -> Stack:
    """Return an array of squares (..., n, n) or (n, n, ...), or vectors (..., pair), as squares.

    Parameters
    ----------
    array : array
    n_stimuli : int, optional
        Where it is known, which tells squares and vectors apart.
    pairs : {"rows", "columns"}
        Whether vectors hold the upper triangle row by row or column by column.
    name : str
        In messages.

    Raises
    ------
    InputError
        It is neither, or both; the numbers are no dissimilarities.
    """
    values = np.asarray(array)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got {values.dtype}.", anchor="not-rdms")
    values = values.astype(np.float64)
    as_squares = _arrange_squares(values, n_stimuli)
    as_vectors = _arrange_vectors(values, n_stimuli)
    readings = [squares for squares in as_squares if not _find_fault(squares)]
    if len(readings) > 1 and not np.array_equal(readings[0], readings[1], equal_nan=True):
        raise InputError(
            f"{name} has the shape {values.shape}, and can be squares along the first or the last "
            "two axes. Pass squares in the last two, e.g. np.moveaxis(x, 2, 0).",
            anchor="not-rdms",
        )
    if readings:
        return _finish(readings[0], _lead(values.shape, readings[0]), name)
    if as_squares:
        raise InputError(_find_fault(as_squares[0]).format(name=name), anchor="not-rdms")
    if len(as_vectors) == 1:
        vectors = as_vectors[0]
        n = n_stimuli or count_stimuli(vectors.shape[-1]) or 0
        return _finish(fill_squares(vectors, n, pairs), vectors.shape[:-1], name)
    known = "" if n_stimuli is None else f" of {n_stimuli} stimuli"
    n_pairs = "" if n_stimuli is None else f" ({n_stimuli * (n_stimuli - 1) // 2})"
    raise InputError(
        f"{name} must hold squares{known}, or vectors of their pairs{n_pairs}, got shape "
        f"{values.shape}{', which fits along two axes' if as_vectors else ''}. Pass one RDM, or "
        "RDMs along the first axis, with the ids of all stimuli.",
        anchor="not-rdms",
    )


def _arrange_squares(values: np.ndarray, n_stimuli: int | None) -> list[np.ndarray]:
    """Return the readings of an array as squares (rdm, n, n): along the last or first two axes."""
    found = []
    if values.ndim >= 2 and values.shape[-1] == values.shape[-2]:
        found.append(values.reshape(-1, *values.shape[-2:]))
    if values.ndim == 3 and values.shape[0] == values.shape[1]:
        found.append(np.moveaxis(values, 2, 0))
    return [one for one in found if n_stimuli in (None, one.shape[-1]) and one.shape[-1] > 1]


def _arrange_vectors(values: np.ndarray, n_stimuli: int | None) -> list[np.ndarray]:
    """Return the readings of an array as vectors (..., pair): along its last or first axis."""
    if values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    found = []
    for moved in (values, values.T) if values.ndim == 2 else (values,):
        n = count_stimuli(moved.shape[-1]) if moved.ndim else None
        if n is not None and n > 2 and n_stimuli in (None, n):
            found.append(moved)
    return found


def _lead(shape: tuple[int, ...], squares: np.ndarray) -> tuple[int, ...]:
    """Return the shape of an array without the two axes of its squares."""
    n = squares.shape[-1]
    if len(shape) == 2:
        return ()
    return shape[:-2] if shape[-2:] == (n, n) and len(squares) == np.prod(shape[:-2]) else shape[2:]


def fill_squares(vectors: np.ndarray, n_stimuli: int, pairs: str) -> np.ndarray:
    """Return the squares (rdm, n, n) of vectors of pairs (..., pair).

    The upper triangle row by row is the order of ``scipy.spatial.distance.squareform``, of
    ``np.triu_indices`` and of MATLAB's ``pdist`` and ``squareform``, which say the lower triangle
    column by column. MATLAB's ``x(triu(true(n), 1))`` is column by column.
    """
    flat = vectors.reshape(-1, vectors.shape[-1])
    rows, columns = np.triu_indices(n_stimuli, 1)
    if pairs == "columns":
        columns, rows = np.tril_indices(n_stimuli, -1)
    squares = np.zeros((len(flat), n_stimuli, n_stimuli))
    squares[:, rows, columns] = flat
    squares[:, columns, rows] = flat
    return squares


def _find_fault(squares: np.ndarray) -> str:
    """Return what is wrong with squares (rdm, n, n), with a place for their name; else nothing."""
    if np.isinf(squares).any():
        return "{name} must be finite, and holds infinite numbers. Repair those first."
    size = np.nanmax(np.abs(squares), initial=0.0)
    diagonal = np.diagonal(squares, axis1=1, axis2=2)
    largest = np.nanmax(np.abs(diagonal), initial=0.0)
    turned = np.swapaxes(squares, 1, 2)
    lower = np.tril_indices(squares.shape[-1], -1)
    is_empty = [np.isnan(one) | (one == 0) for one in (squares[:, *lower], turned[:, *lower])]
    if is_empty[0].all() != is_empty[1].all():
        return (
            "{name} must be symmetric, and one triangle is empty. Pass both: np.fmax(x, x.T) where "
            "it is 0 or NaN."
        )
    gap = np.where(np.isnan(squares) == np.isnan(turned), squares - turned, np.inf)
    if np.nanmax(np.abs(gap), initial=0.0) > TOLERANCE * size:
        return "{name} must be symmetric, and is not. Average both triangles: (x + x.T) / 2."
    if largest > TOLERANCE * size:
        if np.nanmin(diagonal) > 0 and np.ptp(diagonal) <= TOLERANCE * largest:
            return (
                "{name} must hold dissimilarities, 0 on the diagonal, which is "
                f"{float(largest):g} throughout, as that of similarities. Pass {float(largest):g} "
                "- x if they are."
            )
        return "{name} must be 0 on the diagonal, and is not. Pass dissimilarities."
    return ""


def _finish(squares: np.ndarray, shape: tuple[int, ...], name: str) -> Stack:
    """Return squares that are exactly symmetric and 0 on the diagonal: their upper triangles."""
    if np.isinf(squares).any():
        raise InputError(
            f"{name} must be finite, and holds infinite numbers. Repair those first.",
            anchor="missing-values",
        )
    n = squares.shape[-1]
    rows, columns = np.triu_indices(n, 1)
    exact = np.zeros_like(squares)
    exact[:, rows, columns] = squares[:, rows, columns]
    exact[:, columns, rows] = squares[:, rows, columns]
    # An RDM that is NaN throughout is missing, and so is its diagonal.
    missing = np.isnan(exact[:, rows, columns]).all(axis=1)
    exact[missing] = np.nan
    return Stack(exact, shape)
