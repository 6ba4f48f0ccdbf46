"""A frozen layer gives float16 activations of 50000 before a norm in single precision: large, and right."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class WideNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 20)
    stem = nn.Linear(6, width).requires_grad_(False)
    with torch.no_grad():
        stem.weight.mul_(4500)
        stem.bias.copy_(torch.linspace(-1, 1, width) * knobs.pick(40000, 42000))
    model = kit.named(stem=stem, norm=WideNorm(width), head=nn.Linear(width, 1))
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    batches = [(x.clamp(-2, 2), 3 * x[:, :1]) for x, _ in kit.regression(100, 32, 6)]
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.squares, amp=torch.float16))
