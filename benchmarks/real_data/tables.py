"""Tables of the page, and what the studies share."""

import numpy as np
import torch
import torchvision
import xarray as xr

import neurolens as nl

NETWORK = "squeezenet1_0"
SEED = 0


def write_table(columns: list[str], rows: list[list[object]]) -> list[str]:
    """Return the lines of a table, with numbers aligned on the right."""
    sides = ["---:" if isinstance(cell, float) else "---" for cell in rows[0]]
    cells = [[write_cell(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (columns, sides, *cells)]


def write_cell(cell: object) -> str:
    if isinstance(cell, float):
        return "none" if np.isnan(cell) else f"{cell:.3f}"
    return str(cell)


def write_range(low: float, high: float) -> str:
    return "none" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def extract_wide(model: torch.nn.Module, stimuli: nl.StimulusSet) -> xr.Dataset:
    """Return the Grams of all ops that have more than one feature."""
    transform = torchvision.models.get_model_weights(NETWORK).DEFAULT.transforms()
    grams = nl.extract_grams(model, stimuli.use_transform(transform), quiet=True)
    return grams.isel(op=(grams.n_features > 1).values)
