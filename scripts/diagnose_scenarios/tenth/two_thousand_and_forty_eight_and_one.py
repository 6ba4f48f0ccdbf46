"""A product of matrices written by hand keeps its running sum in float16; behind a first term of thousands the rest of
the row is below half a step of the sum (NVIDIA/cutlass issue 1188).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class HalfProduct(nn.Module):
    def __init__(self, inputs: int, outputs: int, accumulator: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.accumulator = accumulator

    def forward(self, x: Tensor) -> Tensor:
        x, weight = x.half(), self.weight.half()
        total = torch.zeros(len(x), weight.shape[1], dtype=self.accumulator)
        for k in range(x.shape[1]):
            total = total + (x[:, k : k + 1] * weight[k]).to(self.accumulator)
        return total.float()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    inputs, width = 12, knobs.pick(16, 24)
    model = kit.named(
        product=HalfProduct(inputs, width, torch.float32 if repaired else torch.float16),
        norm=nn.BatchNorm1d(width),
        act=nn.ReLU(),
        head=nn.Linear(width, 1),
    )
    with torch.no_grad():
        model.head.weight.mul_(0.1)
        model.product.weight[0] = torch.where(torch.rand(width) < 0.5, -1.0, 1.0) * (3.2 + 0.5 * torch.rand(width))
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.02)
    large = knobs.pick(4096.0, 5120.0)
    batches = []
    for x, _ in kit.regression(60, 64, inputs):
        y = x[:, 1:2] - x[:, 2:3]
        y = (y - y.mean()) / y.std()
        x[:, 0] = large
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("fp16-accumulation",), ("forward",), ("product",), None, "stalls"),
    )
