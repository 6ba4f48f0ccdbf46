"""exp of an unbounded log-variance in float16 (pyg-team/pytorch_geometric issue 500)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Sampler(nn.Module):
    def __init__(self, width: int, top: float) -> None:
        super().__init__()
        self.mean = nn.Linear(width, 4)
        self.logvar = nn.Linear(width, 4)
        self.top = top

    def forward(self, h: Tensor) -> Tensor:
        spread = self.logvar(h).clamp(max=self.top).exp()
        return self.mean(h) + spread * 0.01 * torch.randn_like(spread)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(8, width), act=nn.Tanh(), sample=Sampler(width, 1.0 if repaired else 99.0))
    model.add_module("dec", nn.Linear(4, 8))
    with torch.no_grad():
        model.sample.logvar.bias.fill_(knobs.pick(12.0, 13.0))
    optimizer = kit.adam(model, lr=0.02)
    xs = [x @ torch.ones(2, 8) + y for x, y in kit.regression(100, 32, 2)]
    return Scenario(
        model,
        optimizer,
        [(x, x) for x in xs],
        kit.train(model, optimizer, kit.squares, amp=torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("sample",)),
    )
