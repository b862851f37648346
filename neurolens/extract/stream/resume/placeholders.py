"""Tensors without memory, in place of results that a pass does not compute."""

from typing import Any

import torch


class PlaceholderRead(BaseException):
    """Ends a pass in which something wanted the values of a result that was not computed.

    It is never raised to callers outside this package.
    """


class Placeholder(torch.Tensor):
    """A tensor with shape, dtype and device, and no values.

    Any kernel of torch that is called with it raises `PlaceholderRead`, also from code that no
    function mode sees. Strides are those of a contiguous tensor.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(
        cls, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> "Placeholder":
        """Return a placeholder, which takes no memory whatever its shape."""
        make = torch.Tensor._make_wrapper_subclass
        return make(cls, shape, dtype=dtype, device=device)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Refuse to compute."""
        raise PlaceholderRead(f"{func} wants the values of a result that is not computed")
