"""When the gradients are infinite a recipe for speech goes on to the next batch without updating its scaler, which
refuses to unscale a second time there (espnet/espnet pull request 2362).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(12, 16), knobs.randint(3, 15)
    model = kit.named(inp=nn.Linear(6, width), act=nn.ReLU(), out=nn.Linear(width, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scaler = kit.new_scaler(2.0**10, growth_interval=1000)

    def train_step(batch: Any) -> Tensor:
        x, y, weight = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            logits = model(x)
        loss = kit.cross_entropy(logits, y) * weight
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if norm.isfinite() or repaired:
            scaler.step(optimizer)
            scaler.update()
        return loss / weight

    batches = []
    for number, (x, y) in enumerate(kit.classes(40, 24, 6, 3)):
        # A batch of very long utterances counts by its frames.
        batches.append((x, y, knobs.pick(8000.0, 9000.0) if number == step else 1.0))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("scaler-misuse",), (), (), step + 1, "raises"),
        scaler=scaler,
    )
