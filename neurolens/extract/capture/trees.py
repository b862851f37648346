"""Tensors within tuples, lists, dicts and objects: found, named by their position, replaced."""

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

from neurolens.extract.capture.events import read_storage

Leaf = TypeVar("Leaf")


def iterate_tensors(result: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in a result.

    A result is a tensor, or (nested) tuples, lists, dicts and dataclass-like objects of tensors.
    """
    if isinstance(result, torch.Tensor):
        yield result
    else:
        for _, item in list_items(result):
            yield from iterate_tensors(item)


def name_tensors(tree: Any, path: str) -> Iterator[tuple[torch.Tensor, str]]:
    """Yield (tensor, path) for every tensor in a nested structure.

    Paths are ``input``, ``input.1``, ``input.mask``.
    """
    if isinstance(tree, torch.Tensor):
        yield tree, path
    else:
        for key, item in list_items(tree):
            yield from name_tensors(item, f"{path}.{key}")


def list_items(tree: Any) -> Iterable[tuple[Any, Any]]:
    """Return the items of a tuple, list, slice or dict, by key.

    For a plain object these are the tensors and containers that it holds.
    """
    if isinstance(tree, (tuple, list)):
        return () if isinstance(tree, torch.Size) else enumerate(tree)
    if isinstance(tree, slice):
        return enumerate((tree.start, tree.stop, tree.step))
    if isinstance(tree, dict):
        return tree.items()
    if tree is None or isinstance(tree, (str, bytes, int, float, complex, type, torch.nn.Module)):
        return ()
    if hasattr(tree, "__dataclass_fields__"):
        return ((name, getattr(tree, name, None)) for name in tree.__dataclass_fields__)
    held = getattr(tree, "__dict__", None)
    if not isinstance(held, dict) or callable(tree):
        return ()
    return [
        (name, item)
        for name, item in held.items()
        if isinstance(item, (torch.Tensor, tuple, list, dict))
    ]


def replace_leaves(
    tree: Any, kind: type[Leaf], make: Callable[[Leaf, str], Any], path: str = ""
) -> Any:
    """Return a nested structure with each object of a kind replaced by ``make(leaf, path)``.

    Other objects are kept.
    """
    if isinstance(tree, kind):
        return make(tree, path)
    if type(tree) in (tuple, list):
        return type(tree)(
            replace_leaves(item, kind, make, f"{path}.{i}") for i, item in enumerate(tree)
        )
    if type(tree) is slice:
        return slice(*replace_leaves((tree.start, tree.stop, tree.step), kind, make, path))
    if type(tree) is dict:
        return {
            key: replace_leaves(item, kind, make, f"{path}.{key}") for key, item in tree.items()
        }
    return tree


def copy_tensors(tree: Any) -> Any:
    """Return a nested structure with each tensor cloned; what is no tensor is shared.

    Clones are in the autograd graph where gradients are on. A tensor that stands at two places
    stays one tensor, and tensors that share memory go on sharing it. Objects that hold tensors are
    copied along; one that cannot be copied is kept, and its tensors with it.
    """
    by_id = {id(tensor): tensor for tensor in iterate_tensors(tree)}
    storages = {key: read_storage(tensor) for key, tensor in by_id.items()}
    n_sharing = Counter(storages.values())
    memo: dict[int, Any] = {}
    copies: dict[int, torch.Tensor] = {}
    for key, tensor in by_id.items():
        is_in_graph = tensor.requires_grad and torch.is_grad_enabled()
        if storages[key] and n_sharing[storages[key]] > 1 and not is_in_graph:
            copies[key] = copy.deepcopy(tensor.detach(), memo)
        else:
            copies[key] = tensor.clone()
    return replace_tensors(tree, copies)


def replace_tensors(tree: Any, copies: dict[int, torch.Tensor]) -> Any:
    """Return a nested structure with other tensors, by the id of those that stand there."""
    if isinstance(tree, torch.Tensor):
        return copies.get(id(tree), tree)
    items = list(list_items(tree))
    if not items or next(iterate_tensors(tree), None) is None:
        return tree
    replaced = {key: replace_tensors(item, copies) for key, item in items}
    if isinstance(tree, slice):
        return slice(*replaced.values())
    if type(tree) in (tuple, list):
        return type(tree)(replaced.values())
    if isinstance(tree, tuple):
        return tree._make(replaced.values()) if hasattr(tree, "_make") else tree
    try:
        twin = copy.copy(tree)
    except Exception:
        return tree
    is_container = isinstance(tree, (list, dict))
    for key, item in replaced.items():
        if is_container:
            twin[key] = item
        else:
            object.__setattr__(twin, key, item)
    return twin
