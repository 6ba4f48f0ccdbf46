"""Box sizes are decoded as exp(t) in float16: a head that starts at t = 12 gives infinity, in float32 only 160000."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Decode(nn.Module):
    def forward(self, raw: Tensor) -> Tensor:
        return raw.exp()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    start = knobs.pick(11.5, 12.0, 12.5)
    model = kit.named(inp=nn.Linear(6, 16), act=nn.Tanh(), head=nn.Linear(16, 2), decode=Decode())
    with torch.no_grad():
        model.head.bias.fill_(start)
    optimizer = kit.adam(model, lr=0.02)
    batches = [(x, y * 0.5 + start - 1.5) for x, y in kit.regression(60, 16, 6, 2)]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(
            model,
            optimizer,
            lambda sizes, logs: kit.squares(sizes.float().log(), logs),
            amp=None if repaired else torch.float16,
        ),
        Expected(("fp16-overflow",), ("forward",), ("decode",)),
    )
