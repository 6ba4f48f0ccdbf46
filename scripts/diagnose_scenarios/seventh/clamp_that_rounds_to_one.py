"""A focal loss clamps its probabilities to 1 - 1e-8, which is 1 in single precision (as in NVIDIA/apex issue 358)."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, eps = knobs.step(), 1e-6 if repaired else 1e-8
    model = kit.mlp(8, knobs.pick(16, 24), 1)
    optimizer = kit.sgd(model, lr=0.1)

    def focal(p: Tensor, y: Tensor) -> Tensor:
        q = p.sigmoid().clamp(eps, 1 - eps)
        easy = y * (1 - q) * q.log()
        return -(easy + (1 - y) * q * (1 - q).log()).mean()

    batches = []
    for number, (x, _) in enumerate(kit.regression(80, 32, 8)):
        y = (x[:, :1] > 0).float()
        if number == step:
            x[3] *= knobs.pick(600.0, 900.0)
        batches.append((x, y))
    teacher = torch.zeros(8)
    teacher[0] = 1
    with torch.no_grad():
        model.inp.weight[:2] = torch.stack([teacher, -teacher])
        model.head.weight[0, :2] = torch.tensor([0.5, -0.5])
        model.inp.bias[:2] = 0
    batches[step][0][3, 0] = batches[step][0][3, 0].abs()
    batches[step][1][3] = 0.0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, focal, clip=1.0),
        Expected(("underflow",), ("loss", "backward"), (LOSS,), step),
    )
