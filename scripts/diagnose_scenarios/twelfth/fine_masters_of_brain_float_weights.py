"""The net is in brain floats and a float copy of every weight is what the rule moves; the net follows in steps."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(8, knobs.pick(16, 20)), act=nn.SiLU(), out=nn.LazyLinear(3))
    model(torch.zeros(1, 8))
    model = model.bfloat16()
    masters = [weight.detach().float().requires_grad_() for weight in model.parameters()]
    optimizer = torch.optim.AdamW(masters, lr=0.01)

    def train_step(batch: Any) -> Tensor:
        loss = nn.functional.cross_entropy(model(batch[0].bfloat16()).float(), batch[1])
        model.zero_grad()
        loss.backward()
        for master, weight in zip(masters, model.parameters(), strict=True):
            master.grad = weight.grad.float()
        optimizer.step()
        with torch.no_grad():
            for master, weight in zip(masters, model.parameters(), strict=True):
                weight.copy_(master)
        return loss

    return Scenario(model, optimizer, kit.classes(50, 32, 8, 3), train_step)
