"""autocast is entered without naming a type, which means float16, and there is no GradScaler: small gradients are 0 and
the loss is flat (engichang1467/Open-Rig3R issue 35).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class RigNet(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 2, stride=2)
        self.mix = nn.Conv2d(width, width, 1)
        self.rays = nn.Conv2d(width, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.rays(self.mix(self.patch(x).relu()).relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = RigNet(knobs.pick(8, 10))
    optimizer = kit.adam(model, lr=0.01, eps=1e-12)
    weight = knobs.pick(1e-6, 2e-6)

    def raymap_loss(rays: Tensor, wanted: Tensor) -> Tensor:
        return weight * (1 - nn.functional.cosine_similarity(rays.float(), wanted, dim=1)).mean()

    direction = torch.randn(2, 3, 1, 1)
    batches = []
    for _ in range(40):
        x = torch.randn(16, 1, 12, 12).sign().repeat_interleave(2, 2).repeat_interleave(2, 3)
        wanted = torch.where(x[:, :, ::2, ::2] > 0, direction[0], direction[1])
        batches.append((x + 0.2 * torch.randn_like(x), wanted))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(
            model, optimizer, raymap_loss, scaler=kit.new_scaler(2.0**20) if repaired else None, amp=torch.float16
        ),
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
