"""Accuracy of predicted responses, neuroid by neuroid: pure tensors."""

from collections.abc import Callable

import torch

from neurolens.compare.stats.correlation import correlate_columns, explain_columns

Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Name of a measure -> its value (neuroid,) from measured and predicted responses (stimulus,
# neuroid).
SCORES: dict[str, Score] = {"r": correlate_columns, "r2": explain_columns}
