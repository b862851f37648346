"""Stimulus-by-stimulus Gram matrices of all ops, computed within a memory budget."""

from typing import Any

import torch
import xarray as xr
from torch import nn

from neurolens.extract.capture.calls.attention import FUSED
from neurolens.extract.graph.select import OpSelection
from neurolens.extract.stream.grams.plan import plan_grams
from neurolens.extract.stream.grams.products import SINGLE
from neurolens.extract.stream.grams.results import label_grams
from neurolens.extract.stream.grams.slices import count_runs
from neurolens.extract.stream.plan import RunSettings, materialize_model, open_plan
from neurolens.extract.stream.workers import sum_products
from neurolens.stimuli import StimulusSet


def extract_grams(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    memory: str | int = "4GiB",
    sketch: int | None = None,
    precision: str = SINGLE,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    workers: int | None = None,
    rng: int = 0,
    batch_dependent: bool = False,
    client: Any = None,
    attention: str = FUSED,
    kwargs: dict[str, Any] | None = None,
    n_samples: int = 1,
    quiet: bool = False,
) -> xr.Dataset:
    """Return the Gram matrix of every op, from which RDMs, CKA and ridge follow exactly.

    For one op with activations A (stimulus, feature): ``G = A A'``, ``s = A 1`` and the number of
    features p. A Gram needs the features of all stimuli at once, so the set is run as many times as
    the budget requires, each time keeping a group of consecutive ops and ending after its last. A
    run starts where the last one ended: the forward of an op is computed once, as far as that gives
    the same bits.

    Parameters
    ----------
    model, stimuli, ops, batch_size, device, workers, rng, batch_dependent, client, attention,
    kwargs, quiet
        As for `extract_activations`; a client's workers take groups of ops. Ops whose results are
        complex or not finite are left out of ``"all"`` and of patterns and listed in the
        attributes.
    memory : str or int
        Budget for the activations held at once, the Grams, the workspace of their products and one
        batch of the forward pass: ``"4GiB"``, ``"500MB"`` or bytes. The model comes on top, and
        what torch's kernels take as workspace; `forecast` measures both a pass and its planning. An
        op that does not fit into the rest of a pass is divided along its features and continued in
        the next. What is alive where a pass starts is held where the budget leaves room for all of
        it, else in a temporary file without a name (in ``TMPDIR``), which ends with the call. A
        share of the budget, 128 MiB at most, is left to what the C library keeps of freed memory,
        which it does while there is room (`neurolens.support.heap`); where it kept more, 4 % over a
        budget of 1 GiB was measured.
    n_samples : int
        How often a model that draws random numbers runs on each stimulus, as for
        `extract_activations`. The Gram of an op that random numbers feed is that of its mean over
        the samples, as `compute_rdms` takes the mean of a brain's repeats; the attribute
        ``samples`` says so. For distances without the bias that the rest of the noise leaves
        (crossnobis), keep the samples: ``extract_activations(n_samples=...)``.
    sketch : int, optional
        Hash each op's features into this many sums first (`Sketch`): for many thousands of stimuli,
        whose activations would take too many passes. The attribute ``sketch_error`` states the
        error.
    precision : str
        Of products: "float32", of what is left of rows without what stimuli share, or "float64",
        which takes about twice the time. Sums are float64 either way, and products of results that
        float32 does not hold (float64, large integers, means over samples) are float64 always.

    Returns
    -------
    Dataset
        ``gram`` (op, stimulus, stimulus_2) and ``row_sum`` (op, stimulus), float64; ``n_features``
        (op), in execution order; coordinates ``alias_of`` (op): the op whose Gram this one shares
        because it is a view of it or did nothing; ``time_step`` (op): the step, from 1, of the loop
        that it belongs to, NaN outside of loops. The attribute ``precision`` is that of products,
        ``eps`` their error: of float32 ones relative to ``residual`` (op, stimulus), the squared
        lengths of what is left of the rows, of float64 ones relative to the diagonal of the Gram.
        ``precision_note`` tells where a device multiplies float32 so inexactly that products were
        taken in float64. The attribute ``neurolens_version`` says what made
        them (Grams of 0.1.0, which could lack features, have none); ``random_ops``,
        ``random_numbers_from`` and ``batch_dependent_ops`` are as for `extract_activations`. Of the
        passes say: ``n_passes`` how many there were; ``forward_passes`` how often ops ran, relative
        to one run over the set; ``resumed_passes`` how many started where one before had ended, and
        ``resume_cuts`` with which op each of these began, ``resume_bytes`` what was alive there, of
        all stimuli; ``spilled_bytes`` what went to temporary files; ``recompute_reason`` why some
        started earlier, or at the input.

    Raises
    ------
    InputError
        When an op asked for by name has results that are complex or not finite, or does not run for
        all stimuli; when the budget cannot be read or does not even hold the Grams and one batch.
    UnknownNameError
        ``precision`` is not known.
    RecordingError
        When the model raises; when the features that were added up are not all features of an op,
        each once: no Gram is returned then.

    Notes
    -----
    Time: ``forward_passes`` x forward + ``1.25 n^2 p`` floating-point operations per op. With one
    pass ``forward_passes`` is the number of samples; with several it is that, one batch more, and
    the few ops between where a pass starts and its first op, whatever the budget. A pass starts
    where little is alive, and before the first call that cannot be left out: one that reads values
    into Python, asks for strides or addresses, draws random numbers, or writes into buffers,
    parameters or inputs; one after which a tensor object has another shape or memory; one whose
    result a cache outside of the model keeps; one that computes unseen. All passes start at the
    input where generators are drawn from unseen, the model differentiates, modules have hooks other
    than torch's own, or parts are TorchScript. The first batch is run once more, as a whole; all
    passes must have the same results for it, bit for bit, or run as a whole from there on. Python
    of the model runs in every pass. A batch that deviates from the recorded pass is run from the
    input. Memory: the budget, in which the mean over samples is held as float64. The result is the
    same, bit for bit, whatever the budget, when ``batch_size`` is the same and the budget is 128
    MiB or more (64 kB per stimulus from 2,048 stimuli on) and leaves 16 MiB for activations; with
    less it differs by rounding. An op that shares a Gram is compared with its source in every
    batch, and gets a Gram of its own, in one more pass, where it is no view of it.

    Errors, with e = ``eps`` (3.1e-5 unless the device multiplies less exactly) and q = ``residual``
    of float32 products: an entry of the Gram is off by less than ``5 e |a_i| |a_j|``; a correlation
    distance by less than ``3 e (q_i / c_i + q_j / c_j)``, c the squared lengths of both rows about
    their mean, as a rule at least q; a squared euclidean distance by less than ``8 e (q_i + q_j)``
    and e of itself. Errors measured for networks are a hundredth of that. Besides, a row changes by
    less than 2.4e-7 of its length, which is less than float32 kernels of a network do, and sums in
    float64 round by some 2.2e-16 of ``|a_i| |a_j|``. Distances, alignments and encoding models of
    Grams take what is below the stated error as 0: for canonical correlations, or where stimuli
    differ by less than a thousandth of what they share, take "float64".

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.ReLU())
    >>> grams = extract_grams(net, load_stimuli(np.ones((4, 12), np.float32)), quiet=True)
    >>> grams.gram.sizes
    Frozen({'op': 3, 'stimulus': 4, 'stimulus_2': 4})
    """
    settings = RunSettings(
        ops=ops,
        batch_size=batch_size,
        memory=memory,
        device=device,
        workers=workers,
        rng=rng,
        batch_dependent=batch_dependent,
        attention=attention,
        kwargs=kwargs,
        n_samples=n_samples,
    )
    first_model = model if client is None else materialize_model(model)
    with open_plan(first_model, stimuli, settings) as plan:
        gram_plan = plan_grams(plan, sketch, named=plan.named, precision=precision)
        passes = gram_plan.split_passes()
        sums = sum_products(model, plan, settings, passes, client, quiet)
        if sums.unlike:
            gram_plan = gram_plan.unshare(sums.unlike)
            more = gram_plan.select(sums.unlike).split_passes()
            sums.add(sum_products(model, plan, settings, more, client, quiet))
            passes += more
    return label_grams(gram_plan, sums, count_runs(passes))
