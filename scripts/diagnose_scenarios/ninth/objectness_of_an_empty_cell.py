"""A detector's objectness loss takes the logarithm of a sigmoid without a small constant; for one far-off cell the
sigmoid is 0 in float32 (miemie2013/Paddle-DIOU-YOLOv3 issue 1).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Head(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, width, 3, padding=1)
        self.out = nn.Conv2d(width, 5, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        raw = self.out(nn.functional.leaky_relu(self.trunk(x), 0.1))
        return {"box": raw[:, :4], "conf": raw[:, 4]}


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Head(knobs.pick(10, 14))
    optimizer = kit.adam(model, lr=0.01)
    small = 1e-9 if repaired else 0.0

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        found = model(batch["image"])
        conf, seen = found["conf"].sigmoid(), batch["seen"]
        objects = -(seen * (conf + small).log() + (1 - seen) * (1 - conf + small).log()).mean()
        boxes = ((found["box"] - batch["box"][..., None, None]).abs().mean(1) * seen).sum() / seen.sum()
        loss = objects + boxes
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        return loss

    mark = torch.randn(3)
    batches = []
    for number in range(50):
        seen = (torch.rand(8, 6, 6) < 0.15).float()
        seen[:, 0, 0] = 1
        image = 0.3 * torch.randn(8, 3, 6, 6) + seen[:, None] * mark[:, None, None]
        if number == step:
            image[0] = knobs.pick(400.0, 600.0) * (torch.randn(3, 6, 6))
        batches.append({"image": image, "seen": seen, "box": torch.rand(8, 4) * 0 + torch.tensor([0.1, 0.3, 0.5, 0.2])})
    return Scenario(model, optimizer, batches, train_step, Expected(("underflow",), ("loss",), (LOSS,), step))
