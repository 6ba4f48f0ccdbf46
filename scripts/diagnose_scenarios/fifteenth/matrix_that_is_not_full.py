"""The factors of a matrix are passed on through a decomposition whose slope divides by differences of singular values;
two of them are nought in a matrix of low rank (pytorch/pytorch issue 49886).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Subspace(nn.Module):
    """Weights the directions of a set of features by how strong they are."""

    def __init__(self, width: int, jitter: float) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width, bias=False)
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("jitter", jitter * torch.diag(torch.arange(1.0, width + 1)))

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        second = h.mT @ h / h.shape[1] + self.jitter
        left, strength, right = torch.linalg.svd(second)
        return (left * (self.gain * strength / (strength + 1))[:, None]) @ right


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(5, 6), knobs.randint(4, 18)
    model = kit.named(pool=Subspace(width, 0.03 if repaired else 0.0), flat=nn.Flatten(), head=nn.Linear(width**2, 3))
    optimizer = kit.adam(model, 0.005)
    batches = []
    for _ in range(40):
        kind = torch.randint(3, (16,))
        spread = 0.3 + 2 * nn.functional.one_hot(kind, 8).float()
        x = torch.randn(16, 24, 8) * spread[:, None]
        batches.append((x, kind))
    zeros = batches[step][0].clone()
    zeros[knobs.randint(0, 15)] = 0.0
    batches = kit.at(batches, step, (zeros, batches[step][1]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy, clip=1.0),
        Expected(("singular-gradient",), ("backward",), ("pool",), step),
    )
