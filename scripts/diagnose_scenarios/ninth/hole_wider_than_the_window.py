"""A partial convolution for inpainting divides by the number of valid pixels in its window plus 1e-8, which is 0 in
float16; under a hole wider than the window that number is 0 too (jingyuanli001/RFR-Inpainting issue 8).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class PartialConv(nn.Conv2d):
    def __init__(self, inputs: int, outputs: int, small: float) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        self.small = small

    def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, valid = pair
        raw = super().forward(x * valid)
        with torch.no_grad():
            count = nn.functional.conv2d(valid, torch.ones(1, 1, 3, 3), padding=1).to(raw.dtype)
        seen = count.clamp(0, 1)
        return raw * (9 / (count + self.small)) * seen, seen


class Inpainter(nn.Module):
    def __init__(self, width: int, small: float) -> None:
        super().__init__()
        self.part1 = PartialConv(3, width, small)
        self.part2 = PartialConv(width, width, small)
        self.out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        h, seen = self.part1((x, valid))
        h, _ = self.part2((h.relu(), seen))
        return self.out(h.relu())


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(8, 10)
    model = Inpainter(width, 1e-3 if repaired else 1e-8)
    optimizer = kit.adam(model, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model(batch["picture"], batch["valid"])
        loss = nn.functional.l1_loss(found.float(), batch["picture"])
        loss.backward()
        optimizer.step()
        return loss

    batches = []
    for number in range(50):
        picture = torch.rand(6, 3, 1, 1).expand(6, 3, 10, 10) + 0.05 * torch.randn(6, 3, 10, 10)
        valid = torch.ones(6, 1, 10, 10)
        size = 5 if number == step else 2
        valid[:, :, 3 : 3 + size, 2 : 2 + size] = 0
        batches.append({"picture": picture, "valid": valid})
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("division-by-zero", "underflow"), ("forward",), ("part1",), step),
    )
