"""A float16 net with float32 master weights and a loss scale by hand: its gradients look a thousand times too large."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Scenario
from torch import Tensor, nn


def build(seed: int) -> Scenario:
    knobs = kit.Knobs(seed)
    width, scale = knobs.pick(16, 24), knobs.pick(1024.0, 4096.0)
    model = kit.named(inp=nn.Linear(8, width), act=nn.Tanh(), head=nn.Linear(width, 3)).half()
    masters = [p.detach().float().requires_grad_(True) for p in model.parameters()]
    optimizer = torch.optim.Adam(masters, lr=0.02)

    def train_step(batch: Any) -> Tensor:
        x, y = batch
        model.zero_grad()
        loss = kit.cross_entropy(model(x), y)
        (loss * scale).backward()
        for master, p in zip(masters, model.parameters(), strict=True):
            master.grad = p.grad.float() / scale
        optimizer.step()
        with torch.no_grad():
            for master, p in zip(masters, model.parameters(), strict=True):
                p.copy_(master)
        return loss

    batches = [(x.half(), y) for x, y in kit.classes(60, 32, 8, 3)]
    return Scenario(model, optimizer, batches, train_step, extra_state=(model,))
