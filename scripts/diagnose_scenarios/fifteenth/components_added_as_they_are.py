"""The density of a mixture is the sum of the densities of its parts; far away from all of them each is nought, and so
is the sum whose logarithm is needed (diana-hep/carl issue 13).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, parts: int, safe: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(parts))
        self.mean = nn.Parameter(torch.linspace(-1, 1, parts))
        self.log_std = nn.Parameter(torch.zeros(parts))
        self.safe = safe

    def forward(self, x: Tensor) -> Tensor:
        z = (x[:, None] - self.mean) * (-self.log_std).exp()
        each = self.weight.log_softmax(0) - 0.5 * z.square() - self.log_std - 0.919
        return each.logsumexp(1) if self.safe else each.exp().sum(1).log()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    parts, step = knobs.pick(3, 4), knobs.randint(6, 20)
    model = kit.named(density=Mixture(parts, repaired))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train_step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = -model(x).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    events = []
    for number in range(60):
        x = 0.15 * torch.randn(64) + torch.randint(0, 2, (64,)) - 0.5
        if number == step:
            x[knobs.randint(0, 63)] = knobs.pick(-1, 1) * knobs.pick(60.0, 90.0)
        events.append(x)
    return Scenario(model, optimizer, events, train_step, Expected(("underflow",), ("forward",), ("density",), step))
