"""Pictures are shrunk and brought back by couplings that can be inverted, each with a factor of an exponential; stacked
they multiply, and without clipping the loss converges first and diverges then (pkuxmq/Invertible-Image-Rescaling issue
24).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Coupling(nn.Module):
    def __init__(self, half: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.Linear(half, width), nn.LeakyReLU(0.2), nn.Linear(width, half))
        self.shift = nn.Sequential(nn.Linear(half, width), nn.LeakyReLU(0.2), nn.Linear(width, half))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        b = b * (2 * self.scale(a).sigmoid() - 1).mul(1.5).exp() + self.shift(a)
        return torch.cat([b, a], 1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    blocks = knobs.pick(10, 12)
    model = nn.Sequential(*[Coupling(4, 8) for _ in range(blocks)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    def train_step(picture: Tensor) -> Tensor:
        optimizer.zero_grad()
        small = model(picture)
        loss = (small[:, :4] - (picture[:, :4] + picture[:, 4:]) / 2).square().sum(1).mean()
        loss = loss + 0.5 * small[:, 4:].square().sum(1).mean()
        loss.backward()
        if repaired:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    batches = []
    for _ in range(70):
        even = torch.randn(24, 4)
        batches.append(torch.cat([even, even + 0.3 * torch.randn(24, 4)], 1) * 1.5)
    return Scenario(model, optimizer, batches, train_step, Expected(("exploding-gradients",), (), (), None))
