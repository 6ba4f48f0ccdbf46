"""A field net in float16 is given the mean loss of a large batch of colours at a loss scale of 1; the constant factor
in front of it had a purpose (NVlabs/tiny-cuda-nn issue 472).
"""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    model = kit.named(inp=nn.Linear(2, 32), act=nn.ReLU(), mid=nn.Linear(32, 32), act2=nn.ReLU(), rgb=nn.Linear(32, 3))
    factor = 2.0**26 if repaired else 1.0
    faint = knobs.pick(1e-5, 2e-5)
    nn.init.normal_(model.rgb.weight, std=faint / 10)
    nn.init.zeros_(model.rgb.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=faint / 20, eps=1e-15)

    def train_step(batch: Any) -> Tensor:
        x, colour = batch
        optimizer.zero_grad()
        with kit.autocast(torch.float16):
            found = model(x)
        loss = nn.functional.mse_loss(found.float(), colour)
        (factor * loss).backward()
        for parameter in model.parameters():
            parameter.grad.div_(factor)
        optimizer.step()
        return loss

    xs = [torch.rand(4096, 2) for _ in range(60)]
    batches = [(x, faint * torch.cat([x, x.sum(1, keepdim=True)], 1)) for x in xs]
    return Scenario(
        model,
        optimizer,
        batches,
        train_step,
        Expected(("gradient-underflow",), ("backward",), (), None, "stalls"),
    )
