"""Width and height are squares of sigmoids in float16; for a very small box both are 0, and their ratio in the aspect
term is 0 over 0 (ultralytics/yolov5 issue 8539).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    """The second of two stages corrects the raw sizes of the first one."""
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = kit.mlp(6, knobs.pick(16, 24), 2)
    optimizer = kit.adam(model, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, first, truth = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            raw = model(x) + first.half()
            raw = raw.float() if repaired else raw
            size = (raw.sigmoid() * 2) ** 2
            shape = torch.atan(size[:, 0] / size[:, 1]) - torch.atan(truth[:, 0] / truth[:, 1])
            loss = (size - truth).square().mean() + 0.4 * shape.square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        return loss

    teacher = torch.randn(6, 2) / 2
    batches = []
    for number in range(60):
        x = torch.randn(16, 6)
        truth = ((x @ teacher).sigmoid() * 2) ** 2 + 0.05
        first = torch.zeros(16, 2)
        if number == step:
            first[4] = -14.0
        batches.append((x, first, truth))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        # What float16 rounds to 0 is then divided by.
        Expected(("underflow", "division-by-zero"), ("loss",), (LOSS,), step),
    )
