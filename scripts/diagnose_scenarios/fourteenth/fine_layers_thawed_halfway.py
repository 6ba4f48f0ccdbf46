"""The body is frozen for the first steps and thawed later: its gradients are None, then they are not."""

from __future__ import annotations

from typing import Any

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    model.inp.requires_grad_(False)
    optimizer = kit.sgd(model, lr=0.1, momentum=0.9)
    plain, count, thaw = kit.train(model, optimizer, kit.cross_entropy), [0], knobs.pick(20, 30)

    def train_step(batch: Any) -> Tensor:
        if count[0] == thaw:
            model.inp.requires_grad_(True)
        count[0] += 1
        return plain(batch)

    return Scenario(model, optimizer, kit.classes(60, 16, 8, 3), train_step)
