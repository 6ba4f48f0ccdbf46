"""An entropy bonus uses entr on gates that padding closes: its value at 0 is 0, its slope there infinite."""

from __future__ import annotations

from typing import Any

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import LOSS, Expected, Scenario
from torch import Tensor, nn


class Gates(nn.Module):
    def __init__(self, inputs: int, experts: int) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(inputs, experts, bias=False), nn.Linear(inputs, experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        gates = torch.tanh(self.gate(x)).square()
        return (gates * self.experts(x)).sum(1, keepdim=True), gates


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    step = knobs.step()
    model = Gates(6, knobs.pick(4, 6))
    optimizer = kit.adam(model, lr=0.02)

    def criterion(out: Any, y: Tensor) -> Tensor:
        found, gates = out
        return kit.squares(found, y) - 0.01 * torch.special.entr(gates.clamp(min=1e-4) if repaired else gates).mean()

    batches = [(x, (x[:, :1].abs() + x[:, 1:2].abs())) for x, _ in kit.regression(70, 16, 6)]
    batches[step][0][knobs.randint(0, 15)] = 0
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, criterion),
        Expected(("singular-gradient",), ("backward",), (LOSS,), step),
    )
