"""A detector says not a number at every iteration; reduce the rate and try again (gurkirt/FPN.pytorch1.0 issue 7)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Fpn(nn.Module):
    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.low = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.high = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.side = nn.Conv2d(width, width, 1)
        self.kind = nn.Conv2d(width, kinds, 3, padding=1)
        self.box = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x).relu()
        high = self.high(low).relu()
        merged = self.side(low) + nn.functional.interpolate(high, scale_factor=2)
        return {"kind": self.kind(merged).mean((2, 3)), "box": self.box(merged).mean((2, 3))}


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    kinds = knobs.pick(3, 4)
    model = Fpn(8, kinds)
    rate = 0.02 if repaired else knobs.pick(3.0, 5.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    where = torch.randn(kinds, 4)

    def train_step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        said = model(batch["image"])
        losses = {
            "kind": kit.cross_entropy(said["kind"], batch["kind"]),
            "box": (said["box"] - batch["box"]).square().mean(),
        }
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    batches = []
    for x, kind in kit.images(60, 12, 3, 8, kinds):
        batches.append({"image": x, "kind": kind, "box": where[kind]})
    return Scenario(model, optimizer, batches, train_step, Expected(("learning-rate",), (), (), None))
