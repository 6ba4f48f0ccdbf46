"""A flow of invertible layers on data that lie close to a line: the density is large, the loss negative and falls on,
and the logarithms of the scales grow.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Coupling(nn.Module):
    def __init__(self, width: int, first: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 2))
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)
        self.first = first

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.unbind(1) if self.first else x.unbind(1)[::-1]
        shift, scale = self.net(kept[:, None]).unbind(1)
        scale = 4 * torch.tanh(scale / 4)
        changed = changed * scale.exp() + shift
        return torch.stack([kept, changed] if self.first else [changed, kept], 1), scale


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.ModuleList(Coupling(knobs.pick(12, 16), bool(i % 2)) for i in range(4))
    optimizer = kit.adam(model, lr=0.01)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        total = torch.zeros(len(x))
        for layer in model:
            x, scale = layer(x)
            total = total + scale
        loss = (0.5 * x.square().sum(1) - total).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    batches = []
    for _ in range(80):
        t = torch.randn(64, 1)
        batches.append(torch.cat([t, 0.5 * t + 0.02 * torch.randn(64, 1)], 1))
    return Scenario(model, optimizer, batches, train_step)
