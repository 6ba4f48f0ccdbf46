"""Faults of one operator that show only under a condition, for the tests of the probes that must notice them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from hwcompat.probes.simulate import _dispatch

FLOATS = (torch.float16, torch.bfloat16, torch.float32)
Change = Callable[[Any], None]
Condition = Callable[[int, list[Any], Any], bool]


def last(tensor: Any) -> tuple[int, ...]:
    return tuple(size - 1 for size in tensor.shape)


def last_is_nan(out: Any) -> None:
    out[last(out)] = float("nan")


def last_has_the_other_sign(out: Any) -> None:
    out[last(out)] = -out[last(out)] if float(out[last(out)]) else 1.0


def last_is_zero(out: Any) -> None:
    out[last(out)] = 0


def next_place(out: Any) -> None:
    if out.dim():
        out.copy_(out.clone().roll(1, -1))


def larger(out: Any) -> None:
    out.mul_(1 + 2**-4)


CHANGES = (last_is_nan, last_has_the_other_sign, next_place, larger)


def always(call: int, inputs: list[Any], out: Any) -> bool:
    return True


def strided(call: int, inputs: list[Any], out: Any) -> bool:
    return any(not x.is_contiguous() for x in inputs)


def second(call: int, inputs: list[Any], out: Any) -> bool:
    return call > 1


def odd(call: int, inputs: list[Any], out: Any) -> bool:
    return out.dim() > 0 and out.shape[-1] % 2 == 1


def every_third(call: int, inputs: list[Any], out: Any) -> bool:
    return call % 3 == 0


def long(call: int, inputs: list[Any], out: Any) -> bool:
    return bool(out.numel() >= 4096)


CONDITIONS = (strided, second, odd, every_third, long)


def broken(operator: str, change: Change = last_has_the_other_sign, when: Condition = always) -> Any:
    """A context manager: `change` is applied to the floating-point result of `operator` ("silu", "add.Tensor")."""
    calls = [0]

    def alter(name: str, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> Any:
        many = out if isinstance(out, (tuple, list)) else (out,)
        results = [t for t in many if isinstance(t, torch.Tensor) and t.dtype in FLOATS and t.numel()]
        if operator not in (name, str(func).replace("aten.", "")) or not results:
            return out
        calls[0] += 1
        if when(calls[0], [a for a in args if isinstance(a, torch.Tensor)], results[0]):
            change(results[0].detach())
        return out

    return _dispatch.after_each(torch, alter)
