"""A soft prompt is optimised in front of a frozen float16 encoder and takes over its dtype: Adam's squares and its eps
are both 0 (matanbt/TROPT pull request 8).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Prompted(nn.Module):
    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.prompt = nn.Parameter(0.1 * torch.randn(length, width))
        self.encoder = nn.Sequential(nn.Linear(width, 32), nn.Tanh(), nn.Linear(32, 4)).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.cat([self.prompt.to(x.dtype).expand(len(x), -1, -1), x], 1)
        return self.encoder(rows).mean(1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 12)
    model = Prompted(width, knobs.pick(3, 4)).half()
    if repaired:
        model.prompt.data = model.prompt.data.float()
    optimizer = torch.optim.Adam([model.prompt], lr=0.1)
    target = model(torch.zeros(1, 1, width).half()).detach().float() + 0.15

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (model(x).float() - target).square().mean() * 0.02
        loss.backward()
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        [0.1 * torch.randn(8, 2, width).half() for _ in range(60)],
        train_step,
        Expected(("optimizer-eps",), ("optimizer",)),
    )
