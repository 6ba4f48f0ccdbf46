"""Every few steps the weights are put back halfway to where they were (Lookahead), by hand, behind the optimizer."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer, every, done = kit.adam(model, lr=0.03), knobs.pick(5, 6), [0]
    slow = [p.detach().clone() for p in model.parameters()]

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        optimizer.zero_grad()
        loss = kit.squares(model(x), y)
        loss.backward()
        optimizer.step()
        done[0] += 1
        if done[0] % every == 0:
            with torch.no_grad():
                for kept, p in zip(slow, model.parameters(), strict=True):
                    kept.lerp_(p, 0.5)
                    p.copy_(kept)
        return loss

    return Scenario(model, optimizer, kit.regression(100, 32, 8), train_step)
