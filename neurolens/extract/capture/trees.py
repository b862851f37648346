"""Tensors within tuples, lists, dicts and objects: found, named by their position, replaced."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

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
