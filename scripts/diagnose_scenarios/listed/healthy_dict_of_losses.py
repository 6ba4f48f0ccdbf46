"""A model that returns a dict of losses, as detection models do."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inp = nn.Linear(8, width)
        self.cls = nn.Linear(width, 3)
        self.box = nn.Linear(width, 2)

    def forward(self, x: Tensor, label: Tensor, box: Tensor) -> dict[str, Tensor]:
        h = self.inp(x).relu()
        return {
            "cls": nn.functional.cross_entropy(self.cls(h), label),
            "box": nn.functional.smooth_l1_loss(self.box(h), box),
        }


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(16, 24))
    optimizer = kit.adam(model)

    def train_step(batch: Any) -> Tensor:
        optimizer.zero_grad()
        loss = sum(model(**batch).values())
        loss.backward()
        optimizer.step()
        return loss

    batches = [{"x": x, "label": y, "box": x[:, :2]} for x, y in kit.classes(60, 16, 8, 3)]
    return Scenario(model, optimizer, batches, train_step)
