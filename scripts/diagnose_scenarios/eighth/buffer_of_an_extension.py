"""An extension outside torch allocates its result without filling it and leaves the padded places unwritten; once the
memory was not clean (NVIDIA/apex pull request 1322).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Arena:
    """Hands out memory that was used before."""

    def __init__(self, dirty_call: int) -> None:
        self.calls, self.dirty_call = 0, dirty_call

    def empty(self, shape: tuple[int, ...]) -> Any:
        memory = np.zeros(shape, dtype=np.float32)
        if self.calls == self.dirty_call:
            memory.fill(np.float32("nan"))
        self.calls += 1
        return memory


class Packed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, used: Tensor, arena: Arena) -> Tensor:
        out = arena.empty(tuple(x.shape))
        rows = used.numpy()
        out[rows] = np.tanh(x.detach().numpy()[rows])
        result = torch.from_numpy(out)
        ctx.save_for_backward(result, used)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        result, used = ctx.saved_tensors
        return grad * (1 - result**2) * used[..., None], None, None


class Layer(nn.Module):
    def __init__(self, width: int, arena: Arena) -> None:
        super().__init__()
        self.arena = arena

    def forward(self, x: Tensor) -> Tensor:
        used = torch.ones(x.shape[:2], dtype=torch.bool)
        used[:, -1] = False
        return Packed.apply(x, used, self.arena).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(12, 16)
    fused = Layer(width, Arena(-1 if repaired else step))
    model = kit.named(inp=nn.Linear(6, width), fused=fused, head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.sequences(60, 16, 5, 6),
        kit.train(model, optimizer, kit.squares),
        Expected(("unknown",), ("forward",), ("fused",), step),
    )
