"""Every third batch holds no object; its box loss is divided by a count held at one and is exactly 0."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Detector(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.score, self.box = nn.Linear(8, width), nn.Linear(width, 1), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Any:
        hidden = self.body(x).relu()
        return self.score(hidden), self.box(hidden)


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Detector(knobs.pick(16, 24))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(found: Any, wanted: Any) -> Tensor:
        score, box = found
        there, place = wanted
        missed = ((box - place).abs() * there).sum() / there.sum().clamp(min=1)
        return nn.functional.binary_cross_entropy_with_logits(score, there) + missed

    batches = []
    for number, (x, y) in enumerate(kit.regression(80, 16, 8, 2)):
        x[:, 7] = x[:, 7].abs() if number % 3 else -x[:, 7].abs()
        batches.append((x, ((x[:, 7:] > 0).float(), y)))
    return Scenario(model, optimizer, batches, kit.train(model, optimizer, criterion))
