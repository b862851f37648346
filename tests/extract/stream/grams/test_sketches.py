"""Features hashed into fewer sums."""

import torch

from neurolens.extract.stream.grams.sketches import Sketch, find_sketch_error


def test_sketches_keep_grams_within_their_stated_error(rng):
    rows = (
        torch.as_tensor(
            rng.standard_normal((40, 3000)) * rng.exponential(size=3000), dtype=torch.float32
        )
        + 5
    )
    exact = (rows - rows.mean(1, keepdim=True)).double()
    norms = exact.norm(dim=1)
    errors = []
    for seed in range(20):
        made = Sketch(3000, 256, torch.device("cpu"), seed).reduce(rows).double()
        errors.append(
            ((made @ made.T - exact @ exact.T) / torch.outer(norms, norms)).triu(1).flatten()
        )
    spread = torch.cat(errors)
    spread = spread[spread != 0]
    assert 0.5 * find_sketch_error(256) < spread.std() < find_sketch_error(256)
    assert abs(spread.mean()) < 0.01


def test_a_sketch_does_not_follow_the_default_dtype(rng):
    rows = torch.as_tensor(rng.standard_normal((4, 90))).float()
    sketch = Sketch(90, 8, torch.device("cpu")).reduce(rows)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        again = Sketch(90, 8, torch.device("cpu")).reduce(rows)
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(sketch, again)
