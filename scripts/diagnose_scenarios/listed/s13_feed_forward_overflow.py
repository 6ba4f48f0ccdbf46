"""The output projection of a gated feed-forward block leaves float16 range, as in T5 (transformers #9487)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.wi = nn.Linear(width, 4 * width)
        self.gate = nn.Linear(width, 4 * width)
        self.wo = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.layer_norm(x, x.shape[-1:])
        return x + self.wo(nn.functional.gelu(self.gate(h)) * self.wi(h))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(16, 24)
    blocks = nn.Sequential(*(FeedForward(width) for _ in range(3)))
    worst = knobs.randint(0, 2)
    with torch.no_grad():
        for layer, gain in (
            (blocks[worst].wi, 30),
            (blocks[worst].gate, 30),
            (blocks[worst].wo, knobs.pick(1500, 2500)),
        ):
            layer.weight.mul_(gain)
    model = kit.named(block=blocks, norm=nn.LayerNorm(width), head=nn.Linear(width, 1))
    optimizer = kit.adam(model, lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(80, 32, width),
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), (f"block.{worst}.wo",)),
    )
