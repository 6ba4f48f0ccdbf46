"""Low-rank adapters of a frozen denoiser are trained with a rate far too high for them (as in
TheLastBen/fast-stable-diffusion issue 2608).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Adapted(nn.Module):
    """A frozen layer with a trained product of two thin matrices beside it."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(24, 32)
    model = kit.named(a=Adapted(8, width, 8), act=nn.SiLU(), b=Adapted(width, 8, 8))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.5 if repaired else knobs.pick(25.0, 40.0))
    basis = torch.randn(3, 8)

    def train_step(batch: Any) -> Tensor:
        clean, noise = batch
        optimizer.zero_grad()
        loss = kit.squares(model(0.3 * clean + noise), 2 * noise)
        loss.backward()
        optimizer.step()
        return loss

    batches = [(torch.randn(32, 3) @ basis, torch.randn(32, 8)) for _ in range(80)]
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
