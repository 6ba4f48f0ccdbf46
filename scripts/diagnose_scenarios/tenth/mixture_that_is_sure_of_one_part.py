"""A mixture of densities takes the logarithm of its softmaxed shares; once it is sure of one part for some input, the
share of another is zero (tonyduan/mixture-density-network pull request 4).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, parts: int, width: int, direct: bool) -> None:
        super().__init__()
        self.share = nn.Sequential(nn.Linear(1, width), nn.ELU(), nn.Linear(width, parts))
        self.normal = nn.Sequential(nn.Linear(1, width), nn.ELU(), nn.Linear(width, 2 * parts))
        self.direct = direct

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        logits = self.share(x)
        share = logits.log_softmax(1) if self.direct else logits.softmax(1).log()
        mean, raw = self.normal(x).chunk(2, 1)
        spread = nn.functional.elu(raw) + 1.01
        density = -0.5 * ((y - mean) / spread).square() - spread.log()
        return -(share + density).logsumexp(1).mean()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(10, 21)
    model = nn.ModuleDict({"mixture": Mixture(knobs.pick(3, 4), 16, repaired)})
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = model["mixture"](*batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    batches = []
    for number in range(60):
        x = 4 * torch.rand(48, 1) - 2
        y = 2 * x.sign() * torch.where(torch.rand(48, 1) < 0.5, 1.0, -0.5) + 0.1 * torch.randn(48, 1)
        if number == step:
            x[0] = knobs.pick(3000.0, 4000.0)
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("underflow",), ("forward", "backward", "loss"), ("mixture",), step),
        learns=False,
    )
