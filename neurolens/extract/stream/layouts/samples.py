"""The results that may differ between samples of a model's random numbers."""

from neurolens.extract.stream.layouts.finding import Layouts


def list_sampled(layouts: Layouts) -> frozenset[str]:
    """Return the ops whose results may differ between samples.

    These are the ops that random numbers feed, and those that run after Python has read a value of
    one of these (``if torch.rand(()) < 0.5``): what it did with it cannot be seen. Where the model
    draws from generators whose numbers cannot be followed, or random numbers may have gone through
    code that was not seen, these are all ops.
    """
    names = [op.name for op in layouts.graph]
    if layouts.drawn or (layouts.random and layouts.unseen):
        return frozenset(names)
    random = set(layouts.random)
    first_read = min(
        (read.after for read in layouts.graph.host_reads if read.parent in random),
        default=len(names),
    )
    return frozenset(random.union(names[first_read:]))
