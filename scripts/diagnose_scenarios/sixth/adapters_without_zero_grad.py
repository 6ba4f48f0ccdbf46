"""A trainer for low-rank adapters steps its optimizer and leaves the gradients standing (tenstorrent/tt-blacksmith
pull request 711).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Lora(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.lora_a = nn.Linear(inputs, rank, bias=False)
        self.lora_b = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.lora_b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2 * self.lora_b(self.lora_a(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(fc1=Lora(8, 24, 4), act=nn.LeakyReLU(0.2), fc2=Lora(24, 2, knobs.pick(2, 4)))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.05, momentum=knobs.pick(0.8, 0.9))

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        if repaired:
            optimizer.zero_grad(set_to_none=True)
        return loss

    return Scenario(
        model,
        optimizer,
        kit.regression(120, 32, 8, 2),
        train_step,
        Expected(("zero-grad",), (), (), None, "nonfinite"),
    )
