"""A batch norm written by hand divides by the unbiased deviation over the batch, which a batch of one name does not
have (karpathy/makemore issue 22).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        var = x.var(0, keepdim=True)
        return self.gain * (x - x.mean(0, keepdim=True)) / (var + 1e-5).sqrt() + self.bias


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, letters = knobs.step(), knobs.pick(12, 16)
    model = kit.named(
        embed=nn.Embedding(letters, 8),
        flat=nn.Flatten(),
        fc=nn.Linear(24, 48, bias=False),
        norm=Norm(48),
        act=nn.Tanh(),
        head=nn.Linear(48, letters),
    )
    optimizer = kit.sgd(model, lr=0.3)
    batches = []
    for number in range(80):
        x = torch.randint(letters, (1 if number == step and not repaired else 32, 3))
        batches.append((x, x[:, 2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("batch-statistics",), ("forward",), ("norm",), step),
    )
