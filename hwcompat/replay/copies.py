"""Copies of what an operator was given: kernels look at strides, at alignment, and at which operands share memory."""

from typing import Dict, List

import torch
from torch.utils._pytree import tree_flatten, tree_map

from .shadow import key_of
from .trees import is_plain


def copied(args, kwargs, change=None):
    """(args, kwargs) with every tensor copied; operands that are views of one memory are views of one again.

    `change` maps each copy.
    """
    shared = _shared([t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor) and is_plain(t)])

    def copy(value):
        if not isinstance(value, torch.Tensor):
            return value
        memory = shared.get(key_of(value)) if is_plain(value) else None
        if memory is None or value.dtype != memory.dtype:
            own = cloned(value)
        else:
            own = memory.as_strided(value.size(), value.stride(), value.storage_offset())
        return own if change is None else change(own)

    return tree_map(copy, args), tree_map(copy, kwargs)


def _shared(tensors):
    """The copied memory of each storage that several of the tensors are views of."""
    groups: Dict[int, List[torch.Tensor]] = {}
    for tensor in tensors:
        if tensor.layout == torch.strided and tensor.numel():
            groups.setdefault(key_of(tensor), []).append(tensor)
    copies = {key: _memory(group) for key, group in groups.items() if len(group) > 1}
    return {key: memory for key, memory in copies.items() if memory is not None}


def _memory(views):
    """One copy of the memory that the views span, or None where most of it is no part of them."""
    start, end = min(t.storage_offset() for t in views), max(_end(t) for t in views)
    first = views[0]
    if start > OFFSET or any(t.dtype != first.dtype for t in views) or end - start > sum(t.numel() for t in views):
        return None
    memory = torch.empty(end, dtype=first.dtype, device=first.device)
    memory[start:].copy_(first.detach().as_strided((end - start,), (1,), start))
    return memory


def _end(tensor):
    return tensor.storage_offset() + _span(tensor)


def _span(tensor):
    return 1 + sum((size - 1) * step for size, step in zip(tensor.size(), tensor.stride())) if tensor.numel() else 0


def cloned(value):
    """A tensor's copy with the same strides, as far from the start of its memory; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    if value.layout != torch.strided:
        return value.clone()
    repeated = [d for d, (size, step) in enumerate(zip(value.size(), value.stride())) if size > 1 and step == 0]
    if repeated:  # one row that stands for many stays one row
        single = value
        for dimension in repeated:
            single = single.narrow(dimension, 0, 1)
        return cloned(single).expand(value.size())
    try:
        if all(step > 0 or size <= 1 for size, step in zip(value.size(), value.stride())):
            return _room(value).copy_(value)
    except RuntimeError:
        pass
    return value.detach().clone()


OFFSET = 1 << 20
"""Elements in front of a view that are kept empty in its copy: kernels look at alignment."""


def _room(value):
    start = value.storage_offset()
    if not 0 < start <= OFFSET:
        return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device=value.device)
    memory = torch.empty(start + _span(value), dtype=value.dtype, device=value.device)
    return memory.as_strided(value.size(), value.stride(), start)
