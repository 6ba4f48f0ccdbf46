"""Inside a feed-forward layer of a text model the values of a loud sample pass what a half holds, and the rest is not a
number; the values have to be kept in bounds or in a wider type (huggingface/transformers issue 9295).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.wi = nn.Linear(width, 2 * width)
        self.wo = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.wo(nn.functional.gelu(self.wi(x)))


class LongT5(nn.Module):
    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.ff = nn.ModuleList(FeedForward(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for layer in self.ff:
            h = layer(h)
        return self.head(self.norm(h.float()))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(4, 16)
    model = LongT5(6, 16, 2)
    with torch.no_grad():
        for layer in model.ff:
            layer.wo.weight.mul_(16.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    batches = kit.regression(60, 32, 6, 2)
    loud = batches[step][0].clone()
    row = knobs.randint(0, 31)
    with torch.no_grad():
        top = model.ff[1](model.ff[0](model.embed(1000 * loud[row]))).abs().max()
    loud[row] *= knobs.pick(120000.0, 140000.0) * 1000 / top
    batches = kit.at(batches, step, (loud, batches[step][1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=None if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("ff.0", "ff.1", "ff.0.wo", "ff.1.wo", "ff.1.wi", "ff.0.wi"), step),
    )
