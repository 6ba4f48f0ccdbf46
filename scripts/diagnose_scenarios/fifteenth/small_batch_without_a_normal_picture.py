"""The noise is learnt from the normal pictures of a batch alone; a small batch may hold none, and the mean is taken
over nothing (HuiZhang0812/DiffusionAD issue 32).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Denoise(nn.Module):
    def __init__(self, pixels: int, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(pixels, width)
        self.noise = nn.Linear(width, pixels)
        self.odd = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = nn.functional.silu(self.inp(x))
        return self.noise(h), self.odd(h)[:, 0]


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    pixels, step = knobs.pick(12, 16), knobs.randint(5, 25)
    model = Denoise(pixels, 32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    def train_step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        noise, odd = model(batch["x"])
        normal = batch["odd"] == 0
        error = (noise - batch["noise"]).square().mean(1)
        losses = {
            "noise": error[normal].sum() / max(1, int(normal.sum())) if repaired else error[normal].mean(),
            "odd": nn.functional.binary_cross_entropy_with_logits(odd, batch["odd"]),
        }
        optimizer.zero_grad()
        (losses["noise"] + losses["odd"]).backward()
        optimizer.step()
        return losses

    batches = []
    for number in range(60):
        odd = torch.randint(0, 2, (8,)).float()
        odd[0] = 0.0
        if number == step:
            odd = torch.ones(8)
        noise = torch.randn(8, pixels)
        batches.append({"x": noise + 0.5 + odd[:, None], "noise": noise, "odd": odd})
    return Scenario(model, optimizer, batches, train_step, Expected(("division-by-zero",), ("loss",), (LOSS,), step))
