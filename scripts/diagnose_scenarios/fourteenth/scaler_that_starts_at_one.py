"""GradScaler starts at 1 and would grow only after 2000 steps: a loss of 1e-9 gives gradients of 0 until then."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(
        conv=nn.Conv1d(2, knobs.pick(6, 8), 3),
        act=nn.ReLU(),
        pool=nn.AdaptiveAvgPool1d(1),
        flat=nn.Flatten(),
        head=nn.LazyLinear(2),
    )
    labels = [torch.randint(2, (32,)) for _ in range(60)]
    batches = [(torch.randn(32, 2, 12) + (y[:, None, None] - 0.5), y) for y in labels]
    model(batches[0][0])
    optimizer = kit.adam(model, lr=0.02, eps=1e-20)
    scaler = kit.new_scaler(2.0**20 if repaired else 1.0)
    tiny = knobs.pick(1e-9, 2e-9)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: tiny * kit.cross_entropy(p, y), scaler, torch.float16),
        Expected(("gradient-underflow", "scaler-misuse"), ("backward",), (), None, "stalls"),
        scaler=scaler,
    )
