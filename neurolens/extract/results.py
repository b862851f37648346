"""Results found again by the words that choose ops, and the steps of a layer as one array."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.graph.executions import Executions, read_executions, split_choice
from neurolens.extract.graph.select import match_names
from neurolens.labels import OP, LabelList, list_names, suggest_name

STEP = "step"
ResultSelection = str | re.Pattern | slice | Sequence
Results = TypeVar("Results", xr.DataTree, xr.Dataset, xr.DataArray)
# The label of a result of an op that has several: the op's name and ".k".
_ONE_OF_SEVERAL = re.compile(r"(.*/[^/]*)\.\d+", re.DOTALL)


def select_results(results: Results, ops: ResultSelection) -> Results:
    """Return some of the results, chosen by the words that choose ops of a model.

    Parameters
    ----------
    results : DataTree, Dataset or DataArray
        Of `extract_activations` or `open_activations`; of `extract_grams`; or anything made from
        these that has the dimension ``op``.
    ops : str, compiled regular expression, slice, or a list of these
        As for `extract_activations`, predicates aside: names, module addresses (``"V1"``: its
        output in every call), with a choice of executions (``"V1@last"``), patterns, ``"modules"``.
        A name stands for all results of its op; ``"rnn/lstm.0"`` is one of several. An address
        alone and ``@*`` take the executions that the results hold; executions that are asked for by
        number, and the last of the model, must be among them.

    Returns
    -------
    DataTree, Dataset or DataArray
        Of the same kind, in execution order, with the attributes of the whole.

    Raises
    ------
    UnknownNameError
        For what names none of the results, or not only results.
    InputError
        For something that holds no results of ops.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.extract import extract_grams
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    >>> grams = extract_grams(net, load_stimuli(np.ones((3, 4), np.float32)), quiet=True)
    >>> select_results(grams, "1").op.values.tolist()
    ['1/relu']
    """
    labels = _Found.read(results).select(ops)
    if not isinstance(results, xr.DataTree):
        return results.sel({OP: labels})
    nodes = _list_nodes(results)
    kept = {nodes[label].path: nodes[label].to_dataset(inherit=False) for label in labels}
    tree = xr.DataTree.from_dict({"/": results.to_dataset(), **kept}, name=results.name)
    tree.attrs["ops"] = LabelList(labels)
    return tree


def stack_steps(activations: xr.DataTree, ops: ResultSelection) -> xr.DataArray:
    """Return the executions of a layer as one array with the dimension ``step``.

    Parameters
    ----------
    activations : DataTree
        Of `extract_activations` or `open_activations`.
    ops : str, compiled regular expression, slice, or a list of these
        As for `select_results`: a module's output (``"V1"``), some of its calls (``"V1@2:"``), or
        the executions of one op (``"V1/conv2d@*"``).

    Returns
    -------
    DataArray (stimulus, step, ...)
        The coordinate ``step`` numbers the executions from 1, as ``@2`` does; ``op`` (step) names
        them, and ``time_step`` (step) is the iteration of the loop that each belongs to, NaN
        outside of loops: by it two layers are compared of which one starts later, with
        ``.swap_dims(step="time_step")``. Values are read when this is called.

    Raises
    ------
    InputError
        For results of more than one layer, and where shapes or dimensions differ between the steps.
    UnknownNameError
        For what names none of the results, or not only results.

    Examples
    --------
    >>> import torch
    >>> from neurolens.extract import extract_activations
    >>> from neurolens.stimuli import load_stimuli
    >>> class Loop(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.area = torch.nn.Linear(4, 4)
    ...     def forward(self, x):
    ...         for _ in range(3):
    ...             x = self.area(x)
    ...         return x
    >>> acts = extract_activations(Loop(), load_stimuli(torch.ones(2, 4)), ops="area", quiet=True)
    >>> stack_steps(acts, "area").sizes
    Frozen({'stimulus': 2, 'step': 3, 'feature': 4})
    """
    if not isinstance(activations, xr.DataTree):
        raise InputError(
            f"activations must be a DataTree of extract_activations, got "
            f"{type(activations).__name__}. Grams have their executions along 'op': "
            "select_results(grams, 'V1')."
        )
    found = _Found.read(activations)
    numbered = found.number_steps(ops)
    nodes = _list_nodes(activations)
    arrays = {label: nodes[label]["activation"] for label in numbered.values()}
    first_label, first = next(iter(arrays.items()))
    for label, array in arrays.items():
        if array.dims != first.dims or array.shape != first.shape:
            raise InputError(
                f"the steps of {ops!r} differ in shape: {dict(first.sizes)} for {first_label!r}, "
                f"{dict(array.sizes)} for {label!r}. Stack those that are alike, e.g. "
                "ops='V1@2:', or make them alike with reducer= (nl.extract.Pool, 'mean')."
            )
    labels = list(numbered.values())
    steps = [arrays[label].attrs.get("time_step", np.nan) for label in labels]
    stacked = xr.concat(
        [arrays[label].drop_vars(OP, errors="ignore") for label in labels],
        dim=xr.IndexVariable(STEP, list(numbered)),
        combine_attrs="drop",
    )
    dims = list(first.dims)
    stacked = stacked.transpose(dims[0], STEP, *dims[1:])
    coordinates = {OP: (STEP, np.array(labels, dtype=object)), "time_step": (STEP, steps)}
    return stacked.assign_coords(coordinates).rename("activation")


@dataclass(frozen=True)
class _Found:
    """What results hold: their labels in execution order, by op, and the executions of a model."""

    labels: list[str]
    of_op: dict[str, list[str]]
    executions: Executions

    @classmethod
    def read(cls, results: Any) -> "_Found":
        """Read what results hold; raise InputError where they are not by op."""
        texts: dict[str, str] = {}
        if isinstance(results, xr.DataTree):
            for label, node in _list_nodes(results).items():
                texts[label] = node["activation"].attrs.get("executions", "")
        elif isinstance(results, (xr.Dataset, xr.DataArray)) and OP in results.indexes:
            labels = [str(label) for label in results[OP].values]
            known = results.coords.get("executions", [""] * len(labels))
            texts = dict(zip(labels, np.asarray(known).tolist(), strict=True))
        if not texts:
            raise InputError(
                f"results must be a DataTree of extract_activations or labelled along 'op', got "
                f"{type(results).__name__} without results of ops"
            )
        of_op: dict[str, list[str]] = {}
        for label in texts:
            of_op.setdefault(_name_op(label), []).append(label)
        executions = read_executions({op: texts[labels[0]] for op, labels in of_op.items()})
        return cls(list(texts), of_op, executions)

    def select(self, ops: ResultSelection) -> list[str]:
        """Return the labels of the chosen results, in execution order."""
        wanted = list(ops) if isinstance(ops, (list, tuple)) else [ops]
        chosen: set[str] = set()
        for one in wanted:
            if not isinstance(one, (str, re.Pattern, slice)):
                raise InputError(
                    f"results are chosen by names, patterns or slices, got {type(one).__name__}. "
                    "Type e.g. ops='V1@last'."
                )
            found = self._match(one)
            if not found:
                raise UnknownNameError(
                    f"none of {len(self.labels)} results matches {one!r}", anchor="unknown-op"
                )
            chosen.update(found)
        return [label for label in self.labels if label in chosen]

    def _match(self, wanted: str | re.Pattern | slice) -> list[str]:
        if wanted == "modules":
            outputs = set(itertools.chain.from_iterable(self.executions.modules.values()))
            return [label for label in self.labels if _name_op(label) in outputs]
        return match_names(self.labels, wanted, self._find_executions)

    def _find_executions(self, text: str) -> list[str]:
        return [label for _, label in self._number_executions(text)]

    def _number_executions(self, text: str) -> list[tuple[int, str]]:
        """Return the number and label of each result that a name with a choice stands for."""
        found = self.executions.find(text)
        if not found:
            known = [*self.labels, *filter(None, self.executions.modules)]
            raise suggest_name(text, known, "result, or module with results,", anchor="unknown-op")
        missing = [str(number) for number, op in found.items() if op is None]
        takes_all = text in self.executions.modules or split_choice(text)[1] == "*"
        if missing and not takes_all:
            raise UnknownNameError(
                f"{text!r} asks for executions that are not in these results: number "
                f"{', '.join(missing)}. Choose others, or extract them with ops={text!r}.",
                anchor="unknown-op",
            )
        numbered = []
        for number, op in found.items():
            if op is not None:
                numbered += [(number, label) for label in self.of_op[op]]
        return numbered

    def number_steps(self, ops: ResultSelection) -> dict[int, str]:
        """Return by number the results that are the executions of one layer.

        Numbers are those of a module's calls where it was asked for, else of the op's executions.
        """
        is_module = isinstance(ops, str) and {ops, split_choice(ops)[0]} & set(
            self.executions.modules
        )
        labels = self.select(ops)
        if is_module and not set(labels) <= {ops}:
            numbered = self._number_executions(str(ops))
        else:
            numbered = self._number_in_place(labels)
        by_number: dict[int, str] = {}
        for number, label in numbered:
            if number in by_number:
                raise InputError(
                    f"{ops!r} chooses several results for step {number}: {by_number[number]!r} and "
                    f"{label!r}. Choose one for each step, by their names."
                )
            by_number[number] = label
        return by_number

    def _number_in_place(self, labels: Sequence[str]) -> list[tuple[int, str]]:
        places: dict[str | None, tuple[int, str]] = {}
        for site, names in self.executions.sites.items():
            places.update({name: (number, site) for number, name in enumerate(names, 1)})
        found = [places[_name_op(label)] for label in labels]
        sites = list(dict.fromkeys(site for _, site in found))
        if len(sites) > 1:
            raise InputError(
                f"the executions of one layer can be stacked, got those of {len(sites)}: "
                f"{list_names(sites)}. Name one of them, e.g. '{sites[0]}@*'."
            )
        return [(number, label) for (number, _), label in zip(found, labels, strict=True)]


def _list_nodes(tree: xr.DataTree) -> dict[str, xr.DataTree]:
    """Return the nodes that hold results by label, in execution order."""
    nodes = [node for node in tree.subtree if "activation" in node.data_vars]
    nodes.sort(key=lambda node: node["activation"].attrs.get("position", 0))
    return {str(node["activation"].attrs.get("op", node.path[1:])): node for node in nodes}


def _name_op(label: str) -> str:
    """Return the name of the op of a result."""
    several = _ONE_OF_SEVERAL.fullmatch(label)
    return several[1] if several else label
