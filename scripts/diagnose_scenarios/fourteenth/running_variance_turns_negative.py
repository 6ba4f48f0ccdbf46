"""A batch norm's momentum of 2 makes its running variance negative, and a pass in evaluation mode takes its root."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


class Net(nn.Module):
    def __init__(self, width: int, momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.bn = nn.BatchNorm2d(width, momentum=momentum)
        self.head = nn.Linear(width * 16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bn(self.conv(x)).relu().flatten(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = Net(knobs.pick(4, 6), 0.1 if repaired else 2.0)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        model.train()
        loss = functional.cross_entropy(model(x), y)
        model.eval()
        loss = loss + 0.1 * functional.cross_entropy(model(x.flip(0)), y.flip(0))
        loss.backward()
        optimizer.step()
        return loss

    batches = [(0.3 * x, y) for x, y in kit.images(60, 12, 1, 6, 2)]
    return Scenario(model, optimizer, batches, train_step, Expected(("batch-statistics",), ("forward",), ("bn",)))
