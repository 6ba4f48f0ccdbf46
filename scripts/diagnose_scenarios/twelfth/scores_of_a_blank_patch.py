"""The score of a key point divides each channel by the largest channel at its pixel; where the picture is blank all
of them are zero (mihaidusmanu/d2-net issue 78).
"""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class SoftDetection(nn.Module):
    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor

    def forward(self, maps: Tensor) -> Tensor:
        largest = maps.max(1, keepdim=True).values
        share = (maps / (largest + self.floor)).mean(1, keepdim=True)
        return share / share.sum((2, 3), keepdim=True)


class Describe(nn.Module):
    def __init__(self, channels: int, floor: float) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, channels, 3, bias=False)
        self.detection = SoftDetection(floor)
        self.head = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.dense(x).relu()
        return self.head((maps * self.detection(maps)).sum((2, 3)))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.randint(8, 30)
    model = Describe(knobs.pick(24, 28), 1e-8 if repaired else 0.0)
    optimizer = kit.adam(model)
    batches = kit.images(45, 12, 3, 7, 3)
    batches[step][0][knobs.randint(0, 11), :, :, : knobs.pick(4, 5)] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.cross_entropy),
        Expected(("division-by-zero",), ("forward",), ("detection",), step),
    )
