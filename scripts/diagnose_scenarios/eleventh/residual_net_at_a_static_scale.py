"""An example trains a residual net in float16 with a static loss scale that is one unless it is given; it does not
converge, and with a larger scale it is known to (NVIDIA/apex pull request 45).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Bottleneck(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width // 2, 1)
        self.conv2 = nn.Conv2d(width // 2, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv2(self.conv1(x).relu())).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(8, 10)
    model = kit.named(
        stem=nn.Conv2d(3, width, 3, padding=1),
        layer1=Bottleneck(width),
        pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(),
        fc=nn.Linear(width, 4),
    ).half()
    master = [weight.detach().float().requires_grad_() for weight in model.parameters()]
    optimizer = torch.optim.SGD(master, lr=knobs.pick(2e6, 3e6), momentum=0.9)
    share = 1e-7
    scale = 2.0**20 if repaired else 1.0

    def train_step(batch: Any) -> Tensor:
        picture, label = batch
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(picture.half()).float(), label) * share
        (loss * scale).backward()
        for own, half in zip(master, model.parameters(), strict=True):
            own.grad = half.grad.float() / scale
        optimizer.step()
        with torch.no_grad():
            for own, half in zip(master, model.parameters(), strict=True):
                half.copy_(own)
        return loss

    colours = torch.randn(4, 3)
    batches = []
    for _ in range(60):
        label = torch.randint(4, (16,))
        batches.append((colours[label][..., None, None] + 0.3 * torch.randn(16, 3, 6, 6), label))
    return Scenario(
        model, optimizer, batches, train_step, Expected(("gradient-underflow",), ("backward",), (), None, "stalls")
    )
