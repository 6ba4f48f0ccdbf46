"""The warm-up learning rate of the biases is 10 instead of 0.1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    groups = [{"params": weights, "lr": 0.02}, {"params": biases, "lr": 0.1 if repaired else knobs.pick(10.0, 15.0)}]
    optimizer = torch.optim.SGD(groups)
    return Scenario(
        model,
        optimizer,
        kit.regression(60, 16, 8),
        kit.train(model, optimizer, kit.squares),
        Expected(("learning-rate",), (), (), None),
    )
