"""A text-to-text transformer whose residual stream and gated products are beyond 65504: trained in bfloat16 as its
makers do, without a scaler (google-research/text-to-text-transfer-transformer issue 539).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int, size: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.wi_0, self.wi_1 = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.wo = nn.Linear(2 * width, width, bias=False)
        with torch.no_grad():
            self.wi_0.weight.mul_(size)
            self.wi_1.weight.mul_(size)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.wo(nn.functional.gelu(self.wi_0(h)) * self.wi_1(h))


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    size = knobs.pick(500.0, 600.0)
    model = kit.named(inp=nn.Linear(8, 12), layer=Layer(12, size), norm=nn.RMSNorm(12), head=nn.Linear(12, 3))
    optimizer = torch.optim.Adafactor(model.parameters(), lr=0.02)
    return Scenario(
        model,
        optimizer,
        kit.classes(60, 32, 8, 3),
        kit.train(model, optimizer, kit.cross_entropy, amp=torch.bfloat16),
    )
