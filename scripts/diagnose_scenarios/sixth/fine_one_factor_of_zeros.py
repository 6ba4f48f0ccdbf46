"""Low-rank adapters start with one factor at 0: at the first step the other factor's gradient is exactly 0, and only
then (yz93/LAVT-RIS issue 25, the repair).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Lora(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.lora_a = nn.Linear(inputs, rank, bias=False)
        self.lora_b = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.lora_b.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 4 * self.lora_b(self.lora_a(x))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(q=Lora(8, 16, 4), act=nn.SiLU(), o=Lora(16, 1, knobs.pick(2, 4)))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    return Scenario(model, optimizer, kit.regression(60, 32, 8), kit.train(model, optimizer, kit.squares))
