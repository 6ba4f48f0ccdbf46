"""Faults that show only sometimes, for any operator: what a probe of moving and selecting must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from hwcompat.probes.simulate import _dispatch

NARROW = (torch.float16, torch.bfloat16, torch.float32)


def tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def spoilt(tensor: torch.Tensor, place: int = -1) -> torch.Tensor:
    """One element (the last) with its sign flipped, or a one instead of zero; integers and booleans changed too."""
    if tensor.numel() == 0:
        return tensor
    copy = tensor.clone()
    at = (place,) * copy.dim()
    if copy.dtype == torch.bool:
        copy[at] = ~copy[at]
    elif copy.is_floating_point():
        copy[at] = torch.where(copy[at] == 0, torch.ones_like(copy[at]), -copy[at])
        copy[at] = torch.where(torch.isnan(copy[at]), torch.ones_like(copy[at]), copy[at])
    else:
        copy[at] += 1
    return copy


def rolled(tensor: torch.Tensor) -> torch.Tensor:
    """Every element one place on."""
    return tensor.roll(1) if tensor.numel() > 1 else spoilt(tensor)


def channels_last(operands: Any) -> bool:
    return any(
        t.dim() == 4 and not t.is_contiguous() and t.is_contiguous(memory_format=torch.channels_last)
        for t in tensors(operands)
    )


Change = Callable[[Any, torch.Tensor, int], torch.Tensor]

CHANGES: dict[str, Change] = {
    "last element": lambda operands, out, call: spoilt(out),
    "first element": lambda operands, out, call: spoilt(out, 0),
    "all zero": lambda operands, out, call: torch.zeros_like(out),
    "off by one": lambda operands, out, call: rolled(out),
    "second call": lambda operands, out, call: spoilt(out) if call > 1 else out,
    "every fifth call": lambda operands, out, call: spoilt(out) if call % 5 == 0 else out,
    "odd length": lambda operands, out, call: spoilt(out) if out.dim() and out.shape[-1] % 2 else out,
    "large": lambda operands, out, call: spoilt(out) if out.numel() >= 1000 else out,
    "channels_last": lambda operands, out, call: spoilt(out) if channels_last(operands) else out,
    "not contiguous": lambda operands, out, call: (
        spoilt(out) if any(t.dim() > 1 and not t.is_contiguous() for t in tensors(operands)) else out
    ),
}


def broken(name: str, change: str | Change, part: int | None = None) -> Any:
    """A context manager in which operator `name` on narrow floating-point tensors gives altered results.

    `part`: which of several results is altered; None: all. In-place operators are altered in place.
    """
    alter_one = CHANGES[change] if isinstance(change, str) else change
    calls = 0

    def altered(operands: Any, out: Any, in_place: bool) -> Any:
        if not isinstance(out, torch.Tensor):
            return out
        new = alter_one(operands, out, calls)
        return out.copy_(new) if in_place else new

    def alter(called: str, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        nonlocal calls
        operands = (args, list(kwargs.values()))
        if called != name or not any(t.dtype in NARROW for t in tensors((operands, out))):
            return out
        calls += 1
        in_place = (name.endswith("_") and not name.startswith("_")) or "out" in kwargs
        if isinstance(out, torch.Tensor):
            return altered(operands, out, in_place)
        made = [altered(operands, o, in_place) if part in (None, n) else o for n, o in enumerate(out)]
        return made if isinstance(out, list) else tuple(made)

    return _dispatch.after_each(torch, alter)
