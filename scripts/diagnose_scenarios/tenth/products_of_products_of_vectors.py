"""Each layer multiplies what it has with itself in a geometric product; in half precision the third layer leaves the
range that the first two keep (Qualcomm-AI-research/geometric-algebra-transformer issue 15).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Product(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.left, self.right, self.out = (nn.Linear(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.left(x), self.right(x)
        scalar = (a * b).sum(1, keepdim=True)
        turned = a.roll(1, 1) * b.roll(-1, 1) - a.roll(-1, 1) * b.roll(1, 1)
        return self.out(turned + scalar)


class Net(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lift = nn.Linear(4, channels)
        self.product1, self.product2, self.product3 = (Product(channels) for _ in range(3))
        self.norm = nn.LayerNorm((3, channels))
        self.head = nn.Linear(3 * channels + 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.product3(self.product2(self.product1(self.lift(x))))
        return self.head(torch.cat([self.norm(h).flatten(1), x.flatten(1) / 20], 1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.02)
    factor = knobs.uniform(18, 22)
    batches = []
    for _ in range(60):
        x = torch.randn(32, 3, 4)
        batches.append((factor * x, 3 * x[:, 0, :1] - x[:, 1, 1:2]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16),
        Expected(("fp16-overflow",), ("forward",), ("product3", "product3.out"), 0),
    )
