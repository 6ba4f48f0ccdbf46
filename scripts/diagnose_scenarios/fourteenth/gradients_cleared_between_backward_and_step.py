"""zero_grad stands between backward and step: the optimizer sees only zeros, and a net for pictures learns nothing."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(4, 6)
    model = kit.named(conv=nn.Conv2d(1, width, 3), act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(width * 16, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.0)

    def train_step(batch: Any) -> Tensor:
        pictures, labels = batch
        if repaired:
            optimizer.zero_grad()
        loss = functional.cross_entropy(model(pictures), labels)
        loss.backward()
        if not repaired:
            optimizer.zero_grad(set_to_none=False)
        optimizer.step()
        return loss

    return Scenario(
        model,
        optimizer,
        kit.images(60, 24, 1, 6, 3),
        train_step,
        Expected(("zero-grad",), (), (), None, "stalls"),
    )
