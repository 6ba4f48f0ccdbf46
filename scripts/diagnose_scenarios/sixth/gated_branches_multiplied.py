"""A pretrained feed-forward layer multiplies two branches of a few hundred each; the product leaves float16, which the
model was never trained in (huggingface/transformers issues 5651 and 9295).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class GatedDense(nn.Module):
    def __init__(self, width: int, inner: int, size: float) -> None:
        super().__init__()
        self.wi_0, self.wi_1 = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.wo = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.wi_0.weight.mul_(size)
            self.wi_1.weight.mul_(size)
            self.wo.weight.div_(size**2)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(nn.functional.gelu(self.wi_0(x)) * self.wi_1(x))


class Encoder(nn.Module):
    def __init__(self, width: int, size: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dense = GatedDense(width, 4 * width, size)
        self.final = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.final(x + self.dense(self.norm(x))))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Encoder(12, knobs.pick(400.0, 500.0))
    optimizer = kit.adam(model, lr=0.01)
    return Scenario(
        model,
        optimizer,
        kit.classes(50, 32, 12, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("dense",)),
    )
