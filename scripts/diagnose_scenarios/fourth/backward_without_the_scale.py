"""backward is called on the loss itself, and the step through the scaler divides the gradients by a scale they never
had.
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(conv=nn.Conv1d(2, 8, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(8 * 6, 3))
    optimizer = kit.sgd(model, lr=0.1, momentum=knobs.pick(0.5, 0.8))
    scaler = kit.new_scaler()

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        with kit.autocast(torch.float16):
            logits = model(x)
        loss = kit.cross_entropy(logits, y)
        optimizer.zero_grad(set_to_none=True)
        scaled = scaler.scale(loss)
        (scaled if repaired else loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    patterns = torch.randn(3, 2, 8)
    labels = [torch.randint(3, (32,)) for _ in range(50)]
    return Scenario(
        model,
        optimizer,
        [(patterns[y] + 0.5 * torch.randn(32, 2, 8), y) for y in labels],
        train_step,
        Expected(("scaler-misuse",), (), (), None, "stalls"),
        scaler=scaler,
    )
