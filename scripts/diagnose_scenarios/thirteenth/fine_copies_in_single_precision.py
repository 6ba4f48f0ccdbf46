"""Float16 weights with float32 copies that the optimizer moves, and a fixed loss scale of 1024, all by hand."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.mlp(8, knobs.pick(16, 24), 1).half()
    copies = [p.detach().float().requires_grad_() for p in model.parameters()]
    optimizer = torch.optim.SGD(copies, lr=0.1, momentum=0.5)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        loss = kit.squares(model(x), y)
        (loss * 1024).backward()
        for copy_, p in zip(copies, model.parameters(), strict=True):
            copy_.grad, p.grad = p.grad.float() / 1024, None
        optimizer.step()
        with torch.no_grad():
            for copy_, p in zip(copies, model.parameters(), strict=True):
                p.copy_(copy_)
        return loss

    return Scenario(model, optimizer, [(x.half(), y) for x, y in kit.regression(60, 32, 8)], train_step)
