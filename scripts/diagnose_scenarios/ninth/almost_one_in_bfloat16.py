"""Probabilities are clamped to 1 - 1e-6 before log1p(-p); in bfloat16 that bound is 1, so that a certain span has
log 0. The loss stays finite, its gradient does not (fastino-ai/GLiNER2 pull request 155).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step, width = knobs.step(), knobs.pick(16, 24)
    model = kit.named(enc=nn.Linear(8, width), act=nn.GELU(), span=nn.Linear(width, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    most = 1 - 1e-2 if repaired else 1 - 1e-6

    def train_step(batch: Any) -> Tensor:
        spans, wanted = batch
        optimizer.zero_grad()
        with kit.autocast(torch.bfloat16):
            p = model(spans).squeeze(-1).sigmoid()
        survival = torch.log1p(-p.clamp(max=most)).sum(1)
        found = (1 - survival.exp()).float()
        loss = nn.functional.mse_loss(found, wanted)
        loss.backward()
        optimizer.step()
        return loss

    mark = torch.nn.functional.normalize(torch.randn(8), dim=0)
    batches = []
    for number in range(70):
        spans = 0.5 * torch.randn(16, 4, 8)
        present = torch.rand(16) < 0.5
        spans[present, 0] += 2 * mark
        if number == step:
            with torch.no_grad():
                _, _, right = torch.linalg.svd(model.enc.weight)
                candidates = 300 * torch.cat([right, -right])
                spans[3, 1] = candidates[model(candidates).squeeze(-1).argmax()]
        batches.append((spans, present.float()))
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("singular-gradient", "underflow"), ("loss", "backward"), (LOSS,), step),
    )
