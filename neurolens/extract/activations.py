"""Labelled activations, in memory or in a store: one array per op, with its dimensions and ids."""

from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.calls.attention import FUSED
from neurolens.extract.graph.select import OpSelection
from neurolens.extract.stream.fill import fill_arrays
from neurolens.extract.stream.plan import RunSettings
from neurolens.extract.stream.stores.opening import open_activations
from neurolens.extract.stream.stores.store import read_store_path
from neurolens.extract.stream.workers import fill_store
from neurolens.stimuli import StimulusSet


def extract_activations(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    reducer: Any = None,
    store: str | Path | None = None,
    batch_size: int | None = None,
    memory: str | int = "4GiB",
    device: str | torch.device | None = None,
    workers: int | None = None,
    rng: int = 0,
    batch_dependent: bool = False,
    client: Any = None,
    attention: str = FUSED,
    kwargs: dict[str, Any] | None = None,
    n_samples: int = 1,
    quiet: bool = False,
) -> xr.DataTree:
    """Return the results of the chosen ops for each stimulus.

    Parameters
    ----------
    model : Module or LoadedModel
        Runs in evaluation mode; its own mode is put back afterwards.
    stimuli : StimulusSet
        At least 2, of one shape.
    ops : str, list or other
        ``"all"``, ``"modules"``, names, module addresses, glob patterns, ``re.compile(...)``,
        slices (every fifth op: ``slice(None, None, 5)``), or predicates over `Op` records. An
        address stands for the module's output in every call, as in each step of a recurrent model;
        ``"V1@2"``, ``"V1@last"`` and ``"V1@1:3"`` for some, numbered from 1, the end left out. Ops
        without a result per stimulus (factories, weights, shapes) are left out of ``"all"`` and of
        patterns, and listed in the attributes.
    reducer : str, Reducer or list, optional
        Makes results smaller before they are copied from the device: a key of
        ``neurolens.extract.REDUCERS`` (``"mean"``, ``"float16"`` ...), a reducer with settings
        (``Project(seed=1)``), or several, applied in order.
    store : path, optional
        Write into a zarr store instead of memory: a folder on this machine. The same call continues
        where an interrupted one ended; of a finished store it reads every file, and computes again
        what is damaged, with a warning. ``open_activations`` opens one without that.
    batch_size : int, optional
        Stimuli per pass; by default the largest of 32, 16, 8, 4 and 2 with which the results alive
        at one moment take a quarter of ``memory`` at most (2 where none does). The root's
        attributes say which it was.
    memory : str or int
        What a pass may hold beside the model and, without a store, the result.
    device : optional
        Where to run; default: where the model is. The model is not moved.
    workers : int, optional
        Processes that read stimuli ahead; by default none on a CPU and up to four for a GPU.
    rng : int
        Seed of the random numbers that the model draws. Each stimulus gets numbers of its own,
        which follow from the seed and its id, not from batch size, workers or budget; those of
        generators outside torch follow from the seed and the batch.
    batch_dependent : bool
        Keep results whose values for a stimulus depend on the other stimuli of the batch (batch
        statistics, sorting, capacity), which are left out otherwise, or refused where they are
        asked for by name. They are marked by the attribute ``batch_dependent``. With
        ``batch_size=1`` each stimulus is alone, and nothing is left out.
    client : dask.distributed.Client or neurolens.support.parallel.Cluster, optional
        Spread the batches over its workers; needs a store that all of them can write. ``model`` may
        then be a function that makes the model, which is cheaper to send. With
        ``Cluster(client, {"GPU": 1})`` each task takes one GPU of a worker.
    attention : str
        ``"fused"``: ``scaled_dot_product_attention`` is one op, as PyTorch runs it. ``"open"``: it
        runs as the ops that it stands for (scores, scale, mask, softmax, weighted sum), which equal
        it up to rounding.
    kwargs : dict, optional
        Keyword arguments of the model's forward, as in `trace`, handed to every batch and copied
        for every pass. Tensors in it are the same for all stimuli; what differs between stimuli
        belongs into the stimuli (see `load_stimuli`).
    n_samples : int
        How often a model that draws random numbers runs on each stimulus, each time with other
        ones. Results that random numbers feed get the dimension ``sample``, after that of the
        stimuli: sample 0 is the result of ``n_samples=1``, and no sample depends on how many there
        are, on batch size, workers or budget. Other results are the same in every sample, and are
        kept once, without that dimension.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataTree
        One node per op, at the op's name, with the variable ``activation`` of dimensions
        ``(stimulus, channel, y, x)``, ``(stimulus, token, feature)`` or ``(stimulus, feature)``,
        ``sample`` after ``stimulus`` where there are several; named by what the model does with
        each axis (a convolution tells channels from frames) or by ``layout=`` of `load_stimuli`;
        ``dim_k`` where the meaning of an axis is unknown. Several results of one op are nodes
        ``<op>.0``, ``<op>.1``. The attribute ``time_step`` of a result is the step, from 1, of the
        loop that its op belongs to; what is outside of loops has none. Values keep the model's
        dtype (bfloat16 as float32). Where the graph depends on the stimuli, an op that did not run
        for some has NaN there (``nan+0j`` where values are complex, 0 for integers, False for
        booleans) and a variable ``ran`` (stimulus), or (stimulus, sample); the root's attributes
        list all results in execution order as ``ops``, such ops and batches, ops with values that
        are not finite, as ``random_ops`` those that random numbers feed, and as
        ``random_numbers_from`` the generators whose numbers follow the batch; ``unseen_sources``
        are the arguments that something unseen made (a thread, vmap, scripted or compiled code),
        whose ops are not among the results; ``ran_with_gradients`` is 1 for a model that
        differentiates in its forward. From a store, arrays are read when they are used.

    Raises
    ------
    InputError
        When the values would not fit into memory; for an op without a result per stimulus asked for
        by name; for a setting that cannot be used.
    UnknownNameError
        For an op that does not exist, with the closest names.
    RecordingError
        When the model raises.
    DataError
        When the store cannot be written, is being written by another process, or was made
        differently: what differs is named. Also later, when an array of a store is read and a file
        turns out to be damaged.

    Notes
    -----
    Each sample is one more pass, which ends after the last chosen op that random numbers feed;
    stimuli are read once for all of them. Ops that run after Python has read a random value (``if
    torch.rand(()) < 0.5``) count as fed by it; where a model draws from numpy, Python or inside
    compiled code, all ops do. Reducers are fitted to sample 0. `compute_rdms` and all others that
    compare take the mean over samples, as of repeats of a stimulus in a brain.

    A small pass over three stimuli, and one over six from all parts of the set, find the stimulus
    axis of each op and test that each row follows its stimulus in another batch; values of these
    stimuli are compared again when the set is run. In memory, the first batch of the run takes the
    place of the six where it has eight stimuli or more and what is kept of it takes a quarter of
    ``memory`` at most, and is not run again; the small pass then shows up to five, among them the
    last one of the set, and of the batch before where that is longer. It is a whole pass; that of
    the first batch ends after the last chosen op where the small one tells enough of the ops behind
    it, as where all of these keep the stimuli on an axis and use no tensors made otherwise. Where
    anything is unusual (random numbers, values that Python reads, rows that do not follow their
    stimuli) there are three more, over two, three and eight. Where the results of three stimuli,
    twice, take more than three quarters of ``memory`` (and 16 MiB), groups of ops are tested, with
    three passes for each; where one op alone does, a warning says what planning takes. Then comes
    one pass over the set, ended after the last chosen op (two, and more where they do not fit
    ``memory`` together, with a reducer that is fitted first). Of several passes each starts where
    the last one ended, as in `extract_grams`, where the chosen ops are not among the first and, of
    a reducer, ``fit_on`` are all stimuli in their order; without a store, the attributes say so. At
    a given ``batch_size`` results do not depend on ``memory`` or ``workers``: give it to compare
    two runs bit for bit, since by default it follows from ``memory``. On ``batch_size`` they depend
    as far as torch's kernels do, in float32 by a few 1e-6 of the op's largest value, so that single
    values near zero may differ altogether. With `PCA`, an op whose fitted stimuli exceed ``memory``
    alone depends on it as far as rounding does.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    >>> images = load_stimuli(np.zeros((4, 3, 8, 8), np.float32))
    >>> acts = extract_activations(net, images, ops="1", quiet=True)
    >>> acts["1/relu"]["activation"].sizes
    Frozen({'stimulus': 4, 'channel': 2, 'y': 6, 'x': 6})
    """
    settings = RunSettings(
        ops=ops,
        reducer=reducer,
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
    if store is None:
        if client is not None:
            raise InputError(
                "client= writes into a store that all workers reach; pass store='acts.zarr'",
                anchor="cluster-settings",
            )
        return fill_arrays(model, stimuli, settings, quiet)
    path = read_store_path(store)
    fill_store(model, stimuli, settings, path, client, quiet)
    return open_activations(path)
