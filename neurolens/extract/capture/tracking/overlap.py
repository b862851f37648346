"""Whether two tensors on one memory can have elements in common."""

import torch


def may_overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return False only where two tensors on one memory surely share no element.

    That is so for disjoint ranges, and for disjoint slices of one tensor.
    """
    if a is b or not (_is_plain(a) and _is_plain(b)):
        return True
    first = _find_span(a)
    second = _find_span(b)
    if first.stop <= second.start or second.stop <= first.start:
        return False
    if a.stride() != b.stride() or a.dtype != b.dtype:
        return True
    return _slices_overlap(a, b)


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.numel() > 0


def _find_span(tensor: torch.Tensor) -> range:
    """Return the bytes of its memory from a tensor's first element to its last."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    reach = sum((size - 1) * stride for size, stride in steps)
    start = tensor.storage_offset() * tensor.element_size()
    return range(start, start + (reach + 1) * tensor.element_size())


def _slices_overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return False only where two tensors of equal strides are surely disjoint slices of one.

    The ranges of indices are compared axis by axis, largest stride first.
    """
    left = int(a.storage_offset())
    right = int(b.storage_offset())
    limit = None
    strides = a.stride()
    for axis in sorted(range(a.ndim), key=lambda i: -strides[i]):
        stride = strides[axis]
        if stride == 0:
            return True
        (i, left) = divmod(left, stride)
        (j, right) = divmod(right, stride)
        if limit is not None and max(i + a.shape[axis], j + b.shape[axis]) * stride > limit:
            return True
        if i + a.shape[axis] <= j or j + b.shape[axis] <= i:
            return False
        limit = stride
    return True
