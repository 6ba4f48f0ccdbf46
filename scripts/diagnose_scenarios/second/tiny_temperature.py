"""Cosines divided by a temperature of 1e-5 in float16: contrastive logits become infinite."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width = knobs.pick(12, 16)
    model = kit.named(enc=nn.Linear(10, width), act=nn.Tanh(), proj=nn.Linear(width, 8))
    optimizer = kit.adam(model)
    temperature = 0.2 if repaired else knobs.pick(1e-5, 5e-6)

    def criterion(z: Tensor, other: Tensor) -> Tensor:
        with kit.autocast(torch.float16):
            w = model(other)
        z, w = (nn.functional.normalize(part.float(), dim=1).half() for part in (z, w))
        logits = (z @ w.t()) / temperature
        return kit.cross_entropy(logits, torch.arange(len(z)))

    views = [torch.randn(16, 10) for _ in range(80)]
    return Scenario(
        model,
        optimizer,
        [(x, x + 0.3 * torch.randn_like(x)) for x in views],
        kit.train(model, optimizer, criterion, amp=torch.float16),
        Expected(("fp16-overflow",), ("loss",), (LOSS,)),
    )
