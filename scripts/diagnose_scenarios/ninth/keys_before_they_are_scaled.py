"""Queries are multiplied with keys first and divided by the root of their width afterwards: in float16 the undivided
product of a loud stretch is infinite (flashlight/flashlight pull request 448).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, inputs: int, width: int, early: bool) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(inputs, width, bias=False), nn.Linear(inputs, width, bias=False)
        self.value = nn.Linear(inputs, inputs)
        self.early, self.factor = early, width**-0.5
        with torch.no_grad():
            self.query.weight.mul_(10)
            self.key.weight.copy_(self.query.weight)

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.query(x), self.key(x)
        if self.early:
            scores = (q * self.factor) @ k.transpose(1, 2)
        else:
            scores = (q @ k.transpose(1, 2)) * self.factor
        return x + scores.float().softmax(-1).to(x.dtype) @ self.value(x)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(64, 96)
    model = kit.named(attn=Attention(8, width, repaired), head=nn.Linear(8, 3))
    optimizer = kit.adam(model, lr=0.005)
    batches = kit.sequences(50, 16, 6, 8, 3)
    x, _ = batches[step]
    batches[step] = (x * torch.where(torch.arange(16) == knobs.randint(0, 15), 8.0, 1.0)[:, None, None], batches[0][1])
    wanted = torch.randn(8, 3) / 3
    return Scenario(
        model,
        optimizer,
        [(x, (x / (1 + x.abs().amax((1, 2), keepdim=True) / 4)) @ wanted) for x, _ in batches],
        kit.train(model, optimizer, nn.functional.smooth_l1_loss, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("attn",), step),
    )
