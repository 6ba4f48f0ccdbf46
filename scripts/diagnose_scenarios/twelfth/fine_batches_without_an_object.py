"""Every few batches no picture has an object; the loss of boxes is then zero over at least one, and no gradient
comes from it.
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = nn.ModuleDict({"body": nn.Linear(8, 24), "score": nn.Linear(24, 1), "box": nn.Linear(24, 4)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def train_step(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        h = model["body"](batch["x"]).relu()
        there = batch["there"]
        box = (model["box"](h) - batch["box"]).abs().mean(1)
        losses = {
            "score": nn.functional.binary_cross_entropy_with_logits(model["score"](h)[:, 0], there),
            "box": (box * there).sum() / there.sum().clamp(min=1.0),
        }
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        return losses

    teacher = torch.randn(8, 4) / 3
    every = knobs.pick(5, 7)
    batches = []
    for number in range(60):
        x = torch.randn(24, 8)
        if number % every == 2:
            x[:, 0] = -x[:, 0].abs()
        batches.append({"x": x, "there": (x[:, 0] > 0).float(), "box": x @ teacher + 1})
    return Scenario(model, optimizer, batches, train_step)
