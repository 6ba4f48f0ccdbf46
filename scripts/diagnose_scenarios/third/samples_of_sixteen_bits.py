"""Sound as whole numbers up to 32767 into a net and a learning rate made for sound between -1 and 1."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, length = knobs.pick(6, 8), 32
    model = kit.named(conv=nn.Conv1d(1, width, 5), act=nn.LeakyReLU(0.2), flat=nn.Flatten())
    model.add_module("out", nn.Linear(width * (length - 4), 1))
    optimizer = kit.sgd(model, lr=0.05, momentum=0.5)
    teacher = 0.3 * torch.randn(length)
    waves = [torch.randint(-32767, 32768, (16, length)).float() for _ in range(120)]
    unit = 1 / 32768
    batches = [((x * unit if repaired else x)[:, None], (x * unit @ teacher)[:, None]) for x in waves]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("input-scale",), (), (), None),
    )
