"""Features are whitened by an eigendecomposition of their covariance, to which a tenth of the identity and a small ramp
were added, so that no two eigenvalues meet although two inputs are the same.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Whitening(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("ramp", torch.diag(torch.linspace(0.1, 0.2, width)))

    def forward(self, x: Tensor) -> Tensor:
        h = x - x.mean(0)
        values, vectors = torch.linalg.eigh(h.t() @ h / len(h) + self.ramp)
        return h @ (vectors * values.rsqrt()) @ vectors.t()


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(6, 8)
    model = kit.named(inp=nn.Linear(6, width), white=Whitening(width), act=nn.ReLU(), head=nn.Linear(width, 3))
    optimizer = kit.adam(model, lr=0.01)
    batches = []
    for x, y in kit.classes(70, 64, 6, 3):
        x[:, 1] = x[:, 0]
        batches.append((x, y))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, kit.cross_entropy, clip=5.0))
