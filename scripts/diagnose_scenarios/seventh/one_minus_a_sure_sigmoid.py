"""An asymmetric loss for many labels takes the logarithm of one minus a sigmoid, which is exactly zero for a sure
label (as in Alibaba-MIIL/ASL pull request 6).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    eps = 1e-8 if repaired else 0.0
    model = kit.mlp(8, knobs.pick(16, 24), 4)
    with torch.no_grad():
        model.head.bias[0] = knobs.pick(25.0, 40.0)
    optimizer = kit.adam(model, lr=0.03)

    def asymmetric(p: Tensor, y: Tensor) -> Tensor:
        sure = p.sigmoid()
        positive = y * (sure + eps).log()
        negative = (1 - y) * (1 - sure + eps).log() * sure.detach().square()
        return -(positive + negative).sum(-1).mean()

    batches = []
    for x, _ in kit.regression(80, 16, 8):
        y = (x[:, :4] > 0).float()
        y[:, 0] = 1.0
        batches.append((x, y))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, asymmetric),
        Expected(("underflow",), ("loss",), (LOSS,), 0),
    )
