"""A point far from every template has a likelihood of zero under all of them; its logarithm is taken after the sum
(as in mlberkeley/scae-pytorch pull request 4, which sums the logarithms instead).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Templates(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(2 * torch.randn(count, width))
        self.mixing = nn.Parameter(torch.zeros(count))

    def forward(self, x: Tensor) -> Tensor:
        """Log densities of each template [batch, count]."""
        return self.mixing.log_softmax(-1) - 0.5 * (x[:, None] - self.centres).square().sum(-1)


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(4, 6)
    model = Templates(6, width)
    optimizer = kit.adam(model, lr=0.03)

    def criterion(p: Tensor, y: Tensor) -> Tensor:
        return -(p.logsumexp(-1) if repaired else p.exp().sum(-1).log()).mean()

    truth = 3 * torch.randn(4, width)
    batches = []
    for number in range(80):
        y = torch.randint(4, (32,))
        x = truth[y] * 0.6 + 0.3 * torch.randn(32, width)
        if number == step:
            x[0] += 13.0
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
