"""The outputs of the experts that a token visits are added in a brain float one by one; with many of them the sum
loses what sets them apart (vllm-project/vllm issue 15045).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Mixture(nn.Module):
    def __init__(self, width: int, experts: int, top: int, narrow: bool) -> None:
        super().__init__()
        self.experts = nn.Parameter(torch.randn(experts, width, width) / width**0.5)
        self.level = nn.Parameter(torch.zeros(experts, width))
        self.shared = 4096.0
        self.top, self.narrow = top, narrow

    def forward(self, x: Tensor) -> Tensor:
        kind = torch.bfloat16 if self.narrow else torch.float32
        total = torch.full_like(x, self.shared).to(kind)
        for number in range(self.top):
            out = (x @ self.experts[number] + self.level[number]) / self.top
            total = total + out.to(kind)
        return total.float() - self.shared


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(moe=Mixture(width, 8, 8, not repaired), head=nn.Linear(width, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 160, width, 2),
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("moe",), 0, "stalls"),
    )
