"""An integrator adds steps of 0.001 to a float16 state of 8, whose last digit is 0.008: the state never moves."""

from __future__ import annotations

import torch
from diagnose_scenarios import kit
from diagnose_scenarios.scenario import Expected, Scenario
from torch import Tensor, nn


class Integrator(nn.Module):
    def __init__(self, width: int, steps: int, kind: torch.dtype) -> None:
        super().__init__()
        self.speed, self.steps, self.kind = kit.mlp(3, width, 3), steps, kind

    def forward(self, start: Tensor) -> Tensor:
        state = start.to(self.kind)
        for _ in range(self.steps):
            slope = torch.tanh(self.speed(state.float() - 9))
            state = state + (0.001 * slope).to(self.kind)
        return state.float()


def build(seed: int, repaired: bool = False) -> Scenario:
    knobs = kit.Knobs(seed)
    steps = knobs.pick(20, 30)
    model = kit.named(ode=Integrator(knobs.pick(12, 16), steps, torch.float32 if repaired else torch.float16))
    optimizer = kit.adam(model, lr=0.03)
    starts = [(8.5 + 3 * torch.rand(12, 3)).half().float() for _ in range(40)]
    batches = [(x, x + 0.0009 * steps * torch.tensor([1.0, -1.0, 1.0])) for x in starts]
    return Scenario(
        model,
        optimizer,
        batches,
        kit.train(model, optimizer, lambda p, y: 1e3 * kit.squares(p, y)),
        Expected(("fp16-accumulation",), ("forward",), ("ode",), None, "stalls"),
    )
