"""Capsules get digits as bytes, not divided by 255, and have to rebuild them as well; the part of the loss for the
rebuilding is enormous and the net does not train (www0wwwjs1/Matrix-Capsules-EM-Tensorflow issue 51).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Capsules(nn.Module):
    def __init__(self, width: int, kinds: int, pixels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, stride=2)
        self.votes = nn.Linear(width * 9, kinds * 6)
        self.rebuild = nn.Sequential(nn.Linear(kinds * 6, 32), nn.ReLU(), nn.Linear(32, pixels))
        self.kinds = kinds

    def forward(self, digit: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        poses = self.votes(self.conv(digit).relu().flatten(1)).unflatten(1, (self.kinds, 6))
        chosen = poses * nn.functional.one_hot(label, self.kinds)[..., None]
        return poses.square().sum(-1), self.rebuild(chosen.flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds = knobs.pick(3, 4)
    model = Capsules(knobs.pick(6, 8), kinds, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    def train_step(batch: dict[str, Tensor]) -> Any:
        digit, label = batch["digit"], batch["label"]
        act, rebuilt = model(digit, label)
        right = act.gather(1, label[:, None])
        spread = (0.9 - (right - act)).clamp(min=0).square().sum(1).mean()
        loss = spread + 0.5 * nn.functional.mse_loss(rebuilt, digit.flatten(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    shapes = (torch.rand(kinds, 1, 8, 8) < 0.35).float()
    batches = []
    for _ in range(60):
        label = torch.randint(kinds, (16,))
        digit = (shapes[label] * (0.7 + 0.3 * torch.rand(16, 1, 8, 8)) * 255).round()
        batches.append({"digit": digit / 255 if repaired else digit, "label": label})
    return Scenario(model, optimizer, batches, train_step, Expected(("input-scale",), (), (), None))
