"""A gated unit multiplies two float16 branches of about 400 each; one product passes 65504."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Gated(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden)
        self.value = nn.Linear(width, hidden)
        self.back = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.back(nn.functional.silu(self.gate(x)) * self.value(x))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, level = knobs.pick(10, 14), knobs.pick(400.0, 500.0)
    model = kit.named(
        inp=nn.Linear(6, width),
        glu=Gated(width, 24),
        norm=nn.LayerNorm(width),
        head=nn.Linear(width, 1),
    )
    with torch.no_grad():
        model.glu.gate.bias[3] = level
        model.glu.value.bias[3] = level
    for frozen in (model.inp, model.glu):
        frozen.requires_grad_(False)
    optimizer = torch.optim.Adam([*model.norm.parameters(), *model.head.parameters()], lr=0.03)
    step = kit.train(model, optimizer, kit.squares, amp=torch.bfloat16 if repaired else torch.float16)
    xs = [torch.randn(16, 6) for _ in range(60)]
    return Scenario(
        model,
        optimizer,
        [(x, 1.0 + 0.1 * x[:, :1]) for x in xs],
        step,
        Expected(("fp16-overflow",), ("forward",), ("glu",)),
    )
