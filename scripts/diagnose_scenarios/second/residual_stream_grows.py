"""A residual stream without norms adds up beyond 65504 in the last blocks."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc(x).relu()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, depth = knobs.pick(16, 24), knobs.pick(5, 6)
    blocks = nn.Sequential(*(Residual(width) for _ in range(depth)))
    with torch.no_grad():
        for block in blocks:
            block.fc.weight.abs_().mul_(knobs.pick(3.0, 3.5))
    model = kit.named(inp=nn.Linear(8, width), blocks=blocks, norm=nn.LayerNorm(width), out=nn.Linear(width, 1))
    with torch.no_grad():
        model.inp.weight.mul_(20)
    optimizer = kit.adam(model)
    batches = [(x, x[:, :1].abs() + y) for x, y in kit.regression(80, 32, 8)]
    place = kit.first_overflow(model, batches[0][0], torch.float16)
    expected = Expected(("fp16-overflow",), ("forward",), (place, place.removesuffix(".fc")))
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares, amp=None if repaired else torch.float16),
        expected,
    )
