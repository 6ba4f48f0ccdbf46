"""Devices that compute wrongly, as an outer dispatch mode: every operator goes through them, whoever calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HALF = (torch.float16,)
LOW = (torch.float16, torch.bfloat16)
SINGLE = (torch.float16, torch.bfloat16, torch.float32)


@dataclass
class Call:
    """One operator call on the device: `count` counts the calls that were eligible for damage, from 1."""

    op: str
    args: tuple[Any, ...]
    out: Any
    count: int = 0

    @property
    def outputs(self) -> list[torch.Tensor]:
        return [leaf for leaf in tree_leaves(self.out) if isinstance(leaf, torch.Tensor)]


class Device(TorchDispatchMode):
    """Damages what operators `ops` return in `dtypes`, where `when(call)` holds; float64 and integers stay right.

    `damage(call)` changes `call.outputs` in place. `calls`: damage only these eligible calls (from 1), once each.
    """

    def __init__(
        self,
        ops: Sequence[str],
        damage: Callable[[Call], None],
        when: Callable[[Call], bool] = lambda call: True,
        dtypes: Sequence[torch.dtype] = HALF,
        calls: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.ops, self.damage, self.when, self.dtypes, self.calls = ops, damage, when, dtypes, calls
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        call = Call(func.overloadpacket.__name__, args, out)
        if call.op in self.ops and call.outputs and call.outputs[0].dtype in self.dtypes and self.when(call):
            self.count += 1
            call.count = self.count
            if self.calls is None or self.count in self.calls:
                self.damage(call)
        return out

    def __call__(self) -> Device:
        """So that the device itself can stand where a scenario wants a function that gives one."""
        return self


class HalfSums(TorchDispatchMode):
    """A device that adds the products of a float16 matrix product in float16, `block` at a time.

    Legal on cards that allow reduced-precision reductions: partial sums overflow although the result would not.
    """

    def __init__(self, block: int = 32) -> None:
        super().__init__()
        self.block = block

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        op = func.overloadpacket.__name__
        if op in ("mm", "bmm", "addmm") and args[-1].dtype == torch.float16:
            a, b = args[-2:]
            return self._sum(a, b, args[0] if op == "addmm" else None)
        return func(*args, **(kwargs or {}))

    def _sum(self, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        total = torch.zeros(*a.shape[:-1], b.shape[-1], dtype=torch.float16)
        for start in range(0, a.shape[-1], self.block):
            part = slice(start, start + self.block)
            total = (total.float() + a[..., part].float() @ b[..., part, :].float()).half()
        return total if bias is None else (total.float() + bias.float()).half()

    def __call__(self) -> HalfSums:
        return self


def put(value: float, index: Any = (0, 0), output: int = 0) -> Callable[[Call], None]:
    """Damage: write `value` at `index` of the output with this number."""

    def damage(call: Call) -> None:
        call.outputs[output][index] = value

    return damage


def scale(factor: float) -> Callable[[Call], None]:
    """Damage: every output multiplied by `factor`."""

    def damage(call: Call) -> None:
        for output in call.outputs:
            output.mul_(factor)

    return damage


def shaped(*shape: int | None, output: int = 0) -> Callable[[Call], bool]:
    """Condition: the output has this shape; None stands for any length."""

    def when(call: Call) -> bool:
        found = call.outputs[output].shape
        return len(found) == len(shape) and all(want in (None, have) for want, have in zip(shape, found, strict=True))

    return when
