"""A hand-written focal loss clamps probabilities to 1e-8 .. 1 - 1e-8, but 1 - 1e-8 is 1 in float32, and the logarithm
of the rest is taken (NVIDIA/apex issue 358).
"""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, gamma = knobs.step(), knobs.pick(1.0, 2.0)
    eps = 1e-4 if repaired else 1e-8
    model = kit.mlp(6, knobs.pick(16, 24), 1)
    optimizer = kit.adam(model, lr=0.02)

    def focal(logits: Tensor, y: Tensor) -> Tensor:
        p = torch.clamp(logits.sigmoid(), eps, 1 - eps)
        positive = y * torch.pow(1 - p, gamma) * torch.log(p)
        negative = (1 - y) * torch.pow(p, gamma) * torch.log(1 - p)
        return -(positive + negative).mean()

    teacher = torch.randn(6, 1)
    xs = [torch.randn(24, 6) for _ in range(60)]
    batches = [(x, (x @ teacher > 0).float()) for x in xs]
    x, y = batches[step]
    x[:12] = 400 * teacher.t() / teacher.norm()
    y[:12] = 1.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
