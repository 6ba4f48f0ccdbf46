"""The sum of squared weights is added to the loss with a factor of 40: each step overshoots 0 further than the last."""

from __future__ import annotations

from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor
from torch.nn import functional


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 3)
    optimizer, factor = kit.sgd(model, lr=0.05), 1e-5 if repaired else knobs.pick(40.0, 60.0)

    def criterion(logits: Tensor, labels: Tensor) -> Tensor:
        penalty = sum(parameter.square().sum() for parameter in model.parameters())
        return functional.cross_entropy(logits, labels) + factor * penalty

    return Scenario(
        model,
        optimizer,
        kit.classes(80, 16, 8, 3),
        kit.train(model, optimizer, criterion),
        Expected(("weight-decay",), (), (), None, "nonfinite"),
    )
