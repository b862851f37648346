"""Multidimensional scaling: points in a plane whose distances are near the given ones.

Pure arrays.
"""

from typing import NamedTuple

import numpy as np


class Scaled(NamedTuple):
    """``points`` (n, 2), and Kruskal's ``stress``-1, 0 where all distances are as given."""

    points: np.ndarray
    stress: float


def scale_classically(distances: np.ndarray, n_dims: int = 2) -> np.ndarray:
    """Return points (n, n_dims), the leading principal coordinates of ``distances`` (n, n).

    Torgerson (1952): eigenvectors of the doubly centered squares, times the roots of their
    eigenvalues; those below 0 count as 0.
    """
    squares = distances**2
    centered = squares - squares.mean(axis=0) - squares.mean(axis=1, keepdims=True) + squares.mean()
    values, vectors = np.linalg.eigh(-centered / 2)
    largest = np.argsort(values)[::-1][:n_dims]
    points = vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0.0))
    return np.pad(points, ((0, 0), (0, n_dims - points.shape[1])))


def scale_points(distances: np.ndarray, *, n_rounds: int = 1000, least: float = 1e-9) -> Scaled:
    """Return points whose distances are near ``distances`` (n, n) in least squares (SMACOF).

    Starts from `scale_classically`; each round is a Guttman transform, which never raises the sum
    of squared errors, until a round lowers it by less than a share ``least`` of it. Time O(rounds
    n^2).

    References
    ----------
    De Leeuw (1977); Borg & Groenen (2005) Modern Multidimensional Scaling, ch. 8. Checked against
    scikit-learn's ``smacof``.
    """
    points = scale_classically(distances)
    n = len(points)
    if not distances.any():
        return Scaled(points, 0.0)
    found = measure_distances(points)
    error = ((found - distances) ** 2).sum()
    for _ in range(n_rounds):
        ratio = np.divide(distances, found, out=np.zeros_like(found), where=found > 1e-12)
        # Points are moved to (B X) / n, B the matrix of minus the ratios with rows that sum to 0.
        moved = (ratio.sum(axis=1)[:, None] * points - ratio @ points) / n
        found = measure_distances(moved)
        lower = ((found - distances) ** 2).sum()
        points = moved
        is_done = error - lower <= least * error
        error = lower
        if is_done:
            break
    return Scaled(points - points.mean(axis=0), float(np.sqrt(error / (found**2).sum())))


def measure_distances(points: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances (n, n) between points (n, k)."""
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
