"""A probability is kept above 1e-8 before its logarithm, but 1e-8 is 0 in float16."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(14, 20)
    model = kit.named(enter=nn.Linear(6, width), act=nn.ReLU(), score=nn.Linear(width, 1))
    optimizer = kit.sgd(model, lr=0.1)
    floor = 1e-4 if repaired else 1e-8

    def criterion(raw: Tensor, y: Tensor) -> Tensor:
        p = raw.half().sigmoid()
        positive, negative = p.clamp(min=floor).log(), (1 - p).clamp(min=floor).log()
        return -(y * positive.float() + (1 - y) * negative.float()).mean()

    batches = [(x, (x[:, :1] > 0).float()) for x, _ in kit.regression(60, 16, 6)]
    x, y = batches[step]
    with torch.no_grad():
        model.enter.bias.fill_(0.1)
        model.score.bias.zero_()
    x[15] = x[15].abs() + 1
    batches[step] = (torch.cat([x[:15], x[15:] * knobs.pick(60.0, 80.0)]), torch.cat([y[:15], y[15:] * 0]))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("underflow",), ("loss",), (LOSS,), step),
    )
