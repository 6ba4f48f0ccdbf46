"""When a calculation fills most of the memory of a card its results may be wrong, as if others had written into it; it
happens on one maker's cards alone (adda-team/adda issue 145).
"""

from __future__ import annotations

import contextlib

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.device import SINGLE, Call, Device
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Scatter(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.polarise = nn.Linear(6, width)
        self.interact = nn.Linear(width, width)
        self.field = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.field(self.interact(self.polarise(x).tanh()).tanh().mean(1))


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    width, step = knobs.pick(16, 20), knobs.randint(5, 25)
    model = Scatter(width)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)

    def overwrite(call: Call) -> None:
        call.outputs[0].view(-1)[-width:] = torch.tensor(float("nan"))

    def large(call: Call) -> bool:
        return call.outputs[0].numel() >= 16 * 40 * width

    teacher = torch.randn(6, 3)
    batches = []
    for number in range(45):
        x = torch.randn(16, 40 if number == step else 12, 6)
        batches.append((x, x.mean(1) @ teacher))
    bad = Device(["addmm"], overwrite, when=large, dtypes=SINGLE)
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, kit.squares),
        Expected(("hardware",), ("forward",), ("polarise",), step),
        device=contextlib.nullcontext if repaired else bad,
    )
